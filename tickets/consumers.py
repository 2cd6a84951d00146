"""The WebSocket face: a workflow's events, those missed and those to come."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, cast

import structlog
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, WebSocketScope
from django.core.exceptions import TooManyFieldsSent
from django.http import QueryDict

from tickets.access import visible_workflows
from tickets.errors import DomainError, Forbidden, Invalid, NotFound, Unauthenticated, unknown_field
from tickets.handshake import Handshake, authenticate, check_origin
from tickets.live.hub import encode, hub_of_loop
from tickets.live.threads import in_thread
from tickets.selectors.events import events_since, log_bounds

# How long a reader may leave what it was sent in the server's buffer (64 KiB and the kernel's).
SLOW_READER_SECONDS = 10.0
# How soon a revoked token, an ended session or a lost membership ends an open connection.
RECHECK_SECONDS = 10.0
MAX_SEQ = 2**63 - 1

NORMAL, BAD_REQUEST, TRY_AGAIN_LATER, INTERNAL_ERROR = 1000, 4400, 1013, 1011

log = structlog.get_logger(__name__)


async def workflow_events(scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """``/ws/workflows/{workflow_id}/?since=SEQ`` (contract §8)."""
    await EventSocket(scope, receive, send).run()


async def refuse(scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answers every other address."""
    await EventSocket(scope, receive, send).deny(NotFound("No such WebSocket address."))


class EventSocket:
    """One connection. Four tasks: the stream, the permission, what comes in, and who ends first."""

    def __init__(self, scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self._scope = cast(dict[str, Any], scope)
        self._receive = receive
        self._send = cast(Any, send)
        self._workflow_id: str = self._scope.get("url_route", {}).get("kwargs", {}).get("workflow_id", "")

    async def run(self) -> None:
        await self._receive()
        try:
            newest, oldest = await in_thread(self._open)
        except DomainError as error:
            await self.deny(error)
            return
        await self._send({"type": "websocket.accept"})
        try:
            since = _parse_since(self._scope["query_string"])
        except Invalid as error:
            await self._end(error, BAD_REQUEST)
            return
        await self._send_text(encode({"type": "hello", "seq": newest, "oldest": oldest}))
        # Past the newest, as after a restored backup: the number says nothing about this log.
        await self._serve(newest if since is None else min(since, newest), newest)

    async def deny(self, error: DomainError) -> None:
        """Refuse the handshake with the error's status, or 403 where the server knows no other."""
        if "websocket.http.response" in self._scope.get("extensions", {}):
            headers = [(b"content-type", b"application/json")]
            await self._send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
            await self._send({"type": "websocket.http.response.body", "body": encode(error.as_dict()).encode()})
        else:
            await self._send({"type": "websocket.close"})

    def _open(self) -> tuple[int, int]:
        """The log's newest and oldest number, for who may read it. Raises Forbidden, Unauthenticated, NotFound."""
        try:
            request = Handshake(self._scope)
        except UnicodeDecodeError as error:
            raise Invalid("The address is not valid UTF-8.") from error
        check_origin(request)
        self._check_permission()
        return log_bounds(self._workflow_id)

    def _check_permission(self) -> None:
        actor = authenticate(Handshake(self._scope))
        known = "\x00" not in self._workflow_id
        if not known or not visible_workflows(actor).filter(pk=self._workflow_id).exists():
            raise NotFound(f"No workflow {self._workflow_id!r} that you are a member of.", field="workflow_id")

    async def _serve(self, seq: int, newest: int) -> None:
        """Until the first of the tasks ends; then the others end too."""
        tasks = [
            asyncio.create_task(work) for work in (self._stream(seq, newest), self._guard_permission(), self._listen())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            await self._close_after(task.exception())

    async def _close_after(self, error: BaseException | None) -> None:
        if isinstance(error, DomainError):
            await self._end(error, 4000 + error.status)
        elif isinstance(error, TimeoutError):
            # The reader is slow: no frame would reach it, and it catches up when it comes back.
            await self._send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
        elif error is not None:
            log.error("a WebSocket failed", workflow_id=self._workflow_id, exc_info=error)
            await self._send({"type": "websocket.close", "code": INTERNAL_ERROR})

    async def _stream(self, seq: int, newest: int) -> None:
        hub = hub_of_loop(events_since)
        async with aclosing(hub.follow(self._workflow_id, seq, newest)) as batches:
            async for batch in batches:
                for message in batch:
                    await self._send_text(message.text)

    async def _guard_permission(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                await in_thread(self._check_permission)
            except (Unauthenticated, Forbidden, NotFound):
                raise
            except Exception as error:  # noqa: BLE001 - a database that is away ends no connection
                log.warning("checking a WebSocket's permission failed", error=str(error))

    async def _listen(self) -> None:
        """Returns when the client has gone. What it says is answered once and otherwise ignored."""
        answered = False
        while (await self._receive())["type"] != "websocket.disconnect":
            if not answered:
                answered = True
                hint = Invalid("This socket only sends. Write through the REST API.")
                await self._send_text(encode(hint.as_dict()))

    async def _end(self, error: DomainError, code: int) -> None:
        await self._send_text(encode(error.as_dict()))
        await self._send({"type": "websocket.close", "code": code})

    async def _send_text(self, text: str) -> None:
        """Send a frame. Raises TimeoutError where the reader leaves the buffer full."""
        async with asyncio.timeout(SLOW_READER_SECONDS):
            await self._send({"type": "websocket.send", "text": text})


def _parse_since(query: bytes) -> int | None:
    try:
        parameters = QueryDict(query)
    except TooManyFieldsSent as error:
        raise Invalid("Too many query parameters.", field="since", allowed=["since"]) from error
    for name in parameters:
        if name != "since":
            raise unknown_field(name, ["since"], what="query parameter")
    text = parameters.get("since")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_SEQ):
        raise Invalid(f"since must be a whole number from 0, not {text[:40]!r}.", field="since")
    return int(text)
