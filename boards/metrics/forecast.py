"""When the open tickets will be done: Monte Carlo over the days that were.

Each run draws days of the past at random, with replacement, until they have completed what is open. The share of
runs that are done by a day is how likely it is; work that is added meanwhile is not foreseen.
"""

from __future__ import annotations

import zlib

import numpy as np

from boards.metrics.facts import Numbers

RUNS = 1000
# Days ahead; what takes longer than three years has no date.
HORIZON = 1096
PERCENTILES = tuple(range(5, 100, 5))


def days_needed(open_count: int, past: Numbers, seed: int) -> Numbers | None:
    """Days until done, of each run in rising order; beyond the horizon where a run does not get there.

    ``past`` is how many tickets were completed on each day. None where nothing was, so that nothing can be said.
    The same seed gives the same runs.
    """
    if not past.sum():
        return None
    if not open_count:
        return np.zeros(RUNS, dtype=np.int64)
    random = np.random.default_rng(seed)
    days = np.full(RUNS, HORIZON + 1, dtype=np.int64)
    left = np.full(RUNS, open_count, dtype=np.int64)
    # Parts of about the time it should take: most runs end within the first.
    part = min(HORIZON, int(open_count / past.mean() * 1.25) + 8)
    passed = 0
    while passed < HORIZON and (left > 0).any():
        done = np.cumsum(past[random.integers(0, len(past), (RUNS, part))], axis=1)
        ends = (left > 0) & (done[:, -1] >= left)
        days[ends] = passed + 1 + np.argmax(done[ends] >= left[ends, None], axis=1)
        left -= done[:, -1]
        passed += part
    return np.sort(np.minimum(days, HORIZON + 1))


def likely_within(days: Numbers, percent: int) -> int | None:
    """The days within which this share of the runs is done; None beyond the horizon."""
    place = -(-percent * len(days) // 100) - 1
    found = int(days[place])
    return found if found <= HORIZON else None


def seed_of(workflow_id: str, day: int) -> int:
    """Another one for each workflow and day, so that a page which is read again says the same."""
    return zlib.crc32(f"{workflow_id} {day}".encode())
