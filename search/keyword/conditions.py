"""The filters of a search as conditions on the row of a ticket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from search.filters import NOBODY, Filters


@dataclass(frozen=True, slots=True)
class Conditions:
    """SQL on the table ``tickets``, called ``t``, that is true where ``Filters.match`` is; with its parameters."""

    sql: str
    parameters: tuple[Any, ...]


def conditions_of(filters: Filters) -> Conditions:
    """The conditions for these filters. Their SQL depends on which filters there are, not on their values."""
    parts: list[str] = ["t.workflow_id = %s"]
    parameters: list[Any] = [filters.workflow_id]

    def add(sql: str, *values: Any) -> None:
        parts.append(sql)
        parameters.extend(values)

    alternatives = {
        "status": filters.status,
        "ticket_type": filters.ticket_type,
        "priority": filters.priority,
        "approval_status": filters.approval_status,
    }
    for column, allowed in alternatives.items():
        if allowed is not None:
            add(f"t.{column} IN ({_marks(allowed)})" if allowed else "1 = 0", *allowed)
    if filters.assigned_agent_id == NOBODY:
        add("t.assigned_agent_id IS NULL")
    elif filters.assigned_agent_id is not None:
        add("t.assigned_agent_id = %s", filters.assigned_agent_id)
    for tag in filters.tags:
        add(
            "t.id IN (SELECT g.ticket_id FROM ticket_tags g WHERE g.workflow_id = %s AND g.folded = %s)",
            filters.workflow_id,
            tag,
        )
    if filters.is_blocked is not None:
        add("t.is_blocked" if filters.is_blocked else "NOT t.is_blocked")
    moments = {
        "t.created_at >= %s": filters.created_after,
        "t.created_at < %s": filters.created_before,
        "t.updated_at >= %s": filters.updated_after,
    }
    for sql, moment in moments.items():
        if moment is not None:
            add(sql, _stored(moment))
    if filters.exclude:
        add(f"t.id NOT IN ({_marks(filters.exclude)})", *filters.exclude)
    return Conditions(" AND ".join(parts), tuple(parameters))


def _marks(values: Sequence[str]) -> str:
    return ", ".join(["%s"] * len(values))


def _stored(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
