"""Sends requests and repeats them through outages: once in each colour."""

from __future__ import annotations

import asyncio
import time
from typing import Any, TypeVar

import httpx

from hephaestus_site.sdk.calls import Operation, Outgoing
from hephaestus_site.sdk.connection import Connection
from hephaestus_site.sdk.errors import HephaestusError, Unreachable, error_of
from hephaestus_site.sdk.retries import Retries

AnswerT = TypeVar("AnswerT")
# Neither says what became of the request; a repeated write bears its idempotency key.
TRANSIENT = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)


class Transport:
    """Blocks while it waits. May be used by several threads."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._http = httpx.Client(
            base_url=connection.api_url,
            headers=connection.headers,
            timeout=connection.timeout,
            trust_env=connection.through_proxy,
        )

    def call(self, operation: Operation[..., AnswerT], arguments: dict[str, Any]) -> AnswerT:
        """The operation's answer. Raises HephaestusError."""
        outgoing = operation.outgoing(arguments)
        retries = Retries(self.connection.retry_seconds)
        while True:
            try:
                response = self._http.request(**_as_httpx(outgoing))
            except TRANSIENT as error:
                refusal: HephaestusError = unreachable(self.connection, error)
            else:
                if response.is_success:
                    return operation.read(response.content)
                refusal = refusal_of(response)
            time.sleep(retries.delay_after(refusal))

    def close(self) -> None:
        self._http.close()


class AsyncTransport:
    """The same for one event loop."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._http = httpx.AsyncClient(
            base_url=connection.api_url,
            headers=connection.headers,
            timeout=connection.timeout,
            trust_env=connection.through_proxy,
        )

    async def call(self, operation: Operation[..., AnswerT], arguments: dict[str, Any]) -> AnswerT:
        """The operation's answer. Raises HephaestusError."""
        outgoing = operation.outgoing(arguments)
        retries = Retries(self.connection.retry_seconds)
        while True:
            try:
                response = await self._http.request(**_as_httpx(outgoing))
            except TRANSIENT as error:
                refusal: HephaestusError = unreachable(self.connection, error)
            else:
                if response.is_success:
                    return operation.read(response.content)
                refusal = refusal_of(response)
            await asyncio.sleep(retries.delay_after(refusal))

    async def close(self) -> None:
        await self._http.aclose()


def refusal_of(response: httpx.Response) -> HephaestusError:
    return error_of(response.status_code, response.content, response.headers.get("Retry-After"))


def unreachable(connection: Connection, error: Exception) -> Unreachable:
    said = str(error) or type(error).__name__
    return Unreachable(f"No answer from {connection.base_url}: {said}. Is the server running?")


def _as_httpx(outgoing: Outgoing) -> dict[str, Any]:
    return {"method": outgoing.method, "url": outgoing.path, "params": outgoing.query, "json": outgoing.body}
