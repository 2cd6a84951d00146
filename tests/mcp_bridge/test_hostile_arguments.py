"""Arguments made to reach a shell, a path, SQL or another workflow: in every text of every tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, stdio_client
from mcp.shared.exceptions import MCPError

from mcp_bridge.catalogue import TOOLS
from mcp_bridge.definitions import Tool
from tests.mcp_bridge.clients import TRANSPORTS, Place, Transport, call, new_ticket, refused, text_of

SECRET = "root:x:0:0"  # what /etc/passwd begins with
HOSTILE = (
    "$(touch {marker})`touch {marker}`;touch {marker}|touch {marker}",
    "--output={marker}",
    "../../../../../../etc/passwd",
    "file:///etc/passwd",
    "'; DROP TABLE tickets; --",
    "x' UNION SELECT token_hash FROM agent_tokens --",
    '") OR 1=1 OR "a" MATCH ("',
)


def _texts(tool: Tool) -> list[str]:
    """Names of the arguments that may be text, or hold some."""
    properties = tool.input_schema["properties"]
    return [name for name, schema in properties.items() if schema.get("type") in ("string", "array", "object")]


def _with(tool: Tool, name: str, value: str, ticket_id: str) -> dict[str, Any]:
    """Arguments that are right as far as can be, with the hostile one among them."""
    right: dict[str, Any] = {
        "ticket_id": ticket_id, "query": "login", "title": "A good title", "description": "A good description.",
        "updates": {"priority": "low"}, "new_status": "todo", "comment": "A good comment.", "comment_text": "Good.",
        "resolution_comment": "A good comment.", "commit_sha": "4f2a9c1", "task_id": "no-such-task",
        "status": "done", "feedback": "Good.", "validation_passed": True, "tickets": [], "done_definition": "Good.",
    }  # fmt: skip
    arguments = {required: right[required] for required in tool.input_schema.get("required", ())}
    kind = tool.input_schema["properties"][name].get("type")
    inner = {"updates": "title", "filters": "status"}.get(name, value)
    return {**arguments, name: [value] if kind == "array" else {inner: value} if kind == "object" else value}


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
async def test_no_text_reaches_a_shell_a_path_or_sql(here: Place, tmp_path: Path, tool: Tool) -> None:
    marker = tmp_path / "marker"
    log = len(here.server.log)
    async with here.client("http") as client:
        ticket_id = (await new_ticket(client))["ticket_id"]
        for name in _texts(tool):
            for hostile in HOSTILE:
                value = hostile.replace("{marker}", str(marker))
                result = await client.call_tool(tool.name, _with(tool, name, value, ticket_id))
                error: dict[str, Any] = (result.structured_content or {}).get("error", {})
                assert "fault of the server" not in error.get("message", ""), (name, value)
                assert SECRET not in text_of(result), (name, value)
        # The tables are still there, and so is what was in them.
        assert (await call(client, "get_ticket", ticket_id=ticket_id))["ticket_id"] == ticket_id
    assert not marker.exists()
    assert "tool_failed" not in "".join(here.server.log[log:])


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_resources_and_prompts_read_no_path(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        for scheme in ("ticket", "board", "diff", "file"):
            for path in ("../../../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "--output=x", "'; DROP TABLE x"):
                with pytest.raises(MCPError) as caught:
                    await client.read_resource(f"{scheme}://{path}")
                assert SECRET not in str(caught.value)
                with pytest.raises(MCPError):
                    await client.get_prompt("start_work", {"ticket_id": f"{scheme}://{path}"})


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_is_elsewhere_is_named_by_nothing(here: Place, transport: Transport) -> None:
    async with here.client("http", "stranger") as stranger, here.client(transport) as ada:
        foreign = await new_ticket(stranger, "A secret of the others")
        mine = await new_ticket(ada)
        absent = "ticket-00000000-0000-4000-8000-000000000000"
        for reference in (foreign["ticket_id"], foreign["key"]):
            named: dict[str, dict[str, Any]] = {
                "create_ticket": {
                    "title": "Waits for it",
                    "description": "Long enough for this.",
                    "blocked_by_ticket_ids": [reference],
                },
                "update_ticket": {"ticket_id": mine["key"], "updates": {"parent_ticket_id": reference}},
                "create_task": {"description": "Work on it", "done_definition": "Done.", "ticket_id": reference},
                "get_agent_prompt": {"ticket_id": reference},
                "approve_ticket": {"ticket_id": reference},
            }
            for tool, arguments in named.items():
                error = await refused(ada, tool, **arguments)
                unknown = await refused(ada, tool, **_replaced(arguments, reference, absent))
                assert error["code"] == unknown["code"], tool
                assert error["message"].replace(reference, "") == unknown["message"].replace(absent, ""), tool
            for uri in (f"ticket://{reference}", "board://other"):
                with pytest.raises(MCPError) as caught:
                    await ada.read_resource(uri)
                assert caught.value.error.data["code"] == "not_found"
            with pytest.raises(MCPError):
                await ada.get_prompt("handoff", {"ticket_id": reference})
        said = f"Like #{foreign['key']} and #{foreign['ticket_id']}, for @stranger"
        mentioned = await call(ada, "add_ticket_comment", ticket_id=mine["key"], comment_text=said)
        found = text_of(await ada.call_tool("search_tickets", {"query": "A secret of the others"}))
    assert mentioned["mentions"] == []
    assert foreign["ticket_id"] not in found


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(item, old, new) for name, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    return new if value == old else value


async def test_the_log_tells_of_calls_and_not_what_was_said(here: Place, tmp_path: Path) -> None:
    parameters = here.bridge("ada")
    parameters.env = {**(parameters.env or {}), "HEPHAESTUS_LOG_LEVEL": "INFO"}
    with (tmp_path / "log").open("w+") as log:
        async with Client(stdio_client(parameters, errlog=log), mode="legacy") as client:
            await new_ticket(client, "Nobody else's business")
            await refused(client, "get_ticket", ticket_id="TKT-99999")
        log.seek(0)
        lines = [line for line in log if "tool_called" in line]
    assert ["create_ticket" in lines[0], "get_ticket" in lines[1]] == [True, True]
    assert ["is_error=False" in lines[0], "is_error=True" in lines[1]] == [True, True]
    assert not [line for line in lines if "business" in line or "99999" in line or here.tokens["ada"] in line]


async def test_a_token_is_its_agents_whatever_name_and_lease_are_sent_with_it(here: Place) -> None:
    headers = {"Authorization": f"Bearer {here.tokens['ada']}", "X-Agent-ID": "bob"}
    async with httpx.AsyncClient(headers=headers) as http:
        answer = await http.post(here.url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "identity_mismatch")
    async with here.client("http") as ada, here.client("stdio", "bob") as bob:
        ticket_id = (await new_ticket(bob))["ticket_id"]
        held = await call(bob, "claim_ticket", ticket_id=ticket_id)
        mine = {"ticket_id": ticket_id, "fencing_token": held["fencing_token"]}
        beaten = await refused(ada, "claim_ticket", action="heartbeat", **mine)
        resolved = await refused(ada, "resolve_ticket", resolution_comment="It was me who did it.", **mine)
        freed = await refused(ada, "claim_ticket", action="release", ticket_id=ticket_id)
    assert (beaten["code"], resolved["code"], freed["code"]) == ("lease_lost", "lease_lost", "forbidden")
