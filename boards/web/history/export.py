"""The audit as a file, a part at a time, however long it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

from django.utils import timezone
from pydantic_core import to_json

from boards.selectors.audit import Position, Row, Wanted, changes
from tickets.exports import MEDIA_TYPES, as_cell
from tickets.models import TicketHistory, Workflow, WorkflowHistory
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
        """The file in UTF-8. Each part is read by queries of its own: none stays open for a slow reader."""
        write: dict[str, Callable[[], Iterator[bytes]]] = {"csv": self._csv, "json": self._json}
        return write[self._form]()

    def _chunks(self) -> Iterator[list[dict[str, Any]]]:
        last: Position | None = None
        while True:
            rows = changes(self._workflow, self._wanted, before=last, limit=CHUNK, whole=True)
            if rows:
                yield [_fields(row) for row in rows]
            if len(rows) < CHUNK:
                return
            last = Position.of(rows[-1])

    def _csv(self) -> Iterator[bytes]:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        writer.writerow(NAMES)
        for rows in self._chunks():
            writer.writerows([as_cell(_text(row[name])) for name in NAMES] for row in rows)
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


def _fields(row: Row) -> dict[str, Any]:
    who = {
        "changed_at": utc_text(row.changed_at),
        "agent_id": row.agent_id,
        "agent_name": row.agent.name,
        "via_agent_id": row.via_agent_id,
    }
    if isinstance(row, TicketHistory):
        about = {
            "change_id": f"h{row.pk}",
            "change_type": row.change_type,
            "ticket_key": row.ticket.key,
            "ticket_id": row.ticket_id,
            "field_name": row.field_name,
            "old_value": row.old_value,
            "new_value": row.new_value,
            "change_description": row.change_description,
            "metadata": row.metadata,
        }
    elif isinstance(row, WorkflowHistory):
        about = {
            "change_id": f"w{row.pk}",
            "change_type": row.change_type,
            "field_name": row.field_name,
            "old_value": row.old_value,
            "new_value": row.new_value,
            "subject_agent_id": row.subject_agent_id,
        }
    else:
        about = {
            "change_id": f"b{row.pk}",
            "change_type": "board_updated",
            "field_name": "board",
            "new_value": to_json(row.board).decode(),
            "change_description": f"Version {row.version}",
            "metadata": {"version": row.version, "moved_tickets": row.moved_tickets},
        }
    found: dict[str, Any] = {**who, **about}
    return {name: found.get(name) for name in NAMES}


def _text(value: Any) -> Any:
    return to_json(value).decode() if isinstance(value, dict) else value
