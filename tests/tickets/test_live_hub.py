"""The hub without a server: hints may be lost, repeated or wrong, the database may fail; followers see all, once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from tickets.live import feed, hub, tail
from tickets.live.feed import Feed, Message
from tickets.live.hub import Hub

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

WORKFLOW = "flow"


class Log:
    """The event log that the hub reads. ``failures`` is how many reads fail first."""

    def __init__(self) -> None:
        self.last = 0
        self.failures = 0

    def read(self, workflow_id: str, seq: int, limit: int) -> list[dict[str, Any]]:
        assert workflow_id == WORKFLOW
        if self.failures:
            self.failures -= 1
            raise OSError("the database is away")
        return [{"seq": number} for number in range(seq + 1, min(self.last, seq + limit) + 1)]


@pytest.fixture(autouse=True)
def _only_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tail: what a test does not tell the hub, it does not hear."""

    async def watch(_followed: Callable[[], list[str]]) -> AsyncGenerator[tail.Advance, None]:
        await asyncio.Event().wait()
        yield WORKFLOW, 0

    monkeypatch.setattr(tail, "watch", watch)
    monkeypatch.setattr(hub, "RETRY_SECONDS", 0.01)


async def collect(live: Hub, since: int, newest: int, until: int) -> list[int]:
    seen: list[int] = []
    async with aclosing(live.follow(WORKFLOW, since, newest)) as batches:
        async for batch in batches:
            seen += [message.seq for message in batch]
            if seen[-1] >= until:
                break
    return seen


@pytest.mark.parametrize("seed", range(10))
async def test_followers_see_every_event_once_and_in_order(seed: int) -> None:
    chance, log = random.Random(seed), Log()
    live = Hub(log.read)
    total = 2000
    followers: list[tuple[int, asyncio.Task[list[int]]]] = []
    while log.last < total:
        log.last += chance.randint(1, 90)
        if chance.random() < 0.3:
            since = chance.randint(0, log.last)
            newest = log.last
            # What commits between a follower's look at the log and its joining.
            log.last += chance.randint(0, 2)
            followers.append((since, asyncio.create_task(collect(live, since, newest, total))))
        if chance.random() < 0.7:
            live.advance(WORKFLOW, chance.choice([log.last, log.last, log.last - 5, log.last + 1000]))
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() * 0.002)
    live.advance(WORKFLOW, log.last)
    # A follower that has not begun yet finds the log as it is.
    for since, follower in followers:
        seen = await asyncio.wait_for(follower, 30)
        assert seen == list(range(since + 1, seen[-1] + 1))
        assert seen[-1] >= total


async def test_an_event_that_commits_while_somebody_joins_is_not_missed() -> None:
    log = Log()
    live = Hub(log.read)
    log.last = 1  # and nobody says so

    assert await asyncio.wait_for(collect(live, 0, 0, 1), 30) == [1]


async def test_a_failing_database_delays_and_loses_nothing() -> None:
    log = Log()
    live = Hub(log.read)
    follower = asyncio.create_task(collect(live, 0, 0, 3))
    await asyncio.sleep(0.05)
    log.failures, log.last = 3, 3
    live.advance(WORKFLOW, 3)

    assert await asyncio.wait_for(follower, 30) == [1, 2, 3]


async def test_hints_come_from_any_thread() -> None:
    log = Log()
    live = hub.hub_of_loop(log.read)
    follower = asyncio.create_task(collect(live, 0, 0, 5))
    await asyncio.sleep(0.05)
    for number in range(1, 6):
        log.last = number
        await asyncio.to_thread(hub.hint, WORKFLOW, number)
        await asyncio.to_thread(hub.hint, "another", 99)

    assert await asyncio.wait_for(follower, 30) == [1, 2, 3, 4, 5]


async def test_a_follower_that_leaves_leaves_nothing_behind() -> None:
    log = Log()
    live = Hub(log.read)
    log.last = 1
    await collect(live, 0, 0, 1)

    assert not live.follows(WORKFLOW)


async def test_a_feed_keeps_the_newest_within_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "RECENT_EVENTS", 3)
    monkeypatch.setattr(feed, "RECENT_CHARACTERS", 25)
    one = Feed(WORKFLOW, 10)
    one.append([Message(11, "x" * 5), Message(12, "x" * 5), Message(13, "x" * 5), Message(14, "x" * 5)])

    assert one.after(10) is None
    assert [message.seq for message in one.after(11) or []] == [12, 13, 14]
    assert one.after(14) == []
    assert one.after(20) == []

    one.append([Message(15, "x" * 20)])
    assert one.after(12) is None
    assert [message.seq for message in one.after(13) or []] == [14, 15]
