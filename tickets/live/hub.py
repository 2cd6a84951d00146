"""Hands the events of this process's subscribed workflows to their followers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any

import structlog

from tickets.live import tail
from tickets.live.feed import Feed, Message
from tickets.live.threads import in_thread

PAGE = 200
RETRY_SECONDS = 1.0

# Up to ``limit`` events of a workflow after a number, oldest first.
ReadEvents = Callable[[str, int, int], list[dict[str, Any]]]

log = structlog.get_logger(__name__)
_hub: Hub | None = None


def hint(workflow_id: str, seq: int) -> None:
    """Tell this process's hub, where there is one, that a log has grown. From any thread."""
    hub = _hub
    if hub is not None and hub.follows(workflow_id):
        hub.advance_from_thread(workflow_id, seq)


def hub_of_loop(read_events: ReadEvents) -> Hub:
    """The hub of the running event loop. A process serves on one loop; tests use several in turn."""
    global _hub
    if _hub is None or _hub.loop is not asyncio.get_running_loop():
        _hub = Hub(read_events)
    return _hub


class Hub:
    """The feeds of one event loop, and the tail that watches the log while there are any.

    A hint makes the hub read the log from where it stands. Followers go by sequence number alone,
    so nothing is missed, doubled or out of order, whatever happens to hints.
    """

    def __init__(self, read_events: ReadEvents) -> None:
        self.loop = asyncio.get_running_loop()
        self._read_events = read_events
        self._feeds: dict[str, Feed] = {}
        self._tail: asyncio.Task[None] | None = None

    def follows(self, workflow_id: str) -> bool:
        return workflow_id in self._feeds

    def advance_from_thread(self, workflow_id: str, seq: int) -> None:
        # Where the loop has closed, the server is stopping, and nobody follows any more.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.advance, workflow_id, seq)

    async def follow(self, workflow_id: str, seq: int, newest: int) -> AsyncGenerator[list[Message], None]:
        """Batches of all events after ``seq``, in order, for ever. ``newest`` is where the log stands.

        A follower that is slow holds up nobody, and costs no more memory than one batch.
        """
        feed = self._join(workflow_id, newest)
        try:
            while True:
                changed = feed.changed
                batch = feed.after(seq)
                if batch is None:
                    batch = await self._read(workflow_id, seq)
                if batch:
                    seq = batch[-1].seq
                    yield batch
                else:
                    await changed.wait()
        finally:
            self._leave(feed)

    def advance(self, workflow_id: str, seq: int) -> None:
        """Read the log if it has grown past what is known here."""
        feed = self._feeds.get(workflow_id)
        if feed is None or seq <= feed.last:
            return
        feed.hint = max(feed.hint, seq)
        feed.stale = True
        if feed.reading is None:
            feed.reading = self.loop.create_task(self._catch_up(feed))

    async def _catch_up(self, feed: Feed) -> None:
        try:
            while feed.stale:
                # Before the read: an event that commits during it may need another.
                feed.stale = False
                batch = await self._read(feed.workflow_id, feed.last)
                feed.append(batch)
                feed.stale = len(batch) == PAGE or (feed.stale and feed.hint > feed.last)
        except Exception as error:  # noqa: BLE001 - whatever the database raises
            log.warning("reading events failed", workflow_id=feed.workflow_id, error=str(error))
            self.loop.call_later(RETRY_SECONDS, self.advance, feed.workflow_id, feed.hint)
        finally:
            feed.reading = None

    async def _read(self, workflow_id: str, seq: int) -> list[Message]:
        return await in_thread(self._read_page, workflow_id, seq)

    def _read_page(self, workflow_id: str, seq: int) -> list[Message]:
        return [Message(event["seq"], encode(event)) for event in self._read_events(workflow_id, seq, PAGE)]

    def _join(self, workflow_id: str, newest: int) -> Feed:
        feed = self._feeds.get(workflow_id)
        if feed is None:
            feed = self._feeds[workflow_id] = Feed(workflow_id, newest)
            if self._tail is None:
                self._tail = self.loop.create_task(self._watch())
            # What was committed since ``newest`` was read had nobody to tell.
            self.advance(workflow_id, newest + 1)
        feed.followers += 1
        return feed

    def _leave(self, feed: Feed) -> None:
        feed.followers -= 1
        if not feed.followers:
            del self._feeds[feed.workflow_id]

    async def _watch(self) -> None:
        """Notice events of other processes, until nobody follows."""
        try:
            while self._feeds:
                async for workflow_id, seq in tail.watch(lambda: list(self._feeds)):
                    self.advance(workflow_id, seq)
        finally:
            self._tail = None


def encode(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
