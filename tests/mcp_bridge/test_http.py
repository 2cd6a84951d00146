"""Who is let in at /mcp, and what is refused before any tool hears of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.mcp_bridge.clients import Place, call, new_ticket, place

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
BOARD = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_board", "arguments": {}}}


def send(here: Place, body: Any = None, *, agent: str | None = "ada", **headers: str) -> httpx.Response:
    """POST a message as the agent, or without a credential."""
    sent = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    if agent is not None:
        sent["Authorization"] = f"Bearer {here.tokens[agent]}"
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(PING if body is None else body).encode()
    return httpx.post(here.url, content=content, headers=sent, timeout=60)


def test_without_a_token_nobody_is_let_in(here: Place) -> None:
    for answer in (send(here, agent=None), send(here, agent=None, Authorization="Bearer hpt_wrong")):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["error"]["code"] == "unauthenticated"


def test_a_token_in_the_address_is_refused(here: Place) -> None:
    answer = httpx.post(f"{here.url}?token={here.tokens['ada']}", json=PING)
    assert answer.status_code == 401
    assert here.tokens["ada"] not in answer.text


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_foreign_hosts_and_origins_are_refused(here: Place, headers: dict[str, str]) -> None:
    answer = send(here, **headers)
    assert answer.status_code in (400, 403)
    assert answer.json()["success"] is False


def test_its_own_origin_may_ask(here: Place) -> None:
    assert send(here, Origin=here.server.base_url).status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS"])
def test_only_post_is_possible(here: Place, method: str) -> None:
    answer = httpx.request(method, here.url, headers={"Authorization": f"Bearer {here.tokens['ada']}"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_there_is_nothing_below_the_address(here: Place) -> None:
    answer = httpx.post(f"{here.url}/else", json=PING, headers={"Authorization": f"Bearer {here.tokens['ada']}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_body_over_the_limit_is_refused(here: Place) -> None:
    answer = send(here, b" " * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "body", [b"", b"garbage", b"\xff\xfe", b"[]", b"7", b"{}", b"[" * 100_000, b'{"jsonrpc":"2.0","id":1}', b"9" * 9999]
)
@pytest.mark.parametrize("version", ["", "2025-06-18", "2026-07-28", "1999-01-01"])
def test_no_body_causes_a_fault(here: Place, body: bytes, version: str) -> None:
    headers = {"MCP_Protocol_Version": version} if version else {}
    answer = send(here, body, **headers)
    assert 400 <= answer.status_code < 500
    assert send(here, BOARD).json()["result"]["isError"] is False


def test_the_header_of_a_gateway_names_its_agent(here: Place) -> None:
    shown = send(here, BOARD, agent="gateway", X_Agent_ID="bob")
    denied = send(here, BOARD, agent="ada", X_Agent_ID="bob")
    assert shown.json()["result"]["isError"] is False
    assert (denied.status_code, denied.json()["error"]["code"]) == (403, "identity_mismatch")


def test_a_header_says_which_workflow_is_meant(here: Place) -> None:
    answer = send(here, BOARD, agent="both", X_Workflow_ID="other").json()["result"]["structuredContent"]
    assert answer["board_config"]["workflow_id"] == "other"


def test_the_pages_and_rest_are_served_beside_it(here: Place) -> None:
    headers = {"Authorization": f"Bearer {here.tokens['ada']}"}
    assert httpx.get(f"{here.server.base_url}/api/me", headers=headers).json()["agent"]["agent_id"] == "ada"
    assert httpx.get(f"{here.server.base_url}/mcpx", headers=headers).status_code == 404


async def test_the_newest_protocol_works_as_the_older_ones_do(here: Place) -> None:
    for mode in ("legacy", "auto", "2026-07-28"):
        async with here.client("http", mode=mode) as client:
            ticket = await new_ticket(client)
            assert (await call(client, "get_ticket", ticket_id=ticket["key"]))["key"] == ticket["key"]


def test_too_many_requests_are_told_when_to_come_again(tmp_path: Path) -> None:
    with place(tmp_path / "data", HEPHAESTUS_RATE_LIMIT="3") as here:
        answers = [send(here) for _ in range(12)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].json()["error"]["code"] == "rate_limited"


def test_trusted_loopback_believes_the_agents_id(tmp_path: Path) -> None:
    with place(tmp_path / "data", HEPHAESTUS_AGENT_AUTH="trusted-loopback") as here:
        known = send(here, BOARD, agent=None, X_Agent_ID="ada")
        arguments = {"workflow_id": "flow", "title": "Made by somebody new", "description": "Nobody knew it before."}
        create = {**BOARD, "params": {"name": "create_ticket", "arguments": arguments}}
        new = send(here, create, agent=None, X_Agent_ID="newcomer")
        person = send(here, BOARD, agent=None, X_Agent_ID="maintainer")
    assert known.json()["result"]["isError"] is False
    assert new.json()["result"]["isError"] is False
    assert person.status_code == 403


def test_the_server_stops_in_order_after_agents_were_there(tmp_path: Path) -> None:
    with place(tmp_path / "data") as here:
        with httpx.Client() as client:
            headers = {"Authorization": f"Bearer {here.tokens['ada']}", "Accept": "application/json, text/event-stream"}
            for _ in range(5):
                assert client.post(here.url, json=BOARD, headers=headers).status_code == 200
        assert here.server.stop() == 0
        assert "Traceback" not in "".join(here.server.log)
