"""A workflow's whole history, newest first: what happened to its tickets, and the changes of its board.

Read by keyset, so that the thousandth page costs what the first does: each query begins at its place in an index.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple, TypeVar

from django.db.models import Model, Prefetch, Q, QuerySet
from django.db.models.functions import Left

from boards.models import BoardRevision
from tickets.errors import Invalid
from tickets.models import Ticket, TicketHistory, Workflow
from tickets.schemas.base import utc_text
from tickets.schemas.lists import read_moment

# What the filter calls a kind of change → the change types that it means.
KINDS: dict[str, tuple[str, ...]] = {
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
    "board": (),
}
BOARD = "board"
# Of long texts no more is read: sentences need less, a comparison reads its row anew. Lists of ids fit.
EXCERPT = 8000
MAX_ID = 2**63 - 1
Row = TicketHistory | BoardRevision
ModelT = TypeVar("ModelT", bound=Model)


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
        return self.kind != BOARD

    @property
    def with_board(self) -> bool:
        return self.kind in (None, BOARD) and self.ticket_id is None


class Position(NamedTuple):
    """Where a change stands in the order of time; written as ``time~h12`` or ``time~b3``.

    Where times are equal, a change of the board comes before the moves that it brought with it.
    """

    at: datetime
    is_ticket: bool
    id: int

    @classmethod
    def of(cls, row: Row) -> Position:
        return cls(row.changed_at, isinstance(row, TicketHistory), row.pk)

    @classmethod
    def parse(cls, text: str, field: str) -> Position:
        """Raises Invalid."""
        at, _, row = text.partition("~")
        number = row[1:]
        try:
            if row[:1] in ("h", "b") and number.isascii() and number.isdigit() and int(number[:20]) <= MAX_ID:
                return cls(read_moment(at), row[0] == "h", int(number[:20]))
        except ValueError:
            pass
        raise Invalid("The cursor cannot be read. Take it from the page before.", field=field)

    def __str__(self) -> str:
        return f"{utc_text(self.at)}~{'h' if self.is_ticket else 'b'}{self.id}"


def changes(
    workflow: Workflow,
    wanted: Wanted,
    *,
    before: Position | None = None,
    after: Position | None = None,
    limit: int,
    whole: bool = False,
) -> list[Row]:
    """The newest changes between two positions, newest first, with agents and tickets; ``limit`` of them at most.

    Up to four queries, for the board and each change type of the kind, and three for whom each of them names.
    Values are cut unless ``whole``.
    """
    sources: list[list[Row]] = []
    if wanted.with_board:
        revisions = BoardRevision.objects.filter(_between(before, after, is_ticket=False), workflow=workflow)
        sources.append(list(_asked(revisions, wanted).prefetch_related("agent", "via_agent")[:limit]))
    if wanted.with_tickets:
        rows = TicketHistory.objects.filter(_between(before, after, is_ticket=True), workflow=workflow)
        # New keys of a column, in the old order: nothing that anybody did.
        rows = _asked(rows, wanted).exclude(metadata__has_key="respread")
        # Not joined: a planner that begins with a handful of agents would sort all that they ever did.
        tickets = Prefetch("ticket", Ticket.objects.only("key", "title", "source"))
        rows = rows.prefetch_related("agent", "via_agent", tickets)
        if not whole:
            rows = rows.defer("old_value", "new_value").annotate(
                old=Left("old_value", EXCERPT), new=Left("new_value", EXCERPT)
            )
        sources += [list(part[:limit]) for part in _by_type(rows, wanted)]
    merged = heapq.merge(*sources, key=Position.of, reverse=True)
    found = list(islice(merged, limit))
    if not whole:
        for row in found:
            if isinstance(row, TicketHistory):
                row.old_value, row.new_value = row.old, row.new  # type: ignore[attr-defined]  # annotated above
    return found


def _by_type(rows: QuerySet[TicketHistory], wanted: Wanted) -> Iterator[QuerySet[TicketHistory]]:
    """Queries that each run along an index: of several types in the whole workflow none holds the union in order."""
    types = KINDS[wanted.kind] if wanted.kind is not None else ()
    if wanted.ticket_id is not None:
        rows = rows.filter(ticket_id=wanted.ticket_id)
    if types and (wanted.ticket_id is not None or wanted.agent_id is not None):
        yield rows.filter(change_type__in=types)
    elif types:
        yield from (rows.filter(change_type=change_type) for change_type in types)
    else:
        yield rows


def _asked(rows: QuerySet[ModelT], wanted: Wanted) -> QuerySet[ModelT]:
    if wanted.agent_id is not None:
        rows = rows.filter(agent_id=wanted.agent_id)
    if wanted.since is not None:
        rows = rows.filter(changed_at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(changed_at__lt=wanted.until)
    return rows.order_by("-changed_at", "-id")


def _between(before: Position | None, after: Position | None, *, is_ticket: bool) -> Q:
    """What of one source lies between two positions. The first condition of each is where an index can start."""
    found = Q()
    if before is not None:
        same = Q(id__lt=before.id) if before.is_ticket == is_ticket else Q(pk__isnull=is_ticket)
        found &= Q(changed_at__lte=before.at) & (Q(changed_at__lt=before.at) | same)
    if after is not None:
        same = Q(id__gt=after.id) if after.is_ticket == is_ticket else Q(pk__isnull=not is_ticket)
        found &= Q(changed_at__gte=after.at) & (Q(changed_at__gt=after.at) | same)
    return found
