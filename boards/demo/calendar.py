"""The days of the demo's past, counted back from its first start."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from itertools import count, islice

PATTERN = r"(?:\d+d \d\d:\d\d|\d+[hm])"
SATURDAY = 5
MOST_DAYS = 60


class Calendar:
    """Reads moments as the content writes them: ``12d 09:30``, twelve working days ago; ``40m`` and ``3h``, just now.

    Times of day are in UTC. At weekends nothing happens, unless one begins at one.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)
        today = self._now.date()
        back = (today - timedelta(days=days) for days in count(1))
        self._days = [today, *islice((day for day in back if day.weekday() < SATURDAY), MOST_DAYS)]

    def moment(self, text: str) -> datetime:
        if before := re.fullmatch(r"(\d+)([hm])", text):
            number = int(before[1])
            return self._now - (timedelta(hours=number) if before[2] == "h" else timedelta(minutes=number))
        days, clock = text.split("d ")
        return datetime.combine(self._days[int(days)], time.fromisoformat(clock), tzinfo=UTC)
