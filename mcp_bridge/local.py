"""The bridge that opens the database itself."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp_bridge.credentials import Credential
from mcp_bridge.server import build_server
from mcp_bridge.stdio import transport
from mcp_bridge.threads import Threads
from mcp_bridge.watching import Watching
from mcp_bridge.wire import Wire

# One agent asks one thing at a time, or a few.
THREADS = 4


def serve(wire: Wire, credential: Credential, greeted: Any = None) -> None:
    """Serve one client until its input ends; ``greeted`` as in ``mcp_bridge.stdio``."""
    asyncio.run(_serve(wire, credential, greeted))


async def _serve(wire: Wire, credential: Credential, greeted: Any) -> None:
    server = build_server(lambda _context: credential, Threads(THREADS), Watching())
    async with transport(wire, greeted) as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
