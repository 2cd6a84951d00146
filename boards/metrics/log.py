"""A workflow's history folded into columns of numbers, row by row, in the order in which it was written.

History is append-only, so what was folded once holds for good: to be up to date, a log reads what came after its
last row. Nobody else needs to know that it exists, and nothing needs to be dropped.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from boards.metrics.facts import (
    CLAIM,
    COMMENT,
    COMMIT,
    LOST,
    NONE,
    OPEN,
    Acts,
    Blocks,
    Facts,
    Numbers,
    Stays,
    Tickets,
    rows_of,
)

# Type codes of ``array``: 32 bits for numbers of things, 64 for times.
TABLES: dict[str, dict[str, str]] = {
    "tickets": {
        "created": "q", "kind": "i", "priority": "i", "assignee": "i", "creator": "i", "visible": "i", "points": "i",
        "commits": "i", "resolved": "i",
    },
    "stays": {"ticket": "i", "status": "i", "came_from": "i", "entered": "q", "left": "q"},
    "blocks": {"ticket": "i", "since": "q", "until": "q"},
    "acts": {"kind": "i", "ticket": "i", "agent": "i", "at": "q"},
    # By ticket: its open stay and its open block, -1 where there is none, and what blocks it.
    "open": {"stay": "i", "block": "i", "causes": "i"},
}  # fmt: skip
NAMES = ("ids", "agents", "statuses", "kinds")
ACTS = {"commented": COMMENT, "commit_linked": COMMIT, "claimed": CLAIM}
BY_HAND, BY_TICKETS = 1, 2


class Change(NamedTuple):
    """A history row, as far as figures need it. ``before`` and ``after`` are the values that it holds.

    Of a ``released`` row, ``before`` is the holder and ``after`` the reason. ``at`` is in microseconds.
    """

    id: int
    ticket_id: str
    agent_id: str
    at: int
    change_type: str
    field: str | None
    before: str | None
    after: str | None


class TicketNow(NamedTuple):
    """A ticket as it is now, as far as figures need it and history alone does not tell."""

    id: str
    status: str
    kind: str
    priority: int
    assignee: str | None
    creator: str
    visible: bool
    points: int | None
    commits: int
    resolved: bool


class Names:
    """Numbers for names, in the order in which they came up."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.numbers = {name: number for number, name in enumerate(names)}

    def number(self, name: str | None) -> int:
        if name is None:
            return NONE
        return self.numbers.setdefault(name, len(self.numbers))


class Log:
    """What of a workflow's history was read so far. Not safe for threads."""

    def __init__(self) -> None:
        # The last row: its id, ticket and time, by which the history is known again.
        self.last: tuple[int, str, int] = (0, "", 0)
        self.tables = {table: {name: array(code) for name, code in of.items()} for table, of in TABLES.items()}
        self.names = {name: Names() for name in NAMES}
        # Tables as ``facts`` gave them last, of those that have not changed since.
        self._given: dict[str, Mapping[str, Numbers]] = {}

    def fold(self, changes: Iterable[Change]) -> set[str]:
        """Take in rows, oldest first; returns the ids of the tickets that changed."""
        changed = set()
        known = self.names["ids"].numbers
        for change in changes:
            changed.add(change.ticket_id)
            ticket = known.get(change.ticket_id)
            if ticket is None:
                self._begin(change)
            else:
                self._take(ticket, change)
            self.last = (change.id, change.ticket_id, change.at)
        return changed

    def describe(self, tickets: Iterable[TicketNow]) -> None:
        """Note what tickets are now. Those whose history has not been read yet are passed over."""
        table, stays, open_stay = self.tables["tickets"], self.tables["stays"], self.tables["open"]["stay"]
        for now in tickets:
            place = self.names["ids"].numbers.get(now.id)
            if place is None:
                continue
            table["kind"][place] = self.names["kinds"].number(now.kind)
            table["priority"][place] = now.priority
            table["assignee"][place] = self.names["agents"].number(now.assignee)
            table["creator"][place] = self.names["agents"].number(now.creator)
            table["visible"][place] = now.visible
            table["points"][place] = NONE if now.points is None else now.points
            table["commits"][place] = now.commits
            table["resolved"][place] = now.resolved
            if stays["status"][open_stay[place]] == NONE:
                # It has never moved.
                stays["status"][open_stay[place]] = self.names["statuses"].number(now.status)
                self._given.pop("stays", None)
        self._given.pop("tickets", None)

    def facts(self) -> Facts:
        """All of it as it is now; what is folded later does not change it."""
        return Facts(
            tickets=rows_of(Tickets, self._numbers("tickets")),
            stays=rows_of(Stays, self._numbers("stays")),
            blocks=rows_of(Blocks, self._numbers("blocks")),
            acts=rows_of(Acts, self._numbers("acts")),
            ids=list(self.names["ids"].numbers),
            agents=list(self.names["agents"].numbers),
            statuses=list(self.names["statuses"].numbers),
            kinds=list(self.names["kinds"].numbers),
        )

    def _numbers(self, table: str) -> Mapping[str, Numbers]:
        if table not in self._given:
            columns = self.tables[table].items()
            self._given[table] = {name: np.array(values, dtype=np.int64) for name, values in columns}
        return self._given[table]

    def _add(self, table: str, *values: int) -> int:
        """Append a row; returns its place."""
        columns = self.tables[table].values()
        self._given.pop(table, None)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
        return len(next(iter(columns))) - 1

    def _begin(self, change: Change) -> None:
        """A ticket of which nothing was heard. Its column is told by its first move, or by what it is now."""
        ticket = self.names["ids"].number(change.ticket_id)
        self._add("tickets", change.at, NONE, 0, NONE, NONE, 0, NONE, 0, 0)
        stay = self._add("stays", ticket, NONE, NONE, change.at, OPEN)
        self._add("open", stay, NONE, 0)
        if change.change_type != "created":
            self._take(ticket, change)

    def _take(self, ticket: int, change: Change) -> None:
        kind = change.change_type
        if kind == "status_changed":
            self._move(ticket, change)
        elif kind in ACTS:
            self._add("acts", ACTS[kind], ticket, self.names["agents"].number(change.agent_id), change.at)
        elif kind in ("blocked", "unblocked"):
            self._block(ticket, change)
        elif kind == "released" and change.after == "expired":
            self._add("acts", LOST, ticket, self.names["agents"].number(change.before), change.at)

    def _move(self, ticket: int, change: Change) -> None:
        stays, statuses = self.tables["stays"], self.names["statuses"]
        stay, origin = self.tables["open"]["stay"][ticket], statuses.number(change.before)
        stays["status"][stay] = origin
        stays["left"][stay] = change.at
        self.tables["open"]["stay"][ticket] = self._add(
            "stays", ticket, statuses.number(change.after), origin, change.at, OPEN
        )

    def _block(self, ticket: int, change: Change) -> None:
        now, blocks = self.tables["open"], self.tables["blocks"]
        by_hand = change.field == "is_blocked"
        cause = BY_HAND if by_hand else BY_TICKETS
        is_cause = change.after == "true" if by_hand else change.after not in (None, "[]")
        causes = now["causes"][ticket] | cause if is_cause else now["causes"][ticket] & ~cause
        now["causes"][ticket] = causes
        if causes and now["block"][ticket] == NONE:
            now["block"][ticket] = self._add("blocks", ticket, change.at, OPEN)
        elif not causes and now["block"][ticket] != NONE:
            self._given.pop("blocks", None)
            blocks["until"][now["block"][ticket]] = change.at
            now["block"][ticket] = NONE
