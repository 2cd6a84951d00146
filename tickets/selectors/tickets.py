"""Lists of tickets: filters, orders, rows.

A list reads rows of one table without models or serializers. Permission is in the query for the workflow;
everything after it names that workflow.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Case, Count, F, Q, QuerySet, TextField, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Left
from django.utils import timezone
from pydantic_core import from_json

from tickets.access import Actor, find_tickets, workflow_for
from tickets.board_source import board_of
from tickets.errors import not_one_of
from tickets.models import Ticket, TicketDependency, TicketTag, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.prepared import Mark, Reading, TimeText, marks, numbered
from tickets.rules import Board
from tickets.schemas.lists import EXCERPT, NOBODY, ROW_NAMES, ListTickets, TicketFilters, TicketList, TicketRow
from tickets.selectors.counts import UntilNextEvent, visible_count

TIMES = ("created_at", "updated_at", "started_at", "completed_at", "resolved_at", "lease_expires_at")
# Read with each row, shown or not: whose blockers to look up.
_ALWAYS = ("id", "open_blocker_count")

# The lookups of a list that asks for nothing.
_UNFILTERED = {"approval_status__in": [status.value for status in VISIBLE_APPROVALS]}

_counts: UntilNextEvent[int] = UntilNextEvent()
_counts_by_status: UntilNextEvent[dict[str, int]] = UntilNextEvent()


def time_text(value: datetime | None) -> str | None:
    """A time as the database returns it (in UTC), as every answer shows it."""
    return value.isoformat()[:-6] + "Z" if value is not None else None


@dataclass(frozen=True, slots=True)
class Selection:
    """The tickets of a workflow that a request means: Django's lookups with their values, and folded tags."""

    workflow: Workflow
    board: Board
    lookups: dict[str, Any]
    tags: tuple[str, ...]

    @property
    def rows(self) -> QuerySet[Ticket]:
        """The tickets, in no order."""
        return _filtered(self.workflow.id, self.lookups, self.tags)

    def count(self) -> int:
        """How many there are. One covering query, none until the workflow's next event nor without filters."""
        if self.lookups == _UNFILTERED and not self.tags:
            return visible_count(self.workflow)

        def count() -> int:
            return self.rows.count()

        return _counts.get(self.workflow, self._question, count)

    def count_by_status(self) -> dict[str, int]:
        """How many there are in each column, the empty ones left out. Queries as ``count``."""

        def count() -> dict[str, int]:
            return dict(self.rows.values_list("status").annotate(total=Count("*")))

        return _counts_by_status.get(self.workflow, self._question, count)

    def page(
        self, names: tuple[str, ...], order: tuple[str, ...], *, excerpt: bool, limit: int, offset: int
    ) -> list[TicketRow]:
        """A slice of the tickets in that order. A query, and one for blockers where there are any."""
        reading = _list_reading(names, excerpt, order, self._shape, len(self.tags))
        values = {"workflow_id": self.workflow.id, "now": timezone.now(), **numbered("tag", self.tags)}
        for name, value in self.lookups.items():
            values |= numbered(name, value) if isinstance(value, list) else {name: value}
        return rows_of(reading.run(values, limit=limit, offset=offset), names, excerpt=excerpt)

    @property
    def _question(self) -> Hashable:
        return tuple((name, _hashable(value)) for name, value in self.lookups.items()), self.tags

    @property
    def _shape(self) -> tuple[tuple[str, int | bool | None], ...]:
        """The lookups without their values: True and False stay, of a list its length, of the rest None."""
        return tuple(
            (name, len(value) if isinstance(value, list) else value if isinstance(value, bool) else None)
            for name, value in self.lookups.items()
        )


def select_tickets(actor: Actor, request: TicketFilters) -> Selection:
    """What the filters leave of a workflow's tickets. One query, for the workflow; one more for a parent.

    Raises NotFound for a workflow that the actor may not read, Invalid for a value that its board lacks.
    """
    workflow = workflow_for(actor, request.workflow_id)
    board = board_of(workflow)
    asked: dict[str, Any] = {
        "status__in": _columns(board, request.status),
        "ticket_type__in": _types(board, request.ticket_type),
        "priority__in": request.priority or None,
        "approval_status__in": _approvals(request),
        "is_blocked": request.is_blocked,
        "created_at__gte": request.created_after,
        "created_at__lt": request.created_before,
        "updated_at__gte": request.updated_after,
        "completed_at__isnull": None if request.include_completed else True,
        **_reference("assigned_agent", request.assigned_agent_id),
        **_reference("parent_ticket", _parent(actor, workflow, request.parent_ticket_id)),
    }
    lookups = {name: value for name, value in asked.items() if value is not None}
    tags = tuple(sorted({tag.casefold() for tag in request.tags or ()}))
    return Selection(workflow, board, lookups, tags)


def ticket_list(*, actor: Actor, request: ListTickets) -> TicketList:
    """A page of tickets.

    Queries: the workflow (two where it is implied), the count unless it is known, the rows, the blockers of
    blocked rows. Sorted by status, the rows are read column by column: one query for each on the page.
    """
    selection = select_tickets(actor, request)
    names, excerpt = _shape(request)
    if request.sort_by == "status":
        counts = selection.count_by_status()
        total = sum(counts.values())
        rows = _by_column(selection, counts, request, names, excerpt)
    else:
        total = selection.count()
        order = _order(request.sort_by, request.sort_order)
        rows = []
        if request.offset < total:
            rows = selection.page(names, order, excerpt=excerpt, limit=request.limit, offset=request.offset)
    return TicketList.model_construct(tickets=rows, total_count=total, has_more=request.offset + len(rows) < total)


def ticket_rows(rows: QuerySet[Ticket], names: tuple[str, ...] = ROW_NAMES, *, excerpt: bool = True) -> list[TicketRow]:
    """Rows of any tickets. A query, and one for blockers where there are any.

    ``excerpt`` cuts descriptions to 200 characters, in the database.
    """
    return rows_of(row_reading(rows, names, excerpt=excerpt).rows(now=timezone.now()), names, excerpt=excerpt)


def row_reading(rows: QuerySet[Ticket], names: tuple[str, ...] = ROW_NAMES, *, excerpt: bool = True) -> Reading:
    """The statement for what ``rows_of`` takes. Run it with ``now`` beside the query's own marks."""
    return Reading(rows.values_list(*_expressions(names, excerpt)), convert=False)


def rows_of(
    found: list[tuple[Any, ...]], names: tuple[str, ...] = ROW_NAMES, *, excerpt: bool = True
) -> list[TicketRow]:
    """Rows out of what a ``row_reading`` returned. One query where any of them has blockers."""
    shown = [name for name in names if name != "blocked_by_ticket_ids"]
    # SQLite has made text of them.
    times = [name for name in TIMES if name in names] if connection.vendor != "sqlite" else []
    cut, with_tags, with_blockers = (
        excerpt and "description" in names, "tags" in names, "blocked_by_ticket_ids" in names
    )  # fmt: skip
    blockers = live_blockers([ticket_id for ticket_id, count, *_ in found if count]) if with_blockers else {}
    rows = []
    for ticket_id, _, *values in found:
        row: dict[str, Any] = dict(zip(shown, values, strict=True))
        for name in times:
            row[name] = time_text(row[name])
        if with_tags:
            row["tags"] = from_json(row["tags"])
        if cut and len(row["description"]) > EXCERPT:
            row["description"] = row["description"][: EXCERPT - 1] + "…"
        if with_blockers:
            row["blocked_by_ticket_ids"] = blockers.get(ticket_id, [])
        rows.append(row)
    return rows  # type: ignore[return-value]  # built by name


def live_blockers(ticket_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ticket id → ids of what it waits for now, oldest dependency first. One query; none for no ids."""
    blockers: dict[str, list[str]] = {}
    if ticket_ids:
        live = TicketDependency.objects.filter(ticket_id__in=ticket_ids, released_at=None).order_by("id")
        for ticket_id, blocker_id in live.values_list("ticket_id", "blocker_id"):
            blockers.setdefault(ticket_id, []).append(blocker_id)
    return blockers


def _filtered(workflow_id: Any, lookups: dict[str, Any], tags: Iterable[Any]) -> QuerySet[Ticket]:
    """The tickets that these lookups leave; values may be marks."""
    rows = Ticket.objects.filter(workflow_id=workflow_id, **lookups)
    for tag in tags:
        bearers = TicketTag.objects.filter(workflow_id=workflow_id, folded=tag)
        rows = rows.filter(pk__in=bearers.values("ticket_id"))
    return rows


@functools.lru_cache(maxsize=512)
def _list_reading(
    names: tuple[str, ...],
    excerpt: bool,
    order: tuple[str, ...],
    shape: tuple[tuple[str, int | bool | None], ...],
    tags: int,
) -> Reading:
    """The statement of a list with filters of that shape. It takes its slice when it is run."""
    lookups: dict[str, Any] = {}
    for name, form in shape:
        if isinstance(form, bool):
            lookups[name] = form
        else:
            lookups[name] = Mark(name) if form is None else marks(name, form)
    rows = _filtered(Mark("workflow_id"), lookups, marks("tag", tags)).order_by(*order)
    return row_reading(rows, names, excerpt=excerpt)


def _expressions(names: Sequence[str], excerpt: bool) -> list[str | Combinable]:
    """What to read for these fields of a row, in their order, after what is always read."""
    live = Q(lease_expires_at__gt=Mark("now"))
    special: dict[str, str | Combinable] = {
        "ticket_id": "id",
        "lease_agent_id": Case(When(live, then=F("lease_agent_id"))),
        "lease_expires_at": Case(When(live, then=TimeText("lease_expires_at")), output_field=TextField()),
        **{name: TimeText(name) for name in TIMES if name != "lease_expires_at"},
    }
    if excerpt:
        # One more than is shown tells that there is more.
        special["description"] = Left("description", EXCERPT + 1)
    return [*_ALWAYS, *(special.get(name, name) for name in names if name != "blocked_by_ticket_ids")]


def _shape(request: ListTickets) -> tuple[tuple[str, ...], bool]:
    """Which fields the rows have, and whether their descriptions are cut."""
    full = request.description == "full" or (
        request.description is None and request.fields is not None and "description" in request.fields
    )
    names = tuple(request.fields) if request.fields else ROW_NAMES
    if request.description == "none":
        names = tuple(name for name in names if name != "description")
    return names, not full


def _order(sort_by: str, sort_order: str) -> tuple[str, ...]:
    """Names to order by. Each order is that of an index, or its reverse."""
    down = sort_order == "desc"
    if sort_by == "priority":
        # Rank 0 is critical: the highest priority has the lowest rank.
        return ("priority_rank", "-number") if down else ("-priority_rank", "number")
    return (f"-{sort_by}", "-number") if down else (sort_by, "number")


def _by_column(
    selection: Selection, counts: dict[str, int], request: ListTickets, names: tuple[str, ...], excerpt: bool
) -> list[TicketRow]:
    """The page as slices of columns. Within a column: by creation, in the same direction."""
    down = request.sort_order == "desc"
    # A column that the board lost keeps no tickets; should one be there, it comes last.
    statuses = [*selection.board.by_id, *sorted(counts.keys() - selection.board.by_id.keys())]
    order = _order("created_at", request.sort_order)
    rows: list[TicketRow] = []
    skip = request.offset
    for status in reversed(statuses) if down else statuses:
        here, wanted = counts.get(status, 0), request.limit - len(rows)
        if skip < here and wanted > 0:
            column = replace(selection, lookups={**selection.lookups, "status__in": [status]})
            rows += column.page(names, order, excerpt=excerpt, limit=min(wanted, here - skip), offset=skip)
        skip = max(0, skip - here)
    return rows


def _columns(board: Board, texts: list[str] | None) -> list[str] | None:
    if not texts:
        return None
    found = []
    for text in texts:
        status = board.find_status(text)
        if status is None:
            raise not_one_of("status", text, board.by_id)
        found.append(status)
    return list(dict.fromkeys(found))


def _types(board: Board, texts: list[str] | None) -> list[str] | None:
    if not texts:
        return None
    folded = {kind.casefold(): kind for kind in board.types}
    for text in texts:
        if text.casefold() not in folded:
            raise not_one_of("ticket_type", text, board.types)
    return [folded[text.casefold()] for text in texts]


def _approvals(request: TicketFilters) -> list[str] | None:
    if request.approval_status:
        return request.approval_status
    return None if request.include_rejected else [status.value for status in VISIBLE_APPROVALS]


def _reference(column: str, value: str | None) -> dict[str, Any]:
    if value == NOBODY:
        return {f"{column}__isnull": True}
    return {f"{column}_id": value}


def _parent(actor: Actor, workflow: Workflow, reference: str | None) -> str | None:
    if reference is None or reference == NOBODY:
        return reference
    return find_tickets(actor, [reference], workflow_id=workflow.id, field="parent_ticket_id")[0].id


def _hashable(value: Any) -> Hashable:
    return tuple(value) if isinstance(value, list) else value
