"""What a simulated agent is made of: a session with the server or with a bridge, and a log of its calls."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.server import MANAGE

CALL_TIMEOUT = 120.0  # seconds, far above what any call is about


@dataclass(frozen=True)
class Seat:
    """How an agent gets in: over HTTP where ``url`` is given, else through a stdio bridge with ``env``."""

    agent_id: str
    token: str
    url: str | None = None
    env: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Client]:
        """A client that has shaken hands."""
        if self.url is not None:
            headers = {"Authorization": f"Bearer {self.token}"}
            async with (
                httpx2.AsyncClient(headers=headers, timeout=CALL_TIMEOUT) as http,
                Client(streamable_http_client(self.url, http_client=http), mode="legacy") as client,
            ):
                yield client
            return
        arguments = [str(MANAGE), "mcp_bridge"]
        env = {**self.env, "HEPHAESTUS_TOKEN": self.token}
        bridge = StdioServerParameters(command=sys.executable, args=arguments, env=env)
        async with Client(stdio_client(bridge), mode="legacy") as client:
            yield client


@dataclass
class Entry:
    """One call. Times are seconds of the machine's monotonic clock, which all its processes share.

    ``code`` is the error's, empty where the call succeeded; ``about`` is what the checks need of it.
    """

    agent_id: str
    what: str
    tool: str
    start: float
    end: float
    code: str
    about: dict[str, Any]


class Agent:
    """Calls tools and writes down what it was told."""

    def __init__(self, client: Client, agent_id: str, log: list[Entry]) -> None:
        self.id = agent_id
        self._client = client
        self._log = log

    async def call(
        self, what: str, tool: str, arguments: dict[str, Any], **about: Any
    ) -> tuple[dict[str, Any] | None, Entry]:
        """The structured answer, None where the tool refused; and the entry, which may be added to."""
        entry = Entry(self.id, what, tool, time.monotonic(), 0.0, "", {**about})
        self._log.append(entry)
        result = await asyncio.wait_for(self._client.call_tool(tool, arguments), CALL_TIMEOUT)
        entry.end = time.monotonic()
        content: dict[str, Any] = result.structured_content or {}
        if not result.is_error:
            return content, entry
        error = content.get("error", {"code": "no error object", "message": str(result.content)})
        entry.code = error["code"]
        entry.about["message"] = error["message"]
        return None, entry


def play(part: Coroutine[Any, Any, None], log: list[Entry]) -> None:
    """Play a process's part to its end, then print its log as one line of JSON."""
    asyncio.run(part)
    print(json.dumps([asdict(entry) for entry in log]))  # the parent process reads it


def read_part() -> dict[str, Any]:
    """What the parent process wants of this one: the first line of standard input."""
    part: dict[str, Any] = json.loads(sys.stdin.readline())
    return part


async def wait_for_the_others() -> None:
    """Say that this process is ready, and wait until all are."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
