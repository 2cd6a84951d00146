"""A commit opens over its ticket: addresses, keys, what is typed beneath, and the way back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.board_page import link, wait_until_live
from tests.browser.conftest import OpenPage, Site
from tests.browser.diff_world import site_with
from tests.gitlinks.repositories import Scratch

pytestmark = [pytest.mark.browser]

HOSTILE = "<script>alert(1)</script>"
LINES = [f"value_{number} = {number}\n" for number in range(400)]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    return Scratch(tmp_path_factory.mktemp("root") / "code")


@pytest.fixture(scope="module")
def shas(code: Scratch) -> tuple[str, str]:
    """Two commits: many lines in two files, then changes far apart in them."""
    code.write("alpha.py", "".join(LINES))
    code.write("beta.py", "".join(LINES))
    first = code.commit("Begin")
    changed = [line.replace("=", "= -") if number in (10, 200, 390) else line for number, line in enumerate(LINES)]
    code.write("alpha.py", "".join(changed))
    code.write("beta.py", "".join(changed))
    return first, code.commit(f"Negate {HOSTILE}\n\nA body of the message.")


@pytest.fixture(scope="module")
def stopped_site(tmp_path_factory: pytest.TempPathFactory, code: Scratch, shas: tuple[str, str]) -> Iterator[Site]:
    with site_with(code, tmp_path_factory.mktemp("site") / "data") as site:
        yield site


@pytest.fixture(scope="module")
def ticket(site: Site, shas: tuple[str, str]) -> dict[str, Any]:
    made = site.agent.create("Negate what is far apart")
    site.agent.post("link-commit", ticket_id=made["ticket_id"], commit_sha=shas[1])
    return made


def opened(page: Page, ticket: dict[str, Any], sha: str) -> Locator:
    """The dialog on the commit, opened from the board by way of the ticket."""
    link(wait_until_live(page), ticket).click()
    page.locator("dialog.sheet .panel-side").locator(f'a[href^="/commits/{sha}"]').click()
    dialog = page.locator(".commit-dialog")
    expect(dialog.locator("tr.add").first).to_be_visible()
    return dialog


def test_it_opens_over_the_ticket_and_back_closes_it(
    open_page: OpenPage, site: Site, ticket: dict[str, Any], shas: tuple[str, str]
) -> None:
    page = open_page("/tickets?workflow=forge")
    page.evaluate("window.same = true")
    link(wait_until_live(page), ticket).click()
    sheet = page.locator("dialog.sheet")
    comment = sheet.locator("[data-part=composer] textarea, .composer textarea").first
    comment.fill("Half a thought")
    commit = sheet.locator(".panel-side").locator(f'a[href^="/commits/{shas[1]}"]')
    commit.focus()
    page.keyboard.press("Enter")
    dialog = page.locator(".commit-dialog")
    expect(dialog.get_by_role("heading", level=1)).to_have_text(f"Negate {HOSTILE}")
    expect(page).to_have_url(f"{site.url}/commits/{shas[1]}?workflow=forge")
    expect(page).to_have_title(re.compile(f"^{shas[1][:7]} Negate"))

    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(f"{site.url}/tickets/{ticket['key']}")
    expect(commit).to_be_focused()
    expect(comment).to_have_value("Half a thought")
    expect(page).to_have_title(re.compile(f"^{ticket['key']} "))

    # By the browser's own ways too; and forward again.
    commit.click()
    expect(dialog.locator("tr.add").first).to_be_visible()
    page.go_back()
    expect(dialog).to_be_hidden()
    expect(comment).to_have_value("Half a thought")
    page.go_forward()
    expect(dialog.locator("tr.add").first).to_be_visible()

    # The parent commit over it, and with one step back to the ticket.
    dialog.get_by_role("link", name=shas[0][:7]).click()
    expect(dialog.get_by_role("heading", level=1)).to_have_text("Begin")
    page.go_back()
    expect(dialog.get_by_role("heading", level=1)).to_contain_text("Negate")
    page.go_forward()
    expect(dialog.get_by_role("heading", level=1)).to_have_text("Begin")
    dialog.get_by_role("button", name="Close the commit").click()
    expect(page).to_have_url(f"{site.url}/tickets/{ticket['key']}")
    expect(comment).to_have_value("Half a thought")
    comment.fill("")

    # The ticket's own link closes it; and the ticket closes to the board.
    commit.click()
    dialog.get_by_role("link", name=ticket["key"]).click()
    expect(dialog).to_be_hidden()
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{site.url}/tickets?workflow=forge")
    expect(link(page, ticket)).to_be_focused()
    assert page.evaluate("window.same"), "no page was loaded"


def test_a_reload_shows_the_page_and_back_leads_to_the_ticket(
    open_page: OpenPage, site: Site, ticket: dict[str, Any], shas: tuple[str, str]
) -> None:
    page = open_page("/tickets?workflow=forge")
    opened(page, ticket, shas[1])
    page.reload()
    expect(page.locator("main.diff-page tr.add").first).to_be_visible()
    assert page.locator(".commit-dialog").count() == 0
    page.go_back()
    expect(page.locator("main.sheet")).to_be_visible()
    expect(page).to_have_url(f"{site.url}/tickets/{ticket['key']}")


def test_it_opens_over_the_tickets_own_page_too(
    open_page: OpenPage, site: Site, ticket: dict[str, Any], shas: tuple[str, str]
) -> None:
    page = wait_until_live(open_page(f"/tickets/{ticket['key']}"))
    page.evaluate("window.same = true")
    comment = page.locator(".composer textarea")
    comment.fill("Half a thought")
    commit = page.locator(".panel-side").locator(f'a[href^="/commits/{shas[1]}"]')
    commit.click()
    dialog = page.locator(".commit-dialog")
    expect(dialog.locator("tr.add").first).to_be_visible()
    expect(page).to_have_url(f"{site.url}/commits/{shas[1]}?workflow=forge")
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{site.url}/tickets/{ticket['key']}")
    expect(commit).to_be_focused()
    page.go_forward()
    dialog.get_by_role("link", name=ticket["key"]).click()
    expect(dialog).to_be_hidden()
    assert page.evaluate("window.same"), "no page was loaded"
    # What comes from elsewhere leaves the way back up to the workflow, and what is typed.
    site.agent.post("update", ticket_id=ticket["ticket_id"], updates={"is_blocked": True, "blocked_reason": "Rain"})
    expect(page.locator(".crumbs")).to_contain_text("Blocked")
    expect(page.locator(".crumbs").get_by_role("link", name="Forge")).to_be_visible()
    expect(comment).to_have_value("Half a thought")
    site.agent.post("update", ticket_id=ticket["ticket_id"], updates={"is_blocked": False})
    page.go_forward()
    expect(dialog.locator("tr.add").first).to_be_visible()
    page.reload()
    expect(page.locator("main.diff-page tr.add").first).to_be_visible()
    page.go_back()
    expect(comment).to_have_value("Half a thought")
    comment.fill("")


def test_keys_lead_through_it_and_leave_what_is_beneath_alone(
    open_page: OpenPage, ticket: dict[str, Any], shas: tuple[str, str]
) -> None:
    page = open_page("/tickets?workflow=forge")
    dialog = opened(page, ticket, shas[1])
    where = dialog.locator("[data-where]")
    for number in (1, 2, 3):
        page.keyboard.press("n")
        expect(where).to_have_text(f"Change {number} of 3")
        expect(dialog.locator("#f0 tr.is-cursor").first).to_be_in_viewport()
    page.keyboard.press("n")
    expect(where).to_have_text("Change 1 of 3")
    expect(dialog.locator("#f1 tr.is-cursor").first).to_be_in_viewport()
    page.keyboard.press("p")
    expect(where).to_have_text("Change 3 of 3")
    page.keyboard.press("j")
    expect(dialog.locator("#f1 > summary")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("k")
    expect(dialog.locator("#f0 > summary")).to_be_focused()

    page.keyboard.press("t")
    page.get_by_role("searchbox", name="Part of a path").fill("beta")
    page.keyboard.press("Enter")
    expect(dialog.locator("#f1 > summary")).to_be_focused()
    page.keyboard.press("?")
    helps = page.get_by_role("dialog", name="Keyboard")
    expect(helps).to_contain_text("next and previous change")
    page.keyboard.press("Escape")
    expect(helps).to_have_count(0)
    expect(dialog).to_be_visible()

    # The tree: the address keeps the ticket and the board beneath.
    dialog.locator(".filetree a").first.click()
    expect(page).to_have_url(re.compile(r"#f0$"))
    page.get_by_role("button", name="Split").click()
    expect(dialog.locator("#f0 td.del.cd").first).to_be_visible()
    page.get_by_role("button", name="Unified").click()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    sheet = page.locator("dialog.sheet")
    expect(sheet).to_be_visible()
    # Its keys are forgotten with it: here they are the ticket's.
    page.keyboard.press("n")
    page.keyboard.press("t")
    expect(page.get_by_role("searchbox", name="Part of a path")).to_have_count(0)
    expect(dialog).to_be_hidden()


def test_it_is_accessible_and_photographed(
    open_page: OpenPage,
    ticket: dict[str, Any],
    shas: tuple[str, str],
    check_access: Callable[[Page], None],
    shots: Path,
) -> None:
    for scheme in ("light", "dark"):
        page = open_page("/tickets?workflow=forge", color_scheme=scheme)
        opened(page, ticket, shas[1])
        check_access(page)
        page.screenshot(path=shots / f"diff-dialog-{scheme}.png")
    page = open_page("/tickets?workflow=forge", **PHONE)
    dialog = opened(page, ticket, shas[1])
    assert dialog.bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 844}
    assert page.evaluate("document.querySelector('.commit-scroll').scrollWidth <= innerWidth")
    check_access(page)
    page.screenshot(path=shots / "diff-dialog-phone.png")
    dialog.get_by_role("button", name="Close the commit").click()
    expect(page.locator("dialog.sheet")).to_be_visible()


def test_what_cannot_be_shown_says_why_and_what_helps(
    open_page: OpenPage, site: Site, ticket: dict[str, Any], shas: tuple[str, str]
) -> None:
    page = open_page("/tickets?workflow=forge", expect_errors=True)
    link(wait_until_live(page), ticket).click()
    commit = page.locator("dialog.sheet .panel-side").locator("a[href^='/commits/']").first
    page.route("**/window?*", lambda route: route.abort())
    commit.click()
    dialog = page.locator(".commit-dialog")
    expect(dialog.get_by_role("alert")).to_have_text("The server did not answer.")
    page.unroute("**/window?*")
    dialog.get_by_role("button", name="Try again").click()
    expect(dialog.locator("tr.add").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(commit).to_be_focused()
    commit.evaluate("(node, sha) => { node.href = node.getAttribute('href').replace(sha, 'f'.repeat(40)); }", shas[1])
    commit.click()
    expect(dialog.get_by_role("heading", level=1)).to_have_text("This commit cannot be shown")
    expect(dialog.get_by_role("alert")).to_contain_text("ffffffff")
    dialog.get_by_role("link", name="Open its page").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This commit cannot be shown")
    expect(page).to_have_url(f"{site.url}/commits/{'f' * 40}?workflow=forge")
