"""The audit and the board as it was, in a browser: filtered, live, as a file, stepped through by keyboard."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.board_page import wait_until_live
from tests.browser.conftest import OpenPage, Site

pytestmark = [pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)> <script>alert(2)</script> שלום 🐛 " + "unbroken" * 30
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def rows(page: Page) -> Locator:
    return page.locator(".audit-row")


def past_column(page: Page, name: str) -> Locator:
    return page.locator(f'.past-board [data-column="{name}"] .card')


@pytest.fixture(scope="module")
def story(site: Site) -> dict[str, Any]:
    """A ticket with a history of its own, among sixty changes of another."""
    agent = site.agent
    told = agent.create("A first title", priority="low", tags=["story"])
    agent.post("update", ticket_id=told["ticket_id"], updates={"title": "A second title", "priority": "critical"})
    agent.move(told, "todo")
    agent.move(told, "in_progress")
    agent.post("update", ticket_id=told["ticket_id"], updates={"description": "What it said.\nAnd more of it."})
    other = agent.create(HOSTILE, description=HOSTILE, tags=["<b>bold</b>"])
    for number in range(60):
        agent.post("update", ticket_id=other["ticket_id"], updates={"story_points": number})
    return told


def test_a_history_is_read_filtered_kept_and_followed(
    open_page: OpenPage, site: Site, story: dict[str, Any], check_access: Callable[[Page], None], shots: Path
) -> None:
    page = open_page("/audit?workflow=forge", accept_downloads=True)
    wait_until_live(page)
    expect(rows(page)).to_have_count(50)
    check_access(page)
    page.screenshot(path=shots / "audit-light.png")

    # Older changes join below; the focus goes to the first of them.
    page.get_by_role("link", name="Show older").click()
    expect(page.locator(".audit-more")).to_contain_text("The beginning")
    assert rows(page).count() > 60
    expect(rows(page).nth(50).locator("a").first).to_be_focused()
    assert page.locator(".audit-day").count() <= 2, "a day has one heading"

    # What is new waits: nothing that is read moves until it is asked for.
    page.evaluate("scrollTo(0, 400)")
    top = rows(page).nth(12).bounding_box()
    fresh = site.agent.create("While somebody reads")
    site.agent.move(fresh, "todo")
    show = page.get_by_role("button", name=re.compile("^3 new"))
    expect(show).to_be_visible()
    assert rows(page).nth(12).bounding_box() == top
    show.focus()
    page.keyboard.press("Enter")
    expect(rows(page).first).to_contain_text(fresh["key"])
    expect(page.locator(".audit-row.is-new")).to_have_count(3)
    expect(rows(page).first.locator("a").first).to_be_focused()
    expect(show).to_be_hidden()

    # The form is an address.
    page.get_by_label("Ticket", exact=True).fill(story["key"].lower())
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/audit?*ticket=*")
    said = " ".join(rows(page).locator(".audit-said").all_inner_texts())
    for clause in (
        "moved it from Backlog to To Do",
        "changed the title from A first title to A second title",
        "created it",
    ):
        assert clause in " ".join(said.split())
    site.agent.post("comment", ticket_id=fresh["ticket_id"], comment_text="Not what the filter asks for.")
    page.wait_for_timeout(800)
    expect(page.locator("[data-new]")).to_be_hidden()

    compare = page.get_by_role("link", name="Before and after")
    compare.click()
    expect(page.locator(".audit-compared ins").last).to_contain_text("And more of it.")
    expect(compare).to_have_attribute("aria-expanded", "true")
    check_access(page)
    compare.click()
    expect(page.locator(".audit-compared")).to_have_count(0)

    for form in ("CSV", "JSON"):
        page.locator("summary", has_text="Export").click()
        with page.expect_download() as caught:
            page.get_by_role("link", name=form).click()
        text = Path(caught.value.path()).read_text()
        found = list(csv.DictReader(text.splitlines())) if form == "CSV" else json.loads(text)["changes"]
        assert [f"{change['change_id']}" for change in found] == rows(page).evaluate_all(
            "all => all.map((row) => row.id)"
        )
        page.keyboard.press("Escape")

    page = open_page("/audit?workflow=forge&kind=sideways&ticket=FRG-9999", expect_errors=True)
    expect(page.locator(".field-error")).to_have_count(2)
    check_access(page)


def test_the_board_is_walked_through_its_past(
    open_page: OpenPage, site: Site, story: dict[str, Any], check_access: Callable[[Page], None], shots: Path
) -> None:
    page = open_page(f"/audit?workflow=forge&ticket={story['key']}&kind=edited", color_scheme="dark")
    check_access(page)
    # At the change of the title, the ticket was in the backlog and bore it.
    row = rows(page).filter(has_text="changed the title")
    row.get_by_role("link", name="Board then").click()
    page.wait_for_url("**/board-at?*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("The board as it was")
    card = page.locator(f'.past-board [data-ticket-id="{story["ticket_id"]}"]')
    expect(past_column(page, "backlog")).to_have_count(1)
    expect(card).to_contain_text("A second title")
    expect(card).to_have_class(re.compile("is-changed"))
    check_access(page)
    page.screenshot(path=shots / "past-dark.png")

    # Values then beside those of now; they stay while time goes by.
    page.get_by_role("link", name=f"Values of {story['key']} then").click()
    panel = page.locator(".past-panel")
    expect(panel.get_by_role("row", name=re.compile("^Column"))).to_contain_text("Backlog")
    expect(panel.get_by_role("row", name=re.compile("^Column"))).to_contain_text("In Progress")
    expect(panel).to_be_focused()
    check_access(page)

    next_change = page.locator('[data-step="next"]')
    next_change.focus()
    page.keyboard.press("Enter")
    expect(past_column(page, "todo")).to_have_count(1)
    expect(page.locator(".past-said")).to_contain_text("moved it from Backlog to To Do")
    expect(page.locator('[data-step="next"]')).to_be_focused()
    expect(page.locator("[data-announcer]")).to_contain_text("moved it from Backlog to To Do")
    expect(panel.get_by_role("row", name=re.compile("^Column"))).to_contain_text("To Do")
    page.locator(".past-board").focus()
    page.keyboard.press(",")
    expect(past_column(page, "todo")).to_have_count(0)
    page.keyboard.press(",")
    expect(card).to_contain_text("A first title")
    moment = page.url
    page.reload()
    expect(card).to_contain_text("A first title")
    assert page.url == moment, "the moment is in the address"
    page.get_by_role("link", name=f"Close the values of {story['key']}").click()
    expect(panel).to_have_count(0)

    # Play goes on by itself until it is stopped, and ends at the newest change.
    page.locator("[data-rate]").select_option("3")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Play").click()
    expect(past_column(page, "in_progress")).to_have_count(1)
    expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()

    # The slider is a slider for the keyboard, too.
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(".past-board .card")).to_have_count(0)
    expect(slider).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(".past-age")).to_have_text("nothing has happened since")
    expect(page.locator('[data-step="next"]')).to_have_attribute("aria-disabled", "true")

    page.get_by_role("link", name="Back to now").click()
    page.wait_for_url("**/tickets?workflow=forge")


def test_on_a_phone_and_without_script(open_page: OpenPage, story: dict[str, Any], shots: Path) -> None:
    page = open_page("/audit?workflow=forge", **PHONE)
    expect(rows(page).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing widens the page"
    page.screenshot(path=shots / "audit-phone.png")
    page.goto(f"/board-at?workflow=forge&ticket={story['key']}")
    expect(page.locator(".past-panel")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing widens the page"
    page.screenshot(path=shots / "past-phone.png")

    page = open_page("/audit?workflow=forge", java_script_enabled=False)
    page.get_by_label("What", exact=True).select_option("moved")
    page.get_by_role("button", name="Filter").click()
    expect(rows(page).first).to_contain_text("moved it from")
    rows(page).last.get_by_role("link", name="Board then").click()
    expect(page.locator(".past-sentence").first).to_contain_text("moved it from Backlog to To Do")
    page.get_by_role("link", name="Previous change").click()
    expect(past_column(page, "backlog").filter(has_text="A second title")).to_have_count(1)
    page.get_by_label("Time, from the first change to now").press("Home")
    page.get_by_role("button", name="Go").first.click()
    expect(page.locator(".past-board .card")).to_have_count(0)
