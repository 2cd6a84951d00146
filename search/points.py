"""Reads from the database what vector stores are filled with, and what has changed of it.

Two sequence numbers of a workflow tell what a store lacks: the event log's, which rises with whatever a filter
looks at, and that of its embeddings. Both rise in commit order, since their rows are written under a lock.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import Q
from pydantic_core import from_json

from search.embedding import NEWEST_COMMENTS, from_bytes
from search.filters import Payload
from search.models import IndexState, TicketEmbedding
from search.stores.base import Point
from tickets.models import Event, TicketComment, Workflow
from tickets.prepared import Mark, Reading, TimeText
from tickets.schemas.base import utc_text

CHUNK = 1000
_FIELDS = (
    "seq", "vector", "ticket_id", "ticket__title", "ticket__ticket_type", "ticket__priority", "ticket__status",
    "ticket__tags", "ticket__created_by_agent_id", "ticket__assigned_agent_id", "ticket__is_blocked",
    "ticket__approval_status",
)  # fmt: skip


class Seen(NamedTuple):
    """How much of a workflow a store has: the last event and the last change of an embedding."""

    events: int = 0
    vectors: int = 0


def newest(workflow: Workflow) -> Seen:
    """What there is; the events as the row was read. One query."""
    found = _state_reading().rows(workflow_id=workflow.id)
    return Seen(workflow.event_seq, found[0][0] if found else 0)


def changed_tickets(workflow: Workflow, since: Seen) -> list[str] | None:
    """Ids of tickets with events after those seen, each once; None where the log no longer reaches back."""
    if since.events < workflow.events_pruned_through:
        return None
    later = Event.objects.filter(workflow_id=workflow.id, seq__gt=since.events, ticket_id__isnull=False)
    return list(later.order_by().values_list("ticket_id", flat=True).distinct())


def points_after(workflow_id: str, seq: int, model: str, *, full: bool = False) -> Iterator[list[tuple[int, Point]]]:
    """Points whose embedding changed after that, with its number, in its order and in chunks.

    ``full`` reads the whole of the design's payload: descriptions and comments too.
    """
    while True:
        rows = _reading("changed", full).run({"workflow_id": workflow_id, "model": model, "seq": seq}, limit=CHUNK)
        if not rows:
            return
        yield _points(workflow_id, rows, model, full)
        seq = rows[-1][0]


def points_of(workflow_id: str, ticket_ids: Sequence[str], model: str, *, full: bool = False) -> Iterator[list[Point]]:
    """Points of these tickets, in chunks; those without an embedding of this model are left out."""
    for first in range(0, len(ticket_ids), CHUNK):
        found = _base(full).filter(ticket_id__in=ticket_ids[first : first + CHUNK])
        rows = Reading(found, convert=False).rows(workflow_id=workflow_id, model=model)
        yield [point for _, point in _points(workflow_id, rows, model, full)]


def comment_texts(ticket_ids: Iterable[str]) -> dict[str, list[str]]:
    """Ticket id → texts of its newest five comments, newest first. One query for each ticket that has any."""
    commented = TicketComment.objects.filter(ticket_id__in=list(ticket_ids), deleted_at=None)
    texts: dict[str, list[str]] = {}
    for ticket_id in commented.order_by().values_list("ticket_id", flat=True).distinct():
        own = TicketComment.objects.filter(ticket_id=ticket_id, deleted_at=None).order_by("-created_at", "-id")
        texts[ticket_id] = list(own.values_list("comment_text", flat=True)[:NEWEST_COMMENTS])
    return texts


@functools.cache
def _state_reading() -> Reading:
    return Reading(IndexState.objects.filter(workflow_id=Mark("workflow_id")).values_list("vector_seq"))


@functools.cache
def _reading(_name: str, full: bool) -> Reading:
    return Reading(_base(full).filter(seq__gt=Mark("seq")).order_by("seq"), convert=False)


def _base(full: bool) -> Any:
    rows = TicketEmbedding.objects.filter(Q(workflow_id=Mark("workflow_id"), model=Mark("model")) & ~Q(vector=b""))
    fields = (*_FIELDS, TimeText("ticket__created_at"), TimeText("ticket__updated_at"))
    return rows.values_list(*fields, *(["ticket__description"] if full else []))


def _points(workflow_id: str, rows: list[tuple[Any, ...]], model: str, full: bool) -> list[tuple[int, Point]]:
    comments = comment_texts(row[2] for row in rows) if full else {}
    points = []
    for row in rows:
        seq, vector, ticket_id, title, kind, priority, status, tags, creator, assignee, blocked, approval = row[:12]
        names = from_json(tags)
        payload = Payload(
            ticket_id=ticket_id,
            workflow_id=workflow_id,
            title=title,
            description=row[14] if full else "",
            ticket_type=kind,
            priority=priority,
            status=status,
            tags=names,
            created_at=_time(row[12]),
            updated_at=_time(row[13]),
            created_by_agent_id=creator,
            assigned_agent_id=assignee,
            comment_texts=comments.get(ticket_id, []),
            is_blocked=bool(blocked),
            tags_folded=[name.casefold() for name in names],
            approval_status=approval,
            model=model,
        )
        points.append((seq, Point(from_bytes(vector), payload)))
    return points


def _time(value: Any) -> str:
    # SQLite has made text of it.
    return value if isinstance(value, str) else utc_text(value)
