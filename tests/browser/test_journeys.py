"""What a person who has never seen it does on the demo board, from the login page on and without a mouse."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.board_page import card, link, placed, wait_until_live
from tests.browser.conftest import Agent, OpenPage, Site
from tests.browser.over_mcp import Tool, over_mcp
from tests.server import Server, installation

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLOW = "demo-hephaestus"
NO_MOUSE = "addEventListener('pointerdown', () => console.error('a mouse was used'), { capture: true })"
# The phone's ticket: "Installed on a phone, under one thumb … and the shell there without a network."
PARAPHRASE = "use it on my mobile while offline"
PHONE = "Installed on a phone, under one thumb"


class Demo(Site):
    """``manage.py run`` on an empty folder: what it printed, and agents at work there."""

    login: tuple[str, str]
    tool: Tool


@pytest.fixture(scope="module")
def stopped_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        installed = stack.enter_context(
            installation(tmp_path_factory.mktemp("demo") / "data", env={"EMBEDDING_PROVIDER": "local"})
        )
        server = stack.enter_context(installed.run(env={"HEPHAESTUS_PORT": str(port)}))
        name, password, token = _printed(server)
        headers = {"Authorization": f"Bearer {token}"}
        http = stack.enter_context(httpx.Client(base_url=base, headers=headers, timeout=60))
        demo = Demo(installed, port, Agent(http))
        demo.login = name, password
        other = installed.manage("create_agent", "mcp-agent", "--workflow", FLOW).split()[-1]
        demo.tool = stack.enter_context(over_mcp(installed, server, "http", other))
        yield demo


@pytest.fixture(scope="module")
def demo(stopped_site: Demo) -> Demo:
    return stopped_site


def _printed(server: Server) -> tuple[str, str, str]:
    said = "".join(server.log)
    found = re.search(r"Login +(\S+), password (\S+)", said), re.search(r"Token +(\S+)", said)
    assert found[0]
    assert found[1]
    return found[0][1], found[0][2], found[1][1]


@pytest.fixture
def page(open_page: OpenPage, demo: Demo) -> Page:
    """The board, after signing in by keys."""
    page = open_page("/login", sign_in=False)
    page.add_init_script(NO_MOUSE)
    page.reload()
    for name, text in zip(("Name", "Password"), demo.login, strict=True):
        tab_to(page, page.get_by_label(name))
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/tickets"))
    expect(page.locator(".board")).to_have_attribute("data-workflow", FLOW)
    return wait_until_live(page)


def tab_to(page: Page, target: Locator, limit: int = 60) -> None:
    """Press Tab until the target has the focus."""
    expect(target).to_be_visible()
    for _ in range(limit):
        if target.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{limit} times Tab did not lead to {target}")


def walk_to(page: Page, ticket: dict[str, Any]) -> None:
    """Tab into the board, then arrows to the ticket's card."""
    expect(link(page, ticket)).to_be_attached()
    inside = "Boolean(document.activeElement.closest('.board .card-title'))"
    for _ in range(60):
        if page.evaluate(inside):
            break
        page.keyboard.press("Tab")
    way = """card => {
        const here = document.activeElement.closest(".card");
        if (here === card) return null;
        const list = card.parentElement;
        const lists = [...document.querySelectorAll(".board .cards")];
        const step = lists.indexOf(list) - lists.indexOf(here.parentElement);
        if (step) return step > 0 ? "ArrowRight" : "ArrowLeft";
        return here.compareDocumentPosition(card) & Node.DOCUMENT_POSITION_FOLLOWING ? "ArrowDown" : "ArrowUp";
    }"""
    for _ in range(100):
        key = card(page, ticket).evaluate(way)
        if key is None:
            expect(link(page, ticket)).to_be_focused()
            return
        page.keyboard.press(key)
    raise AssertionError("The arrows did not lead to the card.")


def titled(demo: Demo, title: str) -> dict[str, Any]:
    """The demo's ticket with that title."""
    rows = demo.agent.http.get("/api/tickets/get", params={"workflow_id": FLOW, "limit": 200}).json()["tickets"]
    found: dict[str, Any] = next(row for row in rows if row["title"] == title)
    return found


def test_an_agents_work_is_followed_live(page: Page, demo: Demo) -> None:
    page.evaluate("window.same = true")
    mine = demo.agent.create("Oil the hinges", workflow_id=FLOW, initial_status="todo", priority="critical")
    walk_to(page, mine)
    demo.agent.post("claim", ticket_id=mine["ticket_id"])
    # It has the focus: what came for it waits, and says so.
    expect(card(page, mine).locator(".card-waits")).to_contain_text("demo-agent")
    theirs = demo.tool("create_ticket", title="Grease the axle", description="It squeaks at every turn.")
    demo.tool("change_ticket_status", ticket_id=theirs["ticket_id"], new_status="in_progress")
    expect(placed(page, "in_progress", theirs)).to_contain_text("mcp-agent")
    expect(link(page, mine)).to_be_focused()

    page.keyboard.press("Enter")
    sheet = page.locator("dialog.sheet[open]")
    expect(sheet.get_by_role("heading", level=1)).to_have_text("Oil the hinges")
    expect(sheet.locator("[data-part=lease]")).to_contain_text("demo-agent")
    demo.agent.post("comment", ticket_id=mine["ticket_id"], comment_text="The upper one is dry.")
    expect(sheet.locator("[data-timeline]")).to_contain_text("The upper one is dry.")
    demo.tool("add_ticket_comment", ticket_id=mine["ticket_id"], comment_text="Oil is in the shed.")
    expect(sheet.locator("[data-timeline]")).to_contain_text("Oil is in the shed.")
    demo.agent.move(mine, "review")
    expect(sheet.locator("[data-field=status]")).to_contain_text("Review")
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    expect(placed(page, "review", mine)).to_be_visible()
    expect(link(page, mine)).to_be_focused()
    demo.tool("resolve_ticket", ticket_id=theirs["ticket_id"], resolution_comment="It turns without a sound.")
    expect(placed(page, "done", theirs)).to_contain_text("Resolved")
    assert page.evaluate("window.same"), "nothing of this loaded the page anew"


def test_a_ticket_is_found_by_a_paraphrase(page: Page, demo: Demo) -> None:
    sought = titled(demo, PHONE)
    told = demo.agent.http.get(f"/api/tickets/{sought['ticket_id']}").json()
    text = " ".join([sought["title"], told["ticket"]["description"], *told["ticket"]["tags"]]).lower()
    words = {word for word in PARAPHRASE.split() if len(word) > 3} - {"while"}
    assert not [word for word in words if word[:4] in text], "they share no word"
    index = f"/api/workflows/{FLOW}/search-index"
    deadline = time.monotonic() + 120
    while (now := demo.agent.http.get(index).json())["waiting"] or now["embedded"] < now["tickets"]:
        assert time.monotonic() < deadline, now
        time.sleep(0.5)

    page.keyboard.press("Control+k")
    page.keyboard.type("search")
    expect(page.locator("dialog.palette [role=option][aria-selected=true]")).to_contain_text("Search")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/search"))
    expect(page.get_by_label("Search tickets")).to_be_focused()
    page.keyboard.type(PARAPHRASE)
    found = page.locator(f'.hit[data-ticket-id="{sought["ticket_id"]}"]')
    expect(found).to_contain_text("by meaning")
    assert page.locator(".hit").evaluate_all(
        "(hits, id) => hits.findIndex(hit => hit.dataset.ticketId === id)", sought["ticket_id"]
    ) < 3, page.locator(".hit .card-title").all_text_contents()  # fmt: skip
    page.keyboard.press("ArrowDown")
    for _ in range(3):
        if found.locator(".card-title a").evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("ArrowDown")
    expect(page.locator("[data-preview] h2")).to_have_text(PHONE)
    page.keyboard.press("Enter")
    expect(page.locator("dialog.sheet[open]").get_by_role("heading", level=1)).to_have_text(PHONE)


def test_a_commits_diff_is_read_from_its_ticket(page: Page, demo: Demo) -> None:
    ticket = demo.agent.create("Say where a start ends", workflow_id=FLOW, initial_status="todo")
    sha = _commit_of_the_demo(demo)
    demo.agent.post("link-commit", ticket_id=ticket["ticket_id"], commit_sha=sha)
    walk_to(page, ticket)
    page.keyboard.press("Enter")
    sheet = page.locator("dialog.sheet[open]")
    commit = sheet.locator(f'.panel-side a[href^="/commits/{sha}"]')
    tab_to(page, commit, 150)
    page.keyboard.press("Enter")
    window = page.locator(".commit-dialog")
    expect(window.get_by_role("heading", level=1)).not_to_be_empty()
    expect(window.locator("tr.add, tr.del").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(window).to_be_hidden()
    expect(commit).to_be_focused()


def _commit_of_the_demo(demo: Demo) -> str:
    """The smallest that the demo itself found in this checkout: files of a large one are opened when asked for."""
    rows = demo.agent.http.get("/api/tickets/get", params={"workflow_id": FLOW, "limit": 200}).json()["tickets"]
    commits = [
        commit
        for row in rows
        if row["commit_count"]
        for commit in demo.agent.http.get(f"/api/tickets/{row['ticket_id']}/commits").json()["commits"]
        if commit["insertions"] + commit["deletions"]
    ]
    smallest: str = min(commits, key=lambda one: one["insertions"] + one["deletions"])["commit_sha"]
    return smallest


def test_a_ticket_is_unblocked_and_resolved(page: Page, demo: Demo) -> None:
    ticket = titled(demo, PHONE)
    walk_to(page, ticket)
    expect(card(page, ticket).locator(".note-blocked")).to_contain_text("Waits for a phone")
    page.keyboard.press("b")
    expect(card(page, ticket).locator(".note-blocked")).to_have_count(0)
    expect(link(page, ticket)).to_be_focused()
    page.keyboard.press("r")
    expect(card(page, ticket).get_by_role("textbox")).to_be_focused()
    page.keyboard.type("Read aloud by two phones, from top to bottom.")
    page.keyboard.press("Control+Enter")
    expect(placed(page, "done", ticket)).to_contain_text("Resolved")
    told = demo.agent.http.get(f"/api/tickets/{ticket['ticket_id']}").json()["ticket"]
    assert (told["is_resolved"], told["is_blocked"]) == (True, False)
