"""Writes tickets out as JSON, CSV or Markdown: a part at a time, however many there are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.utils import timezone
from pydantic_core import to_json

from tickets.access import Actor
from tickets.models import Workflow
from tickets.schemas.base import utc_text
from tickets.schemas.lists import ROW_NAMES, ExportFilters, ExportFormat, TicketRow
from tickets.selectors.tickets import Selection, select_tickets, ticket_rows

FORMATS: tuple[ExportFormat, ...] = ("json", "csv", "markdown")
SUFFIXES = {"json": "json", "csv": "csv", "markdown": "md"}
MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
}
# Rows in memory at once. Descriptions hold up to 250,000 characters, so a part can be large as it is.
CHUNK = 200
# A spreadsheet takes a cell that begins so for a formula, and runs it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&])")


class Export:
    """An export that may begin: who asked may read the workflow and every filter is right.

    Making one runs the list's queries for permission and filters and raises what they raise. ``parts`` then
    reads ``CHUNK`` tickets at a time by their number, each in queries of its own: no query stays open while a
    slow reader takes its time, and a ticket that stays is neither left out nor written twice.
    """

    def __init__(self, actor: Actor, request: ExportFilters) -> None:
        self.format = request.format
        self._selection = select_tickets(actor, request)

    @property
    def workflow(self) -> Workflow:
        return self._selection.workflow

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]

    @property
    def file_name(self) -> str:
        return f"tickets-{self.workflow.key_prefix.lower()}.{SUFFIXES[self.format]}"

    def parts(self) -> Iterator[bytes]:
        """The file, part by part, in UTF-8."""
        write: dict[str, Callable[[Workflow, Iterator[list[TicketRow]]], Iterator[bytes]]] = {
            "json": _json,
            "csv": _csv,
            "markdown": _markdown,
        }
        return write[self.format](self.workflow, _chunks(self._selection))


def _chunks(selection: Selection) -> Iterator[list[TicketRow]]:
    """All rows by number. Two queries a chunk: tickets, and the blockers of those that have any."""
    last = 0
    while True:
        chunk = selection.rows.filter(number__gt=last).order_by("number")[:CHUNK]
        rows = ticket_rows(chunk, excerpt=False)
        if rows:
            yield rows
        if len(rows) < CHUNK:
            return
        last = int(rows[-1]["key"].rpartition("-")[2])


def _json(workflow: Workflow, chunks: Iterator[list[TicketRow]]) -> Iterator[bytes]:
    head = {"workflow_id": workflow.id, "name": workflow.name, "exported_at": utc_text(timezone.now())}
    yield to_json(head)[:-1] + b',"tickets":['
    separator = b"\n"
    for rows in chunks:
        yield separator + b",\n".join(to_json(row) for row in rows)
        separator = b",\n"
    yield b"\n]}\n"


def _csv(workflow: Workflow, chunks: Iterator[list[TicketRow]]) -> Iterator[bytes]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(ROW_NAMES)
    for rows in chunks:
        cells: list[dict[str, Any]] = [{**row} for row in rows]
        writer.writerows([as_cell(row[name]) for name in ROW_NAMES] for row in cells)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    if buffer.tell():
        yield buffer.getvalue().encode()


def as_cell(value: Any) -> Any:
    """A value as a cell of CSV that no spreadsheet takes for a formula."""
    if isinstance(value, list):
        value = "; ".join(value)
    elif isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def _markdown(workflow: Workflow, chunks: Iterator[list[TicketRow]]) -> Iterator[bytes]:
    yield f"# {escaped(workflow.name)}\n".encode()
    for rows in chunks:
        yield "".join(_section(row) for row in rows).encode()


def _section(row: TicketRow) -> str:
    facts = {
        "Status": row["status"],
        "Type": row["ticket_type"],
        "Priority": row["priority"],
        "Assigned to": row["assigned_agent_id"],
        "Tags": ", ".join(row["tags"]),
        "Blocked by": ", ".join(row["blocked_by_ticket_ids"]),
        "Blocked": row["blocked_reason"] or None if row["is_blocked"] else None,
        "Part of": row["parent_ticket_id"],
        "Review": row["approval_status"] if row["approval_status"] != "none" else None,
        "Created": f"{row['created_at']} by {row['created_by_agent_id']}",
        "Resolved": row["resolved_at"],
        "Comments": str(row["comment_count"]),
        "Id": row["ticket_id"],
    }
    lines = [f"- {name}: {escaped(value)}\n" for name, value in facts.items() if value]
    fence = _fence(row["description"])
    return (
        f"\n## {row['key']} {escaped(row['title'])}\n\n{''.join(lines)}\n"
        f"{fence}markdown\n{row['description']}\n{fence}\n"
    )


def escaped(text: str) -> str:
    """Text as one line that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _fence(text: str) -> str:
    """A fence that the text cannot close: one backtick more than any run in it."""
    return "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
