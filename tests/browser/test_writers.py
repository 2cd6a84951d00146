"""Agents write through REST and MCP at once, while a person has the board open and a card in focus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.board_page import link, wait_until_live
from tests.browser.conftest import Agent, OpenPage, Site
from tests.browser.over_mcp import Tool, over_mcp
from tests.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EACH = 8
STATUSES = ("todo", "in_progress", "review")
SHOWN = """() => Object.fromEntries([...document.querySelectorAll(".board [data-column]")].map(column =>
    [column.dataset.column, [...column.querySelectorAll(".card")].map(card => card.dataset.ticketId)]))"""
TOTALS = """() => Object.fromEntries([...document.querySelectorAll(".board [data-column]")].map(column =>
    [column.dataset.column, Number(column.querySelector(".col-count").textContent.match(/\\d+/)[0])]))"""


@pytest.fixture(scope="module")
def server(stopped_site: Site) -> Iterator[Server]:
    with stopped_site.start() as server:
        yield server


@pytest.fixture(scope="module")
def tools(stopped_site: Site, server: Server) -> Iterator[list[Tool]]:
    """Two agents: one by a bridge on stdio, one over HTTP."""
    installed = stopped_site.installed
    stdio, http = (installed.manage("create_agent", name, "--workflow", "forge").split()[-1] for name in ("m-1", "m-2"))
    with over_mcp(installed, server, "stdio", stdio) as first, over_mcp(installed, server, "http", http) as second:
        yield [first, second]


def by_rest(agent: Agent, number: int) -> None:
    """A ticket's life as an agent leads it: made, moved, talked about, every third resolved."""
    ticket = agent.create(f"By REST {number}")
    agent.move(ticket, STATUSES[number % 3])
    agent.post("comment", ticket_id=ticket["ticket_id"], comment_text="On its way.")
    if number % 3 == 0:
        agent.post("resolve", ticket_id=ticket["ticket_id"], resolution_comment="Done over REST.")


def by_mcp(tool: Tool, number: int) -> None:
    ticket = tool("create_ticket", title=f"By MCP {number}", description="Made by an agent for a test.")
    name = {"ticket_id": ticket["ticket_id"]}
    tool("change_ticket_status", **name, new_status=STATUSES[number % 3])
    tool("add_ticket_comment", **name, comment_text="On its way.")
    if number % 3 == 0:
        tool("resolve_ticket", **name, resolution_comment="Done over MCP.")


def writes(work: Callable[..., None], who: Any) -> None:
    for number in range(EACH):
        work(who, number)


def settled(page: Page, agent: Agent) -> None:
    """Wait until the page has shown the workflow's last event."""
    newest = agent.http.get("/api/workflows/forge/events?since=0&limit=1").json()["seq"]
    expect(page.locator(".board")).to_have_attribute("data-seq", str(newest))


def test_all_that_agents_write_at_once_is_on_the_board(
    open_page: OpenPage, stopped_site: Site, server: Server, tools: list[Tool]
) -> None:
    agent = stopped_site.agent
    held = agent.create("Looked at meanwhile", initial_status="todo", priority="critical")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    page.evaluate("window.same = true")
    link(page, held).focus()
    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(writes, by_rest, agent) for _ in range(2)]
        working += [pool.submit(writes, by_mcp, tool) for tool in tools]
        # The page is not only open: keys go on meanwhile.
        while not all(one.done() for one in working):
            page.keyboard.press("ArrowDown")
            page.keyboard.press("Home")
            page.wait_for_timeout(200)
        for one in working:
            one.result()
    settled(page, agent)
    stored = agent.http.get("/api/tickets/get", params={"limit": 200, "include_completed": "true"}).json()["tickets"]
    assert len(stored) == 4 * EACH + 1
    expected: dict[str, set[str]] = {}
    for row in stored:
        expected.setdefault(row["status"], set()).add(row["ticket_id"])
    shown = page.evaluate(SHOWN)
    assert {name: set(ids) for name, ids in shown.items() if ids} == expected
    assert max(Counter(ticket for ids in shown.values() for ticket in ids).values()) == 1, "no card stands twice"
    totals = {name: total for name, total in page.evaluate(TOTALS).items() if total}
    assert totals == {name: len(ids) for name, ids in expected.items()}
    assert page.evaluate("document.activeElement.closest('.card') !== null"), "the focus is still on a card"
    assert page.evaluate("window.same"), "nothing loaded the page anew"
    page.reload()
    assert page.evaluate(SHOWN) == shown, "a reload shows the same in the same order"
