"""Agents who change a great many tickets at a given rate, for boards that must stay usable under it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence

import httpx

BATCH = 42
COLUMNS = ("in_progress", "review", "todo")


def batches(tickets: Sequence[str]) -> Iterator[dict[str, object]]:
    """Bodies for ``bulk-update`` without end; each moves 42 tickets, which is an event for each of them."""
    for number in itertools.count():
        start = number * BATCH % len(tickets)
        chosen = [tickets[(start + place) % len(tickets)] for place in range(BATCH)]
        column = COLUMNS[number * BATCH // len(tickets) % len(COLUMNS)]
        yield {"ticket_ids": chosen, "updates": {"status": column}, "comment": "Moved with forty-one others."}


def keep_busy(http: httpx.Client, tickets: Sequence[str], *, per_second: float, seconds: float) -> int:
    """Write at that rate of events, behind it where the machine does not allow it; the number of events."""
    start = time.monotonic()
    events = 0
    for body in batches(tickets):
        if time.monotonic() - start > seconds:
            return events
        answer = http.post("/api/tickets/bulk-update", json=body)
        assert answer.status_code == 200, answer.text
        events += answer.json()["updated"]
        time.sleep(max(0.0, events / per_second - (time.monotonic() - start)))
    raise AssertionError
