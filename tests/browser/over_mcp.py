"""Agents that work through the MCP bridge while a page is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from anyio.from_thread import start_blocking_portal

from tests.mcp_bridge.clients import Place, Transport, call
from tests.server import Installation, Server

Tool = Callable[..., dict[str, Any]]


@contextmanager
def over_mcp(installed: Installation, server: Server, transport: Transport, token: str) -> Iterator[Tool]:
    """``tool(name, **arguments)`` of a session of its own: its loop runs in a thread, beside Playwright's."""
    place = Place(installed, server, {"agent": token})
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(place.client(transport, "agent")) as client,
    ):
        yield lambda tool, **arguments: portal.call(partial(call, client, tool, **arguments))
