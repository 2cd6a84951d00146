"""The filters of a search as conditions on tickets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from search.filters import NOBODY, VISIBLE, Filters

_TAGGED = "EXISTS (SELECT 1 FROM ticket_tags g WHERE g.ticket_id = t.id AND g.folded = %s)"


@dataclass(frozen=True, slots=True)
class Conditions:
    """SQL that is true where ``Filters.match`` is, with its parameters, on ``tickets`` called ``t``.

    ``updated`` and ``tags`` stand apart ("" where nothing is asked), since the rest can be read from one index.
    ``narrow``: few of a workflow's tickets may pass.
    """

    workflow_id: str
    sql: str
    parameters: tuple[Any, ...]
    updated: str
    updated_parameters: tuple[Any, ...]
    tags: str
    tag_parameters: tuple[str, ...]
    narrow: bool


def conditions_of(filters: Filters) -> Conditions:
    """The conditions for these filters. Their SQL depends on which filters there are, not on their values."""
    found: list[tuple[str, Sequence[Any]]] = [("t.workflow_id = %s", [filters.workflow_id])]
    alternatives = {
        "status": filters.status,
        "ticket_type": filters.ticket_type,
        "priority": filters.priority,
        "approval_status": filters.approval_status,
    }
    for column, allowed in alternatives.items():
        if allowed is not None:
            found.append((f"t.{column} IN ({_marks(allowed)})" if allowed else "1 = 0", allowed))
    if filters.assigned_agent_id == NOBODY:
        found.append(("t.assigned_agent_id IS NULL", ()))
    elif filters.assigned_agent_id is not None:
        found.append(("t.assigned_agent_id = %s", [filters.assigned_agent_id]))
    if filters.is_blocked is not None:
        found.append(("t.is_blocked" if filters.is_blocked else "NOT t.is_blocked", ()))
    if filters.created_after is not None:
        found.append(("t.created_at >= %s", [_stored(filters.created_after)]))
    if filters.created_before is not None:
        found.append(("t.created_at < %s", [_stored(filters.created_before)]))
    usual = 1 if filters.approval_status is None else 2
    narrow = len(found) > usual or filters.approval_status not in (None, VISIBLE)
    if filters.exclude:
        found.append((f"t.id NOT IN ({_marks(filters.exclude)})", filters.exclude))
    after = filters.updated_after
    return Conditions(
        workflow_id=filters.workflow_id,
        sql=" AND ".join(sql for sql, _ in found),
        parameters=tuple(value for _, values in found for value in values),
        updated="t.updated_at >= %s" if after else "",
        updated_parameters=(_stored(after),) if after else (),
        tags=" AND ".join([_TAGGED] * len(filters.tags)),
        tag_parameters=filters.tags,
        narrow=narrow or after is not None or bool(filters.tags),
    )


def _marks(values: Sequence[str]) -> str:
    return ", ".join(["%s"] * len(values))


def _stored(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
