"""A person's own page in a browser: theme, zone, name, tokens, password; and signing in wrongly."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, OpenPage, Site

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("site")]

RTL_NAME = "Dana \u200fדנה 🔥"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def asks(site: Site, token: str) -> int:
    return httpx.get(f"{site.url}/api/me", headers={"Authorization": f"Bearer {token}"}).status_code


def test_look_zone_and_name_are_the_persons(open_page: OpenPage, site: Site) -> None:
    ticket = site.agent.create("Seen from Tokyo")
    page = open_page("/tickets?workflow=forge", timezone_id="Asia/Tokyo", color_scheme="light")
    page.locator(".topbar summary.btn-square").click()
    page.get_by_role("link", name="Profile and tokens").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Profile")

    page.locator("main").get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("main").get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.locator("main").get_by_role("button", name="System").click()

    page.get_by_role("button", name=re.compile("Use this browser.s, Asia.Tokyo")).click()
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    expect(page.locator("#p-zone-hint time")).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d JST$"))
    expect(page.get_by_role("button", name=re.compile("Use this browser"))).to_be_hidden()
    page.goto(f"/tickets/{ticket['key']}")
    expect(page.locator(".sheet time").first).to_have_attribute("title", re.compile("JST$"))
    page.goto("/profile")
    page.get_by_label("Time zone").select_option("UTC")
    page.locator("[data-zone-form]").get_by_role("button", name="Save").click()
    expect(page.locator("#p-zone-hint time")).to_have_text(re.compile("UTC$"))

    name = page.get_by_label("Name", exact=True)
    name.fill("   ")
    name.press("Enter")
    expect(page.locator("#p-name-fault")).to_be_visible()
    expect(name).to_have_attribute("aria-invalid", "true")
    name.fill(RTL_NAME)
    name.press("Enter")
    expect(page.get_by_role("status").get_by_text("Your name is saved")).to_be_visible()
    expect(page.locator("#p-name-fault")).to_be_hidden()
    page.reload()
    expect(name).to_have_value(RTL_NAME)

    page.get_by_role("checkbox", name="Single-key shortcuts").uncheck()
    page.goto("/tickets?workflow=forge")
    assert page.evaluate("localStorage.getItem('hephaestus-single-keys-off')") == "1"
    page.goto("/profile")
    expect(page.get_by_role("checkbox", name="Single-key shortcuts")).not_to_be_checked()


def test_a_token_is_shown_once_and_ends_when_it_is_revoked(
    open_page: OpenPage, site: Site, check_access: Callable[[Page], None], shots: Path
) -> None:
    page = open_page("/profile")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("What it is for").fill("Laptop <b>")
    page.get_by_role("button", name="Issue a token").click()
    shown = page.locator("#p-token")
    expect(shown).to_have_text(re.compile("^hpt_"))
    expect(page.locator("pre[aria-label=Token]")).to_be_focused()
    token = shown.inner_text()
    page.locator("[data-issued]").get_by_role("button", name="Copy").click()
    expect(page.locator("[data-issued]").get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token
    assert asks(site, token) == 200
    row = page.locator("[data-token]").filter(has_text="Laptop <b>")
    expect(row).to_contain_text("never used")
    expect(row).to_contain_text("ends 20")
    check_access(page)
    page.screenshot(path=shots / "profile-light.png", full_page=True)

    page.reload()
    assert token not in page.content()
    expect(row).to_contain_text(re.compile(r"used \d+s ago"))
    # All by keyboard: asked for, put off, done.
    revoke = row.get_by_role("button", name=re.compile("^Revoke hpt_"))
    revoke.focus()
    page.keyboard.press("Enter")
    expect(row.get_by_role("button", name="Revoke it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(revoke).to_be_focused()
    assert asks(site, token) == 200
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(row).to_contain_text("revoked")
    expect(row.get_by_role("button")).to_have_count(0)
    assert asks(site, token) == 401

    dark = open_page("/profile", color_scheme="dark")
    check_access(dark)
    dark.screenshot(path=shots / "profile-dark.png", full_page=True)
    phone = open_page("/profile", **PHONE)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    check_access(phone)
    phone.screenshot(path=shots / "profile-phone.png", full_page=True)


def test_a_fault_of_the_server_leaves_what_was_typed(open_page: OpenPage) -> None:
    page = open_page("/profile", expect_errors=True)
    page.get_by_label("What it is for").fill("Deploy")
    page.route("**/api/agents/*/tokens", lambda route: route.abort())
    page.get_by_role("button", name="Issue a token").click()
    expect(page.locator("#p-token-fault")).to_contain_text("The server did not answer")
    expect(page.get_by_label("What it is for")).to_have_value("Deploy")
    page.unroute("**/api/agents/*/tokens")
    page.get_by_role("button", name="Issue a token").click()
    expect(page.locator("[data-token]").filter(has_text="Deploy")).to_be_visible()
    expect(page.locator("#p-token-fault")).to_be_hidden()


def test_a_password_is_changed_and_wrong_ones_end_in_a_wait(
    open_page: OpenPage, site: Site, check_access: Callable[[Page], None], shots: Path
) -> None:
    page = open_page("/profile", expect_errors=True)
    page.get_by_label("Present password").fill("wrong")
    page.get_by_label("New password", exact=True).fill("tongs-and-bellows-7")
    page.get_by_label("New password again").fill("tongs-and-bellows-7")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("That is not your present password.")).to_be_visible()
    check_access(page)
    for label, text in (
        ("Present password", PASSWORD),
        ("New password", "tongs-and-bellows-7"),
        ("New password again", "tongs-and-bellows-7"),
    ):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("status").get_by_text("Your password is changed")).to_be_visible()
    site.cookies = None  # what other tests' pages are signed in with has ended

    other = open_page("/login?next=/profile", sign_in=False, color_scheme="dark", expect_errors=True)
    for password in ("wrong", PASSWORD):
        other.get_by_label("Name").fill("dana")
        other.get_by_label("Password").fill(password)
        other.get_by_role("button", name="Sign in").click()
        expect(other.get_by_role("alert")).to_have_text("That name and password do not match.")
        expect(other.get_by_label("Name")).to_have_value("dana")
        expect(other.get_by_label("Password")).to_have_value("")
    check_access(other)
    other.screenshot(path=shots / "login-dark.png")
    other.emulate_media(color_scheme="light")
    check_access(other)
    for _ in range(8):
        other.get_by_label("Password").fill("wrong")
        other.get_by_role("button", name="Sign in").click()
        expect(other.get_by_label("Password")).to_have_value("")
    other.get_by_label("Password").fill("tongs-and-bellows-7")
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("alert")).to_contain_text("Too many wrong passwords. Try again in")
    check_access(other)
    # The page of an error looks like this one.
    other.goto("/nowhere")
    expect(other.get_by_role("heading", level=1)).to_have_text("Nothing here")
    for scheme in ("light", "dark"):
        other.emulate_media(color_scheme=scheme)
        check_access(other)
    other.screenshot(path=shots / "not-found-dark.png")
