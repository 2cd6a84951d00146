"""Tells subscribers that a resource has changed, out of the event log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated

from mcp_bridge import resources
from mcp_bridge.credentials import Credential
from tickets.live.hub import hub_of_loop
from tickets.selectors.events import events_since

MAX_SUBSCRIPTIONS = 200

Context = ServerRequestContext[Any, Any]
Read = Callable[[Context, Callable[[Credential], Any]], Awaitable[Any]]
Tell = Callable[[str], Awaitable[None]]


class Watching:
    """The subscriptions of one connection, in both forms that the protocol has had.

    Until 2025-11-25 ``resources/subscribe`` names one resource; from 2026-07-28 on ``subscriptions/listen``
    names all of them, and its answer is the stream.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus)

    def handlers(self, read: Read) -> dict[str, Any]:
        """The server's handlers; ``read`` runs a query for the caller of a request."""

        async def subscribe(ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
            uri = str(params.uri)
            if uri not in self._tasks and len(self._tasks) < MAX_SUBSCRIPTIONS:
                self._tasks[uri] = await self._start(ctx, read, uri, ctx.session.send_resource_updated)
            return types.EmptyResult()

        async def unsubscribe(ctx: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
            if (task := self._tasks.pop(str(params.uri), None)) is not None:
                task.cancel()
            return types.EmptyResult()

        async def listen(ctx: Context, params: types.SubscriptionsListenRequestParams) -> Any:
            uris = list(params.notifications.resource_subscriptions or [])[:MAX_SUBSCRIPTIONS]
            tasks = [await self._start(ctx, read, uri, self._publish) for uri in uris]
            try:
                return await self._listen(ctx, params)
            finally:
                for task in tasks:
                    task.cancel()

        return {
            "on_subscribe_resource": subscribe,
            "on_unsubscribe_resource": unsubscribe,
            "on_subscriptions_listen": listen,
        }

    async def _start(self, ctx: Context, read: Read, uri: str, tell: Tell) -> asyncio.Task[None]:
        """Begin to watch. Raises MCPError for what the caller may not read."""
        place = await read(ctx, lambda credential: resources.watched(credential.actor(), uri))
        return asyncio.create_task(_watch(uri, place, tell))

    async def _publish(self, uri: str) -> None:
        await self._bus.publish(ResourceUpdated(uri=uri))


async def _watch(uri: str, place: resources.Place, tell: Tell) -> None:
    """Tell of each batch of events that touches the resource, until cancelled."""
    workflow_id, ticket_id, seq = place
    async with aclosing(hub_of_loop(events_since).follow(workflow_id, seq, seq)) as batches:
        async for batch in batches:
            touched = (json.loads(message.text)["ticket_id"] for message in batch)
            if ticket_id is None or ticket_id in touched:
                await tell(uri)
