"""Notices that the log grew, whichever process wrote.

SQLite: ``PRAGMA data_version`` on a connection of its own, 1.5 µs a look; only a change leads to a query.
PostgreSQL: the workflows' counters every quarter of a second; behind Redis, whose messages are faster
but may be lost, every two seconds.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import connection

from tickets.live import broadcast
from tickets.live.threads import in_thread
from tickets.models import Workflow

SQLITE_SECONDS = 0.075
POSTGRES_SECONDS = 0.25
REDIS_SECONDS = 2.0
RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)
Advance = tuple[str, int]


async def watch(followed: Callable[[], list[str]]) -> AsyncGenerator[Advance, None]:
    """Workflows and how far their logs have come, as it is noticed, until no workflow is followed."""
    queue: asyncio.Queue[Advance | None] = asyncio.Queue()
    tasks = [asyncio.create_task(_look(followed, queue))]
    if settings.REDIS_URL:
        tasks.append(asyncio.create_task(_listen(queue)))
    try:
        while (advance := await queue.get()) is not None:
            yield advance
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _look(followed: Callable[[], list[str]], queue: asyncio.Queue[Advance | None]) -> None:
    while followed():
        try:
            with closing(_watcher()) as watcher:
                while workflow_ids := followed():
                    if watcher.changed():
                        for advance in await in_thread(_newest, workflow_ids):
                            queue.put_nowait(advance)
                    await asyncio.sleep(watcher.pause)
        except Exception as error:  # noqa: BLE001 - whatever the database raises; a new watcher looks at once
            log.warning("watching for events failed", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
    queue.put_nowait(None)


async def _listen(queue: asyncio.Queue[Advance | None]) -> None:
    while True:
        try:
            async with aclosing(broadcast.messages()) as messages:
                async for advance in messages:
                    queue.put_nowait(advance)
        except Exception as error:  # noqa: BLE001 - whatever Redis raises; meanwhile the looks go on
            log.warning("listening to Redis failed", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)


def _newest(workflow_ids: list[str]) -> list[Advance]:
    return list(Workflow.objects.filter(pk__in=workflow_ids).values_list("pk", "event_seq"))


def _watcher() -> DataVersion | Counters:
    return DataVersion(connection.settings_dict["NAME"]) if connection.vendor == "sqlite" else Counters()


class Counters:
    """No sign of a change but the counters themselves: always look."""

    pause = REDIS_SECONDS if settings.REDIS_URL else POSTGRES_SECONDS

    def changed(self) -> bool:
        return True

    def close(self) -> None:
        pass


class DataVersion:
    """Whether any other connection, in this process or another, has committed since the last look.

    True may also mean a mere checkpoint. The connection never has a transaction open, so it holds
    no checkpoint up, and is read-only, so that its end causes none.
    """

    pause = SQLITE_SECONDS

    def __init__(self, path: str | Path) -> None:
        # Never waits for a lock: it is used on the event loop.
        self._connection = sqlite3.connect(
            f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=0
        )
        self._seen: Any = None

    def changed(self) -> bool:
        try:
            with closing(self._connection.execute("PRAGMA data_version")) as cursor:
                version = cursor.fetchone()
        except sqlite3.OperationalError:
            return True  # Locked for a moment, as during recovery: it cannot tell.
        before, self._seen = self._seen, version
        return bool(before != version)

    def close(self) -> None:
        self._connection.close()
