"""The palette by keyboard alone, from ticket to ticket, and the help of keys, on a real server."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.board_page import Operator, card, expect_stored, link, placed, stored, wait_until_live
from tests.browser.conftest import Agent, OpenPage

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
HOSTILE = '<img src=x onerror="document.body.dataset.hurt=1"><b>bold</b> مرحبا 🔥 '


@pytest.fixture(scope="module")
def iron(agent: Agent) -> dict[str, Any]:
    return agent.create("Forge the gate of iron", description="The hinges squeal like an unoiled cart.", priority="low")


@pytest.fixture(scope="module")
def hostile(agent: Agent) -> dict[str, Any]:
    return agent.create((HOSTILE + "long " * 100)[:500].strip(), tags=["<i>tag</i>"])


def palette(page: Page) -> Locator:
    return page.locator("dialog.palette[open]")


def options(page: Page) -> Locator:
    return palette(page).get_by_role("option")


def opened(page: Page) -> Locator:
    page.keyboard.press("Control+k")
    expect(palette(page).get_by_role("combobox")).to_be_focused()
    return palette(page)


def searched(page: Page, text: str) -> None:
    """Type, and wait until both the titles and the search have answered."""
    with page.expect_response(lambda response: response.url.endswith("/api/tickets/search")):
        page.keyboard.type(text)


def active(page: Page) -> Locator:
    """The option that a screen reader is told of."""
    expect(palette(page).get_by_role("combobox")).to_have_attribute("aria-activedescendant", re.compile("palette-"))
    return palette(page).locator("[role=option][aria-selected=true]")


def test_what_is_typed_before_the_palette_is_there_goes_into_it(open_page: OpenPage, iron: dict[str, Any]) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    waiting: list[Route] = []
    page.route("**/js/palette.js", lambda route: waiting.append(route))  # noqa: PLW0108 - Playwright marks what it is given
    link(page, iron).focus()
    with page.expect_request("**/js/palette.js"):
        page.keyboard.press("Control+k")
    page.keyboard.type("send")  # on the board, s and e do something to the ticket
    for _ in range(100):
        if waiting:
            break
        page.wait_for_timeout(50)
    waiting[0].continue_()
    expect(palette(page).get_by_role("combobox")).to_have_value("send")
    expect(card(page, iron).get_by_role("textbox")).to_have_count(0)


def test_a_card_in_focus_is_moved_and_assigned_and_found_again_without_a_mouse(
    open_page: OpenPage, agent: Agent, iron: dict[str, Any]
) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    link(page, iron).focus()
    # Lines within lines: move to, and the column.
    opened(page)
    expect(palette(page).get_by_role("group", name=f"{iron['key']}, in focus")).to_contain_text("Move to…")
    page.keyboard.type("move")
    expect(active(page)).to_contain_text("Move to…")
    page.keyboard.press("Enter")
    expect(palette(page)).to_contain_text(f"Move {iron['key']} to")
    page.keyboard.type("progr")
    page.keyboard.press("Enter")
    expect(palette(page)).to_have_count(0)
    expect(placed(page, "in_progress", iron)).to_be_visible()
    expect(link(page, iron)).to_be_focused()
    expect_stored(page, agent, iron, status="in_progress")
    # Esc goes back a level, then closes, and the focus is where it was.
    opened(page)
    page.keyboard.type("assign")
    page.keyboard.press("Enter")
    expect(options(page).filter(has_text="impl-1")).to_be_visible()
    page.keyboard.press("Escape")
    expect(palette(page).get_by_role("combobox")).to_have_value("assign")
    page.keyboard.press("Enter")
    page.keyboard.type("impl-1")
    page.keyboard.press("Enter")
    expect(card(page, iron)).to_contain_text("impl-1")
    assert stored(agent, iron)["assigned_agent_id"] == "impl-1"
    opened(page)
    page.keyboard.press("Escape")
    expect(palette(page)).to_have_count(0)
    expect(link(page, iron)).to_be_focused()
    # Words that only the description has: found by the search, marked with why, opened over the board.
    opened(page)
    searched(page, "hinges unoiled")
    found = options(page).filter(has_text=iron["key"])
    expect(found).to_contain_text("by words")
    expect(found).to_contain_text("In Progress")
    expect(found).to_have_attribute("aria-selected", "true")
    with page.expect_request(lambda request: "search_id=" in request.url):
        page.keyboard.press("Enter")
    sheet = page.locator("dialog.sheet[open]")
    expect(sheet).to_have_attribute("data-ticket-id", iron["ticket_id"])
    # The ticket that is open is what the actions are about now.
    opened(page)
    page.keyboard.type("comment")
    page.keyboard.press("Enter")
    expect(sheet.get_by_role("textbox", name="Comment")).to_be_focused()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    # What was opened is remembered; a key goes first; Tab shows what can be done with it.
    opened(page)
    expect(palette(page).get_by_role("group", name="Opened last")).to_contain_text(iron["key"])
    searched(page, iron["key"].lower())
    expect(active(page)).to_contain_text(iron["key"])
    page.keyboard.press("Tab")
    expect(palette(page).get_by_role("group", name=iron["key"])).to_contain_text("Copy link")
    page.keyboard.press("Backspace")
    expect(palette(page).get_by_role("combobox")).to_have_value(iron["key"].lower())
    page.keyboard.press("Control+k")
    expect(palette(page)).to_have_count(0)


@pytest.fixture(scope="module")
def annex(operator: Operator) -> None:
    """Another workflow than that of the page."""
    other = {"workflow_id": "annex", "name": "Annex", "key_prefix": "ANX"}
    assert operator.http.post("/api/workflows", json=other).status_code == 200


def test_commands_go_anywhere_from_any_page(open_page: OpenPage, annex: None, iron: dict[str, Any]) -> None:
    page = open_page("/connect?workflow=forge")
    # By the name of its page, which is longer than the word in the bar; and a key of another workflow.
    opened(page)
    page.keyboard.type("statistics")
    expect(active(page)).to_contain_text("Stats")
    page.keyboard.press("Control+a")
    page.keyboard.type("anx-1")
    expect(active(page)).to_contain_text("Open ANX-1")
    expect(active(page)).to_contain_text("Annex")
    page.keyboard.press("Escape")
    # There is no field of the page's own that a slash could mean.
    page.keyboard.press("/")
    expect(palette(page).get_by_role("combobox")).to_be_focused()
    expect(palette(page).get_by_role("combobox")).to_have_value("")
    page.keyboard.type("dark")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    opened(page)
    page.keyboard.type("keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    opened(page)
    page.keyboard.type("new ticket")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="New ticket").get_by_label("Title")).to_be_focused()
    page.keyboard.press("Escape")
    opened(page)
    page.keyboard.type("board")
    expect(active(page)).to_contain_text("Board")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/tickets\?workflow=forge"))
    wait_until_live(page)
    # On the board a slash is the board's own field.
    page.keyboard.press("/")
    expect(page.locator("[data-find]")).to_be_focused()
    page.keyboard.press("Escape")
    # Without a card, the page of a ticket is gone to.
    page.goto("/connect?workflow=forge")
    opened(page)
    searched(page, "Forge the gate")
    expect(active(page)).to_contain_text(iron["key"])
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/tickets/{iron['key']}$"))
    opened(page)
    expect(palette(page).get_by_role("group", name=f"{iron['key']}, in focus")).to_contain_text("Edit the title")
    page.keyboard.press("Escape")
    opened(page)
    page.keyboard.type("sign out")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/login"))


def test_titles_serve_where_the_search_does_not_answer(open_page: OpenPage, iron: dict[str, Any]) -> None:
    page = open_page("/connect?workflow=forge", expect_errors=True)

    def fail(route: Route) -> None:
        route.abort()

    page.route("**/api/tickets/search", fail)
    opened(page)
    page.keyboard.type("gate of iron")
    expect(options(page).filter(has_text=iron["key"])).to_be_visible()
    expect(palette(page)).to_contain_text("Titles only: the search did not answer.")
    page.keyboard.press("Control+a")
    page.keyboard.type("nothing has these words zzqx")
    expect(palette(page)).to_contain_text("Titles only: the search did not answer.")
    expect(options(page)).to_have_count(0)
    expect(palette(page).get_by_role("combobox")).to_have_attribute("aria-expanded", "false")


def test_hostile_titles_are_text_and_everybody_can_use_it(
    open_page: OpenPage, hostile: dict[str, Any], shots: Path, check_access: Callable[[Page], None]
) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge", color_scheme="light", reduced_motion="reduce"))

    def pictures(name: str) -> None:
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            check_access(page)
            page.screenshot(path=shots / f"{name}-{scheme}.png")

    link(page, hostile).focus()
    opened(page)
    pictures("palette")
    searched(page, '<img onerror="')
    row = options(page).filter(has_text=hostile["key"])
    expect(row).to_contain_text("<img src=x")
    pictures("palette-found")
    assert page.evaluate("document.body.dataset.hurt") is None
    assert palette(page).locator("img").count() == 0
    page.keyboard.press("Escape")
    # Kept under "opened last", too.
    link(page, hostile).click()
    expect(page.locator("dialog.sheet[open]")).to_have_attribute("data-ticket-id", hostile["ticket_id"])
    page.keyboard.press("Escape")
    opened(page)
    expect(palette(page).get_by_role("group", name="Opened last")).to_contain_text("<b>bold</b>")
    assert page.evaluate("document.body.dataset.hurt") is None


@pytest.mark.usefixtures("hostile")
def test_on_a_phone_it_is_found_and_closed_by_touch(
    open_page: OpenPage,
    hostile: dict[str, Any],
    iron: dict[str, Any],
    shots: Path,
    check_access: Callable[[Page], None],
) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge", **PHONE))
    page.get_by_role("link", name="Search or run a command").tap()
    expect(palette(page).get_by_role("combobox")).to_be_focused()
    searched(page, "bold")
    expect(options(page).filter(has_text="<b>bold</b>")).to_be_visible()
    page.screenshot(path=shots / "palette-phone.png")
    check_access(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert palette(page).evaluate("node => node.scrollWidth <= node.clientWidth")
    palette(page).get_by_role("button", name="Close").tap()
    expect(palette(page)).to_have_count(0)
    page.get_by_role("link", name="Search or run a command").tap()
    searched(page, "gate of iron")
    options(page).filter(has_text=iron["key"]).tap()
    expect(page.locator("dialog.sheet[open]")).to_have_attribute("data-ticket-id", iron["ticket_id"])


def test_from_ticket_to_ticket_of_the_column_and_back_to_the_last(open_page: OpenPage, agent: Agent) -> None:
    tag = f"three-{time.time_ns()}"
    three = [agent.create(f"Number {number} of the three", priority="low", tags=[tag]) for number in (1, 2, 3)]
    page = wait_until_live(open_page(f"/tickets?workflow=forge&tag={tag}"))
    keys = [three[place]["key"] for place in range(3)]
    link(page, three[0]).click()
    sheet = page.locator("dialog.sheet[open]")
    expect(sheet.locator("[data-place]")).to_have_text("1 of 3 in this column")
    expect(sheet.get_by_role("button", name="Previous ticket")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("j")
    expect(sheet).to_have_attribute("data-ticket-id", three[1]["ticket_id"])
    expect(sheet.locator("[data-place]")).to_have_text("2 of 3 in this column")
    # An agent takes it away meanwhile: the order stays as the person knew it.
    agent.move(three[1], "in_progress")
    expect(placed(page, "in_progress", three[1])).to_have_count(1)
    sheet.get_by_role("button", name="Next ticket").click()
    expect(sheet).to_have_attribute("data-ticket-id", three[2]["ticket_id"])
    expect(sheet.get_by_role("button", name="Next ticket")).to_be_focused()
    page.keyboard.press("]")
    expect(page.locator("dialog [data-announcer]")).to_have_text("This is the last of the column.")
    page.keyboard.press("[")
    expect(page).to_have_url(re.compile(rf"/tickets/{keys[1]}$"))
    expect(sheet).to_have_attribute("data-ticket-id", three[1]["ticket_id"])
    # Writing is no walking.
    page.keyboard.press("c")
    page.keyboard.type("jk")
    expect(sheet).to_have_attribute("data-ticket-id", three[1]["ticket_id"])
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.press("Escape")
    # Back on the board, in one step, at the card that was seen last.
    expect(sheet).to_have_count(0)
    expect(page).to_have_url(re.compile(f"tag={tag}"))
    expect(link(page, three[1])).to_be_focused()
    # The help says the keys of a ticket, and the letters can be switched off for good.
    link(page, three[0]).click()
    expect(sheet).to_have_attribute("data-ticket-id", three[0]["ticket_id"])
    page.keyboard.press("?")
    shown = page.get_by_role("dialog", name="Keyboard")
    expect(shown.get_by_role("heading", level=3).first).to_have_text("In a ticket")
    shown.get_by_label("Single letters act at once").uncheck()
    page.keyboard.press("Escape")
    expect(shown).to_have_count(0)
    page.keyboard.press("j")
    expect(sheet).to_have_attribute("data-ticket-id", three[0]["ticket_id"])
    opened(page)
