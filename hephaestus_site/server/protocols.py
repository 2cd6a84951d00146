"""daphne's connections, with limits on what comes in and flow control on what goes out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

# First: it installs the reactor on asyncio's event loop.
import daphne.server  # noqa: F401
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.conf import settings
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer  # type: ignore[import-untyped]

# Far above what any face allows a reader (tickets.consumers), so that this ends only what nobody watches.
STALLED_SECONDS = 60.0


@implementer(IPushProducer)
class Outflow:
    """Whether a connection's write buffer has room. daphne itself writes without asking."""

    def __init__(self) -> None:
        self._room = asyncio.Event()
        self._room.set()

    # The names are Twisted's.
    def pauseProducing(self) -> None:  # noqa: N802
        self._room.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._room.set()

    def stopProducing(self) -> None:  # noqa: N802
        self._room.set()

    async def wait(self) -> None:
        """Until there is room. Raises TimeoutError where the reader has stalled."""
        if not self._room.is_set():
            async with asyncio.timeout(STALLED_SECONDS):
                await self._room.wait()


class Request(WebRequest):  # type: ignore[misc]  # published without types
    """An HTTP request."""

    outflow: Outflow | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # Django does so, off the event loop; Twisted's look at the content type takes a tenth of an empty request.
        super().__init__(*arguments, parsePOSTFormSubmission=False, **options)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        # The handler refuses a body over the limit; more of it than tells so need not be kept.
        if self.content.tell() <= settings.MAX_BODY_BYTES:
            super().handleContentChunk(data)

    def process(self) -> Any:
        if self.server.stopping:
            self.setHeader(b"connection", b"close")
            self.channel.persistent = False
        return super().process()

    async def reply(self, message: dict[str, Any]) -> None:
        """Send a part of the answer, and wait for room before the next one."""
        if self.outflow is None and message.get("more_body") and not self.finished and self.channel:
            self.outflow = Outflow()
            self.registerProducer(self.outflow, True)
        self.handle_reply(message)
        if self.outflow is not None and message.get("more_body"):
            await self.outflow.wait()

    def finish(self) -> None:
        if self.producer:
            self.unregisterProducer()
        super().finish()

    def abort(self) -> None:
        if self.channel:
            self.channel.forceAbortClient()


class Socket(WebSocketProtocol):  # type: ignore[misc]
    """A WebSocket."""

    outflow: Outflow | None = None
    refusal: int | None = None

    async def reply(self, message: dict[str, Any]) -> None:
        """Pass a message on, and wait for room before the next one."""
        kind = message["type"]
        if kind == "websocket.http.response.start":
            self.refusal = message["status"]
        elif kind == "websocket.http.response.body":
            self._refuse(message.get("body", b""))
        elif kind == "websocket.send" and self.state != self.STATE_OPEN:
            return  # It is closing: nothing more would be read.
        else:
            self.handle_reply(message)
        if kind == "websocket.accept":
            # The HTTP connection that this was is still registered.
            self.unregisterProducer()
            self.outflow = Outflow()
            self.registerProducer(self.outflow, True)
        elif kind == "websocket.send" and self.outflow is not None:
            await self.outflow.wait()

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802
        # Not sendClose: it takes only the codes of applications, not those of servers (1001, 1011, 1013).
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=code or 1000, isReply=False)

    def serverSend(self, content: Any, binary: bool = False) -> None:  # noqa: N802
        # Not sendMessage: it holds what goes out to the limit on what comes in.
        text, data = 1, 2
        self.sendFrame(opcode=data if binary else text, payload=content if binary else content.encode())

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: N802, N803
        # A handshake that autobahn itself refuses never reached daphne.
        if hasattr(self, "server"):
            super().onClose(wasClean, code, reason)

    def _refuse(self, body: bytes) -> None:
        """Answer the handshake as HTTP, with a status and a body."""
        status = HTTPStatus(self.refusal or HTTPStatus.FORBIDDEN)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.sendData(head.encode("ascii") + body)
        self.server.protocol_disconnected(self)
        self.dropConnection(abort=False)

    def abort(self) -> None:
        self.dropConnection(abort=True)


class Requests(HTTPFactory):  # type: ignore[misc]
    """Makes HTTP connections."""

    def log(self, request: Any) -> None:
        """Nothing: Twisted would write a line for each request, a fifth of the time of a short one, to nowhere."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol


class Sockets(WebSocketFactory):  # type: ignore[misc]
    """Makes WebSockets out of HTTP connections that ask for one."""

    protocol = Socket


def unfinished(connections: dict[Any, dict[str, Any]]) -> Iterator[Request | Socket]:
    """Requests that wait for their answer, and WebSockets that have not parted yet."""
    for protocol, details in connections.items():
        if isinstance(protocol, Socket):
            if protocol.state != Socket.STATE_CLOSED:
                yield protocol
        elif (work := details.get("application_instance")) is not None and not work.done():
            yield protocol
