"""The newest events of one workflow, encoded once for all who follow it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

# A follower further behind than this reads from the log again.
RECENT_EVENTS = 1000
RECENT_CHARACTERS = 4_000_000


class Message(NamedTuple):
    """An event as it goes over the wire."""

    seq: int
    text: str


class Feed:
    """Belongs to the event loop; no method may be called from another thread.

    ``last`` is the newest event known here, ``hint`` what somebody said the log has reached.
    """

    def __init__(self, workflow_id: str, last: int) -> None:
        self.workflow_id = workflow_id
        self.last = self.hint = last
        self.followers = 0
        self.stale = False
        self.reading: asyncio.Task[None] | None = None
        # Replaced with each change, so that a follower who took it before looking misses nothing.
        self.changed = asyncio.Event()
        self._recent: deque[Message] = deque()
        self._characters = 0

    def append(self, messages: Iterable[Message]) -> None:
        """Add events that follow ``last``, and wake the followers."""
        for message in messages:
            self._recent.append(message)
            self._characters += len(message.text)
            self.last = message.seq
        while len(self._recent) > RECENT_EVENTS or self._characters > RECENT_CHARACTERS:
            self._characters -= len(self._recent.popleft().text)
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def after(self, seq: int) -> list[Message] | None:
        """Events after ``seq``, as far as they are known; None where the log must be read for them."""
        if seq >= self.last:
            return []
        if not self._recent or self._recent[0].seq > seq + 1:
            return None
        # Numbers have no gaps, so the place of an event follows from its number.
        return list(islice(self._recent, seq + 1 - self._recent[0].seq, None))
