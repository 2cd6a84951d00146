"""Agents as they are: clients of the ``mcp`` package that talk to real processes, over stdio and over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.server import MANAGE, Installation, Server, installation

Transport = Literal["stdio", "http", "thin"]
TRANSPORTS: tuple[Transport, ...] = ("stdio", "http")

# Two workflows that know nothing of each other, and who works there.
_PEOPLE = """
import json
from tests.factories import make_agent, make_workflow
flow = make_workflow("flow", name="Flow", board={board})
other = make_workflow("other", name="Other")
people = {{
    "ada": make_agent(flow, agent_id="ada"), "bob": make_agent(flow, agent_id="bob"),
    "maintainer": make_agent(flow, agent_id="maintainer", kind="human", role="maintainer"),
    "stranger": make_agent(other, agent_id="stranger"), "both": make_agent(flow, other, agent_id="both"),
    "gateway": make_agent(flow, agent_id="gateway", gateway=True),
}}
print("TOKENS " + json.dumps({{name: agent.token for name, agent in people.items()}}))
"""


@dataclass
class Place:
    """An installation with a server, and the tokens of its agents: ada, bob, maintainer, stranger, both, gateway."""

    site: Installation
    server: Server
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        return f"{self.server.base_url}/mcp"

    @asynccontextmanager
    async def client(
        self, transport: Transport, agent: str = "ada", *arguments: str, mode: Any = "legacy", **options: Any
    ) -> AsyncIterator[Client]:
        """A client that has shaken hands. ``arguments`` are the bridge's, over HTTP there are none."""
        if transport == "http":
            headers = {"Authorization": f"Bearer {self.tokens[agent]}"}
            async with (
                httpx2.AsyncClient(headers=headers, timeout=60) as http,
                Client(streamable_http_client(self.url, http_client=http), mode=mode, **options) as client,
            ):
                yield client
            return
        url = ("--url", self.server.base_url) if transport == "thin" else ()
        async with Client(stdio_client(self.bridge(agent, *url, *arguments)), mode=mode, **options) as client:
            yield client

    def bridge(self, agent: str, *arguments: str) -> StdioServerParameters:
        """How a client starts the bridge with an agent's token."""
        env = {**self.site.env, "HEPHAESTUS_TOKEN": self.tokens[agent]}
        return StdioServerParameters(command=sys.executable, args=[str(MANAGE), "mcp_bridge", *arguments], env=env)


@contextmanager
def place(folder: Path, board: dict[str, Any] | None = None, **env: str) -> Iterator[Place]:
    """A place of one's own; nothing in it makes embeddings."""
    with installation(folder, {"EMBEDDING_PROVIDER": "none", **env}) as site:
        printed = site.manage("shell", "-c", _PEOPLE.format(board=repr(board)))
        tokens = json.loads(printed.partition("TOKENS ")[2])
        with site.serve() as server:
            yield Place(site, server, tokens)


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that succeeds; its structured answer. The text must not be empty: some clients show only that."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert text_of(result)
    answer: dict[str, Any] = result.structured_content
    return answer


async def refused(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that refuses; the error object of the contract, which both forms of the answer carry."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.content
    answer: dict[str, Any] = result.structured_content
    error: dict[str, Any] = answer["error"]
    assert answer["success"] is False
    assert answer["message"] == error["message"]
    assert text_of(result).startswith(f"{error['code']}: ")
    return error


def text_of(result: Any) -> str:
    """The whole text of a tool's answer."""
    return "\n".join(part.text for part in result.content)


async def new_ticket(client: Client, title: str = "Fix the login", **fields: Any) -> dict[str, Any]:
    """A ticket as ``create_ticket`` answers."""
    fields.setdefault("description", "It fails for everybody who signs in.")
    return await call(client, "create_ticket", title=title, **fields)
