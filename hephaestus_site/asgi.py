"""The ASGI application: static files, the agents' /mcp and Django over HTTP, live events over WebSocket."""

from __future__ import annotations

import os
from typing import Any, cast

import django
import environ
from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from channels.routing import ProtocolTypeRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hephaestus_site.settings")
django.setup(set_prefix=False)

from hephaestus_site.handler import RequestHandler  # noqa: E402 - needs the app registry
from hephaestus_site.static_files import StaticFiles  # noqa: E402
from mcp_bridge.http import McpEndpoint, is_mcp  # noqa: E402
from tickets.routing import websockets  # noqa: E402

# One interpreter runs Python in one thread at a time: more threads only help those that wait for
# the disk, git or another writer.
THREADS = environ.Env().int("HEPHAESTUS_THREADS", default=8)


pages = StaticFiles(cast(ASGI3Application, RequestHandler(THREADS)))
mcp = McpEndpoint(THREADS)


async def http(scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Agents go to /mcp, past Django and its middleware; everybody else to Django."""
    await (mcp(scope, receive, send) if is_mcp(scope["path"]) else pages(scope, receive, send))  # type: ignore[arg-type]


async def lifespan(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Acknowledge start and stop; daphne knows neither, and everything here starts when it is needed."""
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await mcp.close()
    await send({"type": "lifespan.shutdown.complete"})


application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": websockets,
        "lifespan": lifespan,
    }
)
