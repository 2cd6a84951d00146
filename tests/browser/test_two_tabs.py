"""One person with one ticket in two tabs: each shows what the other did, neither takes anything from the other."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.board_page import link, stored, wait_until_live
from tests.browser.conftest import PASSWORD, Agent, OpenPage
from tests.browser.slow_network import Held

pytestmark = pytest.mark.browser

FIRST = "One line.\n\nTwo lines.\n\nThree lines."
UPPER = "One line, from the left tab.\n\nTwo lines.\n\nThree lines."
LOWER = "One line.\n\nTwo lines.\n\nThree lines, from the right tab."
BOTH = "One line, from the left tab.\n\nTwo lines.\n\nThree lines, from the right tab."


def tabs(open_page: OpenPage, ticket: dict[str, Any]) -> tuple[Page, Page]:
    """The ticket over the board, twice."""
    left = open_page("/tickets?workflow=forge")
    right = left.context.new_page()
    right.goto("/tickets?workflow=forge")
    for page in (left, right):
        link(wait_until_live(page), ticket).click()
        expect(composer(page)).to_be_visible()
    return left, right


def field(page: Page, name: str) -> Locator:
    return page.locator(f'[data-field="{name}"]')


def editor(page: Page) -> Locator:
    """The description's editor, opened."""
    page.get_by_role("button", name="Edit", exact=True).click()
    return field(page, "description").locator("textarea")


def composer(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Comment")


def test_each_shows_what_the_other_did_and_keeps_what_is_typed(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Seen in two tabs", description=FIRST, priority="low")
    left, right = tabs(open_page, ticket)
    composer(right).fill("Half a thought on the right")
    composer(left).fill("Said on the left.")
    composer(left).press("Control+Enter")
    expect(composer(left)).to_have_value("")
    for page in (left, right):
        expect(page.locator("[data-timeline] .comment").filter(has_text="Said on the left.")).to_have_count(1)
    expect(composer(right)).to_have_value("Half a thought on the right")
    field(left, "priority").locator("[data-edit]").click()
    left.locator(".menu[popover]").get_by_text("High").click()
    expect(field(right, "priority")).to_contain_text("High")
    # What was sent on the left threw away no draft of the right.
    right.reload()
    expect(composer(right)).to_have_value("Half a thought on the right")
    composer(right).press("Control+Enter")
    expect(left.locator("[data-timeline] .comment").filter(has_text="Half a thought")).to_have_count(1)
    assert stored(agent, ticket)["comment_count"] == 2


def test_of_two_edits_of_one_text_the_second_is_merged(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Written in two tabs", description=FIRST)
    left, right = tabs(open_page, ticket)
    editor(left).fill(UPPER)
    # The left tab's draft is offered on the right, or the text as it is: either way it is typed over.
    second = editor(right)
    second.fill(LOWER)
    field(left, "description").locator("textarea").press("Control+Enter")
    expect(field(left, "description").locator("textarea")).to_have_count(0)
    assert stored(agent, ticket)["description"] == UPPER
    expect(second).to_have_value(LOWER)
    notice = field(right, "description").locator(".notice-warm")
    expect(notice).to_contain_text("changed the description")
    notice.get_by_role("button", name="Merge").click()
    expect(second).to_have_value(BOTH)
    second.press("Control+Enter")
    expect(second).to_have_count(0)
    expect(field(left, "description")).to_contain_text("from the right tab")
    assert stored(agent, ticket)["description"] == BOTH


def test_a_line_typed_here_outlives_what_was_sent_there(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Named in two tabs")
    left, right = tabs(open_page, ticket)
    for page, text in ((left, "Named on the left"), (right, "Named on the right")):
        page.get_by_role("button", name="Edit the title").click()
        field(page, "title").locator("textarea").fill(text)
    field(left, "title").locator("textarea").press("Enter")
    expect(left.locator("#t-title")).to_have_text("Named on the left")
    expect(field(right, "title")).to_contain_text("changed the title. Your text is untouched.")
    right.reload()
    right.get_by_role("button", name="Go on").click()
    expect(field(right, "title").locator("textarea")).to_have_value("Named on the right")


def test_a_new_ticket_typed_here_outlives_what_was_created_there(open_page: OpenPage, agent: Agent) -> None:
    left = open_page("/tickets/new?workflow=forge")
    right = left.context.new_page()
    right.goto("/tickets/new?workflow=forge")
    for page, text in ((left, "Begun on the left"), (right, "Begun on the right")):
        page.get_by_label("Title").fill(text)
        page.get_by_role("textbox", name="Description").fill(f"{text}, of all places.")
    left.get_by_role("button", name="Create ticket").click()
    left.wait_for_url(re.compile(r"/tickets/FRG-\d+$"))
    right.reload()
    expect(right.get_by_label("Title")).to_have_value("Begun on the right")
    # What is typed while it is on its way is not thrown away with the draft.
    held = Held(right, "**/api/tickets/create")
    right.get_by_role("button", name="Create ticket").click()
    right.get_by_role("textbox", name="Description").press_sequentially(" More.")
    held.let_go()
    expect(right.locator(".toast")).to_contain_text("is created, without what you typed since.")
    expect(right.get_by_role("textbox", name="Description")).to_have_value(re.compile("More"))


def test_text_outlives_signing_out_in_the_other_tab(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Left alone in one tab", description=FIRST)
    left = open_page("/tickets?workflow=forge", expect_errors=True)
    right = left.context.new_page()
    right.goto(f"/tickets/{ticket['key']}")
    composer(right).fill("Typed before the door closed.")
    left.get_by_text("theme and sign out").locator("..").click()
    left.get_by_role("button", name="Sign out").click()
    expect(left).to_have_url(re.compile("/login"))
    composer(right).press("Control+Enter")
    said = right.locator(".composer").get_by_role("alert")
    expect(said).to_contain_text("You are signed out. Your text is kept here.")
    expect(composer(right)).to_have_value("Typed before the door closed.")
    left.get_by_label("Name").fill("dana")
    left.get_by_label("Password").fill(PASSWORD)
    left.get_by_role("button", name="Sign in").click()
    left.wait_for_url(lambda url: "/login" not in url)
    said.get_by_role("button", name="Try again").click()
    expect(right.locator("[data-timeline]")).to_contain_text("Typed before the door closed.")
    expect(composer(right)).to_have_value("")
    assert stored(agent, ticket)["comment_count"] == 1
