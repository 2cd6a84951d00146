"""The bridge's other ways: forwarding to a server elsewhere, and serving HTTP itself."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from mcp_bridge.greeting import VERSIONS
from tests.mcp_bridge.clients import Place, call, new_ticket, refused
from tests.server import MANAGE


async def test_the_thin_bridge_does_what_the_server_does(here: Place) -> None:
    for mode in ("legacy", "auto"):
        async with here.client("thin", mode=mode) as client:
            assert len((await client.list_tools()).tools) > 15
            ticket = await new_ticket(client, f"Made from far away, {mode}")
            shown = await call(client, "get_ticket", ticket_id=ticket["key"])
            wrong = await refused(client, "get_ticket", ticket_id="TKT-99999")
            resource = await client.read_resource(f"ticket://{ticket['key']}")
        assert shown["created_by_agent_id"] == "ada"
        assert wrong["code"] == "not_found"
        assert resource.contents


async def test_the_thin_bridge_opens_no_database(here: Place) -> None:
    parameters = here.bridge("ada", "--url", here.url)
    assert parameters.env
    parameters.env["DATABASE_URL"] = "postgres://nobody@127.0.0.1:1/none"
    async with Client(parameters, mode="legacy") as client:
        assert (await call(client, "get_board"))["board_config"]["workflow_id"] == "flow"


async def test_the_thin_bridge_passes_on_agent_and_workflow(here: Place) -> None:
    async with here.client("thin", "both", "--workflow", "other") as client:
        assert (await call(client, "get_board"))["board_config"]["workflow_id"] == "other"
    async with here.client("thin", "gateway", "--agent-id", "bob") as client:
        ticket = await new_ticket(client)
        assert (await call(client, "get_ticket", ticket_id=ticket["key"]))["created_by_agent_id"] == "bob"


def test_the_thin_bridge_says_what_is_wrong_with_the_server(here: Place) -> None:
    asked = (
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_board","arguments":{}}}\n'
        '{"jsonrpc":"2.0","id":2,"method":"tools/list"}\n'
    )
    for url, token, code in (
        ("http://127.0.0.1:1", here.tokens["ada"], "busy"),
        (here.url, "hpt_wrong", "unauthenticated"),
        (here.server.base_url + "/else", here.tokens["ada"], "invalid"),
    ):
        output = _output(here, asked, "--url", url, token=token)
        answers: dict[int, Any] = {}
        for line in output.splitlines():
            answer = json.loads(line)
            answers[answer["id"]] = answer
        assert answers[1]["result"]["isError"] is True
        assert answers[1]["result"]["structuredContent"]["error"]["code"] == code
        assert answers[2]["error"]["data"]["code"] == code
        assert token not in output


@contextmanager
def _standalone(here: Place, *arguments: str) -> Iterator[str]:
    """The address of a bridge that serves HTTP."""
    command = [sys.executable, str(MANAGE), "mcp_bridge", "--transport", "http", *arguments]
    process = subprocess.Popen(command, env=here.site.env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def test_the_bridge_serves_http_for_one_agent_on_loopback(here: Place) -> None:
    with _standalone(here, "--agent-id", "ada") as url:
        async with Client(url, mode="legacy") as client:
            assert (await call(client, "get_board"))["board_config"]["workflow_id"] == "flow"
        async with httpx.AsyncClient(headers={"Origin": "https://evil.example"}) as evil:
            assert (await evil.post(url, json={})).status_code == 403


def test_a_bridge_of_many_agents_wants_their_tokens(here: Place) -> None:
    with _standalone(here) as url:
        assert httpx.post(url, json={}).status_code == 401


def test_one_agents_http_is_refused_beyond_loopback(here: Place) -> None:
    output = here.site.manage(
        "mcp_bridge", "--transport", "http", "--agent-id", "ada", "--host", "0.0.0.0", check=False
    )
    assert "let in whoever connects" in output


@pytest.mark.parametrize("version", [*VERSIONS, "2026-07-28", "1999-01-01"])
def test_the_early_greeting_is_what_the_library_answers(here: Place, version: str) -> None:
    params = {"protocolVersion": version, "capabilities": {"roots": {}}, "clientInfo": {"name": "t", "version": "1"}}
    hello = {"jsonrpc": "2.0", "id": "h", "method": "initialize", "params": params}
    # A member that JSON-RPC does not know keeps the greeting from answering, and the library does not mind it.
    greeted, answered = (
        json.loads(_output(here, json.dumps(request) + "\n")) for request in (hello, {**hello, "unknown": 1})
    )
    assert greeted == answered
    assert greeted["result"]["serverInfo"]["name"] == "hephaestus"


def test_the_greeting_knows_all_versions_with_a_handshake() -> None:
    assert tuple(HANDSHAKE_PROTOCOL_VERSIONS) == VERSIONS


def _output(here: Place, sent: str, *arguments: str, token: str | None = None) -> str:
    """What the bridge writes for that input."""
    done = subprocess.run(
        [sys.executable, str(MANAGE), "mcp_bridge", *arguments],
        env={**here.site.env, "HEPHAESTUS_TOKEN": token or here.tokens["ada"]},
        input=sent,
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return done.stdout
