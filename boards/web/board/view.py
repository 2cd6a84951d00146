"""What the board's template shows, worked out beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from boards.selectors.arranged import MAX_LANES, Arrangement, Lane, lane_cards, lanes_of
from boards.selectors.columns import Card, Sort, column_cards, cursor_of, order_of
from boards.selectors.faces import FacePage, column_faces
from boards.selectors.fleet import Lease, State, fleet_counts, open_leases
from boards.web.board.cards import Cards
from tickets.models import Workflow
from tickets.rules import Board, Category, Column
from tickets.selectors.counts import status_counts

PER_COLUMN = 40
# With lanes, about so many cards in all, and no fewer than that in each list.
LANE_CARDS = 240
FEWEST_IN_CELL = 3
CARDS_MARK = "<!--cards-->"
EMPTY: dict[Category, str] = {
    "queue": "Nothing waits here.",
    "active": "Nothing in hand here.",
    "final": "Nothing is done yet.",
}


@dataclass(frozen=True, slots=True)
class Count:
    """A column's number of tickets, held against its limit. ``found``: how many of them the filters leave."""

    column: Column
    total: int
    found: int | None = None

    @property
    def limit(self) -> int | None:
        return self.column.wip_limit

    @property
    def over(self) -> int:
        """By how many tickets the limit is exceeded."""
        return max(self.total - self.limit, 0) if self.limit is not None else 0


@dataclass(frozen=True, slots=True)
class CellView:
    """A list of cards: a column's, or of a column within a lane. ``cards`` is their HTML."""

    column: Column
    lane: str
    total: int
    cards: bytes
    shown: int
    next_cursor: str | None
    is_continued: bool = False


@dataclass(frozen=True, slots=True)
class ColumnView:
    """One column: its head and, without lanes, its cards.

    ``count`` is true of the whole column, ``total`` of what the filters leave of it.
    """

    column: Column
    count: Count
    total: int
    descends: bool
    cell: CellView | None

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
class LaneView:
    """One lane: a list of cards for each column."""

    lane: Lane
    cells: list[CellView]


@dataclass(frozen=True, slots=True)
class Summary:
    """How many tickets there are, how many of them are in no final column, and how many the filters leave."""

    total: int
    open: int
    found: int | None = None


class BoardView:
    """A whole board, as ``arrangement`` wants it; without one, as it is.

    ``continued`` is a column and a cursor: that column begins after it.
    """

    def __init__(
        self,
        workflow: Workflow,
        board: Board,
        *,
        leases: Mapping[str, Lease] | None = None,
        arrangement: Arrangement | None = None,
        continued: tuple[str, str] | None = None,
    ) -> None:
        self.workflow = workflow
        self.board = board
        # Read before the tickets: whatever happens meanwhile comes again as an event.
        self.seq = workflow.event_seq
        self.leases = open_leases(workflow) if leases is None else leases
        self.arrangement = arrangement
        self.sort: Sort = arrangement.sort if arrangement is not None else "rank"
        self._continued = continued
        # Counted first: what a count does not know yet comes as an event.
        self._all = counts_of(workflow, board)
        self._wanted = arrangement.counts() if self.is_filtered and arrangement is not None else self._all

    @property
    def is_filtered(self) -> bool:
        return self.arrangement is not None and self.arrangement.is_filtered

    @cached_property
    def cards(self) -> Cards:
        return Cards(self.workflow, self.board, self.leases, self.sort)

    @cached_property
    def columns(self) -> list[ColumnView]:
        cells = self._cells() if self._lane_by is None else {}
        return [
            ColumnView(
                column,
                Count(column, self._all[column.id], self._wanted[column.id] if self.is_filtered else None),
                self._wanted[column.id],
                order_of(column, self.sort).descending,
                cells.get(column.id),
            )
            for column in self.board.columns
        ]

    @cached_property
    def lanes(self) -> list[LaneView]:
        """The lanes that are shown; ``lanes_left_out`` says how many are not."""
        if self.arrangement is None or self._lane_by is None:
            return []
        lanes = self._all_lanes[:MAX_LANES]
        per_cell = max(LANE_CARDS // max(len(lanes) * len(self.board.columns), 1), FEWEST_IN_CELL)
        found = lane_cards(self.arrangement, lanes, per_cell=per_cell)
        return [LaneView(lane, [self._cell(column, lane, found) for column in self.board.columns]) for lane in lanes]

    @property
    def lanes_left_out(self) -> int:
        return max(len(self._all_lanes) - MAX_LANES, 0)

    @property
    def cells(self) -> list[CellView]:
        """Every list of cards, in the order in which the page has them."""
        if self._lane_by is not None:
            return [cell for lane in self.lanes for cell in lane.cells]
        return [column.cell for column in self.columns if column.cell is not None]

    @cached_property
    def summary(self) -> Summary:
        found = sum(self._wanted.values()) if self.is_filtered else None
        return summary_of(self.board, self._all, found)

    @cached_property
    def fleet(self) -> dict[State, int]:
        return fleet_counts(self.leases)

    @property
    def _lane_by(self) -> str | None:
        return self.arrangement.lanes if self.arrangement is not None else None

    @cached_property
    def _all_lanes(self) -> list[Lane]:
        return lanes_of(self.arrangement) if self.arrangement is not None and self._lane_by is not None else []

    def _cells(self) -> dict[str, CellView]:
        if self.arrangement is not None:
            return {column.id: self._continuation(column, None) for column in self.board.columns}
        pages = column_faces(self.workflow, self.board, per_column=PER_COLUMN)
        html = self.cards.of_faces(face for page in pages for face in page.faces)
        return {
            column.id: self._first_cell(column, page, html)
            for column, page in zip(self.board.columns, pages, strict=True)
        }

    def _first_cell(self, column: Column, page: FacePage, html: Mapping[str, bytes]) -> CellView:
        if self._continued is not None and self._continued[0] == column.id:
            return self._continuation(column, self._continued[1])
        shown = [html[face.id] for face in page.faces if face.id in html]
        return CellView(column, "", self._all[column.id], b"".join(shown), len(shown), page.next_cursor)

    def _continuation(self, column: Column, after: str | None) -> CellView:
        if after is None and self._continued is not None and self._continued[0] == column.id:
            after = self._continued[1]
        rows = self.arrangement.rows if self.arrangement is not None else None
        rest = column_cards(
            self.workflow, self.board, column.id, after=after, limit=PER_COLUMN, rows=rows, sort=self.sort
        )
        cards = self.cards.all_html(rest.cards)
        return CellView(
            column,
            "",
            self._wanted[column.id],
            cards,
            len(rest.cards),
            rest.next_cursor,
            is_continued=after is not None,
        )

    def _cell(self, column: Column, lane: Lane, found: Mapping[tuple[str, str], list[Card]]) -> CellView:
        cards, total = found.get((lane.id, column.id), []), lane.counts.get(column.id, 0)
        cursor = cursor_of(column, cards[-1], self.sort) if cards and total > len(cards) else None
        return CellView(column, lane.id, total, self.cards.all_html(cards), len(cards), cursor)


def with_cards(page: str, cells: Iterable[CellView]) -> bytes:
    """The page with each list's cards in the place of its mark.

    They come in as bytes at the end: each level of a template would copy them, and they are nearly all of it.
    No text of a ticket can be a mark, for no ``<`` of a text reaches a page.
    """
    head, *tails = page.split(CARDS_MARK)
    parts = [head.encode()]
    for cell, tail in zip(cells, tails, strict=True):
        parts += [cell.cards, tail.encode()]
    return b"".join(parts)


def counts_of(workflow: Workflow, board: Board) -> dict[str, int]:
    """Column → number of tickets now, for every column of the board."""
    counts = status_counts(workflow)
    return {column.id: counts.get(column.id, 0) for column in board.columns}


def summary_of(board: Board, counts: Mapping[str, int], found: int | None = None) -> Summary:
    total = sum(counts.values())
    return Summary(total, total - sum(counts[status] for status in board.statuses("final")), found)
