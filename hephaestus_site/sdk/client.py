"""The clients: every operation an agent has, and the live events.

with Client("http://127.0.0.1:8000", token) as client:
    work = client.tickets.next(lease_seconds=900)
    client.tickets.comment(ticket_id=work.key, comment_text="Starting.", fencing_token=work.fencing_token)
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from hephaestus_site.sdk.connection import (
    DEFAULT_RETRY_SECONDS,
    DEFAULT_TIMEOUT,
    Connection,
    token_from_environment,
    url_from_environment,
)
from hephaestus_site.sdk.errors import Invalid
from hephaestus_site.sdk.events import AsyncEventStream, EventStream
from hephaestus_site.sdk.operations import Operations
from hephaestus_site.sdk.transport import AsyncTransport, Transport


def connection_to(
    base_url: str | None, token: str | None, agent_id: str | None, timeout: float, retry_seconds: float
) -> Connection:
    """What was given, else HEPHAESTUS_URL and HEPHAESTUS_TOKEN. Raises Invalid without an address."""
    url = base_url or url_from_environment()
    if url is None:
        raise Invalid("Where is the server? Give base_url, or set HEPHAESTUS_URL.", field="base_url")
    return Connection(url, token or token_from_environment(), agent_id, timeout, retry_seconds)


class Client(Operations[Transport]):
    """Speaks to a server as the agent that the token belongs to. May be used by several threads.

    A request that finds no server, or a busy one, is repeated for ``retry_seconds``. A write is made once however
    often it is sent: each bears an idempotency key. ``agent_id`` is for gateway tokens: the agent that is acted for.
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        agent_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retry_seconds: float = DEFAULT_RETRY_SECONDS,
    ) -> None:
        self.connection = connection_to(base_url, token, agent_id, timeout, retry_seconds)
        super().__init__(Transport(self.connection))

    def events(self, workflow_id: str, *, since: int | None = None) -> EventStream:
        """A workflow's events after the number ``since``; without it, those that happen once the stream is open."""
        return EventStream(self.connection, workflow_id, since)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Operations[AsyncTransport]):
    """The same to be awaited, for one event loop."""

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        agent_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retry_seconds: float = DEFAULT_RETRY_SECONDS,
    ) -> None:
        self.connection = connection_to(base_url, token, agent_id, timeout, retry_seconds)
        super().__init__(AsyncTransport(self.connection))

    def events(self, workflow_id: str, *, since: int | None = None) -> AsyncEventStream:
        """A workflow's events after the number ``since``; without it, those that happen once the stream is open."""
        return AsyncEventStream(self.connection, workflow_id, since)

    async def close(self) -> None:
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
