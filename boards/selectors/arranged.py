"""What of a board is shown, and how: filters, order, lanes. All of it is in the page's address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, cast

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from boards.selectors.columns import LATEST, Card, Order, Sort, order_of, read_cards
from tickets.models import Agent, Ticket, Workflow
from tickets.rules import PRIORITIES, Board
from tickets.selectors.tickets import Selection

Lanes = Literal["agent", "type", "priority", "parent"]
LANES: tuple[Lanes, ...] = ("agent", "type", "priority", "parent")
LANE_FIELDS: dict[Lanes, str] = {
    "agent": "assigned_agent_id",
    "type": "ticket_type",
    "priority": "priority",
    "parent": "parent_ticket_id",
}
# What of the board's address arranges it.
ADDRESS = ("type", "priority", "agent", "tag", "status", "blocked", "parent", "q", "state", "sort", "lanes")
NOBODY = "none"
MAX_LANES = 40
MAX_WORDS = 8


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the board. ``counts``: column → number of tickets, the empty ones left out."""

    id: str
    name: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Arrangement:
    """The tickets of a board that are asked for, and the order of its columns.

    ``words`` must all stand in the title, or be the key; ``held`` are the only tickets there may be, where
    the state of an agent is asked for.
    """

    selection: Selection
    words: tuple[str, ...] = ()
    held: frozenset[str] | None = None
    sort: Sort = "rank"
    lanes: Lanes | None = None
    is_filtered: bool = False

    @property
    def workflow(self) -> Workflow:
        return self.selection.workflow

    @property
    def board(self) -> Board:
        return self.selection.board

    @cached_property
    def rows(self) -> QuerySet[Ticket]:
        rows = self.selection.rows
        for word in self.words:
            rows = rows.filter(Q(title__icontains=word) | Q(key__istartswith=word))
        return rows if self.held is None else rows.filter(pk__in=self.held)

    def in_lane(self, lane: str) -> Arrangement:
        """The same of one lane alone."""
        assert self.lanes is not None
        name = LANE_FIELDS[self.lanes]
        lookup = {f"{name}__isnull": True} if lane == NOBODY else {name: lane}
        narrowed = replace(self.selection, lookups={**self.selection.lookups, **lookup})
        return replace(self, selection=narrowed, is_filtered=True)

    def counts(self) -> dict[str, int]:
        """Column → number of tickets, for every column. One query, none until the next event without words."""
        if self.words or self.held is not None:
            found = dict(self.rows.values_list("status").annotate(total=Count("*")))
        else:
            found = self.selection.count_by_status()
        return {column.id: found.get(column.id, 0) for column in self.board.columns}

    def lane_of(self, ticket_ids: Sequence[str]) -> dict[str, str]:
        """Ticket id → its lane. One query; none without lanes."""
        if self.lanes is None or not ticket_ids:
            return {}
        found = Ticket.objects.filter(workflow_id=self.workflow.id, pk__in=ticket_ids)
        return {ticket_id: lane or NOBODY for ticket_id, lane in found.values_list("id", LANE_FIELDS[self.lanes])}


def lanes_of(arrangement: Arrangement) -> list[Lane]:
    """The lanes that hold tickets, in the order of what they are by; what has no agent or parent comes last.

    Two queries: the counts, and names of agents or parents.
    """
    assert arrangement.lanes is not None
    name = LANE_FIELDS[arrangement.lanes]
    counts: dict[str, dict[str, int]] = {}
    for lane, status, total in arrangement.rows.values_list(name, "status").annotate(total=Count("*")):
        if status in arrangement.board.by_id:
            counts.setdefault(lane or NOBODY, {})[status] = total
    return [Lane(lane, title, counts[lane]) for lane, title in _NAMES[arrangement.lanes](arrangement, counts)]


def lane_cards(arrangement: Arrangement, lanes: Iterable[Lane], *, per_cell: int) -> dict[tuple[str, str], list[Card]]:
    """(Lane, column) → its first cards. Four queries: columns by rank, final columns by time, cards, blockers."""
    assert arrangement.lanes is not None
    name = LANE_FIELDS[arrangement.lanes]
    ids = [lane.id for lane in lanes]
    chosen = Q(**{f"{name}__in": [lane for lane in ids if lane != NOBODY]})
    if NOBODY in ids:
        chosen |= Q(**{f"{name}__isnull": True})
    rows = arrangement.rows.filter(chosen)
    orders: dict[Order, list[str]] = {}
    for column in arrangement.board.columns:
        orders.setdefault(order_of(column, arrangement.sort), []).append(column.id)
    places: dict[str, tuple[str, str]] = {}
    for order, statuses in orders.items():
        places |= _firsts(rows.filter(status__in=statuses), name, order, per_cell)
    cards = {card.id: card for card in read_cards(Ticket.objects.filter(pk__in=places))}
    cells: dict[tuple[str, str], list[Card]] = {}
    for ticket_id, place in places.items():
        if ticket_id in cards:
            cells.setdefault(place, []).append(cards[ticket_id])
    return cells


def _firsts(rows: QuerySet[Ticket], lane: str, order: Order, per_cell: int) -> dict[str, tuple[str, str]]:
    """Ids of the first tickets of each cell, in their order, with their lane and column."""
    if order == LATEST:
        rows = rows.filter(completed_at__isnull=False)
    by = [F(name[1:]).desc() if name.startswith("-") else F(name).asc() for name in order.fields]
    place = Window(RowNumber(), partition_by=[F("status"), F(lane)], order_by=by)
    numbered = rows.annotate(place=place).filter(place__lte=per_cell).order_by("place")
    return {ticket_id: (of or NOBODY, status) for ticket_id, of, status in numbered.values_list("id", lane, "status")}


def _agents(_: Arrangement, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = Agent.objects.filter(pk__in=found).order_by("name", "id").values_list("id", "name")
    return [*names, *_last(found, "Unassigned")]


def _parents(_: Arrangement, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    parents = Ticket.objects.filter(pk__in=found).order_by("number").values_list("id", "key", "title")
    return [*((ticket_id, f"{key} {title}") for ticket_id, key, title in parents), *_last(found, "No parent")]


def _types(arrangement: Arrangement, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(kind.id, kind.name) for kind in arrangement.board.ticket_types if kind.id in found]


def _priorities(_: Arrangement, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, name.capitalize()) for name in PRIORITIES if name in found]


def _last(found: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    return [(NOBODY, name)] if NOBODY in found else []


_Names = Callable[[Arrangement, Mapping[str, Any]], list[tuple[str, str]]]
_NAMES = cast(dict[Lanes, _Names], {"agent": _agents, "type": _types, "priority": _priorities, "parent": _parents})
