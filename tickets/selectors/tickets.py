"""Lists of tickets: filters, orders, rows.

A list reads rows of one table without models or serializers. Permission is in the query for the workflow;
everything after it names that workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Left
from django.utils import timezone

from tickets import ports
from tickets.access import Actor, find_tickets, workflow_for
from tickets.errors import not_one_of
from tickets.models import Ticket, TicketDependency, TicketTag, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.rules import Board
from tickets.schemas.reads import EXCERPT, NOBODY, ROW_NAMES, ListTickets, TicketFilters, TicketList, TicketRow
from tickets.selectors.counts import UntilNextEvent

# Where a row's field comes from, if not from the column of its name.
SOURCES: dict[str, str] = {"ticket_id": "id"}
TIMES = ("created_at", "updated_at", "started_at", "completed_at", "resolved_at", "lease_expires_at")
# Read with each row, shown or not: whose blockers to look up, and whether the lease is live.
_ALWAYS = ("id", "open_blocker_count", "lease_expires_at")

_counts: UntilNextEvent[int] = UntilNextEvent()
_counts_by_status: UntilNextEvent[dict[str, int]] = UntilNextEvent()


def time_text(value: datetime | None) -> str | None:
    """A time as the database returns it (in UTC), as every answer shows it."""
    return value.isoformat()[:-6] + "Z" if value is not None else None


@dataclass(frozen=True, slots=True)
class Selection:
    """The tickets that a request means, with what the same request means again until the next event."""

    workflow: Workflow
    board: Board
    rows: QuerySet[Ticket]
    question: Hashable

    def count(self) -> int:
        """How many there are. One covering query at most."""
        return _counts.get(self.workflow, self.question, self.rows.order_by().count)

    def count_by_status(self) -> dict[str, int]:
        """How many there are in each column, the empty ones left out. One covering query at most."""
        by_status = self.rows.order_by().values_list("status").annotate(total=Count("*"))
        return _counts_by_status.get(self.workflow, self.question, lambda: dict(by_status))


def select_tickets(actor: Actor, request: TicketFilters) -> Selection:
    """What the filters leave of a workflow's tickets. One query, for the workflow; one more for a parent.

    Raises NotFound for a workflow that the actor may not read, Invalid for a value that its board lacks.
    """
    workflow = workflow_for(actor, request.workflow_id)
    board = ports.boards().board_of(workflow)
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
    conditions = {name: value for name, value in asked.items() if value is not None}
    tags = sorted({tag.casefold() for tag in request.tags or ()})
    rows = Ticket.objects.filter(workflow_id=workflow.id, **conditions)
    for tag in tags:
        bearers = TicketTag.objects.filter(workflow_id=workflow.id, folded=tag)
        rows = rows.filter(pk__in=bearers.values("ticket_id"))
    question = (tuple((name, _hashable(value)) for name, value in conditions.items()), tuple(tags))
    return Selection(workflow, board, rows, question)


def ticket_list(*, actor: Actor, request: ListTickets) -> TicketList:
    """A page of tickets.

    Queries: the workflow (two where it is implied), the count unless it is known, the rows, the blockers of
    blocked rows. Sorted by status, the rows are read column by column: one query for each on the page.
    """
    selection = select_tickets(actor, request)
    if request.sort_by == "status":
        counts = selection.count_by_status()
        total = sum(counts.values())
        parts = _column_parts(selection, counts, request)
    else:
        total = selection.count()
        ordered = selection.rows.order_by(*_order(request.sort_by, request.sort_order))
        parts = [ordered[request.offset : request.offset + request.limit]] if request.offset < total else []
    names, excerpt = _shape(request)
    rows = ticket_rows(parts, names, excerpt=excerpt)
    return TicketList.model_construct(tickets=rows, total_count=total, has_more=request.offset + len(rows) < total)


def ticket_rows(
    parts: Iterable[QuerySet[Ticket]], names: Sequence[str] = ROW_NAMES, *, excerpt: bool = True
) -> list[TicketRow]:
    """Rows of these querysets, one after the other. A query for each, and one for blockers where there are any.

    ``excerpt`` cuts descriptions to 200 characters, in the database.
    """
    build = _row_builder(names, excerpt)
    columns = [*_ALWAYS, *(_source(name, excerpt) for name in names if name != "blocked_by_ticket_ids")]
    found = [row for part in parts for row in part.values_list(*columns)]
    blockers: dict[str, list[str]] = {}
    if "blocked_by_ticket_ids" in names:
        blockers = live_blockers([row[0] for row in found if row[1]])
    return build(found, blockers)


def live_blockers(ticket_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ticket id → ids of what it waits for now, oldest dependency first. One query; none for no ids."""
    blockers: dict[str, list[str]] = {}
    if ticket_ids:
        live = TicketDependency.objects.filter(ticket_id__in=ticket_ids, released_at=None).order_by("id")
        for ticket_id, blocker_id in live.values_list("ticket_id", "blocker_id"):
            blockers.setdefault(ticket_id, []).append(blocker_id)
    return blockers


def _row_builder(
    names: Sequence[str], excerpt: bool
) -> Callable[[list[tuple[Any, ...]], dict[str, list[str]]], list[TicketRow]]:
    """Makes rows out of what the database returned. All that depends on the names is settled before the rows."""
    shown = [name for name in names if name != "blocked_by_ticket_ids"]
    times = [name for name in TIMES if name in names]
    with_lease = bool({"lease_agent_id", "lease_expires_at"} & set(names))
    cut = excerpt and "description" in names
    with_blockers = "blocked_by_ticket_ids" in names

    def build(found: list[tuple[Any, ...]], blockers: dict[str, list[str]]) -> list[TicketRow]:
        now = timezone.now()
        rows = []
        for ticket_id, _, lease_ends, *values in found:
            row: dict[str, Any] = dict(zip(shown, values, strict=True))
            if with_lease and lease_ends is not None and lease_ends <= now:
                row |= {name: None for name in ("lease_agent_id", "lease_expires_at") if name in row}
            for name in times:
                value = row[name]
                if value is not None:
                    row[name] = value.isoformat()[:-6] + "Z"
            if cut and len(row["description"]) > EXCERPT:
                row["description"] = row["description"][: EXCERPT - 1] + "…"
            if with_blockers:
                row["blocked_by_ticket_ids"] = blockers.get(ticket_id, [])
            rows.append(row)
        return rows  # type: ignore[return-value]  # built by name

    return build


def _source(name: str, excerpt: bool) -> str | Combinable:
    if name == "description" and excerpt:
        # One more than is shown tells that there is more.
        return Left("description", EXCERPT + 1)
    return SOURCES.get(name, name)


def _shape(request: ListTickets) -> tuple[Sequence[str], bool]:
    """Which fields the rows have, and whether their descriptions are cut."""
    full = request.description == "full" or (
        request.description is None and request.fields is not None and "description" in request.fields
    )
    names: Sequence[str] = request.fields or ROW_NAMES
    if request.description == "none":
        names = [name for name in names if name != "description"]
    return names, not full


def _order(sort_by: str, sort_order: str) -> tuple[str, ...]:
    """Names to order by. Each order is that of an index, or its reverse."""
    down = sort_order == "desc"
    if sort_by == "priority":
        # Rank 0 is critical: the highest priority has the lowest rank.
        return ("priority_rank", "-number") if down else ("-priority_rank", "number")
    return (f"-{sort_by}", "-number") if down else (sort_by, "number")


def _column_parts(selection: Selection, counts: dict[str, int], request: ListTickets) -> list[QuerySet[Ticket]]:
    """The page as slices of columns. Within a column: by creation, in the same direction."""
    down = request.sort_order == "desc"
    # A column that the board lost keeps no tickets; should one be there, it comes last.
    statuses = [*selection.board.by_id, *sorted(counts.keys() - selection.board.by_id.keys())]
    parts, skip, wanted = [], request.offset, request.limit
    for status in reversed(statuses) if down else statuses:
        here = counts.get(status, 0)
        if skip < here and wanted > 0:
            take = min(here - skip, wanted)
            column = selection.rows.filter(status=status).order_by(*_order("created_at", request.sort_order))
            parts.append(column[skip : skip + take])
            wanted -= take
        skip = max(0, skip - here)
    return parts


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
