"""One web process: daphne in this process, and its orderly stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from daphne.server import Server  # first: it installs the reactor on asyncio's event loop
from twisted.internet import defer
from twisted.internet import reactor as installed_reactor
from twisted.logger import ILogObserver, LogEvent, LogLevel, STDLibLogObserver, globalLogBeginner
from zope.interface import provider  # type: ignore[import-untyped]

from hephaestus_site.server.protocols import Requests, Socket, Sockets, unfinished

# A stop may take five seconds in all. Requests in flight have this long to be answered.
GRACE_SECONDS = 3.0
# Then the process ends, whatever still runs: a thread in the middle of a request cannot be stopped.
# Its transaction is not committed, so nobody was told that it was.
WATCHDOG_SECONDS = 4.25

GOING_AWAY = 1001
MAX_FRAME_BYTES = 16 * 1024
LIMITS = {
    "websocket_timeout": -1,  # an open socket may stay so; its permission is checked (tickets.consumers)
    "request_buffer_size": 64 * 1024,
}

reactor: Any = installed_reactor
log = logging.getLogger(__name__)


class WebServer(Server):  # type: ignore[misc]  # published without types
    """Serves one ASGI application until it is stopped.

    ``open_listener`` is called when everything is ready, and starts to hand connections to
    ``http_factory``; what it returns is called to take no more of them.
    """

    def __init__(self, application: Any, open_listener: Callable[[WebServer], Callable[[], Any]]) -> None:
        # daphne wants to be told of an endpoint; here connections come through open_listener.
        super().__init__(application, endpoints=["adopted"], server_name="", **LIMITS)
        self._open_listener = open_listener
        self._close_listener: Callable[[], Any] = lambda: None
        self.connections: dict[Any, dict[str, Any]] = {}
        self.stopping = False

    def run(self) -> None:
        """Serve until ``stop_gracefully``. Call it in the main thread."""
        self.http_factory = Requests(self)
        self.ws_factory = Sockets(self, server="")
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,  # as any other foreign one, it is refused with the reason (tickets.handshake)
            openHandshakeTimeout=self.websocket_handshake_timeout,
            maxMessagePayloadSize=MAX_FRAME_BYTES,
            maxFramePayloadSize=MAX_FRAME_BYTES,
            failByDrop=False,  # a client that breaks the protocol hears how
        )
        globalLogBeginner.beginLoggingTo([_log_failures], redirectStandardIO=False, discardBuffer=True)
        asyncio.set_event_loop(reactor._asyncioEventloop)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        reactor.callWhenRunning(self._start)
        reactor.addSystemEventTrigger("before", "shutdown", self.kill_all_applications)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: reactor.callFromThread(self.stop_gracefully))
        reactor.run(installSignalHandlers=False)

    def stop_gracefully(self) -> None:
        """Take no more connections, say goodbye to WebSockets, let requests in flight be answered, end."""
        if self.stopping:
            return
        self.stopping = True
        watchdog = threading.Timer(WATCHDOG_SECONDS, os._exit, (0,))
        watchdog.daemon = True
        watchdog.start()
        self._close_listener()
        for protocol in list(self.connections):
            if isinstance(protocol, Socket) and protocol.state == Socket.STATE_OPEN:
                protocol.serverClose(GOING_AWAY)
        self._stop_when_idle(time.monotonic() + GRACE_SECONDS)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if scope["type"] == "websocket":
            scope["extensions"] = {"websocket.http.response": {}}
        return super().create_application(protocol, scope)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Send what the application sends. Returns when the connection has room for more."""
        details = self.connections.get(protocol)
        if details is None or details.get("disconnected"):
            # A turn for the rest of the loop: an endless answer must get to hear that nobody listens.
            await asyncio.sleep(0)
            return
        self.check_headers_type(message)
        try:
            await protocol.reply(message)
        except TimeoutError:
            protocol.abort()

    def kill_all_applications(self) -> defer.Deferred[Any]:
        """Cancel what still runs. daphne's own fails on a connection without an application."""
        work = [d["application_instance"] for d in self.connections.values() if "application_instance" in d]
        for application in work:
            application.cancel()
        return defer.Deferred.fromFuture(asyncio.gather(*work, return_exceptions=True))

    def _start(self) -> None:
        self._close_listener = self._open_listener(self)

    def _stop_when_idle(self, deadline: float) -> None:
        if any(unfinished(self.connections)) and time.monotonic() < deadline:
            reactor.callLater(0.05, self._stop_when_idle, deadline)
        else:
            reactor.stop()


_to_log = STDLibLogObserver(__name__)


@provider(ILogObserver)  # type: ignore[untyped-decorator]
def _log_failures(event: LogEvent) -> None:
    """Twisted and autobahn report each dropped client; only what went wrong here is worth a line."""
    if event.get("log_level", LogLevel.info) >= LogLevel.error:
        _to_log(event)
