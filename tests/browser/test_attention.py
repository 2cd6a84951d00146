"""Attention and approvals in a browser: everything by keyboard, while agents go on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.board_page import REVIEWED, Operator, stored, wait_until_live
from tests.browser.conftest import Agent, OpenPage

pytestmark = [pytest.mark.browser]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"
LONG = "a-very-long-word-without-an-end" * 16


@pytest.fixture
def gate(operator: Operator) -> str:
    """One in which a person reviews what agents make."""
    workflow_id = f"gate-{uuid4().hex[:6]}"
    operator.workflow(workflow_id, REVIEWED)
    return workflow_id


def group(page: Page, name: str) -> Locator:
    return page.locator(f'[data-group="{name}"]')


def row(page: Page, kind: str, ticket: dict[str, Any]) -> Locator:
    return page.locator(f'[data-item="{kind}:{ticket["ticket_id"]}"]')


def title(row: Locator) -> Locator:
    return row.locator(".card-title a")


def badge(page: Page) -> Locator:
    return page.locator(".nav [data-count] .badge")


def picture(page: Page, shots: Path, name: str) -> None:
    page.screenshot(path=shots / f"{name}.png", full_page=True)


def test_a_morning_look_by_keyboard(
    open_page: OpenPage, agent: Agent, flow: str, check_access: Callable[[Page], None], shots: Path
) -> None:
    page = wait_until_live(open_page(f"/attention?workflow={flow}", reduced_motion="reduce"))
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    expect(badge(page)).to_have_count(0)
    check_access(page)

    def create(title: str, **fields: Any) -> dict[str, Any]:
        return agent.create(title, workflow_id=flow, **fields)

    # What happens appears by itself, and the badge with it.
    me = "human-dana"
    lost = create("Left lying on the anvil")
    agent.post("claim", ticket_id=lost["ticket_id"], lease_seconds=10)
    blocker = create("Mine the ore")
    waits = create("Smelt the ore", blocked_by_ticket_ids=[blocker["ticket_id"]])
    given = create("Fetch coal", assigned_agent_id="impl-1")
    create("Light the fire", blocked_by_ticket_ids=[given["ticket_id"]])
    urgent = [create(f"Put out the fire {number}", priority="critical") for number in range(2)]
    asked = create(f"Look at this {HOSTILE} {LONG}"[:500])
    for text in ("May I go on?", "And shall I tell the smith?"):
        agent.post("comment", ticket_id=asked["ticket_id"], comment_text=f"@{me} {text}")
    expect(group(page, "blocked").locator("[data-total]")).to_have_text("2")
    expect(group(page, "inbox").locator("[data-total]")).to_have_text("2")
    expect(group(page, "ownerless").locator("[data-total]")).to_have_text("2")
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_hidden()
    expect(badge(page)).to_have_text(re.compile(r"^[67] need a person$"))
    check_access(page)
    picture(page, shots, "attention-light")
    page.emulate_media(color_scheme="dark")
    check_access(page)
    picture(page, shots, "attention-dark")
    page.emulate_media(color_scheme="light")

    # Arrows go from row to row; a letter does what the row's button does.
    title(row(page, "ownerless", urgent[0])).focus()
    page.keyboard.press("ArrowDown")
    expect(title(row(page, "ownerless", urgent[1]))).to_be_focused()
    page.keyboard.press("k")
    expect(title(row(page, "ownerless", urgent[0]))).to_be_focused()
    page.keyboard.press("t")
    expect(row(page, "ownerless", urgent[0])).to_have_count(0)
    expect(title(row(page, "ownerless", urgent[1]))).to_be_focused()
    expect(group(page, "ownerless").locator("[data-total]")).to_have_text("1")
    assert stored(agent, urgent[0])["assigned_agent_id"] == me
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(row(page, "ownerless", urgent[0])).to_be_visible()
    assert stored(agent, urgent[0])["assigned_agent_id"] is None

    # Somebody else is chosen from a menu.
    title(row(page, "ownerless", urgent[0])).focus()
    page.keyboard.press("a")
    page.get_by_role("menuitemradio", name="impl-1").focus()
    page.keyboard.press("Enter")
    expect(row(page, "ownerless", urgent[0])).to_have_count(0)
    assert stored(agent, urgent[0])["assigned_agent_id"] == "impl-1"

    # One who has not started is asked, where the row stands.
    nudged = row(page, "blocked", given)
    title(nudged).focus()
    page.keyboard.press("n")
    expect(nudged.get_by_role("textbox")).to_have_value(re.compile("^@impl-1 How far"))
    page.keyboard.press("Control+Enter")
    expect(nudged).to_contain_text("Asked impl-1.")
    comments = agent.http.get(f"/api/tickets/{given['ticket_id']}/comments").json()["comments"]
    assert comments[-1]["mentions"] == ["impl-1"]

    title(nudged).focus()
    page.keyboard.press("a")
    page.get_by_role("menuitemradio", name="(you)").focus()
    page.keyboard.press("Enter")
    expect(nudged).to_contain_text("is assigned to you.")
    assert stored(agent, given)["assigned_agent_id"] == me

    # What is in hand is not taken away: it says so, and goes once the focus has left.
    title(row(page, "blocked", blocker)).focus()
    agent.post("resolve", ticket_id=blocker["ticket_id"], resolution_comment="The ore is here now.")
    expect(row(page, "blocked", blocker)).to_contain_text("This no longer waits.")
    expect(title(row(page, "blocked", blocker))).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(row(page, "blocked", blocker)).to_have_count(0)
    assert stored(agent, waits)["is_blocked"] is False

    # Answer, then read: in the order in which they came.
    first = group(page, "inbox").locator(".row").first
    expect(first).to_contain_text("May I go on?")
    title(first).focus()
    page.keyboard.press("r")
    first.get_by_role("textbox").fill("Please do.")
    # What comes meanwhile takes nothing away.
    agent.post("comment", ticket_id=asked["ticket_id"], comment_text=f"@{me} Still there?")
    expect(group(page, "inbox").locator("[data-total]")).to_have_text("3")
    expect(first.get_by_role("textbox")).to_have_value("Please do.")
    expect(first.get_by_role("textbox")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(first).to_contain_text("Replied.")
    replies = agent.http.get(f"/api/tickets/{asked['ticket_id']}/comments").json()["comments"]
    assert replies[-1]["parent_comment_id"]
    assert replies[-1]["comment_text"] == "Please do."
    title(group(page, "inbox").locator(".row").last).focus()
    page.keyboard.press("d")
    expect(group(page, "inbox")).to_be_hidden()
    page.reload()
    wait_until_live(page)
    expect(group(page, "inbox")).to_be_hidden()

    # The lease has run out by now; a maintainer frees its ticket.
    stale = row(page, "stale", lost)
    expect(stale).to_contain_text("impl-1 is stale: no heartbeat for")
    title(stale).focus()
    page.keyboard.press("l")
    expect(group(page, "stale")).to_be_hidden()
    now = stored(agent, lost)
    assert (now["lease_agent_id"], now["assigned_agent_id"]) == (None, None)

    phone = wait_until_live(open_page(f"/attention?workflow={flow}", **PHONE))
    expect(group(phone, "blocked")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    check_access(phone)
    picture(phone, shots, "attention-phone")


def test_a_refusal_comes_back_to_its_row(open_page: OpenPage, agent: Agent, flow: str) -> None:
    ticket = agent.create("Shoe the horse", priority="high", workflow_id=flow)
    page = wait_until_live(open_page(f"/attention?workflow={flow}", expect_errors=True))
    shown = row(page, "ownerless", ticket)
    expect(shown).to_be_visible()
    page.route("**/api/tickets/assign", lambda route: route.abort())
    title(shown).focus()
    page.keyboard.press("t")
    refusal = shown.get_by_role("alert")
    expect(refusal).to_contain_text("Not assigned. The server did not answer.")
    expect(title(shown)).to_be_focused()
    page.unroute("**/api/tickets/assign")
    refusal.get_by_role("button", name="Try again").click()
    expect(shown).to_have_count(0)
    assert stored(agent, ticket)["assigned_agent_id"]

    # The ticket itself opens over the list, and the list is there again behind it.
    other = agent.create("Groom the horse", priority="high", workflow_id=flow)
    title(row(page, "ownerless", other)).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("heading", level=1)).to_have_text("Groom the horse")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/attention\?"))
    expect(title(row(page, "ownerless", other))).to_be_focused()

    # Without a server what was there stays, with a way to ask again.
    page.route("**/attention/list*", lambda route: route.abort())
    agent.create("Another one", priority="high", workflow_id=flow)
    expect(page.locator("[data-lost]")).to_be_visible()
    page.unroute("**/attention/list*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-lost]")).to_be_hidden()
    expect(group(page, "ownerless")).to_contain_text("Another one")


def test_a_card_tells_of_a_lost_agent_and_frees_its_ticket(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Quench the blade", workflow_id="forge")
    agent.post("claim", ticket_id=ticket["ticket_id"], lease_seconds=10)
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    card = page.locator(f'.board [data-ticket-id="{ticket["ticket_id"]}"]')
    expect(card.locator(".agent-working .agent-state")).to_contain_text(re.compile(r"\d+s"))
    expect(page.locator("[data-fleet] .agent-working")).to_be_visible()
    card.evaluate("node => { node.marked = true }")
    # No event tells of it, and nobody touches the page.
    note = card.locator(".note-stale")
    expect(note).to_contain_text(re.compile(r"No heartbeat for \d+s\. Release"))
    expect(card.locator(".agent-stale")).to_be_visible()
    expect(page.locator("[data-fleet] .agent-stale")).to_be_visible()
    assert card.evaluate("node => node.marked"), "the card is the same node"
    note.get_by_role("button", name="Release").click()
    expect(note).to_have_count(0)
    expect(card.locator(".agent")).to_have_count(0)
    assert stored(agent, ticket)["lease_agent_id"] is None


def test_approvals_in_bulk_by_keyboard(
    open_page: OpenPage, agent: Agent, gate: str, check_access: Callable[[Page], None], shots: Path
) -> None:
    page = wait_until_live(open_page(f"/approvals?workflow={gate}", reduced_motion="reduce"))
    expect(page.get_by_role("heading", name="Nothing waits for approval")).to_be_visible()
    check_access(page)
    made = [
        agent.create(
            f"Open gate {number} {HOSTILE if number == 2 else ''}",
            description=f"Gate {number} must be open.\n\n{LONG if number == 2 else 'It is shut.'}",
            workflow_id=gate,
            ticket_type=("task", "bug")[number % 2],
            tags=["gate"],
        )
        for number in range(6)
    ]
    rows = [row(page, "approvals", ticket) for ticket in made]
    for one in rows:
        expect(one).to_be_visible()
    expect(rows[0]).to_contain_text("Gate 0 must be open. It is shut.")
    check_access(page)
    picture(page, shots, "approvals-light")
    page.emulate_media(color_scheme="dark")
    check_access(page)
    picture(page, shots, "approvals-dark")
    page.emulate_media(color_scheme="light")

    # One by its letter; what is similar is asked for in place.
    title(rows[0]).focus()
    page.keyboard.press("s")
    expect(rows[0].get_by_role("region")).to_contain_text("Nothing says about the same.")
    page.keyboard.press("a")
    expect(rows[0]).to_have_count(0)
    expect(title(rows[1])).to_be_focused()
    assert stored(agent, made[0])["approval_status"] == "approved"

    # Three at once, one of which somebody else has decided on meanwhile: its row would say so.
    for number in (1, 2, 3):
        title(rows[number]).focus()
        page.keyboard.press("x")
    expect(page.get_by_role("region", name="Selected requests")).to_contain_text("3 selected")
    check_access(page)
    page.route("**/api/tickets/reject", lambda route: _refuse_one(route, made[2]["ticket_id"]))
    title(rows[1]).focus()
    page.keyboard.press("r")
    reason = rows[1].get_by_role("textbox")
    reason.fill("Gates stay shut at night.")
    page.keyboard.press("Control+Enter")
    expect(rows[1]).to_have_count(0)
    expect(rows[3]).to_have_count(0)
    expect(rows[2].get_by_role("alert")).to_contain_text("Not rejected. Somebody else was faster.")
    expect(page.get_by_text("2 rejected, 1 refused")).to_be_visible()
    page.unroute("**/api/tickets/reject")
    said = agent.http.get(f"/api/tickets/{made[1]['ticket_id']}/comments").json()["comments"]
    assert said[-1]["comment_text"] == "Gates stay shut at night."

    # Filters stand in the address and hold for what comes.
    page.get_by_label("Type").select_option("bug")
    expect(rows[4]).to_have_count(0)
    expect(rows[5]).to_be_visible()
    expect(page).to_have_url(re.compile(r"type=bug"))
    agent.create(
        "A task that is filtered out", description="It is of no use here.", workflow_id=gate, ticket_type="task"
    )
    late = agent.create("A bug that came late", description="It is asked for.", workflow_id=gate, ticket_type="bug")
    expect(row(page, "approvals", late)).to_be_visible()
    expect(page.get_by_text("A task that is filtered out")).to_have_count(0)
    page.get_by_role("button", name="Select all").click()
    page.get_by_role("region", name="Selected requests").get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    expect(page.get_by_role("region", name="Selected requests")).to_have_count(0)
    assert stored(agent, late)["approval_status"] == "approved"

    phone = wait_until_live(open_page(f"/approvals?workflow={gate}", **PHONE))
    expect(phone.locator(".row").first).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    check_access(phone)
    picture(phone, shots, "approvals-phone")


def _refuse_one(route: Route, ticket_id: str) -> None:
    if ticket_id not in (route.request.post_data or ""):
        route.continue_()
        return
    error = {"code": "conflict", "message": "Somebody else was faster."}
    route.fulfill(status=409, json={"success": False, "message": error["message"], "error": error})
