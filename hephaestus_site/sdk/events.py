"""A workflow's events as they happen, through outages without loss and without doubles.

Events are numbered without gaps, so the number of the last one given is all that a stream has to keep.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection as AsyncSocket
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection as Socket
from websockets.sync.client import connect

from hephaestus_site.sdk.connection import Connection
from hephaestus_site.sdk.errors import EventsLost, HephaestusError, UnexpectedAnswer, Unreachable, error_of
from hephaestus_site.sdk.retries import Retries
from tickets.schemas.directory import EventRow

Event = EventRow

CLOSE_TIMEOUT = 2.0  # seconds in which the server may say goodbye
# TimeoutError is an OSError.
TRANSIENT = (OSError, EOFError, ConnectionClosed, InvalidHandshake)


class _Cursor:
    """What both streams know: where they are, and what a frame or a failure means."""

    def __init__(self, connection: Connection, workflow_id: str, since: int | None) -> None:
        self.seq = since
        self._connection = connection
        self._workflow_id = workflow_id
        self._retries = Retries(connection.retry_seconds)

    def address(self) -> dict[str, Any]:
        """Arguments of websockets' ``connect``."""
        return {
            "uri": self._connection.events_url(self._workflow_id, self.seq),
            "additional_headers": self._connection.headers,
            "open_timeout": self._connection.timeout,
            "close_timeout": CLOSE_TIMEOUT,
            "max_size": None,
            "proxy": True if self._connection.through_proxy else None,
        }

    def read(self, frame: str | bytes) -> Event | None:
        """The event in a frame; None where it holds none that is new. Raises HephaestusError."""
        message: dict[str, Any] = json.loads(frame)
        if message.get("success") is False:
            raise error_of(400, frame.encode() if isinstance(frame, str) else frame)
        if message.get("type") == "hello":
            self._begin(message["seq"], message["oldest"])
            return None
        event = Event.model_validate(message)
        if self.seq is not None and event.seq <= self.seq:
            return None
        self.seq = event.seq
        return event

    def _begin(self, newest: int, oldest: int) -> None:
        self._retries.reset()
        first_kept = oldest or newest + 1
        if self.seq is None:
            self.seq = newest
        elif self.seq > newest:
            raise EventsLost(
                f"The log ends at {newest}, before {self.seq}: it was restored. Read the state anew.",
                oldest=oldest,
                newest=newest,
            )
        elif 0 < self.seq < first_kept - 1:
            raise EventsLost(
                f"Events {self.seq + 1} to {first_kept - 1} were pruned. Read the state anew.",
                oldest=oldest,
                newest=newest,
            )

    def delay_after(self, error: Exception) -> float:
        """Seconds until the next connection. Raises HephaestusError where there will be none."""
        return self._retries.delay_after(self._meaning(error))

    def _meaning(self, error: Exception) -> HephaestusError:
        if isinstance(error, InvalidStatus):
            response = error.response
            return error_of(response.status_code, bytes(response.body or b""), response.headers.get("Retry-After"))
        if isinstance(error, InvalidHandshake) and not isinstance(error.__cause__, (OSError, EOFError)):
            return UnexpectedAnswer(f"No WebSocket at {self._connection.base_url}: {error}.")
        said = str(error) or type(error).__name__
        return Unreachable(f"No events from {self._connection.base_url}: {said}. Is the server running?")


class EventStream:
    """Iterates over events, and waits for them. ``close`` from another thread ends it.

    ``seq`` is the number of the last event given: ``client.events(…, since=seq)`` goes on there. Raises
    HephaestusError: Unreachable after an outage of the client's ``retry_seconds``, EventsLost where the log has
    been pruned or restored, Unauthenticated or NotFound where it may not be read any more.
    """

    def __init__(self, connection: Connection, workflow_id: str, since: int | None) -> None:
        self._cursor = _Cursor(connection, workflow_id, since)
        self._socket: Socket | None = None
        self._connection = contextlib.ExitStack()
        self._closed = threading.Event()

    @property
    def seq(self) -> int | None:
        return self._cursor.seq

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        while (socket := self._opened()) is not None:
            try:
                if (event := self._cursor.read(socket.recv())) is not None:
                    return event
            except TRANSIENT as error:
                self._wait_after(error)
            except HephaestusError:
                self._drop()
                raise
        raise StopIteration

    def __enter__(self) -> Self:
        """Open the stream: nothing that happens from here on is missed."""
        self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._closed.set()
        self._drop()

    def _opened(self) -> Socket | None:
        """The open socket, past its greeting; None once the stream is closed."""
        while self._socket is None and not self._closed.is_set():
            try:
                self._socket = self._connection.enter_context(connect(**self._cursor.address()))
                self._cursor.read(self._socket.recv())
            except TRANSIENT as error:
                self._wait_after(error)
            except HephaestusError:
                self._drop()
                raise
        if self._closed.is_set():
            self._drop()
        return self._socket

    def _wait_after(self, error: Exception) -> None:
        self._drop()
        if not self._closed.is_set():
            self._closed.wait(self._cursor.delay_after(error))

    def _drop(self) -> None:
        self._socket = None
        self._connection.close()


class AsyncEventStream:
    """The same for ``async for`` and ``async with``; cancelling the task ends it too."""

    def __init__(self, connection: Connection, workflow_id: str, since: int | None) -> None:
        self._cursor = _Cursor(connection, workflow_id, since)
        self._socket: AsyncSocket | None = None
        self._connection = contextlib.AsyncExitStack()
        self._closed = asyncio.Event()

    @property
    def seq(self) -> int | None:
        return self._cursor.seq

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while (socket := await self._opened()) is not None:
            try:
                if (event := self._cursor.read(await socket.recv())) is not None:
                    return event
            except TRANSIENT as error:
                await self._wait_after(error)
            except HephaestusError:
                await self._drop()
                raise
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        """Open the stream: nothing that happens from here on is missed."""
        await self._opened()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        self._closed.set()
        await self._drop()

    async def _opened(self) -> AsyncSocket | None:
        """The open socket, past its greeting; None once the stream is closed."""
        while self._socket is None and not self._closed.is_set():
            try:
                self._socket = await self._connection.enter_async_context(connect_async(**self._cursor.address()))
                self._cursor.read(await self._socket.recv())
            except TRANSIENT as error:
                await self._wait_after(error)
            except HephaestusError:
                await self._drop()
                raise
        if self._closed.is_set():
            await self._drop()
        return self._socket

    async def _wait_after(self, error: Exception) -> None:
        await self._drop()
        if not self._closed.is_set():
            delay = self._cursor.delay_after(error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), delay)

    async def _drop(self) -> None:
        self._socket = None
        await self._connection.aclose()
