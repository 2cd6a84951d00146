"""The audit as a file, a part at a time, however long it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from django.db.models import Model
from django.utils import timezone
from pydantic_core import to_json

from boards.selectors.audit import Row, Wanted, all_changes
from tickets.exports import MEDIA_TYPES, as_cell
from tickets.models import Agent, Ticket, TicketHistory, Workflow, WorkflowHistory
from tickets.schemas.base import utc_text

FORMATS = ("csv", "json")
# Rows in memory at once; a row may hold two descriptions.
CHUNK = 200
NAMES = (
    "change_id", "changed_at", "agent_id", "agent_name", "via_agent_id", "change_type", "ticket_key", "ticket_id",
    "field_name", "old_value", "new_value", "change_description", "metadata", "subject_agent_id",
)  # fmt: skip


class AuditExport:
    """Changes as they are stored, newest first. What happens while it is written is not in it."""

    def __init__(self, workflow: Workflow, wanted: Wanted, form: str) -> None:
        self._workflow = workflow
        self._wanted = wanted
        self._form = form

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self._form]

    @property
    def file_name(self) -> str:
        return f"audit-{self._workflow.key_prefix.lower()}.{self._form}"

    def parts(self) -> Iterator[bytes]:
        """The file in UTF-8."""
        write: dict[str, Callable[[], Iterator[bytes]]] = {"csv": self._csv, "json": self._json}
        return write[self._form]()

    def _chunks(self) -> Iterator[list[dict[str, Any]]]:
        rows = all_changes(self._workflow, self._wanted, chunk=CHUNK)
        names, keys = _Known(Agent, "name"), _Known(Ticket, "key")
        while chunk := list(islice(rows, CHUNK)):
            names.learn(row.agent_id for row in chunk)
            keys.learn(row.ticket_id for row in chunk if isinstance(row, TicketHistory))
            yield [_fields(row, names, keys) for row in chunk]

    def _csv(self) -> Iterator[bytes]:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        writer.writerow(NAMES)
        for rows in self._chunks():
            writer.writerows(map(_cell, row.values()) for row in rows)
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
        if buffer.tell():
            yield buffer.getvalue().encode()

    def _json(self) -> Iterator[bytes]:
        head = {"workflow_id": self._workflow.id, "exported_at": utc_text(timezone.now())}
        yield to_json(head)[:-1] + b',"changes":['
        separator = b"\n"
        for rows in self._chunks():
            yield separator + b",\n".join(to_json(row) for row in rows)
            separator = b",\n"
        yield b"\n]}\n"


class _Known(dict[str, str]):
    """One field of the rows of a table that were asked for so far, by id."""

    def __init__(self, model: type[Model], field: str) -> None:
        super().__init__()
        self._rows, self._field = model._default_manager.all(), field

    def learn(self, ids: Iterable[str]) -> None:
        """Read those that are not known yet. One query, if any."""
        if new := {*ids} - self.keys():
            self.update(self._rows.filter(pk__in=new).values_list("pk", self._field))


def _fields(row: Row, names: Mapping[str, str], keys: Mapping[str, str]) -> dict[str, Any]:
    """In the order of ``NAMES``."""
    found: dict[str, Any] = dict.fromkeys(NAMES)
    found["changed_at"] = utc_text(row.changed_at)
    found["agent_id"], found["agent_name"], found["via_agent_id"] = row.agent_id, names[row.agent_id], row.via_agent_id
    if isinstance(row, TicketHistory):
        found |= {
            "change_id": f"h{row.pk}",
            "change_type": row.change_type,
            "ticket_key": keys[row.ticket_id],
            "ticket_id": row.ticket_id,
            "field_name": row.field_name,
            "old_value": row.old_value,
            "new_value": row.new_value,
            "change_description": row.change_description,
            "metadata": row.metadata,
        }
    elif isinstance(row, WorkflowHistory):
        found |= {
            "change_id": f"w{row.pk}",
            "change_type": row.change_type,
            "field_name": row.field_name,
            "old_value": row.old_value,
            "new_value": row.new_value,
            "subject_agent_id": row.subject_agent_id,
        }
    else:
        found |= {
            "change_id": f"b{row.pk}",
            "change_type": "board_updated",
            "field_name": "board",
            "new_value": to_json(row.board).decode(),
            "change_description": f"Version {row.version}",
            "metadata": {"version": row.version, "moved_tickets": row.moved_tickets},
        }
    return found


def _cell(value: str | dict[str, Any] | None) -> str | None:
    return to_json(value).decode() if isinstance(value, dict) else value and as_cell(value)
