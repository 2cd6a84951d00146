"""What the board's template shows, worked out beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from boards.selectors.columns import BoardColumn, CardPage, board_columns, column_cards
from boards.selectors.fleet import Lease, State, fleet_counts, open_leases
from boards.web.cards import cards_html
from tickets.models import Workflow
from tickets.rules import Board, Category, Column
from tickets.selectors.counts import status_counts

PER_COLUMN = 40
CARDS_MARK = "<!--cards-->"
EMPTY: dict[Category, str] = {
    "queue": "Nothing waits here.",
    "active": "Nothing in hand here.",
    "final": "Nothing is done yet.",
}


@dataclass(frozen=True, slots=True)
class Count:
    """A column's number of tickets, held against its limit."""

    column: Column
    total: int

    @property
    def limit(self) -> int | None:
        return self.column.wip_limit

    @property
    def over(self) -> int:
        """By how many tickets the limit is exceeded."""
        return max(self.total - self.limit, 0) if self.limit is not None else 0


@dataclass(frozen=True, slots=True)
class ColumnView:
    """One column: its head, the HTML of its cards, and where it goes on."""

    column: Column
    count: Count
    cards: bytes
    shown: int
    next_cursor: str | None
    is_continued: bool

    @property
    def id(self) -> str:
        return self.column.id

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def is_final(self) -> bool:
        return self.column.category == "final"

    @property
    def empty_text(self) -> str:
        return EMPTY[self.column.category]


@dataclass(frozen=True, slots=True)
class Summary:
    """How many tickets there are, and how many of them are not in a final column."""

    total: int
    open: int


class BoardView:
    """A whole board. ``continued`` is a column and a cursor: that column begins after it."""

    def __init__(self, workflow: Workflow, board: Board, continued: tuple[str, str] | None = None) -> None:
        self.workflow = workflow
        self.board = board
        # Read before the tickets: whatever happens meanwhile comes again as an event.
        self.seq = workflow.event_seq
        self._continued = continued

    @cached_property
    def leases(self) -> dict[str, Lease]:
        return open_leases(self.workflow)

    @cached_property
    def columns(self) -> list[ColumnView]:
        columns = board_columns(self.workflow, self.board, per_column=PER_COLUMN)
        return [self._view(found) for found in columns]

    @cached_property
    def summary(self) -> Summary:
        return summary_of(self.board, {view.column.id: view.count.total for view in self.columns})

    @cached_property
    def fleet(self) -> dict[State, int]:
        return fleet_counts(self.leases)

    def _view(self, found: BoardColumn) -> ColumnView:
        column, page, is_continued = found.column, found.page, False
        if self._continued is not None and self._continued[0] == column.id:
            page, is_continued = self._rest(self._continued), True
        return ColumnView(
            column=column,
            count=Count(column, found.ticket_count),
            cards=cards_html(self.workflow, self.board, page.cards, self.leases),
            shown=len(page.cards),
            next_cursor=page.next_cursor,
            is_continued=is_continued,
        )

    def _rest(self, continued: tuple[str, str]) -> CardPage:
        status, after = continued
        return column_cards(self.workflow, self.board, status, after=after, limit=PER_COLUMN)


def with_cards(page: str, columns: Iterable[ColumnView]) -> bytes:
    """The page with each column's cards in the place of its mark.

    They come in as bytes at the end: each level of a template would copy them, and they are nearly all of it.
    No text of a ticket can be a mark, for no ``<`` of a text reaches a page.
    """
    head, *tails = page.split(CARDS_MARK)
    parts = [head.encode()]
    for column, tail in zip(columns, tails, strict=True):
        parts += [column.cards, tail.encode()]
    return b"".join(parts)


def counts_of(workflow: Workflow, board: Board) -> dict[str, int]:
    """Column → number of tickets now, for every column of the board."""
    counts = status_counts(workflow)
    return {column.id: counts.get(column.id, 0) for column in board.columns}


def summary_of(board: Board, counts: Mapping[str, int]) -> Summary:
    total = sum(counts.values())
    return Summary(total, total - sum(counts[status] for status in board.statuses("final")))
