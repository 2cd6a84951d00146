"""What the page of a past board shows, worked out beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone

from boards.selectors.audit import Wanted, changes
from boards.selectors.moments import Moments, moments_around
from boards.selectors.past import PastBoard, PastCard, PastColumn
from boards.web import look
from boards.web.board.cards import TAGS_SHOWN
from boards.web.board.heat import FIELD_WORDS
from boards.web.history.entries import AuditEntry, Words
from boards.web.ticket.steps import TIES
from tickets.board_source import board_of
from tickets.errors import not_one_of
from tickets.models import Ticket, TicketHistory, Workflow
from tickets.rules import Board, Column, TicketType
from tickets.schemas.base import utc_text
from tickets.selectors.replay import present, replay
from tickets.services.blocking import live_blocker_ids

PER_COLUMN = 40
SLIDER = 1000
MAX_CHANGES = 20
CHANGES_SHOWN = 2
SHOWN_FIELDS = (
    "status", "assigned_agent_id", "priority", "ticket_type", "tags", "blocked_by_ticket_ids", "is_blocked",
    "blocked_reason", "is_resolved", "approval_status", "parent_ticket_id", "related_ticket_ids", "story_points",
    "estimate_minutes", "lease_agent_id", "comment_count", "commit_count",
)  # fmt: skip
WORDS = {
    **FIELD_WORDS,
    "status": "column",
    "assigned_agent_id": "assignee",
    "blocked_by_ticket_ids": "waits for",
    "is_blocked": "blocked by hand",
    "is_resolved": "resolved",
    "approval_status": "approval",
    "lease_agent_id": "claimed by",
    "comment_count": "comments",
    "commit_count": "commits",
}


@dataclass(frozen=True, slots=True)
class CardThen:
    """A card, and whether the change that the page is about was one of its ticket."""

    card: PastCard
    kind: TicketType
    has_changed: bool
    then: str

    @property
    def tags(self) -> list[str]:
        return self.card.tags[:TAGS_SHOWN]

    @property
    def more_tags(self) -> list[str]:
        return self.card.tags[TAGS_SHOWN:]

    @property
    def estimate(self) -> str:
        return look.duration(self.card.estimate_minutes) if self.card.estimate_minutes else ""


@dataclass(frozen=True, slots=True)
class CellThen:
    """A column with some of its cards. ``next_offset`` is None at its end."""

    column: Column
    is_guessed: bool
    total: int
    offset: int
    cards: list[CardThen]
    next_offset: int | None

    @property
    def over(self) -> int:
        limit = self.column.wip_limit
        return max(self.total - limit, 0) if limit is not None else 0


@dataclass(frozen=True, slots=True)
class Value:
    """A field of a ticket then and now."""

    word: str
    then: str
    now: str

    @property
    def differs(self) -> bool:
        return self.then != self.now

    @property
    def says_something(self) -> bool:
        return self.differs or self.then not in ("", "no", "none", "0")


class PastView:
    """A past board, and the ways from it through time. ``continued``: that column begins at that card."""

    def __init__(
        self,
        workflow: Workflow,
        moment: datetime,
        *,
        ticket: Ticket | None = None,
        continued: tuple[str, int] | None = None,
    ) -> None:
        self.workflow = workflow
        self.moment = moment
        self.ticket = ticket
        self.past = PastBoard(workflow, moment)
        self._continued = continued

    @property
    def board(self) -> Board:
        return self.past.board

    # ── time ──

    @cached_property
    def moments(self) -> Moments:
        return moments_around(self.workflow, self.moment)

    @cached_property
    def now(self) -> datetime:
        return timezone.now()

    @cached_property
    def first(self) -> datetime:
        return self.moments.first or self.workflow.created_at

    @property
    def place(self) -> int:
        """Where the slider stands."""
        whole = (self.now - self.first).total_seconds()
        return round(SLIDER * (self.moment - self.first).total_seconds() / whole) if whole > 0 else SLIDER

    def at_place(self, place: int) -> datetime:
        """The moment at which the slider stands so."""
        return self.first + (self.now - self.first) * place / SLIDER

    @property
    def previous_address(self) -> str | None:
        return self._address(self.moments.before) if self.moments.before is not None else None

    @property
    def next_address(self) -> str | None:
        return self._address(self.moments.after) if self.moments.after is not None else None

    @property
    def here(self) -> str:
        return self._address(self.moment)

    @property
    def without_ticket(self) -> str:
        return "/board-at?" + urlencode({"workflow": self.workflow.id, "at": utc_text(self.moment)})

    @property
    def audit_until_here(self) -> str:
        """The audit up to the change that is shown."""
        until = (self.moments.last or self.moment) + timedelta(microseconds=1)
        return "/audit?" + urlencode({"workflow": self.workflow.id, "until": utc_text(until)})

    @property
    def words(self) -> str:
        """The moment, to the second, in the zone of whoever looks."""
        local = timezone.localtime(self.moment)
        return f"{local:%a} {local.day} {local:%b %Y}, {local:%H:%M:%S} {local.tzname()}"

    def _address(self, moment: datetime, **more: str) -> str:
        ticket = {"ticket": self.ticket.key} if self.ticket is not None else {}
        return "/board-at?" + urlencode({"workflow": self.workflow.id, "at": utc_text(moment), **ticket, **more})

    # ── what changed ──

    @cached_property
    def _changes(self) -> list[AuditEntry]:
        last = self.moments.last
        if last is None:
            return []
        wanted = Wanted(since=last, until=last + timedelta(microseconds=1))
        return Words(self.workflow, self.board).entries(changes(self.workflow, wanted, limit=MAX_CHANGES))

    @property
    def changes(self) -> list[AuditEntry]:
        """Some of what happened at the last change, in that order; what was said of it comes after."""
        oldest_first = self._changes[::-1]
        return sorted(oldest_first, key=lambda entry: entry.step.icon == "comment")[:CHANGES_SHOWN]

    @property
    def changes_left(self) -> int:
        return max(len(self._changes) - CHANGES_SHOWN, 0)

    # ── the board ──

    @cached_property
    def cells(self) -> list[CellThen]:
        column, offset = self._continued or ("", 0)
        if column and column not in {item.column.id for item in self.past.columns}:
            raise not_one_of("column", column, [item.column.id for item in self.past.columns])
        starts = {item.column.id: offset if item.column.id == column else 0 for item in self.past.columns}
        wanted = [
            ticket_id
            for item in self.past.columns
            for ticket_id in item.ticket_ids[starts[item.column.id] : starts[item.column.id] + PER_COLUMN]
        ]
        cards = {card.id: card for card in self.past.cards(wanted)}
        return [self._cell(item, starts[item.column.id], cards) for item in self.past.columns]

    def cell(self, status: str, offset: int) -> CellThen:
        """One column from a card on. Raises Invalid."""
        item = next((item for item in self.past.columns if item.column.id == status), None)
        if item is None:
            raise not_one_of("column", status, [item.column.id for item in self.past.columns])
        cards = self.past.cards(item.ticket_ids[offset : offset + PER_COLUMN])
        return self._cell(item, offset, {card.id: card for card in cards})

    def _cell(self, item: PastColumn, offset: int, cards: dict[str, PastCard]) -> CellThen:
        ids = item.ticket_ids[offset : offset + PER_COLUMN]
        end = offset + len(ids)
        changed = {entry.ticket.id for entry in self._changes if entry.ticket is not None}
        shown = [
            CardThen(
                card, self._kind(card.ticket_type), card.id in changed, self._address(self.moment, ticket=card.key)
            )
            for card in (cards[ticket_id] for ticket_id in ids)
        ]
        total = len(item.ticket_ids)
        return CellThen(item.column, item.is_guessed, total, offset, shown, end if end < total else None)

    def _kind(self, name: str) -> TicketType:
        return self.board.types.get(name) or TicketType(id="gone", name=name)

    @property
    def total(self) -> int:
        return sum(cell.total for cell in self.cells)

    # ── one ticket ──

    @cached_property
    def values(self) -> list[Value] | None:
        """The ticket's fields then and now; None where it was not there yet."""
        then = self._state_then
        if then is None or self.ticket is None:
            return None
        now = present(self.ticket, live_blocker_ids(self.ticket.id))
        names = [column_names(self.board), column_names(board_of(self.workflow))]
        ties = {id_ for state in (then, now) for id_ in _ties(state)}
        keys = dict(Ticket.objects.filter(pk__in=ties).values_list("pk", "key")) if ties else {}
        return [
            Value(
                WORDS.get(name, name.replace("_", " ")),
                *(_said(name, state[name], {**keys, **known}) for state, known in zip((then, now), names, strict=True)),
            )
            for name in SHOWN_FIELDS
        ]

    @property
    def title_then(self) -> str:
        return self._state_then["title"] if self._state_then is not None else ""

    @property
    def description_then(self) -> str:
        return self._state_then["description"] if self._state_then is not None else ""

    @cached_property
    def _state_then(self) -> dict[str, Any] | None:
        if self.ticket is None:
            return None
        told = TicketHistory.objects.filter(ticket=self.ticket, changed_at__lte=self.moment).order_by("id")
        return replay(told) or None


def _ties(state: dict[str, Any]) -> Iterator[str]:
    yield from state["blocked_by_ticket_ids"]
    yield from state["related_ticket_ids"]
    if state["parent_ticket_id"]:
        yield state["parent_ticket_id"]


def column_names(board: Board) -> dict[str, str]:
    return {column.id: column.name for column in board.columns}


def _said(name: str, value: Any, names: dict[str, str]) -> str:
    """A value as people read it. ``names``: those of columns and tickets."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(names.get(str(item), str(item)) if name in TIES else str(item) for item in value)
    if name in ("parent_ticket_id", "status"):
        return names.get(value, str(value))
    if name == "estimate_minutes":
        return look.duration(value)
    return str(value).replace("_", " ") if name == "approval_status" else str(value)
