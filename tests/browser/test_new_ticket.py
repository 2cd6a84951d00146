"""The form of a new ticket: what is typed is never lost, what is there already is seen in time."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.browser.board_page import wait_until_live
from tests.browser.conftest import Agent, OpenPage

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
HOSTILE = '<img src=x onerror="document.body.dataset.hurt=1"><b>bold</b> مرحبا 🔥 '
TEXT = "The old ones were melted down for nails."
_numbers = itertools.count(1)


def new(words: str) -> str:
    """A title that no ticket has, also where a test runs for the second time."""
    return f"{words} {next(_numbers)}"


def form(page: Page) -> Locator:
    return page.locator(".new-ticket")


def dialog(page: Page) -> Locator:
    return page.locator("dialog.new-ticket[open]")


def started(page: Page) -> Locator:
    page.keyboard.press("n")
    expect(title(page)).to_be_focused()
    return dialog(page)


def title(page: Page) -> Locator:
    return form(page).get_by_label("Title")


def description(page: Page) -> Locator:
    return form(page).get_by_role("textbox", name="Description")


def choose(page: Page, name: str, word: str) -> None:
    form(page).locator(f'[data-field="{name}"]').click()
    page.locator(".menu[popover]").locator("[role^=menuitem]").filter(has_text=word).click()


def tied(page: Page, name: str, ticket: dict[str, Any]) -> None:
    """Choose another ticket by its key."""
    form(page).locator(f'[data-field="{name}"]').click()
    form(page).get_by_role("combobox").fill(ticket["key"])
    expect(form(page).get_by_role("option").first).to_contain_text(ticket["key"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(form(page).get_by_role("link", name=ticket["key"])).to_be_visible()


def candidate(page: Page, ticket: dict[str, Any]) -> Locator:
    return form(page).locator(f'[data-candidate="{ticket["key"]}"]')


def tickets_of(agent: Agent, words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = agent.http.get("/api/tickets", params={"workflow_id": "forge", "limit": 200}).json()[
        "tickets"
    ]
    return [ticket for ticket in found if words in ticket["title"]]


def test_a_ticket_is_written_lost_found_and_created_beside_the_live_board(open_page: OpenPage, agent: Agent) -> None:
    tongs = new("Make tongs that grip")
    parent, blocker = agent.create("Fit out the forge"), agent.create("Buy charcoal")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    other = wait_until_live(open_page("/tickets?workflow=forge"))
    started(page)
    page.keyboard.type(tongs)
    page.keyboard.press("Enter")
    expect(description(page)).to_be_focused()
    # A template comes into an empty field at once, and follows the type while nobody has written in it.
    form(page).get_by_role("button", name="Template…").click()
    page.locator(".menu[popover]").get_by_role("menuitem", name="Bug").click()
    expect(description(page)).to_have_value(re.compile("## Steps"))
    choose(page, "ticket_type", "Feature")
    expect(description(page)).to_have_value(re.compile("## Accepted when"))
    page.keyboard.press("Tab")
    description(page).fill(TEXT)
    # Over words of one's own it asks, and can be taken back.
    form(page).get_by_role("button", name="Template…").click()
    page.locator(".menu[popover]").get_by_role("menuitem", name="Task").click()
    expect(description(page)).to_have_value(TEXT)
    form(page).get_by_role("button", name="Replace the text").click()
    expect(description(page)).to_have_value(re.compile("## Done when"))
    form(page).get_by_role("button", name="Undo").click()
    expect(description(page)).to_have_value(TEXT)
    form(page).get_by_role("button", name="Preview").click()
    expect(form(page).locator(".editor-preview p")).to_have_text(TEXT)
    form(page).get_by_role("button", name="Write").click()
    choose(page, "priority", "High")
    choose(page, "initial_status", "To Do")
    choose(page, "assigned_agent_id", "impl-1")
    tied(page, "parent_ticket_id", parent)
    tied(page, "blocked_by_ticket_ids", blocker)
    form(page).get_by_label("Tags").fill("iron, tools, iron")
    # Esc, a reload and a crash of the page take nothing.
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    page.reload()
    wait_until_live(page)
    started(page)
    expect(dialog(page)).to_contain_text("Draft restored.")
    expect(title(page)).to_have_value(tongs)
    expect(description(page)).to_have_value(TEXT)
    expect(form(page).get_by_label("Tags")).to_have_value("iron, tools, iron")
    expect(form(page).locator('[data-field="ticket_type"]')).to_contain_text("Feature")
    page.keyboard.press("Control+Enter")
    expect(dialog(page)).to_have_count(0)
    made = tickets_of(agent, tongs)[0]
    for shown in (page, other):
        expect(shown.locator('[data-column="todo"]').get_by_text(tongs)).to_be_visible()
    ticket = agent.http.get(f"/api/tickets/{made['ticket_id']}").json()["ticket"]
    wanted = {
        "description": TEXT, "ticket_type": "feature", "priority": "high", "status": "todo",
        "assigned_agent_id": "impl-1", "parent_ticket_id": parent["ticket_id"], "tags": ["iron", "tools"],
        "blocked_by_ticket_ids": [blocker["ticket_id"]],
    }  # fmt: skip
    assert {name: ticket[name] for name in wanted} == wanted
    page.get_by_role("button", name=f"Open {made['key']}").click()
    expect(page.locator("dialog.sheet[open]")).to_have_attribute("data-ticket-id", made["ticket_id"])
    page.keyboard.press("Escape")
    started(page)
    expect(title(page)).to_have_value("")
    expect(dialog(page)).not_to_contain_text("Draft")


def test_what_is_there_already_is_seen_while_typing_and_again_before_it_is_made_twice(
    open_page: OpenPage, agent: Agent
) -> None:
    bell = new(f"Cast a bell {HOSTILE}")
    there = agent.create(bell, description=TEXT)
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    started(page)
    page.keyboard.type(bell)
    page.keyboard.press("Enter")
    page.keyboard.type(TEXT)
    shown = candidate(page, there)
    expect(shown).to_contain_text("Says the same")
    expect(shown).to_contain_text("<b>bold</b>")
    expect(dialog(page).locator("[data-announcer]")).to_have_text(f"{there['key']} says about the same.")
    assert shown.locator("img").count() == 0
    with page.context.expect_page() as beside:
        shown.get_by_role("link").click()
    expect(beside.value).to_have_url(re.compile(rf"/tickets/{there['key']}$"))
    beside.value.close()
    # It is not made without a word.
    page.keyboard.press("Control+Enter")
    expect(dialog(page)).to_contain_text(f"{there['key']} says the same")
    assert len(tickets_of(agent, bell)) == 1
    # One turns to the other, which search counts; the words are kept.
    with page.expect_request("**/api/tickets/similar") as counted:
        form(page).get_by_role("button", name=f"Go to {there['key']} instead").click()
    assert (counted.value.post_data_json or {})["description"] == TEXT
    expect(page.locator("dialog.sheet[open]")).to_have_attribute("data-ticket-id", there["ticket_id"])
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    started(page)
    expect(description(page)).to_have_value(TEXT)
    # Or makes it all the same.
    page.keyboard.press("Control+Enter")
    form(page).get_by_role("button", name="Create it all the same").click()
    expect(dialog(page)).to_have_count(0)
    assert len(tickets_of(agent, bell)) == 2
    assert page.evaluate("document.body.dataset.hurt") is None


def test_what_fails_keeps_everything_and_says_where_it_is_wrong(open_page: OpenPage, agent: Agent) -> None:
    spring, blued = new("Temper the spring"), new("Blue the spring")
    page = wait_until_live(open_page("/tickets?workflow=forge", expect_errors=True))
    keys: list[str | None] = []
    page.on("request", lambda request: keys.append(_key(request)) if request.url.endswith("/create") else None)
    started(page)
    page.keyboard.press("Control+Enter")
    expect(form(page)).to_contain_text("Give it a title.")
    expect(form(page)).to_contain_text("Say what it is about.")
    expect(title(page)).to_be_focused()
    expect(title(page)).to_have_attribute("aria-invalid", "true")
    title(page).fill(spring)
    expect(form(page)).not_to_contain_text("Give it a title.")
    description(page).fill(TEXT)
    # What only the server knows stands at its field as well.
    form(page).get_by_label("Tags").fill("t" * 51)
    form(page).get_by_role("button", name="Create ticket").click()
    expect(form(page).locator("#fault-tags")).to_contain_text("50")
    form(page).get_by_label("Tags").fill("spring")
    # The answer is lost after the server has made the ticket: the same request again makes no other.

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/tickets/create", lose, times=1)
    keys.clear()
    form(page).get_by_role("button", name="Create ticket").click()
    expect(form(page)).to_contain_text("Everything is kept here.")
    expect(title(page)).to_have_value(spring)
    assert len(tickets_of(agent, spring)) == 1
    # Not even a reload forgets which request it was.
    page.reload()
    wait_until_live(page)
    started(page)
    expect(title(page)).to_have_value(spring)
    form(page).get_by_label("Create another").check()
    form(page).get_by_role("button", name="Create ticket").click()
    expect(page.get_by_role("status").filter(has_text="created")).to_be_visible()
    assert len(tickets_of(agent, spring)) == 1
    assert len(keys) == 2
    assert keys[0] == keys[1] is not None
    # Another one: what it is stays, what it says is new.
    expect(title(page)).to_have_value("")
    expect(title(page)).to_be_focused()
    expect(form(page).get_by_label("Tags")).to_have_value("spring")
    # Signed out meanwhile: nothing is lost, and one goes on once signed in again.
    title(page).fill(blued)
    description(page).fill(TEXT)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    form(page).get_by_role("button", name="Create ticket").click()
    expect(form(page)).to_contain_text("You are signed out. Everything is kept here.")
    page.context.add_cookies(cast("Any", cookies))
    form(page).get_by_role("button", name="Try again").click()
    expect(title(page)).to_have_value("")
    assert len(tickets_of(agent, blued)) == 1


def _key(request: Request) -> str | None:
    return request.headers.get("idempotency-key")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_a_page_of_its_own_that_everybody_can_use(
    open_page: OpenPage, agent: Agent, scheme: str, shots: Path, check_access: Callable[[Page], None]
) -> None:
    blade = new(f"Grind the {scheme} blade")
    there = agent.create(blade, description=TEXT)
    page = open_page("/tickets/new?workflow=forge", color_scheme=scheme, reduced_motion="reduce")
    expect(title(page)).to_be_focused()
    check_access(page)
    page.keyboard.type(blade)
    description(page).fill(TEXT)
    expect(candidate(page, there)).to_be_visible()
    form(page).locator('[data-field="blocked_by_ticket_ids"]').click()
    form(page).get_by_role("combobox").fill("nothing like it")
    page.keyboard.press("Enter")
    expect(form(page)).to_contain_text("No ticket nothing like it here.")
    check_access(page)
    page.screenshot(path=shots / f"new-ticket-{scheme}.png")
    page.keyboard.press("Escape")
    expect(form(page).locator('[data-field="blocked_by_ticket_ids"]')).to_be_focused()
    title(page).fill(new(f"Grind the other {scheme} {HOSTILE}"))
    description(page).fill(f"{HOSTILE} and more words.")
    form(page).get_by_role("button", name="Create ticket").click()
    page.wait_for_url(re.compile(r"/tickets/FRG-\d+$"))
    expect(page.locator("#t-title")).to_contain_text("<b>bold</b>")
    assert page.evaluate("document.body.dataset.hurt") is None


def test_on_a_phone_all_of_it_is_at_hand(
    open_page: OpenPage, agent: Agent, shots: Path, check_access: Callable[[Page], None]
) -> None:
    axe, other = new("Sharpen the axe"), new("Sharpen the other axe")
    there = agent.create(axe, description=TEXT)
    page = wait_until_live(open_page("/tickets?workflow=forge", **PHONE))
    page.get_by_role("link", name="New ticket").tap()
    title(page).fill(axe)
    description(page).fill(TEXT)
    expect(candidate(page, there)).to_be_visible()
    page.screenshot(path=shots / "new-ticket-phone.png")
    check_access(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    title(page).fill(other)
    description(page).fill(f"It is blunt since the frost: {other}.")
    form(page).get_by_role("button", name="Create ticket").tap()
    expect(dialog(page)).to_have_count(0)
    expect(page.locator('[data-column="backlog"]').get_by_text(other)).to_be_attached()
