"""Cards carried by mouse, keyboard and menu: where they go, and what is said where they may not."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.board_page import (
    REVIEWED,
    STRICT,
    TALKATIVE,
    Operator,
    card,
    carry,
    column,
    drag,
    expect_stored,
    grab,
    link,
    placed,
    wait_until_live,
)
from tests.browser.conftest import Agent, OpenPage, Site

pytestmark = pytest.mark.browser

ANNOUNCED = "[data-announcer]"


@pytest.fixture(scope="module", autouse=True)
def boards(site: Site) -> None:
    operator = Operator(site)
    operator.workflow("strict", STRICT)
    operator.workflow("talkative", TALKATIVE)
    operator.workflow("reviewed", REVIEWED)


def test_a_card_is_dragged_to_another_column(open_page: OpenPage, agent: Agent) -> None:
    agent.create("Stays in review", workflow_id="forge", initial_status="review")
    ticket = agent.create("Goes to review", workflow_id="forge", initial_status="todo")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    drag(page, ticket, column(page, "review").locator(".cards"), at=0.8)
    expect(placed(page, "review", ticket)).to_be_visible()
    expect(column(page, "review")).to_have_attribute("data-total", "2")
    expect(page.locator(ANNOUNCED)).to_contain_text("moved to Review")
    expect(page).to_have_url(re.compile("workflow=forge"))
    expect_stored(page, agent, ticket, status="review")
    page.reload()
    expect(placed(page, "review", ticket)).to_be_visible()


def test_a_card_is_dragged_within_its_column(open_page: OpenPage, agent: Agent) -> None:
    tickets = [
        agent.create(f"Spoke {number}", workflow_id="forge", initial_status="in_progress") for number in range(3)
    ]
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    drag(page, tickets[2], card(page, tickets[0]), at=0.15)
    keys = column(page, "in_progress").locator(".card", has_text="Spoke").locator(".key")
    expect(keys).to_have_text([tickets[n]["key"] for n in (2, 0, 1)])
    expect(page.locator(ANNOUNCED)).to_contain_text("moved to its new place")
    page.reload()
    expect(keys).to_have_text([tickets[n]["key"] for n in (2, 0, 1)])


def test_escape_ends_a_drag(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Stays where it is", workflow_id="forge", initial_status="todo")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    grab(page, ticket)
    carry(page, column(page, "review").locator(".cards"))
    page.keyboard.press("Escape")
    expect(page.locator("body > .is-lifted")).to_have_count(0)
    page.mouse.up()
    expect(placed(page, "todo", ticket)).to_be_visible()
    expect_stored(page, agent, ticket, status="todo")


def test_a_card_is_carried_by_the_keyboard(open_page: OpenPage, agent: Agent) -> None:
    agent.create("Lies in review", workflow_id="forge", initial_status="review")
    ticket = agent.create("Carried by keys", workflow_id="forge", initial_status="in_progress")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    link(page, ticket).focus()
    page.keyboard.press("Space")
    dock = page.locator("[data-dock=move]")
    expect(dock).to_contain_text(f"Moving {ticket['key']}")
    expect(page.locator(ANNOUNCED)).to_contain_text("lifted")
    page.keyboard.press("ArrowRight")
    expect(dock).to_contain_text("to Review, position")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(dock).to_have_count(0)
    expect(page.locator(ANNOUNCED)).to_contain_text("moved to Review")
    expect(placed(page, "review", ticket)).to_be_visible()
    expect(link(page, ticket)).to_be_focused()
    expect_stored(page, agent, ticket, status="review")

    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")
    expect(placed(page, "in_progress", ticket)).to_be_visible()
    page.keyboard.press("Escape")
    expect(placed(page, "review", ticket)).to_be_visible()
    expect(link(page, ticket)).to_be_focused()
    expect_stored(page, agent, ticket, status="review")


def test_a_card_is_moved_by_its_menu(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Moved by the menu", workflow_id="forge", initial_status="todo")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    card(page, ticket).get_by_role("button", name=f"Actions for {ticket['key']}").click()
    page.get_by_role("menuitem", name="Move to…").click()
    page.get_by_role("menuitem", name=re.compile("Review")).click()
    expect(placed(page, "review", ticket)).to_be_visible()
    expect(link(page, ticket)).to_be_focused()
    expect_stored(page, agent, ticket, status="review")


def test_the_menu_acts(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Acted upon", workflow_id="forge", initial_status="todo")
    first = agent.create("Comes first", workflow_id="forge", initial_status="backlog")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    link(page, ticket).focus()
    page.keyboard.press("p")
    page.get_by_role("menuitemradio", name="Critical").click()
    expect(card(page, ticket).locator(".prio")).to_have_text("Critical")
    page.keyboard.press("a")
    page.get_by_role("menuitemradio", name="impl-1").click()
    expect(card(page, ticket).locator(".agent-name")).to_have_text("impl-1")
    page.keyboard.press("b")
    page.get_by_label(f"Why is {ticket['key']} blocked?").fill(first["key"])
    page.get_by_role("button", name="Block", exact=True).click()
    expect(card(page, ticket).locator(".note-blocked")).to_contain_text(first["key"])
    page.keyboard.press("b")
    expect(card(page, ticket).locator(".note-blocked")).to_have_count(0)
    page.keyboard.press("r")
    page.get_by_label(f"How was {ticket['key']} resolved?").fill("Forged and tempered.")
    page.get_by_role("button", name="Resolve", exact=True).click()
    expect(placed(page, "done", ticket)).to_contain_text("Resolved")
    expect(link(page, ticket)).to_be_focused()


def test_refusals_stand_at_the_card(open_page: OpenPage, agent: Agent, check_access: Callable[[Page], None]) -> None:
    blocker = agent.create("The one before", workflow_id="strict")
    blocked = agent.create("Must wait", workflow_id="strict", blocked_by_ticket_ids=[blocker["ticket_id"]])
    by_hand = agent.create("Held up", workflow_id="strict", is_blocked=True, blocked_reason="The river is frozen.")
    taken = agent.create("Takes the only place", workflow_id="strict", initial_status="doing")
    plain = agent.create("Goes too far", workflow_id="strict")
    page = wait_until_live(open_page("/tickets?workflow=strict"))

    def refused(ticket: dict[str, str], target: str) -> str:
        drag(page, ticket, column(page, target).locator(".cards"), at=0.6)
        box = card(page, ticket).get_by_role("alert")
        expect(box).to_be_visible()
        expect(placed(page, "open", ticket)).to_be_visible()
        expect_stored(page, agent, ticket, status="open")
        return box.text_content() or ""

    text = refused(blocked, "done")
    assert "Not moved to Done." in text
    assert f"{blocker['key']} must be resolved first." in text
    assert f"Open {blocker['key']}" in text
    assert "It is blocked by hand: The river is frozen." in refused(by_hand, "done")
    assert "From here it may go to Doing, Done." in refused(plain, "check")
    card(page, plain).get_by_role("button", name="Dismiss").click()
    assert "Doing is at its limit: 1 of 1." in refused(plain, "doing")
    check_access(page)
    # The step that helps: once there is room, the offered move is made.
    card(page, plain).get_by_role("button", name="Dismiss").click()
    expect(card(page, plain).get_by_role("alert")).to_have_count(0)
    agent.post("resolve", ticket_id=taken["ticket_id"], resolution_comment="Room for others now.")
    expect(placed(page, "done", taken)).to_be_visible()
    drag(page, plain, column(page, "doing").locator(".cards"), at=0.3)
    expect(placed(page, "doing", plain)).to_be_visible()


def test_the_menu_says_what_is_not_possible(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Cannot go there", workflow_id="strict")
    page = wait_until_live(open_page("/tickets?workflow=strict"))
    link(page, ticket).focus()
    page.keyboard.press("m")
    item = page.get_by_role("menuitem", name=re.compile("Check"))
    expect(item).to_have_attribute("aria-disabled", "true")
    expect(item).to_contain_text("not from here")
    page.keyboard.press("Escape")
    expect(link(page, ticket)).to_be_focused()


def test_what_waits_for_approval_does_not_move(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("May I?", workflow_id="reviewed")
    page = wait_until_live(open_page("/tickets?workflow=reviewed"))
    drag(page, ticket, column(page, "doing").locator(".cards"))
    expect(card(page, ticket).get_by_role("alert")).to_contain_text("It waits for approval.")
    expect(placed(page, "open", ticket)).to_be_visible()
    card(page, ticket).get_by_role("button", name=re.compile("Actions for")).click()
    page.get_by_role("menuitem", name="Approve").click()
    expect(card(page, ticket).locator(".note-pending")).to_have_count(0)
    page.keyboard.press("m")
    page.get_by_role("menuitem", name=re.compile("Doing")).click()
    expect(placed(page, "doing", ticket)).to_be_visible()
    expect(card(page, ticket).get_by_role("alert")).to_have_count(0)


def test_a_comment_is_asked_for_in_the_cards_place(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Tell me why", workflow_id="talkative")
    page = wait_until_live(open_page("/tickets?workflow=talkative"))
    drag(page, ticket, column(page, "check").locator(".cards"), at=0.4)
    field = page.get_by_label(f"Why does {ticket['key']} move to Check?")
    expect(field).to_be_focused()
    field.fill("Too short")
    expect(page.get_by_role("button", name="Move", exact=True)).to_have_attribute("aria-disabled", "true")
    # What an agent does meanwhile waits; not a letter is lost.
    agent.post("update", ticket_id=ticket["ticket_id"], updates={"title": "Tell me why, please"})
    expect(card(page, ticket).locator(".card-waits")).to_be_visible()
    field.press_sequentially(" to matter")
    expect(field).to_have_value("Too short to matter")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(placed(page, "check", ticket)).to_contain_text("Tell me why, please")
    expect(card(page, ticket).locator(".counts")).to_contain_text("1 comment")

    # Esc puts the card back and keeps what was typed, whichever way the card is moved next; "Put back" drops it.
    drag(page, ticket, column(page, "doing").locator(".cards"), at=0.4)
    field = page.get_by_label(re.compile("Why does"))
    expect(field).to_be_focused()
    page.keyboard.type("Not quite")
    page.keyboard.press("Escape")
    expect(placed(page, "check", ticket)).to_be_visible()
    expect(page.locator(".card-form")).to_have_count(0)
    page.reload()
    for kept in ("Not quite", ""):
        link(page, ticket).focus()
        page.keyboard.press("m")
        page.keyboard.press("2")
        expect(field).to_be_focused()
        expect(field).to_have_value(kept)
        page.get_by_role("button", name="Put back").click()
    expect(placed(page, "check", ticket)).to_be_visible()


def test_of_many_cards_the_reason_is_asked_once(open_page: OpenPage, agent: Agent) -> None:
    tickets = [agent.create(f"Rung {number}", workflow_id="talkative") for number in range(2)]
    page = wait_until_live(open_page("/tickets?workflow=talkative"))
    for ticket in tickets:
        link(page, ticket).focus()
        page.keyboard.press("x")
    page.get_by_role("searchbox").fill("Rung 1")
    dock = page.locator("[data-dock=bulk]")
    expect(dock).to_contain_text("2 selected, 1 not in sight")
    dock.get_by_role("button", name="Move to…").click()
    page.get_by_role("menuitem", name="Check").click()
    page.get_by_label("Why do 2 tickets move to Check?").fill("The ladder is to be looked at.")
    page.get_by_role("button", name="Move all").click()
    expect(placed(page, "check", tickets[1])).to_be_visible()
    expect(dock).to_have_count(0)
    for ticket in tickets:
        expect_stored(page, agent, ticket, status="check", comment_count=1)


def test_events_do_not_disturb_a_drag(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("In the hand", workflow_id="forge", initial_status="todo")
    other = agent.create("Beside it", workflow_id="forge", initial_status="review")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    grab(page, ticket)
    card(page, ticket).evaluate("node => { node.mine = true }")
    agent.post("update", ticket_id=ticket["ticket_id"], updates={"priority": "critical"})
    agent.move(other, "in_progress")
    expect(placed(page, "in_progress", other)).to_be_visible()
    assert card(page, ticket).evaluate("node => node.mine"), "the carried card is the same node"
    carry(page, column(page, "review").locator(".cards"))
    page.mouse.up()
    expect(placed(page, "review", ticket)).to_contain_text("Critical")
    expect_stored(page, agent, ticket, status="review")


def test_a_card_that_an_agent_moved_meanwhile_asks(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Pulled at from both sides", workflow_id="forge", initial_status="todo")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    grab(page, ticket)
    carry(page, column(page, "review").locator(".cards"))
    agent.move(ticket, "in_progress")
    expect(card(page, ticket).locator(".card-waits")).to_contain_text("moved it to In Progress")
    page.mouse.up()
    refusal = card(page, ticket).get_by_role("alert")
    expect(refusal).to_contain_text("It was moved to In Progress meanwhile.")
    expect(placed(page, "in_progress", ticket)).to_be_visible()
    refusal.get_by_role("button", name="Move anyway").click()
    expect(placed(page, "review", ticket)).to_be_visible()
    expect(card(page, ticket).get_by_role("alert")).to_have_count(0)
    expect_stored(page, agent, ticket, status="review")


def test_a_card_that_leaves_the_filter_in_the_hand_is_moved(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Out of sight", workflow_id="forge", initial_status="todo", ticket_type="spike")
    page = wait_until_live(open_page("/tickets?workflow=forge&type=spike"))
    grab(page, ticket)
    carry(page, column(page, "review").locator(".cards"))
    agent.post("update", ticket_id=ticket["ticket_id"], updates={"ticket_type": "task"})
    expect(card(page, ticket).locator(".card-waits")).to_contain_text("It left this view")
    page.mouse.up()
    expect(page.locator(ANNOUNCED)).to_contain_text("moved to Review")
    expect(card(page, ticket)).to_have_count(0)
    expect_stored(page, agent, ticket, status="review")


def test_events_do_not_disturb_a_move_by_keys(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Lifted by keys", workflow_id="forge", initial_status="todo")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    link(page, ticket).focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    card(page, ticket).evaluate("node => { node.mine = true }")
    agent.post("update", ticket_id=ticket["ticket_id"], updates={"title": "Lifted, and renamed"})
    agent.create("Comes in beside it", workflow_id="forge", initial_status="in_progress")
    expect(page.locator(".card", has_text="Comes in beside it")).to_be_visible()
    expect(card(page, ticket).locator(".card-waits")).to_be_visible()
    assert card(page, ticket).evaluate("node => node.mine")
    expect(link(page, ticket)).to_be_focused()
    page.keyboard.press("Enter")
    expect(placed(page, "in_progress", ticket)).to_contain_text("Lifted, and renamed")
    expect(link(page, ticket)).to_be_focused()
