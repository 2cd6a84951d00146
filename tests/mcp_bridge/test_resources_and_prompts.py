"""Resources, what tells of their changes, and prompts."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest
from mcp import MCPError
from mcp.client.subscriptions import ResourceUpdated

from tests.mcp_bridge.clients import TRANSPORTS, Place, Transport, call, new_ticket

PATIENCE = 60.0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_tickets_and_boards_are_resources(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        ticket = await new_ticket(client, "Read me as a resource")
        templates = (await client.list_resource_templates()).resource_templates
        boards = (await client.list_resources()).resources
        shown = (await client.read_resource(f"ticket://{ticket['key']}")).contents[0]
        board = (await client.read_resource(str(boards[0].uri))).contents[0]
    assert [template.uri_template for template in templates] == ["ticket://{key}", "board://{workflow}", "diff://{sha}"]
    assert [str(resource.uri) for resource in boards] == ["board://flow"]
    assert "Read me as a resource" in shown.text  # type: ignore[union-attr]
    assert "in_progress" in board.text  # type: ignore[union-attr]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("ticket://TKT-99999", "not_found"),
        ("board://other", "not_found"),
        ("ticket://../../etc/passwd", "invalid"),
        ("file:///etc/passwd", "invalid"),
        ("diff://abc1234", "not_found"),
        ("diff://--help", "invalid"),
    ],
)
async def test_what_is_no_resource_is_an_error_that_says_why(
    here: Place, transport: Transport, uri: str, code: str
) -> None:
    async with here.client(transport) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert caught.value.data["code"] == code
    assert caught.value.message


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_prompts_are_filled_in_for_a_ticket(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        ticket = await new_ticket(client, "Hand this one over")
        names = [prompt.name for prompt in (await client.list_prompts()).prompts]
        texts: dict[str, str] = {}
        for name in names:
            message = (await client.get_prompt(name, {"ticket_id": ticket["key"]})).messages[0]
            texts[name] = message.content.text  # type: ignore[union-attr]
        with pytest.raises(MCPError, match="ticket_id"):
            await client.get_prompt("handoff", {})
        with pytest.raises(MCPError, match="handoff"):
            await client.get_prompt("handof", {"ticket_id": ticket["key"]})
    assert names == ["start_work", "handoff", "ticket_tracking"]
    for name in ("start_work", "handoff"):
        assert "Hand this one over" in texts[name]
    tracking = texts["ticket_tracking"]
    assert f"**YOUR TICKET ID: {ticket['ticket_id']}**" in tracking
    assert "in_progress (In Progress)" in tracking
    assert "mcp__hephaestus__resolve_ticket" in tracking


async def test_a_subscriber_hears_of_changes_whoever_made_them(here: Place) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()

    async def handler(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            told.put_nowait(str(message.params.uri))

    async with here.client("stdio", message_handler=handler) as ada, here.client("http", "bob") as bob:
        ticket, other = await new_ticket(bob), await new_ticket(bob)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            await ada.subscribe_resource(f"ticket://{ticket['key']}")
            await call(bob, "add_ticket_comment", ticket_id=other["key"], comment_text="About the other one.")
            await call(bob, "add_ticket_comment", ticket_id=ticket["key"], comment_text="About this one.")
            assert await asyncio.wait_for(told.get(), PATIENCE) == f"ticket://{ticket['key']}"
            await ada.subscribe_resource("board://flow")
            await call(bob, "change_ticket_status", ticket_id=other["key"], new_status="todo")
            assert await asyncio.wait_for(told.get(), PATIENCE) == "board://flow"
            await ada.unsubscribe_resource("board://flow")
            with pytest.raises(MCPError):
                await ada.subscribe_resource("board://other")
    assert told.empty()


async def test_a_listener_of_the_newest_protocol_hears_of_changes(here: Place) -> None:
    async with here.client("stdio", mode="2026-07-28") as ada, here.client("http", "bob") as bob:
        ticket = await new_ticket(bob)
        uri = f"ticket://{ticket['key']}"
        async with ada.listen(resource_subscriptions=[uri]) as events:
            await call(bob, "update_ticket", ticket_id=ticket["key"], updates={"priority": "low"})
            event = await asyncio.wait_for(anext(aiter(events)), PATIENCE)
    assert event == ResourceUpdated(uri=uri)


async def test_over_http_no_subscription_is_promised(here: Place) -> None:
    async with here.client("http") as client:
        assert client.server_capabilities.resources
        assert client.server_capabilities.resources.subscribe is False
