"""The guardian's page as a supervisor uses it: what is wrong, why, and one press that helps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.board_page import TITLES, WIDE, stored, wait_until_live
from tests.browser.conftest import Agent, OpenPage

pytestmark = pytest.mark.browser


Ticket = dict[str, Any]


def guardian(open_page: OpenPage, flow: str, query: str = "", **options: Any) -> Page:
    return wait_until_live(open_page(f"/guardian?workflow={flow}{query}", **options))


def group(page: Page, kind: str) -> Locator:
    return page.locator(f'[data-group="{kind}"]')


def finding(page: Page, kind: str, ticket: Ticket) -> Locator:
    return group(page, kind).locator("[data-finding]").filter(has=page.get_by_role("link", name=ticket["key"]))


def test_a_suggestion_is_carried_out_said_and_taken_back(open_page: OpenPage, agent: Agent, flow: str) -> None:
    lonely = agent.create("Nobody has this", workflow_id=flow, priority="critical")
    head = agent.create("First of two", workflow_id=flow, assigned_agent_id="impl-1")
    agent.create("Second of two", workflow_id=flow, blocked_by_ticket_ids=[head["ticket_id"]])
    page = guardian(open_page, flow)
    row = finding(page, "unassigned", lonely)
    why = row.get_by_text("Why")
    expect(row.get_by_text("Ready since")).to_be_hidden()
    why.press("Enter")
    expect(row.get_by_text("Ready since")).to_be_visible()
    act = row.get_by_role("button", name=f"Assign {lonely['key']} to impl-1")
    act.press("Enter")
    undo = row.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    expect(row).to_contain_text(f"Done: Assign {lonely['key']} to impl-1.")
    assert stored(agent, lonely)["assigned_agent_id"] == "impl-1"
    # The page has heard of it meanwhile; what was done stays where it was done.
    expect(group(page, "unassigned").locator("[data-part]").first).to_have_text("0")
    expect(row).to_contain_text("Done:")
    undo.press("Enter")
    expect(row).to_contain_text("Undone.")
    expect(act).to_be_focused()
    assert stored(agent, lonely)["assigned_agent_id"] is None
    # What cannot be taken back has no way back.
    row = finding(page, "blocker_unattended", head)
    row.get_by_role("button", name=f"Ask impl-1 about {head['key']}").click()
    expect(row).to_contain_text(f"Done: Ask impl-1 about {head['key']}.")
    expect(row.get_by_role("button", name="Undo")).to_have_count(0)
    assert stored(agent, head)["comment_count"] == 1
    # Where there is nothing to press, it says why.
    expect(group(page, "agent_velocity").locator("[data-finding]").first).to_contain_text("nothing needs to be done")
    # Its ticket opens over the page.
    row.get_by_role("link", name=head["key"]).first.click()
    expect(page.locator("dialog.sheet[open]")).to_have_attribute("data-ticket-id", head["ticket_id"])
    page.keyboard.press("Escape")


def test_a_refusal_stands_at_the_row_and_shows_the_way_on(open_page: OpenPage, agent: Agent, flow: str) -> None:
    lonely = agent.create("Nobody has this", workflow_id=flow, priority="critical")
    page = guardian(open_page, flow, expect_errors=True)
    row = finding(page, "unassigned", lonely)
    # Somebody is quicker, and the page has not heard of it.
    page.route("**/guardian/findings*", lambda route: route.abort())
    agent.post("update", ticket_id=lonely["ticket_id"], updates={"title": "Nobody has this, still"})
    act = row.get_by_role("button", name=re.compile("Assign"))
    act.click()
    expect(row.get_by_role("alert")).to_contain_text("version")
    expect(act).to_be_focused()
    assert stored(agent, lonely)["assigned_agent_id"] is None
    page.unroute("**/guardian/findings*")
    row.get_by_role("button", name="Look again").click()
    expect(row).to_contain_text("Nobody has this, still")
    # A server that fails is asked again with the same key.
    keys: list[str | None] = []

    def fail_once(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        if len(keys) == 1:
            error = {"code": "busy", "message": "Busy.", "retryable": True}
            return route.fulfill(status=503, json={"success": False, "message": "Busy.", "error": error})
        return route.continue_()

    page.route("**/api/tickets/assign", fail_once)
    row.get_by_role("button", name=re.compile("Assign")).click()
    row.get_by_role("button", name="Try again").click()
    expect(row.get_by_role("button", name="Undo")).to_be_visible()
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert stored(agent, lonely)["assigned_agent_id"] == "impl-1"


def test_what_is_read_does_not_move_while_agents_work(open_page: OpenPage, agent: Agent, flow: str) -> None:
    made = [agent.create(f"Nobody's {n}", workflow_id=flow, priority="critical") for n in range(3)]
    page = guardian(open_page, flow)
    rows = [finding(page, "unassigned", ticket) for ticket in made]
    rows[2].get_by_text("Why").focus()
    rows[2].get_by_text("Why").press("Enter")
    before = rows[2].bounding_box()
    page.evaluate("document.querySelectorAll('[data-finding]').forEach(row => { row.marked = true })")
    agent.post("assign", ticket_id=made[0]["ticket_id"], assigned_agent_id="impl-1")
    expect(rows[0]).to_contain_text("No longer so")
    expect(rows[0].get_by_role("button")).to_have_count(0)
    # It may become so again.
    agent.post("assign", ticket_id=made[0]["ticket_id"], assigned_agent_id=None)
    expect(rows[0].get_by_role("button", name=re.compile("Assign"))).to_be_visible()
    agent.post("assign", ticket_id=made[0]["ticket_id"], assigned_agent_id="impl-1")
    expect(rows[0]).to_contain_text("No longer so")
    badge = group(page, "unassigned").locator("[data-part=count-unassigned]")
    expect(badge).to_have_text("2")
    agent.create("Nobody's 4", workflow_id=flow, priority="critical")
    news = page.locator("[data-news]")
    expect(news).to_contain_text(re.compile(r"\d+ new findings?\."))
    expect(badge).to_have_text("3")
    expect(group(page, "unassigned").locator("[data-finding]")).to_have_count(3)
    assert page.evaluate("[...document.querySelectorAll('[data-finding]')].every(row => row.marked)")
    now = rows[2].bounding_box()
    assert before
    assert now
    height = page.locator("[data-news] .notice").bounding_box()
    assert height
    assert abs(now["y"] - before["y"]) <= height["height"] + 16
    expect(rows[2].locator("details")).to_have_attribute("open", "")
    expect(rows[2].locator("summary")).to_be_focused()
    page.get_by_role("button", name="Show", exact=True).click()
    expect(rows[0]).to_have_count(0)
    expect(group(page, "unassigned").locator("[data-finding]")).to_have_count(3)
    expect(rows[2].locator("details")).to_have_attribute("open", "")
    expect(news).to_be_empty()


def test_each_watcher_sees_its_own_at_every_width(
    open_page: OpenPage, agent: Agent, flow: str, check_access: Any, shots: Path
) -> None:
    previous: Ticket | None = None
    for title in TITLES:
        waits = [previous["ticket_id"]] if previous else []
        previous = agent.create(title, workflow_id=flow, priority="critical", blocked_by_ticket_ids=waits)
        agent.create(title, workflow_id=flow, priority="critical")
    page = guardian(open_page, flow, color_scheme="dark")
    for summary in page.locator(".why summary").all():
        summary.click()
    check_access(page)
    page.screenshot(path=shots / "guardian-dark.png", full_page=True)
    assert page.evaluate("window.pwned") is None
    assert page.evaluate(WIDE) <= 0
    page.get_by_role("link", name="Conductor").click()
    expect(group(page, "critical_path")).to_be_visible()
    expect(group(page, "unassigned")).to_have_count(0)
    page.get_by_role("link", name="Guardian", exact=True).last.click()
    expect(group(page, "unassigned")).to_be_visible()
    expect(group(page, "critical_path")).to_have_count(0)
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = guardian(open_page, flow, **phone)
    check_access(page)
    assert page.evaluate(WIDE) <= 0
    page.screenshot(path=shots / "guardian-phone.png")


def test_where_all_is_well_the_page_says_so_until_it_is_not(
    open_page: OpenPage, agent: Agent, flow: str, check_access: Any
) -> None:
    page = guardian(open_page, flow, "&kind=unassigned")
    expect(page.get_by_text("Nothing needs attention.")).to_be_visible()
    check_access(page)
    lonely = agent.create("Nobody has this", workflow_id=flow, priority="critical")
    expect(finding(page, "unassigned", lonely)).to_be_visible()
