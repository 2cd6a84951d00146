"""How long two other processes take to find a ticket that the server has just acknowledged.

One is an agent's stdio bridge, the other a program that searches as a command would:
``python -m tests.bench.freshness WORKFLOW`` answers each query on standard input with the ids found.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp import Client, StdioServerParameters, stdio_client

from tests.bench.client import Call, Connection
from tests.bench.fixture import Fixture
from tests.bench.server import ROOT, Server

Find = Callable[[str], Awaitable[list[str]]]
PATIENCE = 30.0  # seconds


def delays(server: Server, fixture: Fixture, environment: Mapping[str, str], tickets: int) -> dict[str, list[float]]:
    """Process → seconds from the answer to each create until a hybrid search of its own finds the ticket."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.freshness", fixture.workflow_id],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        found = asyncio.run(_delays(server, fixture, environment, command, tickets))
        assert command.stdin
        command.stdin.close()
    return found


async def _delays(
    server: Server, fixture: Fixture, environment: Mapping[str, str], command: subprocess.Popen[str], tickets: int
) -> dict[str, list[float]]:
    bridge = StdioServerParameters(
        command=sys.executable,
        args=[str(ROOT / "manage.py"), "mcp_bridge"],
        env={**environment, "HEPHAESTUS_TOKEN": fixture.tokens[0]},
    )
    connection = Connection(server.port, {"Authorization": f"Bearer {fixture.tokens[0]}"})
    found: dict[str, list[float]] = {}
    async with Client(stdio_client(bridge)) as agent:

        async def by_bridge(query: str) -> list[str]:
            arguments = {"workflow_id": fixture.workflow_id, "query": query, "limit": 5}
            answer = await agent.call_tool("search_tickets", arguments)
            rows: list[dict[str, Any]] = (answer.structured_content or {})["results"]
            return [row["ticket_id"] for row in rows]

        async def by_command(query: str) -> list[str]:
            assert command.stdin
            assert command.stdout
            command.stdin.write(query + "\n")
            command.stdin.flush()
            ids: list[str] = json.loads(await asyncio.to_thread(command.stdout.readline))
            return ids

        seekers: dict[str, Find] = {"stdio bridge": by_bridge, "command": by_command}
        for seek in seekers.values():
            # The first search loads the model and the vectors.
            await seek("the first search")
        for _ in range(tickets):
            word = uuid.uuid4().hex[:12]
            ticket = {"title": f"The {word} valve sticks", "description": "It does not open in the morning."}
            call = Call("POST", "/api/tickets/create", {"workflow_id": fixture.workflow_id, **ticket})
            reply = await asyncio.to_thread(connection.send, call)
            assert reply.status == 200, reply.body[:300]
            ticket_id = json.loads(reply.body)["ticket_id"]
            start = time.perf_counter()
            times = await asyncio.gather(*(_until(seek, word, ticket_id, start) for seek in seekers.values()))
            for name, seconds in zip(seekers, times, strict=True):
                found.setdefault(name, []).append(seconds)
    connection.close()
    return found


async def _until(seek: Find, word: str, ticket_id: str, start: float) -> float:
    while ticket_id not in await seek(f"{word} valve"):
        assert time.perf_counter() - start < PATIENCE, f"{ticket_id} is not found"
    return time.perf_counter() - start


def _search_for_ever(workflow_id: str) -> None:
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hephaestus_site.settings")
    django.setup(set_prefix=False)
    from search.operations import TICKET_SEARCH
    from tickets.access import system_actor
    from tickets.operations import execute

    for line in sys.stdin:
        answer = execute(TICKET_SEARCH, system_actor(), {"workflow_id": workflow_id, "query": line, "limit": 5})
        print(json.dumps([row["ticket_id"] for row in answer.results]), flush=True)


if __name__ == "__main__":
    _search_for_ever(sys.argv[1])
