"""A workflow's whole history, newest first: what happened to its tickets, its board, its members and settings.

Read by keyset, so that the thousandth page costs what the first does: each query begins at its place in an index.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from django.db.models import Prefetch, Q, QuerySet
from django.db.models.functions import Left

from boards.models import BoardRevision
from tickets.errors import Invalid
from tickets.models import Ticket, TicketHistory, Workflow, WorkflowHistory
from tickets.schemas.base import utc_text
from tickets.schemas.lists import read_moment

# What the filter calls a kind of change → the change types that it means: of tickets, of what surrounds them, of both.
TICKET_KINDS: dict[str, tuple[str, ...]] = {
    "created": ("created",),
    "moved": ("status_changed",),
    "resolved": ("resolved", "reopened"),
    "assigned": ("assigned", "unassigned"),
    "leases": ("claimed", "released"),
    "edited": ("field_updated",),
    "blocked": ("blocked", "unblocked"),
    "comments": ("commented", "comment_edited", "comment_deleted"),
    "commits": ("commit_linked",),
    "approvals": ("approved", "rejected", "expired"),
}
WORKFLOW_KINDS: dict[str, tuple[str, ...]] = {
    "members": ("member_added", "member_changed", "member_removed"),
    "tokens": ("token_issued", "token_revoked"),
    "settings": ("settings_changed",),
}
BOARD = "board"
KINDS: dict[str, tuple[str, ...]] = {**TICKET_KINDS, BOARD: (), **WORKFLOW_KINDS}
# Of long texts no more is read: sentences need less, a comparison reads its row anew. Lists of ids fit.
EXCERPT = 8000
MAX_ID = 2**63 - 1
Row = BoardRevision | WorkflowHistory | TicketHistory
# What a position calls each of them, in the order in which they stand where times are equal: a change of the board
# comes before the moves that it brought with it.
LETTERS: dict[type[Row], str] = {BoardRevision: "b", WorkflowHistory: "w", TicketHistory: "h"}
SOURCES = "".join(LETTERS.values())
RowT = TypeVar("RowT", BoardRevision, WorkflowHistory, TicketHistory)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes are asked for. ``until`` is excluded. Of an agent or ticket that is not there, there are none."""

    agent_id: str | None = None
    ticket_id: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def with_tickets(self) -> bool:
        return self.kind is None or self.kind in TICKET_KINDS

    @property
    def with_workflow(self) -> bool:
        return self.ticket_id is None and (self.kind is None or self.kind in WORKFLOW_KINDS)

    @property
    def with_board(self) -> bool:
        return self.ticket_id is None and self.kind in (None, BOARD)


class Position(NamedTuple):
    """Where a change stands in the order of time; written as ``time~h12``, with the letter of its source."""

    at: datetime
    source: int
    id: int

    @classmethod
    def of(cls, row: Row) -> Position:
        return cls(row.changed_at, SOURCES.index(LETTERS[type(row)]), row.pk)

    @classmethod
    def parse(cls, text: str, field: str) -> Position:
        """Raises Invalid."""
        at, _, row = text.partition("~")
        letter, number = row[:1], row[1:]
        try:
            if letter and letter in SOURCES and number.isascii() and number.isdigit() and int(number[:20]) <= MAX_ID:
                return cls(read_moment(at), SOURCES.index(letter), int(number[:20]))
        except ValueError:
            pass
        raise Invalid("The cursor cannot be read. Take it from the page before.", field=field)

    def __str__(self) -> str:
        return f"{utc_text(self.at)}~{SOURCES[self.source]}{self.id}"


def changes(
    workflow: Workflow,
    wanted: Wanted,
    *,
    before: Position | None = None,
    after: Position | None = None,
    limit: int,
) -> list[Row]:
    """The newest changes between two positions, newest first, with agents and tickets; ``limit`` of them at most.

    A query for the board, one for the workflow, one for each change type of the kind; up to three more for whom each
    of these names. Of long values only the beginnings are read.
    """
    pages = [[*_shown(rows.filter(_between(before, after, rows.model)))[:limit]] for rows in _sources(workflow, wanted)]
    found = list(islice(_merged(pages), limit))
    for row in found:
        if not isinstance(row, BoardRevision):
            row.old_value, row.new_value = row.old, row.new  # type: ignore[union-attr]  # annotated
    return found


def all_changes(workflow: Workflow, wanted: Wanted, *, chunk: int) -> Iterator[Row]:
    """All changes that there are now, newest first and whole, but without agents and tickets.

    ``chunk`` rows of each source are in memory at once. Each chunk is a query of its own: none stays open for a slow
    reader.
    """
    return _merged([_read(rows, chunk) for rows in _sources(workflow, wanted)])


def _read(rows: QuerySet[Any], chunk: int) -> Iterator[Row]:
    last: Position | None = None
    while True:
        found = list(rows.filter(_between(last, None, rows.model))[:chunk])
        yield from found
        if len(found) < chunk:
            return
        last = Position.of(found[-1])


def _merged(sources: Iterable[Iterable[Row]]) -> Iterator[Row]:
    return heapq.merge(*sources, key=Position.of, reverse=True)


def _sources(workflow: Workflow, wanted: Wanted) -> Iterator[QuerySet[Any]]:
    """What is asked for, newest first, as queries that each run along an index."""
    if wanted.with_board:
        yield _asked(BoardRevision.objects.filter(workflow=workflow), wanted)
    if wanted.with_workflow:
        around = _asked(WorkflowHistory.objects.filter(workflow=workflow), wanted)
        yield around.filter(change_type__in=WORKFLOW_KINDS[wanted.kind]) if wanted.kind is not None else around
    if wanted.with_tickets:
        # New keys of a column, in the old order: nothing that anybody did.
        rows = TicketHistory.objects.filter(workflow=workflow).exclude(metadata__has_key="respread")
        yield from _by_type(_asked(rows, wanted), wanted)


def _by_type(rows: QuerySet[TicketHistory], wanted: Wanted) -> Iterator[QuerySet[TicketHistory]]:
    """Of several types in the whole workflow, no index holds the union in order."""
    types = TICKET_KINDS[wanted.kind] if wanted.kind is not None else ()
    if wanted.ticket_id is not None:
        rows = rows.filter(ticket_id=wanted.ticket_id)
    if types and (wanted.ticket_id is not None or wanted.agent_id is not None):
        yield rows.filter(change_type__in=types)
    elif types:
        yield from (rows.filter(change_type=change_type) for change_type in types)
    else:
        yield rows


def _asked(rows: QuerySet[RowT], wanted: Wanted) -> QuerySet[RowT]:
    if wanted.agent_id is not None:
        rows = rows.filter(agent_id=wanted.agent_id)
    if wanted.since is not None:
        rows = rows.filter(changed_at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(changed_at__lt=wanted.until)
    return rows.order_by("-changed_at", "-id")


def _shown(rows: QuerySet[Any]) -> QuerySet[Any]:
    """With whom they name, and the beginnings of their values.

    Not joined: a planner that begins with a handful of agents would sort all that they ever did.
    """
    rows = rows.prefetch_related("agent", "via_agent")
    if rows.model is BoardRevision:
        return rows
    rows = rows.defer("old_value", "new_value").annotate(old=Left("old_value", EXCERPT), new=Left("new_value", EXCERPT))
    if rows.model is WorkflowHistory:
        return rows.prefetch_related("subject_agent")
    return rows.prefetch_related(Prefetch("ticket", Ticket.objects.only("key", "title", "source")))


def _between(before: Position | None, after: Position | None, source: type[Row]) -> Q:
    """What of one source lies between two positions. The first condition of each is where an index can start."""
    place = SOURCES.index(LETTERS[source])
    found = Q()
    if before is not None:
        found &= Q(changed_at__lte=before.at) if place <= before.source else Q(changed_at__lt=before.at)
        if place == before.source:
            found &= Q(changed_at__lt=before.at) | Q(id__lt=before.id)
    if after is not None:
        found &= Q(changed_at__gte=after.at) if place >= after.source else Q(changed_at__gt=after.at)
        if place == after.source:
            found &= Q(changed_at__gt=after.at) | Q(id__gt=after.id)
    return found
