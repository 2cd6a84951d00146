"""``/mcp``: the protocol over HTTP, beside Django and behind none of its middleware.

Streamable HTTP without sessions: each POST is complete in itself and is answered with JSON, so that any number
of processes can serve one agent. There is no stream on which to tell of changes: agents poll ``get_inbox``.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from mcp_bridge.credentials import Credential, Known
from mcp_bridge.server import Context, build_server
from mcp_bridge.threads import Threads
from tickets.api.authentication import bearer_actor
from tickets.api.errors import MethodNotAllowed, ServerError, error_headers
from tickets.errors import DomainError, Forbidden, Invalid, NotFound, TooLarge, Unauthenticated

PATH = "/mcp"
WORKFLOW_HEADER = "X-Workflow-ID"
_CREDENTIAL = "hephaestus.credential"

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
log = structlog.get_logger(__name__)


class McpEndpoint:
    """The ASGI application for ``/mcp``.

    ``fallback`` is who a request without a credential comes from, for a server of one user on loopback.
    """

    def __init__(self, threads: int, fallback: Credential | None = None) -> None:
        self._threads = Threads(threads)
        self._fallback = fallback
        self._server = build_server(_credential_of, self._threads)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._owner: asyncio.Task[None] | None = None
        self._manager: asyncio.Future[StreamableHTTPSessionManager] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["path"].rstrip("/") != PATH:
                raise NotFound(f"There is nothing here. The agents' address is {PATH}.")
            if scope["method"] != "POST":
                raise MethodNotAllowed("Only POST is possible here: there are no sessions and no streams.")
            body = await _read_body(receive)
            if body is None:
                return
            credential = await self._threads.run(self._let_in, scope, body)
            manager = await self._session_manager()
        except DomainError as error:
            await _refuse(error, send)
            return
        except Exception:
            log.exception("mcp_request_failed")
            await _refuse(ServerError("This is a fault of the server; its log says more."), send)
            return
        await manager.handle_request({**scope, _CREDENTIAL: credential}, _replay(body, receive), cast(Any, send))

    async def close(self) -> None:
        """End the session manager."""
        if self._owner is not None and self._loop is asyncio.get_running_loop():
            self._owner.cancel()
            await asyncio.gather(self._owner, return_exceptions=True)

    def _let_in(self, scope: Scope, body: bytes) -> Credential:
        """Who asks. Raises DomainError: foreign hosts and origins, no credential, too many requests."""
        # The agents' own words for what Django's requests say: the body of a tool's call is its arguments.
        request = ASGIRequest(scope, io.BytesIO(_arguments(body)))
        try:
            host = request.get_host()
        except SuspiciousOperation:
            raise Invalid("This Host is not served here (HEPHAESTUS_ALLOWED_HOSTS).", field="Host") from None
        origin = request.META.get("HTTP_ORIGIN")
        if origin is not None and origin.lower() not in _own_origins(f"{request.scheme}://{host}"):
            raise Forbidden("Requests from pages of other sites are refused.", field="Origin")
        workflow_id = request.META.get(f"HTTP_{WORKFLOW_HEADER.upper().replace('-', '_')}") or None
        actor = bearer_actor(request)
        if actor is not None:
            return Known(actor, workflow_id)
        if self._fallback is not None:
            return Known(self._fallback.actor(), workflow_id or self._fallback.workflow_id)
        raise Unauthenticated("Send a token as 'Authorization: Bearer …'.")

    async def _session_manager(self) -> StreamableHTTPSessionManager:
        """The manager of this event loop, which one task enters and leaves."""
        loop = asyncio.get_running_loop()
        if self._manager is None or self._loop is not loop or self._owner is None or self._owner.done():
            self._loop, self._manager = loop, loop.create_future()
            self._owner = loop.create_task(self._own(self._manager))
        return await asyncio.shield(self._manager)

    async def _own(self, ready: asyncio.Future[StreamableHTTPSessionManager]) -> None:
        manager = StreamableHTTPSessionManager(
            self._server, json_response=True, stateless=True, max_request_body_size=settings.MAX_BODY_BYTES
        )
        async with manager.run():
            ready.set_result(manager)
            await asyncio.Event().wait()


def is_mcp(path: str) -> bool:
    """Whether the address is this endpoint's."""
    return path == PATH or path.startswith(f"{PATH}/")


def _credential_of(context: Context) -> Credential:
    request: Any = context.request
    return cast(Credential, request.scope[_CREDENTIAL])


def _own_origins(own: str) -> set[str]:
    return {own.lower(), *(origin.lower() for origin in settings.CSRF_TRUSTED_ORIGINS)}


def _arguments(body: bytes) -> bytes:
    """The arguments of a tool's call, as the body of the same request over REST; else nothing."""
    if settings.AGENT_AUTH != "trusted-loopback":
        return b""
    try:
        message = json.loads(body)
        return json.dumps(message["params"]["arguments"]).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return b""


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body, None where the client has gone. Raises TooLarge."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > settings.MAX_BODY_BYTES:
            raise TooLarge(f"The body is over {settings.MAX_BODY_BYTES} bytes. Send less at a time.")
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Any:
    """The body once more, for who reads it next."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Mapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return again


async def _refuse(error: DomainError, send: Send) -> None:
    body = json.dumps(error.as_dict(), ensure_ascii=False).encode("utf-8", "replace")
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **error_headers(error)}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = "POST"
    pairs = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
