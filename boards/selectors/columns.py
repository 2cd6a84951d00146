"""The cards of a board, in full: column by column, or certain ones.

The number of queries never depends on how many tickets there are: each column is read in the order of an
index (``tickets_column``, ``tickets_final_column``) and no further than its page.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from django.db.models import Q, QuerySet
from django.utils import timezone

from tickets.errors import Invalid, not_one_of
from tickets.models import ApprovalStatus, Ticket, TicketDependency, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.prepared import Mark, Reading
from tickets.rules import PRIORITY_RANK, Board, Column

Sort = Literal["rank", "priority", "updated", "created"]
SORTS: tuple[Sort, ...] = ("rank", "priority", "updated", "created")

FIELDS = (
    "id", "key", "number", "status", "ticket_type", "priority", "title", "tags", "rank", "version", "created_at",
    "updated_at", "completed_at", "comment_count", "commit_count", "story_points", "estimate_minutes", "is_blocked",
    "blocked_reason", "is_resolved", "approval_status", "lease_agent_id", "lease_expires_at", "assigned_agent_id",
    "assigned_agent__name", "assigned_agent__kind",
)  # fmt: skip
ROW_FIELDS = FIELDS[:-3]
MAX_CARDS = 500


class Order(NamedTuple):
    """By what a column is sorted; among equals by the number, in the same direction."""

    field: str
    descending: bool

    @property
    def fields(self) -> tuple[str, str]:
        return (f"-{self.field}", "-number") if self.descending else (self.field, "number")


_ORDERS: dict[Sort, Order] = {
    "rank": Order("rank", descending=False),
    "priority": Order("priority_rank", descending=False),
    "updated": Order("updated_at", descending=True),
    "created": Order("created_at", descending=True),
}
LATEST = Order("completed_at", descending=True)


def order_of(column: Column, sort: Sort = "rank") -> Order:
    """How a column is sorted. In their own order, final columns show the latest first."""
    return LATEST if sort == "rank" and column.category == "final" else _ORDERS[sort]


@dataclass(frozen=True, slots=True)
class Assignee:
    """Who has a ticket. ``kind`` is ``ai``, ``human`` or ``system``."""

    id: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that a card on the board shows.

    ``blocked_by_keys`` are the keys of the live blockers, oldest dependency first; empty where only a hand
    blocks. ``lease_agent_id`` and ``lease_expires_at`` are None once the lease has run out. ``cursor`` is
    where the column goes on after this card.
    """

    id: str
    key: str
    number: int
    status: str
    ticket_type: str
    priority: str
    title: str
    tags: list[str]
    rank: str
    version: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    comment_count: int
    commit_count: int
    story_points: int | None
    estimate_minutes: int | None
    is_blocked: bool
    blocked_reason: str
    is_resolved: bool
    approval_status: str
    lease_agent_id: str | None
    lease_expires_at: datetime | None
    assignee: Assignee | None
    blocked_by_keys: tuple[str, ...] = ()

    @property
    def is_pending(self) -> bool:
        """Whether it waits for a person's review."""
        return self.approval_status == ApprovalStatus.PENDING


@dataclass(frozen=True, slots=True)
class CardPage:
    """Cards of one column in its order. ``next_cursor`` is None at the column's end."""

    cards: list[Card]
    next_cursor: str | None


def column_cards(
    workflow: Workflow,
    board: Board,
    status: str,
    *,
    after: str | None = None,
    limit: int = 40,
    rows: QuerySet[Ticket] | None = None,
    sort: Sort = "rank",
) -> CardPage:
    """The next cards of a column after a cursor (``CardPage.next_cursor``). At most two queries.

    ``rows``: the tickets to choose from; all that are on the board unless given. Raises Invalid for a column
    that the board lacks and for a cursor that is none.
    """
    column = board.by_id.get(status)
    if column is None:
        raise not_one_of("status", status, board.by_id)
    page = _page(workflow, column, after=after, limit=min(max(limit, 1), MAX_CARDS), rows=rows, sort=sort)
    return replace(page, cards=with_blockers(page.cards))


def cards_of(workflow: Workflow, ticket_ids: Sequence[str], *, rows: QuerySet[Ticket] | None = None) -> list[Card]:
    """Cards of certain tickets, in the order given. At most two queries.

    A ticket that is missing from the answer is not among ``rows``; without them, not on the board: rejected,
    expired or of another workflow.
    """
    chosen = (_on_board(workflow.id) if rows is None else rows).filter(pk__in=list(ticket_ids)[:MAX_CARDS])
    cards = {card.id: card for card in _cards(chosen)}
    return with_blockers([cards[ticket_id] for ticket_id in dict.fromkeys(ticket_ids) if ticket_id in cards])


def cursor_of(column: Column, card: Card, sort: Sort = "rank") -> str:
    """Where a column goes on after this card."""
    order = order_of(column, sort)
    value = PRIORITY_RANK[card.priority] if order.field == "priority_rank" else getattr(card, order.field)
    if isinstance(value, datetime):
        value = value.astimezone(UTC).isoformat()
    return f"{'' if value is None else value}~{card.number}"


def _page(
    workflow: Workflow, column: Column, *, after: str | None, limit: int, rows: QuerySet[Ticket] | None, sort: Sort
) -> CardPage:
    order = order_of(column, sort)
    if after is None and rows is None:
        now = timezone.now()
        found = _first_cards(order, limit + 1).rows(workflow_id=workflow.id, status=column.id)
        cards = [_card(row, now) for row in found]
    else:
        chosen = in_order((_on_board(workflow.id) if rows is None else rows).filter(status=column.id), order)
        cards = _cards((chosen.filter(_beyond(after, order)) if after is not None else chosen)[: limit + 1])
    more = len(cards) > limit
    cards = cards[:limit]
    return CardPage(cards, cursor_of(column, cards[-1], sort) if more else None)


@functools.lru_cache(maxsize=64)
def _first_cards(order: Order, limit: int) -> Reading:
    """The statement of a column's first cards, which every look at a board runs once for each column."""
    rows = _on_board(Mark("workflow_id")).filter(status=Mark("status"))
    return Reading(in_order(rows, order).values_list(*FIELDS)[:limit])


def in_order(rows: QuerySet[Ticket], order: Order) -> QuerySet[Ticket]:
    """These tickets of one column, sorted."""
    if order == LATEST:
        # Whatever is in a final column has its time; the index of that order holds nothing else.
        rows = rows.filter(completed_at__isnull=False)
    return rows.order_by(*order.fields)


def _beyond(cursor: str, order: Order) -> Q:
    """The tickets after a cursor. Raises Invalid where it is none of that order."""
    text, number = _read_cursor(cursor)
    value: Any = text
    if order.field == "priority_rank":
        if text not in map(str, PRIORITY_RANK.values()):
            raise _broken(cursor)
        value = int(text)
    elif order.field != "rank":
        try:
            value = datetime.fromisoformat(text)
            if value.tzinfo is None:
                raise ValueError
            value = value.astimezone(UTC)
        except (ValueError, OverflowError):
            raise _broken(cursor) from None
    way = "lt" if order.descending else "gt"
    # The first condition is implied by the second; it is what an index can start from.
    beyond = Q(**{f"{order.field}__{way}": value}) | Q(**{f"number__{way}": number})
    return Q(**{f"{order.field}__{way}e": value}) & beyond


def _read_cursor(cursor: str) -> tuple[str, int]:
    head, mark, number = cursor.rpartition("~")
    if not mark or not head or "\x00" in head or len(head) > 255 or not number.isascii() or not number.isdigit():
        raise _broken(cursor)
    if len(number) > 10:
        raise _broken(cursor)
    return head, int(number)


def _broken(cursor: str) -> Invalid:
    return Invalid(f"{cursor[:60]!r} is not a cursor of this column.", field="after")


def _on_board(workflow_id: str | Mark) -> QuerySet[Ticket]:
    return Ticket.objects.filter(workflow_id=workflow_id, approval_status__in=VISIBLE_APPROVALS)


def read_cards(rows: QuerySet[Ticket]) -> list[Card]:
    """The cards of these tickets, in their order. At most two queries."""
    return with_blockers(_cards(rows))


def _cards(rows: QuerySet[Ticket]) -> list[Card]:
    now = timezone.now()
    return [_card(row, now) for row in rows.values_list(*FIELDS)]


def _card(row: tuple[Any, ...], now: datetime) -> Card:
    *plain, assignee_id, name, kind = row
    values: dict[str, Any] = dict(zip(ROW_FIELDS, plain, strict=True))
    if values["lease_expires_at"] is not None and values["lease_expires_at"] <= now:
        values["lease_agent_id"] = values["lease_expires_at"] = None
    return Card(**values, assignee=Assignee(assignee_id, name, kind) if assignee_id else None)


def with_blockers(cards: Iterable[Card]) -> list[Card]:
    """The cards with the keys of what they wait for. One query where any of them is blocked."""
    cards = list(cards)
    blocked = [card.id for card in cards if card.is_blocked]
    if not blocked:
        return cards
    keys: dict[str, list[str]] = {}
    live = TicketDependency.objects.filter(ticket_id__in=blocked, released_at=None).order_by("id")
    for ticket_id, key in live.values_list("ticket_id", "blocker__key"):
        keys.setdefault(ticket_id, []).append(key)
    return [replace(card, blocked_by_keys=tuple(keys[card.id])) if card.id in keys else card for card in cards]
