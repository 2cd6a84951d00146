"""Agents and people in a browser: members, roles, tokens that are told once, leases."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.board_page import stored, wait_until_live
from tests.browser.conftest import Agent, OpenPage, Site

pytestmark = [pytest.mark.browser]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> " + "x" * 80


def member(page: Page, agent_id: str) -> Locator:
    return page.locator(f'[data-agent="{agent_id}"].row')


def kept(page: Page, secret: str) -> bool:
    """Whether the page, its address, its history or anything that it stores holds the secret."""
    found: bool = page.evaluate(
        """secret => [document.documentElement.outerHTML, location.href, JSON.stringify(history.state),
            JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie,
            ...[...document.querySelectorAll("input, textarea")].map(field => field.value)]
            .some(text => String(text).includes(secret))""",
        secret,
    )
    return found


def test_an_agent_is_created_gets_a_token_and_loses_it(
    open_page: OpenPage, site: Site, flow: str, check_access: Callable[[Page], None], shots: Path
) -> None:
    page = wait_until_live(open_page(f"/agents?workflow={flow}", reduced_motion="reduce"))
    new_id = f"smith-{uuid4().hex[:6]}"

    # A fault stands in the form, beside what was typed.
    page.get_by_role("button", name="New agent").focus()
    page.keyboard.press("Enter")
    form = page.locator("[data-form=new]")
    expect(form.get_by_label("Id")).to_be_focused()
    form.get_by_label("Id").fill("not an id")
    page.route(
        "**/api/agents", lambda route: route.fulfill(status=409, json=_fault("new_agent_id", "No such ids here."))
    )
    page.keyboard.press("Enter")
    expect(form.get_by_role("alert")).to_contain_text("No such ids here.")
    expect(form.get_by_label("Id")).to_have_attribute("aria-invalid", "true")
    check_access(page)
    page.unroute("**/api/agents")
    form.get_by_label("Id").fill(new_id)
    form.get_by_label("Name").fill(HOSTILE)
    page.keyboard.press("Enter")
    row = member(page, new_id)
    expect(row).to_contain_text("<script>alert(1)</script>")
    expect(row.get_by_role("button", name="0 tokens")).to_have_attribute("aria-expanded", "true")

    # Its token is told once.
    panel = row.locator(".tokens")
    expect(panel).to_contain_text("No token: it cannot sign in.")
    panel.get_by_label("Label").fill("laptop")
    panel.get_by_label("Expires").select_option("30")
    panel.get_by_role("button", name="Issue token").focus()
    page.keyboard.press("Enter")
    once = panel.locator("[data-token-once]")
    expect(once).to_have_text(re.compile("^hpt_"))
    expect(panel.get_by_role("button", name="Copy")).to_be_focused()
    token = once.inner_text()
    assert _status(site, token) == 200
    expect(panel.locator("tbody tr")).to_have_count(1)
    expect(panel.locator("tbody tr")).to_contain_text(token[:8])
    check_access(page)
    picture(page, shots, "agents-light")
    page.emulate_media(color_scheme="dark")
    check_access(page)
    picture(page, shots, "agents-dark")
    page.emulate_media(color_scheme="light")
    assert kept(page, token), "as long as it is shown"
    panel.get_by_role("button", name="I have kept it").focus()
    page.keyboard.press("Enter")
    assert not kept(page, token)
    expect(row.get_by_role("button", name="1 token")).to_be_visible()
    page.reload()
    wait_until_live(page)
    assert not kept(page, token)

    # Whoever uses it shows as seen. It is revoked for good, after a question.
    row.get_by_role("button", name="1 token").focus()
    page.keyboard.press("Enter")
    shown = panel.locator("tbody tr")
    expect(shown).to_contain_text("laptop")
    expect(shown).to_contain_text(re.compile(r"\ds ago|\dm ago"))
    assert not kept(page, token)
    shown.get_by_role("button", name="Revoke hpt_").focus()
    page.keyboard.press("Enter")
    expect(shown.get_by_role("button", name="Revoke for good")).to_be_focused()
    shown.get_by_role("button", name="Keep").click()
    expect(shown.get_by_role("button", name="Revoke hpt_")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(panel).to_contain_text("1 revoked or expired.")
    expect(row.get_by_role("button", name="0 tokens")).to_be_visible()
    assert _status(site, token) == 401

    phone = wait_until_live(open_page(f"/agents?workflow={flow}", reduced_motion="reduce", **PHONE))
    member(phone, new_id).get_by_role("button", name="0 tokens").click()
    expect(member(phone, new_id).locator(".tokens")).to_contain_text("1 revoked or expired.")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    check_access(phone)
    picture(phone, shots, "agents-phone")


def test_members_roles_and_leases(open_page: OpenPage, agent: Agent, flow: str) -> None:
    ticket = agent.create("Bend the bar", workflow_id=flow)
    page = wait_until_live(open_page(f"/agents?workflow={flow}", reduced_motion="reduce"))
    row = member(page, "impl-1")
    expect(row).to_contain_text("0 held")
    agent.post("claim", ticket_id=ticket["ticket_id"])
    expect(row).to_contain_text("1 held")
    expect(row.locator(".agent-working").first).to_contain_text("Working")
    row.get_by_role("button", name=f"Release {ticket['key']}").click()
    expect(row).to_contain_text("0 held")
    assert stored(agent, ticket)["lease_agent_id"] is None

    # A role is chosen from a menu, and taken back.
    row.get_by_role("button", name="Role of impl-1").focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitemradio", name="Viewer").focus()
    page.keyboard.press("Enter")
    expect(row).to_have_attribute("data-role", "viewer")
    page.get_by_role("button", name="Undo").click()
    expect(row).to_have_attribute("data-role", "member")

    # Removed at once, with the way back.
    row.get_by_role("button", name="Role of impl-1").click()
    page.get_by_role("menuitemradio", name="Remove from this workflow").click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row).to_have_attribute("data-role", "member")

    # The last maintainer stays: the row says why.
    last = member(page, "human-dana")
    last.get_by_role("button", name="Role of").click()
    page.get_by_role("menuitemradio", name="Viewer").click()
    expect(last).to_contain_text("Only another maintainer can undo it.")
    last.get_by_role("textbox").fill("human-dana")
    page.keyboard.press("Control+Enter")
    expect(last.get_by_role("alert")).to_contain_text("would have no maintainer")
    expect(last).to_have_attribute("data-role", "maintainer")

    # Somebody who is not known is not added, and the form says so.
    page.get_by_role("button", name="Add a member").click()
    form = page.locator("[data-form=add]")
    form.get_by_label("Id").fill("nobody-of-that-name")
    page.route("**/members", lambda route: route.fulfill(status=409, json=_fault("member_agent_id", "No such agent.")))
    page.keyboard.press("Enter")
    expect(form.get_by_role("alert")).to_contain_text("No such agent.")
    page.unroute("**/members")
    page.keyboard.press("Escape")
    expect(form).to_be_hidden()
    expect(page.get_by_role("button", name="Add a member")).to_be_focused()


def picture(page: Page, shots: Path, name: str) -> None:
    page.screenshot(path=shots / f"{name}.png", full_page=True)


def _status(site: Site, token: str) -> int:
    return httpx.get(f"{site.url}/api/me", headers={"Authorization": f"Bearer {token}"}).status_code


def _fault(field: str, message: str) -> dict[str, object]:
    error = {"code": "invalid", "message": message, "field": field}
    return {"success": False, "message": message, "error": error}
