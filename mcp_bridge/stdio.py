"""The protocol over this process's standard input and output: one JSON message per line.

Not the ``mcp`` package's own transport: it drops what it cannot read without a word, so that its sender waits
for ever; a line may take all memory; and it ends with its input, whatever is not answered yet.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc
from pydantic import ValidationError
from pydantic_core import from_json

from mcp_bridge.wire import TOO_LONG, Wire

# Requests that were read before the input ended have this long to be answered.
LAST_ANSWERS_SECONDS = 30.0
# Such a request is answered by a stream that has no end of its own.
_ENDLESS = frozenset({"subscriptions/listen"})

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def transport(wire: Wire, greeted: Any = None) -> AsyncIterator[tuple[Incoming, Outgoing]]:
    """The streams that a server runs on. The incoming one ends with the input, when all of it is answered.

    ``greeted`` is the id of a request that somebody has answered already.
    """
    requests, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, answers = anyio.create_memory_object_stream[SessionMessage](0)
    connection = _Connection(wire, requests, greeted)
    reader = threading.Thread(target=connection.read, name="stdin", daemon=True)
    reader.start()
    writing = asyncio.create_task(connection.write(answers))
    try:
        yield incoming, outgoing
    finally:
        await outgoing.aclose()
        await writing


class _Connection:
    """What has been read and is not answered yet, on one pair of pipes."""

    def __init__(self, wire: Wire, requests: MemoryObjectSendStream[SessionMessage | Exception], greeted: Any) -> None:
        self._wire = wire
        self._greeted = greeted
        self._requests = requests
        self._loop = asyncio.get_running_loop()
        self._open: set[Any] = set()
        self._settled = asyncio.Event()
        self._settled.set()

    def read(self) -> None:
        """Hand on line after line until the input ends. Runs on a thread of its own, since reading blocks."""
        try:
            for line in self._wire.lines():
                asyncio.run_coroutine_threadsafe(self._take(line), self._loop).result()
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        except RuntimeError:
            return  # The loop has ended before the input.

    async def write(self, answers: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """Write what the server sends until it is done, or until nobody reads any more."""
        async with answers:
            async for item in answers:
                message = item.message
                answered = message.id if isinstance(message, (types.JSONRPCResponse, types.JSONRPCError)) else None
                if answered is not None and answered == self._greeted:
                    self._greeted = None
                else:
                    text = message.model_dump_json(by_alias=True, exclude_unset=True)
                    await asyncio.to_thread(self._wire.send, text)
                if answered is not None:
                    self._answered(answered)

    async def _take(self, line: bytes | None) -> None:
        if line is None:
            await self._refuse(None, types.INVALID_REQUEST, TOO_LONG)
            return
        if not line.strip():
            return
        try:
            message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            await self._refuse(*_why_unreadable(line))
            return
        if isinstance(message, types.JSONRPCRequest) and message.method not in _ENDLESS:
            self._open.add(message.id)
            self._settled.clear()
        try:
            await self._requests.send(SessionMessage(message))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return

    async def _refuse(self, request_id: Any, code: int, message: str) -> None:
        error = types.ErrorData(code=code, message=message)
        answer = jsonrpc.JSONRPCError(jsonrpc="2.0", id=request_id, error=error)
        await asyncio.to_thread(self._wire.send, answer.model_dump_json(by_alias=True, exclude_unset=True))

    async def _end(self) -> None:
        try:
            async with asyncio.timeout(LAST_ANSWERS_SECONDS):
                await self._settled.wait()
        except TimeoutError:
            pass
        await self._requests.aclose()

    def _answered(self, request_id: Any) -> None:
        self._open.discard(request_id)
        if not self._open:
            self._settled.set()


def _why_unreadable(line: bytes) -> tuple[Any, int, str]:
    """Id, code and message for a line that is no message."""
    try:
        content = from_json(line)
    except ValueError:
        return None, types.PARSE_ERROR, "The line is no JSON in UTF-8."
    request_id = content.get("id") if isinstance(content, dict) else None
    usable = request_id if isinstance(request_id, (int, str)) and not isinstance(request_id, bool) else None
    return usable, types.INVALID_REQUEST, "The line is no JSON-RPC 2.0 request, notification or response."
