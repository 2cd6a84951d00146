"""The board's address, read: which tickets, in what order, in which lanes; and the chips that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

from django.http import QueryDict

from boards.selectors.arranged import ADDRESS, LANES, MAX_WORDS, NOBODY, Arrangement, Lanes
from boards.selectors.columns import SORTS, Sort
from boards.selectors.fleet import STATES, Lease
from tickets.access import Actor
from tickets.errors import Invalid, not_one_of
from tickets.models import Workflow
from tickets.rules import Board
from tickets.schemas.base import parse
from tickets.schemas.lists import TicketFilters
from tickets.selectors.tickets import select_tickets

# Name in the address → field of the list's filters.
FIELDS = {
    "type": "ticket_type",
    "priority": "priority",
    "agent": "assigned_agent_id",
    "tag": "tags",
    "status": "status",
    "blocked": "is_blocked",
    "parent": "parent_ticket_id",
}
SEVERAL = ("type", "priority", "tag", "status")
TEXT, STATE, SORT, LANES_BY = "q", "state", "sort", "lanes"
MAX_TEXT = 200

SORT_WORDS: dict[str, str] = {
    "rank": "By hand",
    "priority": "Priority",
    "updated": "Latest change",
    "created": "Newest",
}
LANE_WORDS: dict[str, str] = {"agent": "Agent", "type": "Type", "priority": "Priority", "parent": "Parent"}
CHIP_WORDS = {
    "type": "Type",
    "priority": "Priority",
    "agent": "Agent",
    "tag": "Tag",
    "status": "Column",
    "blocked": "Blocked",
    "parent": "Part of",
    TEXT: "Title",
    STATE: "Agent is",
}


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force. ``without``: the board's address without it."""

    word: str
    value: str
    without: str


def read_arrangement(
    query: QueryDict, actor: Actor, workflow: Workflow, leases: Mapping[str, Lease]
) -> Arrangement | None:
    """What the address asks for; None where it wants the board as it is.

    Raises Invalid for a value that the board lacks, NotFound for a parent.
    """
    if not any(query.get(name) for name in ADDRESS):
        return None
    given: dict[str, object] = {"workflow_id": workflow.id}
    for name, field in FIELDS.items():
        values = [value for value in query.getlist(name) if value]
        if values:
            given[field] = values if name in SEVERAL else values[-1]
    text = query.get(TEXT, "").strip()
    if len(text) > MAX_TEXT or "\x00" in text:
        raise Invalid(f"A text to filter by has at most {MAX_TEXT} characters.", field=TEXT)
    return Arrangement(
        selection=select_tickets(actor, parse(TicketFilters, given)),
        words=tuple(text.split()[:MAX_WORDS]),
        held=_held(query.get(STATE), leases),
        sort=cast(Sort, _choice(query, SORT, SORTS) or "rank"),
        lanes=cast("Lanes | None", _choice(query, LANES_BY, LANES)),
        is_filtered=len(given) > 1 or bool(text) or bool(query.get(STATE)),
    )


def kept_query(query: QueryDict) -> str:
    """What of an address arranges the board, as a query of its own: what a saved view keeps."""
    pairs = [(name, value) for name in ADDRESS for value in query.getlist(name) if value]
    return urlencode(pairs)


def address(workflow_id: str, query: str = "") -> str:
    return "/tickets?" + urlencode({"workflow": workflow_id}) + (f"&{query}" if query else "")


def chips(query: QueryDict, workflow: Workflow, board: Board, people: Mapping[str, str]) -> list[Chip]:
    """A chip for each value that filters. ``people``: agents' names by id."""
    return list(_chips(query, workflow, board, people))


def _chips(query: QueryDict, workflow: Workflow, board: Board, people: Mapping[str, str]) -> Iterator[Chip]:
    for name, word in CHIP_WORDS.items():
        values = [value for value in query.getlist(name) if value]
        parts = [
            part for value in values for part in (value.split(",") if name in SEVERAL else [value]) if part.strip()
        ]
        for part in parts:
            rest = query.copy()
            rest.setlist(name, [other for other in parts if other != part])
            yield Chip(word, _said(name, part.strip(), board, people), address(workflow.id, kept_query(rest)))


def _said(name: str, value: str, board: Board, people: Mapping[str, str]) -> str:
    if name == "status":
        column = board.by_id.get(board.find_status(value) or "")
        return column.name if column else value
    if name == "type":
        return board.types[value].name if value in board.types else value
    if name == "agent":
        return "nobody" if value == NOBODY else people.get(value, value)
    if name == "blocked":
        return "yes" if value.lower() in ("true", "1", "yes", "on") else "no"
    return value


def _choice(query: QueryDict, name: str, allowed: tuple[str, ...]) -> str | None:
    value = query.get(name)
    if not value:
        return None
    if value not in allowed:
        raise not_one_of(name, value, allowed)
    return value


def _held(state: str | None, leases: Mapping[str, Lease]) -> frozenset[str] | None:
    if not state:
        return None
    if state not in STATES:
        raise not_one_of(STATE, state, STATES)
    return frozenset(ticket_id for ticket_id, lease in leases.items() if lease.state == state)
