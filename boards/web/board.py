"""What the board's template shows, worked out beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from boards.selectors.columns import column_cards
from boards.selectors.faces import FacePage, column_faces
from boards.selectors.fleet import Lease, State, fleet_counts, open_leases
from boards.web.cards import Cards
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
    def cards(self) -> Cards:
        return Cards(self.workflow, self.board, self.leases)

    @cached_property
    def columns(self) -> list[ColumnView]:
        # Counted first: what a count does not know yet comes as an event.
        counts = counts_of(self.workflow, self.board)
        pages = column_faces(self.workflow, self.board, per_column=PER_COLUMN)
        html = self.cards.of_faces(face for page in pages for face in page.faces)
        return [
            self._view(column, counts[column.id], page, html)
            for column, page in zip(self.board.columns, pages, strict=True)
        ]

    @cached_property
    def summary(self) -> Summary:
        return summary_of(self.board, {view.column.id: view.count.total for view in self.columns})

    @cached_property
    def fleet(self) -> dict[State, int]:
        return fleet_counts(self.leases)

    def _view(self, column: Column, total: int, page: FacePage, html: Mapping[str, bytes]) -> ColumnView:
        count = Count(column, total)
        if self._continued is not None and self._continued[0] == column.id:
            rest = column_cards(self.workflow, self.board, column.id, after=self._continued[1], limit=PER_COLUMN)
            cards = self.cards.all_html(rest.cards)
            return ColumnView(column, count, cards, len(rest.cards), rest.next_cursor, is_continued=True)
        shown = [html[face.id] for face in page.faces if face.id in html]
        return ColumnView(column, count, b"".join(shown), len(shown), page.next_cursor, is_continued=False)


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
