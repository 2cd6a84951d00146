"""A workflow's past as columns of numbers, which all figures are computed from.

Times are microseconds since 1970 in UTC. Names (of agents, columns, types) are numbers here: their places in
``Names``; -1 is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

NONE = -1
# The end of what has not ended.
OPEN = 2**62
SECOND = 1_000_000
DAY = 86_400 * SECOND

COMMENT, COMMIT, CLAIM, LOST = range(4)


@dataclass(frozen=True, slots=True)
class Tickets:
    """One row a ticket, in the order of creation, as it is now; rejected and expired ones are not ``visible``.

    ``created`` is when its history begins. ``points`` is -1 where there are none.
    """

    created: Numbers
    kind: Numbers
    priority: Numbers
    assignee: Numbers
    creator: Numbers
    visible: Numbers
    points: Numbers
    commits: Numbers
    resolved: Numbers


@dataclass(frozen=True, slots=True)
class Stays:
    """One row a stay of a ticket in a column: from ``entered`` until before ``left``. A ticket's are in order.

    ``came_from`` is the column before, -1 in a ticket's first stay.
    """

    ticket: Numbers
    status: Numbers
    came_from: Numbers
    entered: Numbers
    left: Numbers


@dataclass(frozen=True, slots=True)
class Blocks:
    """One row a time in which a ticket was blocked, by hand, by tickets or by both."""

    ticket: Numbers
    since: Numbers
    until: Numbers


@dataclass(frozen=True, slots=True)
class Acts:
    """Comments, commits linked, claims and claims lost. ``agent`` is who did it; of a lost claim, whose it was."""

    kind: Numbers
    ticket: Numbers
    agent: Numbers
    at: Numbers


RowsT = TypeVar("RowsT", Tickets, Stays, Blocks, Acts)


def rows_of(kind: type[RowsT], columns: Mapping[str, Numbers]) -> RowsT:
    return kind(**{field.name: columns[field.name] for field in fields(kind)})


def chosen(rows: RowsT, mask: Mask) -> RowsT:
    """The rows where the mask is true."""
    if mask.all():
        return rows
    places = np.flatnonzero(mask)
    return type(rows)(**{field.name: getattr(rows, field.name).take(places) for field in fields(rows)})


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it, and what the numbers stand for. ``ids`` are the tickets'."""

    tickets: Tickets
    stays: Stays
    blocks: Blocks
    acts: Acts
    ids: list[str]
    agents: list[str]
    statuses: list[str]
    kinds: list[str]

    def only(self, tickets: Mask) -> Facts:
        """The stays, blocks and acts of some tickets. The tickets themselves stay, under their numbers."""
        if tickets.all():
            return self
        return Facts(
            tickets=self.tickets,
            stays=chosen(self.stays, tickets[self.stays.ticket]),
            blocks=chosen(self.blocks, tickets[self.blocks.ticket]),
            acts=chosen(self.acts, tickets[self.acts.ticket]),
            ids=self.ids,
            agents=self.agents,
            statuses=self.statuses,
            kinds=self.kinds,
        )


@dataclass(frozen=True, slots=True)
class Span:
    """The days of a question, and the moment up to which there is a past. Days are numbers since 1970-01-01 UTC."""

    first_day: int
    last_day: int
    now: int

    @property
    def days(self) -> int:
        return self.last_day - self.first_day + 1

    @property
    def start(self) -> int:
        return self.first_day * DAY

    @property
    def end(self) -> int:
        """The first moment after the days; now, while the last of them runs."""
        return min((self.last_day + 1) * DAY, self.now + 1)

    @property
    def before(self) -> Span:
        """As many days just before."""
        return Span(self.first_day - self.days, self.first_day - 1, self.now)

    def holds(self, times: Numbers) -> Mask:
        return (times >= self.start) & (times < self.end)

    def day_of(self, times: Numbers) -> Numbers:
        """Places of the days of these times, from 0; all of them must be within."""
        return times // DAY - self.first_day

    def ends(self) -> Numbers:
        """The last moment of each day; now, while the last of them runs. Days to come end now, too."""
        last = (np.arange(self.first_day, self.last_day + 1, dtype=np.int64) + 1) * DAY - 1
        return np.minimum(last, self.now)
