"""Hints between processes and machines, over the channel layer (Redis). Without one, nothing here happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings

GROUP = "ticket-events"
SEND_TIMEOUT = 1.0
# After a failure, nobody tries for so long: a Redis that is down must not slow each commit.
MUTE_SECONDS = 5.0

log = structlog.get_logger(__name__)
_muted_until = 0.0


def publish(workflow_id: str, seq: int) -> None:
    """Tell all processes that a log has grown. Failing is logged: the log is still watched, if less often."""
    global _muted_until
    if not settings.REDIS_URL or time.monotonic() < _muted_until:
        return
    try:
        async_to_sync(_send)({"type": "events.advanced", "workflow_id": workflow_id, "seq": seq})
    except Exception as error:  # noqa: BLE001 - the commit that this reports has happened
        _muted_until = time.monotonic() + MUTE_SECONDS
        log.warning("telling Redis of new events failed", error=repr(error))


async def _send(message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is not None:
        async with asyncio.timeout(SEND_TIMEOUT):
            await layer.group_send(GROUP, message)


async def messages() -> AsyncGenerator[tuple[str, int], None]:
    """What any process published, for ever."""
    layer = get_channel_layer()
    if layer is None:
        return
    channel = await layer.new_channel()
    await layer.group_add(GROUP, channel)
    try:
        while True:
            message = await layer.receive(channel)
            yield message["workflow_id"], message["seq"]
    finally:
        await layer.group_discard(GROUP, channel)
