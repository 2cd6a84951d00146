"""What a search found, as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from django.utils import timezone
from pydantic_core import to_json

from search.schemas import SearchResult, TicketsFound
from tickets.errors import not_one_of
from tickets.exports import FORMATS, MEDIA_TYPES, SUFFIXES, as_cell, escaped
from tickets.models import Workflow
from tickets.schemas.base import utc_text

COLUMNS = (
    "key", "title", "status", "ticket_type", "priority", "assigned_agent_id", "tags", "is_blocked", "is_resolved",
    "relevance_score", "matched_in", "preview", "comment_count", "commit_count", "created_at", "updated_at",
    "ticket_id",
)  # fmt: skip


class SearchFile:
    """The results in one of the formats of ``tickets.exports``, best first. Raises Invalid for another format."""

    def __init__(self, workflow: Workflow, found: TicketsFound, form: str) -> None:
        if form not in FORMATS:
            raise not_one_of("format", form, FORMATS)
        write: dict[str, Callable[[Workflow, TicketsFound], bytes]] = {
            "json": _json,
            "csv": _csv,
            "markdown": _markdown,
        }
        self.content = write[form](workflow, found)
        self.media_type = MEDIA_TYPES[form]
        self.name = f"search-{workflow.key_prefix.lower()}.{SUFFIXES[form]}"


def _json(workflow: Workflow, found: TicketsFound) -> bytes:
    results = [{name: value for name, value in row.items() if not name.endswith("_html")} for row in found.results]
    return to_json({**_head(workflow, found), "results": results}, indent=1) + b"\n"


def _csv(_: Workflow, found: TicketsFound) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    cells: list[dict[str, Any]] = [{**row} for row in found.results]
    writer.writerows([as_cell(row[name]) for name in COLUMNS] for row in cells)
    return buffer.getvalue().encode()


def _markdown(workflow: Workflow, found: TicketsFound) -> bytes:
    head = _head(workflow, found)
    words = f"“{escaped(found.query)}”" if found.query.strip() else "Tickets"
    count = f"{len(found.results)} of {found.total_found}"
    lines = [f"# {words} in {escaped(workflow.name)}\n\n{count}, {found.search_type}, {head['exported_at']}\n"]
    return "".join([*lines, *(_section(row) for row in found.results)]).encode()


def _section(row: SearchResult) -> str:
    facts = {
        "Status": row["status"],
        "Type": row["ticket_type"],
        "Priority": row["priority"],
        "Assigned to": row["assigned_agent_id"],
        "Tags": ", ".join(row["tags"]),
        "Blocked": "yes" if row["is_blocked"] else None,
        "Matches": ", ".join(row["matched_in"]),
        "Relevance": str(row["relevance_score"]) if row["relevance_score"] else None,
        "Updated": row["updated_at"],
    }
    lines = "".join(f"- {name}: {escaped(value)}\n" for name, value in facts.items() if value)
    return f"\n## {row['key']} {escaped(row['title'])}\n\n{escaped(row['preview'])}\n\n{lines}"


def _head(workflow: Workflow, found: TicketsFound) -> dict[str, Any]:
    return {
        "workflow_id": workflow.id,
        "query": found.query,
        "search_type": found.search_type,
        "total_found": found.total_found,
        "degraded_reason": found.degraded_reason,
        "exported_at": utc_text(timezone.now()),
    }
