"""The cards of a board, in full: column by column, or certain ones.

The number of queries never depends on how many tickets there are: each column is read in the order of an
index (``tickets_column``, ``tickets_final_column``) and no further than its page.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from tickets.errors import Invalid, not_one_of
from tickets.models import ApprovalStatus, Ticket, TicketDependency, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.prepared import Mark, Reading
from tickets.rules import Board, Column

FIELDS = (
    "id", "key", "number", "status", "ticket_type", "priority", "title", "tags", "rank", "version", "created_at",
    "updated_at", "completed_at", "comment_count", "commit_count", "story_points", "estimate_minutes", "is_blocked",
    "blocked_reason", "is_resolved", "approval_status", "lease_agent_id", "lease_expires_at", "assigned_agent_id",
    "assigned_agent__name", "assigned_agent__kind",
)  # fmt: skip
ROW_FIELDS = FIELDS[:-3]
MAX_CARDS = 500


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
    workflow: Workflow, board: Board, status: str, *, after: str | None = None, limit: int = 40
) -> CardPage:
    """The next cards of a column after a cursor (``CardPage.next_cursor``). At most two queries.

    Raises Invalid for a column that the board lacks and for a cursor that is none.
    """
    column = board.by_id.get(status)
    if column is None:
        raise not_one_of("status", status, board.by_id)
    page = _page(workflow, column, after=after, limit=min(max(limit, 1), MAX_CARDS))
    return replace(page, cards=_with_blockers(page.cards))


def cards_of(workflow: Workflow, ticket_ids: Sequence[str]) -> list[Card]:
    """Cards of certain tickets, in the order given. At most two queries.

    A ticket that is missing from the answer is not on the board: rejected, expired or of another workflow.
    """
    rows = _on_board(workflow.id).filter(pk__in=list(ticket_ids)[:MAX_CARDS])
    cards = {card.id: card for card in _cards(rows)}
    return _with_blockers([cards[ticket_id] for ticket_id in dict.fromkeys(ticket_ids) if ticket_id in cards])


def cursor_of(column: Column, card: Card) -> str:
    """Where a column goes on after this card."""
    if column.category == "final":
        return f"{card.completed_at.astimezone(UTC).isoformat() if card.completed_at else ''}~{card.number}"
    return f"{card.rank}~{card.number}"


def _page(workflow: Workflow, column: Column, *, after: str | None, limit: int) -> CardPage:
    is_final = column.category == "final"
    if after is None:
        now = timezone.now()
        found = _first_cards(is_final, limit + 1).rows(workflow_id=workflow.id, status=column.id)
        cards = [_card(row, now) for row in found]
    else:
        rows = _in_order(_on_board(workflow.id).filter(status=column.id), is_final)
        cards = _cards(rows.filter(_completed_before(after) if is_final else _ranked_after(after))[: limit + 1])
    more = len(cards) > limit
    cards = cards[:limit]
    return CardPage(cards, cursor_of(column, cards[-1]) if more else None)


@functools.lru_cache(maxsize=64)
def _first_cards(is_final: bool, limit: int) -> Reading:
    """The statement of a column's first cards, which every look at a board runs once for each column."""
    rows = _on_board(Mark("workflow_id")).filter(status=Mark("status"))
    return Reading(_in_order(rows, is_final).values_list(*FIELDS)[:limit])


def _in_order(rows: QuerySet[Ticket], is_final: bool) -> QuerySet[Ticket]:
    if is_final:
        # Whatever is in a final column has its time; the index of that order holds nothing else.
        return rows.filter(completed_at__isnull=False).order_by("-completed_at", "-number")
    return rows.order_by("rank", "number")


def _ranked_after(cursor: str) -> Q:
    # The first condition is implied by the second; it is what the index can start from.
    rank, number = _read_cursor(cursor)
    return Q(rank__gte=rank) & (Q(rank__gt=rank) | Q(number__gt=number))


def _completed_before(cursor: str) -> Q:
    text, number = _read_cursor(cursor)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _broken(cursor) from None
    if moment.tzinfo is None:
        raise _broken(cursor)
    return Q(completed_at__lte=moment) & (Q(completed_at__lt=moment) | Q(number__lt=number))


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


def _cards(rows: QuerySet[Ticket]) -> list[Card]:
    now = timezone.now()
    return [_card(row, now) for row in rows.values_list(*FIELDS)]


def _card(row: tuple[Any, ...], now: datetime) -> Card:
    *plain, assignee_id, name, kind = row
    values: dict[str, Any] = dict(zip(ROW_FIELDS, plain, strict=True))
    if values["lease_expires_at"] is not None and values["lease_expires_at"] <= now:
        values["lease_agent_id"] = values["lease_expires_at"] = None
    return Card(**values, assignee=Assignee(assignee_id, name, kind) if assignee_id else None)


def _with_blockers(cards: Iterable[Card]) -> list[Card]:
    cards = list(cards)
    blocked = [card.id for card in cards if card.is_blocked]
    if not blocked:
        return cards
    keys: dict[str, list[str]] = {}
    live = TicketDependency.objects.filter(ticket_id__in=blocked, released_at=None).order_by("id")
    for ticket_id, key in live.values_list("ticket_id", "blocker__key"):
        keys.setdefault(ticket_id, []).append(key)
    return [replace(card, blocked_by_keys=tuple(keys[card.id])) if card.id in keys else card for card in cards]
