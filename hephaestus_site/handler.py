"""Django's request handler on a fixed set of threads, with one hop to a thread for each request.

Django's own ASGI handler hops to a thread and back for each hook of each middleware, and starts a
thread for each request, whose database connection opens and closes with it. Here the middleware chain
is synchronous and runs in one piece, on threads that keep their connections.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestAborted, RequestDataTooBig
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.core.signals import request_started
from django.db import connections
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils.http import parse_header_parameters

from tickets.errors import TooLarge

# Each has a thread of its own while it lasts, so that slow readers of exports hold up no requests.
MAX_STREAMS = 8

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Utf8Request(ASGIRequest):
    """Addresses and forms are UTF-8, whatever the content type says: Django would decode them as it says, by any
    codec of Python's, also by those that are no encodings of text.
    """

    def _set_content_type_params(self, meta: Mapping[str, str]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class RequestHandler(ASGIHandler):
    """The ASGI application for HTTP. Asynchronous views work too; they run on the event loop."""

    request_class = Utf8Request

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._streams = asyncio.Semaphore(MAX_STREAMS)

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
            response = await self._in_thread(self._respond, scope, body)
        except RequestAborted:
            return
        except RequestDataTooBig:
            response = _too_large()
        if isinstance(response, StreamingHttpResponse):
            await self._stream(response, receive, send)
        else:
            # Whether the client is still there does not matter: the work is done.
            await self.send_response(response, send)

    async def read_body(self, receive: Receive) -> io.BytesIO:
        """The whole body. Raises RequestAborted, or RequestDataTooBig past ``MAX_BODY_BYTES``."""
        body = io.BytesIO()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestAborted
            body.write(message.get("body", b""))
            if body.tell() > settings.MAX_BODY_BYTES:
                raise RequestDataTooBig
            if not message.get("more_body", False):
                body.seek(0)
                return body

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await sync_to_async(work, thread_sensitive=False, executor=self._threads)(*arguments)

    def _respond(self, scope: dict[str, Any], body: io.BytesIO) -> HttpResponseBase:
        """Everything between the request's first signal and its last, in one thread.

        The signals drop connections that broke, so both must come where the connection is.
        """
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=type(self), scope=scope)
        request, response = self.create_request(scope, body)
        if request is not None:
            response = self.get_response(request)
        assert response is not None
        response._handler_class = type(self)  # type: ignore[attr-defined]  # the sender of its last signal
        if not response.streaming:
            response.close()
        return response

    async def _stream(self, response: StreamingHttpResponse, receive: Receive, send: Send) -> None:
        """Send part after part until the end, or until the client has gone."""
        if not response.is_async:
            response.streaming_content = self._in_one_thread(iter(response))
        sending = asyncio.create_task(self.send_response(response, send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._in_thread(response.close)

    async def _in_one_thread(self, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
        """The parts of a synchronous iterator, taken one at a time, when the one before is sent.

        One thread takes them all: a query that is being read belongs to its thread's connection.
        """
        async with self._streams:
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(1, thread_name_prefix="stream") as thread:
                try:
                    while (part := await loop.run_in_executor(thread, next, parts, None)) is not None:
                        yield part
                finally:
                    thread.submit(_close, parts)


def _close(parts: Iterator[bytes]) -> None:
    getattr(parts, "close", lambda: None)()
    connections.close_all()


def _too_large() -> HttpResponse:
    error = TooLarge(f"The body is over {settings.MAX_BODY_BYTES} bytes. Send less at a time.")
    return HttpResponse(json.dumps(error.as_dict()), status=error.status, content_type="application/json")
