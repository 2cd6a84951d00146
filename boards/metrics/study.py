"""What a question is about: the tickets and acts chosen, the days, the board; and what several figures share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boards.metrics import flow, forecast
from boards.metrics.facts import DAY, NONE, SECOND, Acts, Facts, Mask, Numbers, Span, Stays, chosen
from tickets.rules import DEFAULT_COLOR, Board

EPOCH = date(1970, 1, 1)
NOBODY = "none"


class Shown(NamedTuple):
    """A column of tickets, also one that the board no longer has; ``number`` is its number in the facts, or -1."""

    id: str
    name: str
    color: str
    number: int
    is_final: bool
    limit: int | None


class Spread(NamedTuple):
    """Mean and percentiles in seconds (linear interpolation), None where there is nothing to spread."""

    number: int
    mean: float | None
    median: float | None
    p85: float | None
    p95: float | None


def spread(lengths: Numbers) -> Spread:
    """``lengths`` in microseconds."""
    if not len(lengths):
        return Spread(0, None, None, None, None)
    ordered = np.sort(lengths)
    # What numpy.percentile says, in a tenth of its time.
    places = np.array((50, 85, 95)) / 100 * (len(ordered) - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    percentiles = ordered[below] + (ordered[above] - ordered[below]) * (places - below)
    return Spread(len(ordered), *(round(value / SECOND, 3) for value in (float(ordered.mean()), *percentiles.tolist())))


def percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def date_of(day: int) -> date:
    return EPOCH + timedelta(days=day)


def day_of(day: date) -> int:
    return (day - EPOCH).days


def moment_of(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


@dataclass(frozen=True)
class Study:
    """``everything``: facts of all visible tickets. ``tickets``: those chosen. ``agent``: whose, None for all."""

    workflow_id: str
    board: Board
    span: Span
    everything: Facts
    tickets: Mask
    acts: Acts
    agent: str | None

    @cached_property
    def facts(self) -> Facts:
        return self.everything.only(self.tickets)

    @property
    def moment(self) -> int:
        """The end of the last day, now while it runs: as of when tickets are counted."""
        return self.span.end - 1

    @cached_property
    def days(self) -> list[str]:
        """In ISO 8601."""
        return [date_of(day).isoformat() for day in range(self.span.first_day, self.span.last_day + 1)]

    @cached_property
    def columns(self) -> list[Shown]:
        """The board's columns in their order, then those that it no longer has and tickets were in."""
        numbers = {name: number for number, name in enumerate(self.everything.statuses)}
        shown = [
            Shown(c.id, c.name, c.color, numbers.get(c.id, NONE), c.category == "final", c.wip_limit)
            for c in self.board.columns
        ]
        used = set(np.unique(self.facts.stays.status).tolist())
        gone = [name for name, number in numbers.items() if number in used and name not in self.board.by_id]
        return shown + [Shown(name, name, DEFAULT_COLOR, numbers[name], False, None) for name in sorted(gone)]

    @cached_property
    def rows(self) -> Numbers:
        """By the number of a column, its place in ``columns``."""
        rows = np.full(len(self.everything.statuses) + 1, NONE, dtype=np.int64)
        for place, column in enumerate(self.columns):
            if column.number != NONE:
                rows[column.number] = place
        return rows

    @cached_property
    def kinds(self) -> flow.Kinds:
        # One more than there are: -1, no column, is neither.
        statuses = [*self.everything.statuses, None]
        category = {column.id: column.category for column in self.board.columns}
        final = np.array([category.get(name or "") == "final" for name in statuses], dtype=np.bool_)
        active = np.array([name is not None and category.get(name, "active") == "active" for name in statuses])
        return flow.Kinds(final, active)

    @cached_property
    def occupancy(self) -> NDArray[np.int64]:
        """Tickets by column and day, at each day's end."""
        return flow.occupancy(self.recent, self.span.ends(), self.rows, len(self.columns))

    @cached_property
    def recent(self) -> Stays:
        """The stays that had not ended when the days began."""
        return chosen(self.facts.stays, self.facts.stays.left >= self.span.start)

    @cached_property
    def waiting(self) -> list[flow.Waiting]:
        """By column."""
        each = zip(self.columns, self.occupancy, strict=True)
        return [flow.waiting(self.recent, column.number, counts, self.span) for column, counts in each]

    @cached_property
    def within_limits(self) -> list[tuple[Shown, int, int]]:
        """The columns with a limit, how long each kept to it, and how long the days were so far.

        Limits are the present ones, and count all tickets whatever was chosen.
        """
        stays = self.everything.stays
        return [
            (one, *flow.time_within(stays, one.number, one.limit, self.span))
            for one in self.columns
            if one.limit is not None
        ]

    @cached_property
    def present(self) -> tuple[Numbers, Numbers]:
        """The tickets that there are as of ``moment``, and the columns they are in, both by number."""
        stays = self.recent
        there = (stays.entered <= self.moment) & (stays.left > self.moment)
        return stays.ticket[there], stays.status[there]

    @cached_property
    def open_count(self) -> int:
        return int((~self.kinds.final[self.present[1]]).sum())

    @cached_property
    def blocked(self) -> tuple[Numbers, Numbers]:
        """The open tickets that are blocked as of ``moment``, by number, and since when; the longest first."""
        blocks = self.facts.blocks
        there = (blocks.since <= self.moment) & (blocks.until > self.moment)
        ticket, since = blocks.ticket[there], blocks.since[there]
        still_open = np.zeros(len(self.facts.ids), dtype=np.bool_)
        still_open[self.present[0][~self.kinds.final[self.present[1]]]] = True
        ticket, since = ticket[still_open[ticket]], since[still_open[ticket]]
        order = np.argsort(since, kind="stable")
        return ticket[order], since[order]

    @cached_property
    def completed_at(self) -> Numbers:
        return flow.completed_at(self.facts, self.kinds)

    @cached_property
    def completed(self) -> Mask:
        """By ticket: completed within the days, and still so now."""
        return self.span.holds(self.completed_at)

    @cached_property
    def cycle(self) -> Numbers:
        """By ticket, from creation to completion; of any use only where it is completed."""
        return self.completed_at - self.facts.tickets.created

    @cached_property
    def reopened(self) -> tuple[Mask, Mask]:
        return flow.reopened(self.facts, self.kinds, self.span)

    @cached_property
    def created(self) -> Mask:
        """By ticket: chosen, and created within the days."""
        return self.tickets & self.span.holds(self.facts.tickets.created)

    @cached_property
    def completed_by_day(self) -> Numbers:
        return flow.per_day(self.completed_at, self.span)

    @cached_property
    def created_by_day(self) -> Numbers:
        return flow.per_day(self.facts.tickets.created[self.tickets], self.span)

    @cached_property
    def simulated(self) -> Numbers | None:
        """Days until what is open is done, by run.

        Judged by the days since the workflow's first ticket; one that still runs only where it is the first.
        """
        tickets = self.everything.tickets
        created = tickets.created[tickets.visible == 1]
        begun = int(created.min(initial=self.span.now)) // DAY - self.span.first_day
        past = self.completed_by_day[max(0, begun) :]
        if self.span.end < (self.span.last_day + 1) * DAY and len(past) > 1:
            past = past[:-1]
        return forecast.days_needed(self.open_count, past, forecast.seed_of(self.workflow_id, self.span.last_day))

    def likely_done(self, likelihood: int) -> date | None:
        """The day by which this percentage of the runs is done; None where nothing can be said."""
        days = forecast.likely_within(self.simulated, likelihood) if self.simulated is not None else None
        return date_of(self.span.last_day + days) if days is not None else None

    def acts_of(self, kind: int) -> Acts:
        """Acts of a kind within the days."""
        return chosen(self._acts, self._acts.kind == kind)

    @cached_property
    def _acts(self) -> Acts:
        return chosen(self.acts, self.span.holds(self.acts.at))


def study_of(facts: Facts, *, workflow_id: str, board: Board, span: Span, agent: str | None, kind: str | None) -> Study:
    """``agent``: an id, ``NOBODY``, or None for all; ``kind``: a ticket type, or None for all."""
    visible = facts.tickets.visible == 1
    of_kind = visible if kind is None else visible & (facts.tickets.kind == _number(facts.kinds, kind))
    if agent is None or agent == NOBODY:
        tickets = of_kind if agent is None else of_kind & (facts.tickets.assignee == NONE)
        acts = chosen(facts.acts, tickets[facts.acts.ticket])
    else:
        number = _number(facts.agents, agent)
        tickets = of_kind & (facts.tickets.assignee == number)
        acts = chosen(facts.acts, of_kind[facts.acts.ticket] & (facts.acts.agent == number))
    return Study(workflow_id, board, span, facts.only(visible), tickets, acts, agent)


def _number(names: Sequence[str], name: str) -> int:
    """-2, which nothing has, for a name that has not come up."""
    return names.index(name) if name in names else -2
