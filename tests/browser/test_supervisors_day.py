"""A supervisor's day on the demo board, from the morning look to the audit, while agents go on writing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from playwright.sync_api import Page, expect

from tests.browser.board_page import column, stored, wait_until_live
from tests.browser.conftest import OpenPage
from tests.browser.test_journeys import FLOW, Demo, stopped_site, titled  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STUCK = "Let an event say what caused it"
URGENT = "Tell operators how the server does: /metrics"
ASKED = "Sessions of people last two weeks"


@pytest.fixture
def demo(request: pytest.FixtureRequest) -> Demo:
    found: Demo = request.getfixturevalue("stopped_site")
    return found


@pytest.fixture
def busy(demo: Demo) -> Iterator[list[str]]:
    """An agent that writes comments, twice a second, until the day is over; what it has written."""
    ticket, over, written = titled(demo, "Steering: what goes on, what is stuck, and why"), Event(), list[str]()

    def write() -> None:
        while not over.wait(0.5):
            text = f"Still at work, step {len(written)}."
            demo.agent.post("comment", ticket_id=ticket["ticket_id"], comment_text=text)
            written.append(text)

    with ThreadPoolExecutor() as pool:
        writing = pool.submit(write)
        yield written
        over.set()
        writing.result()


def go(page: Page, name: str) -> None:
    """Through the navigation."""
    bar = page.get_by_role("navigation", name="Main")
    section = bar.get_by_role("link", name=re.compile(f"^{name}"))
    if not section.is_visible():
        bar.locator("summary", has_text="More").click()
    section.click()
    wait_until_live(page)


def change_workflow(page: Page, name: str) -> None:
    page.locator("summary.picker").click()
    page.get_by_role("navigation", name="Workflows").get_by_role("link", name=name).click()


def test_a_supervisors_day(open_page: OpenPage, demo: Demo, busy: list[str]) -> None:
    stuck, urgent = titled(demo, STUCK), titled(demo, URGENT)
    page = open_page("/login", sign_in=False)
    page.get_by_label("Name").fill(demo.login[0])
    page.get_by_label("Password").fill(demo.login[1])
    page.get_by_role("button", name="Sign in").click()
    wait_until_live(page)
    board = open_page(f"/tickets?workflow={FLOW}", sign_in=False, storage_state=page.context.storage_state())
    wait_until_live(board).evaluate("window.same = true")

    # Morning: what waits for a person.
    go(page, "Attention")
    waiting = page.locator(f'[data-item="ownerless:{urgent["ticket_id"]}"]')
    expect(waiting).to_contain_text("nobody has it")
    waiting.get_by_role("button", name="Take it").click()
    expect(waiting).to_have_count(0)

    # The stuck chain: what the guardian finds, and what the graph says would free the most.
    go(page, "Guardian")
    chain = page.locator("[data-finding]").filter(has_text=f"Behind {stuck['key']} 2 tickets in a row wait")
    expect(chain).to_contain_text("4 tickets would go free")
    go(page, "Graph")
    panel = page.get_by_role("complementary", name="Chosen ticket")
    expect(panel.locator("h3")).to_have_text(["Frees the most", "Critical path"])
    most = panel.get_by_role("button", name=re.compile(stuck["key"])).first
    expect(most).to_contain_text("4")
    most.click()
    page.keyboard.press("Enter")

    # Somebody else gets it, where it is read.
    sheet = page.locator("dialog.sheet[open]")
    expect(sheet.get_by_role("heading", level=1)).to_have_text(STUCK)
    owner = sheet.locator("[data-field=assigned_agent_id]")
    owner.locator("[data-edit]").click()
    page.get_by_role("menuitemradio", name="demo-reviewer").click()
    expect(owner).to_contain_text("demo-reviewer")
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    expect(board.locator(f'.board [data-ticket-id="{stuck["ticket_id"]}"]')).to_contain_text("demo-reviewer")
    assert stored(demo.agent, stuck)["assigned_agent_id"] == "demo-reviewer"

    # A limit, which the open board follows.
    expect(column(board, "in_progress").locator(".limit").first).to_have_text("/5")
    go(page, "Board settings")
    page.get_by_label("Limit of column 3").fill("3")
    page.get_by_role("button", name="Save board").click()
    expect(page.locator("[data-state]")).to_have_text("Version 2")
    expect(column(board, "in_progress").locator(".limit").first).to_have_text("/3")
    assert board.evaluate("window.same"), "the board was not loaded anew"

    # The forecast, and its table.
    go(page, "Stats")
    forecast = page.locator('[data-figure="forecast"]')
    expect(forecast.locator(".legend li")).to_have_count(3)
    forecast.locator("summary").click()
    expect(forecast.locator("tbody tr").first).to_contain_text(re.compile(r"\d"))

    # Approvals, on the board that has them.
    change_workflow(page, "Security triage")
    go(page, "Approvals")
    page.locator(".row-request").filter(has_text=ASKED).get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="Nothing waits for approval")).to_be_visible()
    go(page, "Audit")
    approved = page.locator(".audit-row").first
    expect(approved).to_contain_text(ASKED)
    expect(approved.locator(".audit-said")).to_contain_text(re.compile(r"admin\s+approved"))

    # Evening: the audit has all of it, and the board of the morning is as it was.
    change_workflow(page, "Hephaestus Tickets")
    go(page, "Audit")
    page.get_by_label("Who").fill("human-admin")
    page.get_by_role("button", name="Filter").click()
    said = page.locator(".audit-row")
    expect(said.filter(has_text=URGENT)).to_contain_text("assigned")
    expect(said.filter(has_text=STUCK)).to_contain_text("demo-reviewer")
    limited = said.filter(has_text="limit of “In Progress” from 5 to 3")
    expect(limited).to_have_count(1)
    expect(limited).to_contain_text("The board")
    said.filter(has_text=URGENT).get_by_role("link", name="Board then").click()
    page.get_by_role("link", name="Previous change").click()
    then = page.locator(".past-board")
    expect(then.locator('[data-column="in_progress"] .limit').first).to_have_text("/5")
    expect(then.locator(f'[data-ticket-id="{stuck["ticket_id"]}"]')).to_contain_text("demo-builder")
    expect(then.locator(f'[data-ticket-id="{urgent["ticket_id"]}"]')).not_to_contain_text("admin")
    assert len(busy) > 5, "agents wrote all the while"
