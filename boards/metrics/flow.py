"""How tickets flow through the columns: pure functions over facts. Lengths of time are in microseconds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boards.metrics.facts import NONE, OPEN, Blocks, Facts, Mask, Numbers, Span, Stays


class Kinds(NamedTuple):
    """By the number of a column, whether it is final and whether it is active; -1, no column, is neither."""

    final: Mask
    active: Mask


class Totals(NamedTuple):
    """One row a ticket and column: how long it was there, all its stays together."""

    ticket: Numbers
    status: Numbers
    length: Numbers


class Waiting(NamedTuple):
    """A column over a span: tickets that came and went, that were there at its end, and how long they had waited.

    ``grew`` is by how much the waiting of those there has grown since the span began; ``days`` is how many days ago
    their number began to rise, without falling since, and 0 where it has not.
    """

    arrived: int
    departed: int
    there: int
    waited: int
    grew: int
    days: int


def is_completion(stays: Stays, kinds: Kinds) -> Mask:
    """Stays that begin by completing the ticket. From one final column to another completes nothing."""
    return kinds.final[stays.status] & ~kinds.final[stays.came_from]


def is_reopening(stays: Stays, kinds: Kinds) -> Mask:
    return ~kinds.final[stays.status] & kinds.final[stays.came_from]


def completed_at(facts: Facts, kinds: Kinds) -> Numbers:
    """By ticket, when it was completed last; -1 where it is not complete now."""
    stays, completed = facts.stays, is_completion(facts.stays, kinds)
    found = np.full(len(facts.ids), NONE, dtype=np.int64)
    # A ticket's stays are in order: of several values for one place the last one stays.
    found[stays.ticket[completed]] = stays.entered[completed]
    found[stays.ticket[(stays.left == OPEN) & ~kinds.final[stays.status]]] = NONE
    return found


def started_at(facts: Facts, kinds: Kinds) -> Numbers:
    """By ticket, when it first came to an active column; -1 where it never did."""
    stays, active = facts.stays, kinds.active[facts.stays.status]
    found = np.full(len(facts.ids), NONE, dtype=np.int64)
    found[stays.ticket[active][::-1]] = stays.entered[active][::-1]
    return found


def reopened(facts: Facts, kinds: Kinds, span: Span) -> tuple[Mask, Mask]:
    """By ticket: whether it was completed within the span, and whether it was reopened after that, until now."""
    stays = facts.stays
    first = np.full(len(facts.ids), OPEN, dtype=np.int64)
    last = np.full(len(facts.ids), NONE, dtype=np.int64)
    done = is_completion(stays, kinds) & span.holds(stays.entered)
    back = is_reopening(stays, kinds)
    places = np.arange(len(stays.ticket), dtype=np.int64)
    first[stays.ticket[done][::-1]] = places[done][::-1]
    last[stays.ticket[back]] = places[back]
    completed = first != OPEN
    return completed, completed & (last > first)


def occupancy(stays: Stays, moments: Numbers, rows: Numbers, count: int) -> NDArray[np.int64]:
    """How many tickets were in each column at each moment, in the order of time: an array (``count``, moments).

    ``rows``: by the number of a column, its row; -1 for none.
    """
    row = rows[stays.status]
    shown = row != NONE
    changes = np.zeros((count, len(moments) + 1), dtype=np.int64)
    for times, sign in ((stays.entered, 1), (stays.left, -1)):
        place = np.searchsorted(moments, times[shown], side="left")
        counted = np.bincount(row[shown] * (len(moments) + 1) + place, minlength=changes.size)
        changes += sign * counted.reshape(changes.shape)
    return np.asarray(np.cumsum(changes, axis=1)[:, :-1])


def per_day(times: Numbers, span: Span, weights: Numbers | None = None) -> Numbers:
    """How many of these times fall on each day of the span, or the sum of their weights."""
    within = span.holds(times)
    days = span.day_of(times[within])
    if weights is None:
        return np.bincount(days, minlength=span.days)
    found = np.zeros(span.days, dtype=np.int64)
    np.add.at(found, days, weights[within])
    return found


def time_in_status(stays: Stays, span: Span) -> Totals:
    """The stays that ended within the span. A ticket that comes back to a column is there longer, not once more."""
    ended = span.holds(stays.left)
    width = int(stays.status.max(initial=0)) + 1
    keys, inverse = np.unique(stays.ticket[ended] * width + stays.status[ended], return_inverse=True)
    lengths = np.zeros(len(keys), dtype=np.int64)
    np.add.at(lengths, inverse, stays.left[ended] - stays.entered[ended])
    return Totals(keys // width, keys % width, lengths)


def blocked_lengths(blocks: Blocks, span: Span) -> Numbers:
    """How long tickets were blocked, each time that ended within the span."""
    ended = span.holds(blocks.until)
    return np.asarray(blocks.until[ended] - blocks.since[ended])


def time_within(stays: Stays, status: int, limit: int, span: Span) -> tuple[int, int]:
    """How long the column held at most ``limit`` tickets within the span, and how long the span was so far.

    What lies before the first ticket of all does not count: nothing could be over a limit.
    """
    start = min(max(span.start, int(stays.entered.min(initial=span.end))), span.end)
    there = stays.status == status
    entered = np.clip(stays.entered[there], start, span.end)
    left = np.clip(stays.left[there], start, span.end)
    times = np.concatenate((entered, left))
    steps = np.concatenate((np.ones(len(entered), dtype=np.int64), -np.ones(len(left), dtype=np.int64)))
    order = np.argsort(times, kind="stable")
    edges = np.concatenate(([start], times[order], [span.end]))
    count = np.concatenate(([0], np.cumsum(steps[order])))
    whole = span.end - start
    return int(np.diff(edges)[count <= limit].sum()) if whole else 0, whole


def waiting(stays: Stays, status: int, at_day_ends: Numbers, span: Span) -> Waiting:
    """``at_day_ends``: how many tickets were there at the end of each day."""
    there = stays.status == status
    entered, left = stays.entered[there], stays.left[there]
    end = span.end - 1
    number, waited = _waited(entered, left, end)
    _, before = _waited(entered, left, span.start - 1)
    return Waiting(
        arrived=int(span.holds(entered).sum()),
        departed=int(span.holds(left).sum()),
        there=number,
        waited=waited,
        grew=waited - before,
        days=_days_of_growth(at_day_ends),
    )


def _waited(entered: Numbers, left: Numbers, moment: int) -> tuple[int, int]:
    """How many tickets are there at a moment, and how long they have been, together."""
    present = (entered <= moment) & (left > moment)
    return int(present.sum()), int((moment - entered[present]).sum())


def _days_of_growth(counts: Numbers) -> int:
    steps = np.diff(counts)
    falls = np.flatnonzero(steps < 0)
    rises = np.flatnonzero(steps > 0)
    rises = rises[rises > (falls[-1] if len(falls) else -1)]
    return int(len(steps) - rises[0]) if len(rises) else 0
