"""Whatever anybody writes is text on every page: it runs nowhere, pushes nothing out of its place, and can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.hostile_world import ALL, IMAGE, LONG, VECTOR, World, fill, hostile_world

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# What came to life: handlers and addresses that run, and elements that only the texts speak of.
ALIVE = r"""() => { const ADDRESS = /^(xlink:)?(href|src|action|formaction)$/;
return [...document.querySelectorAll("*")].filter(node =>
    [...node.attributes].some(({ name, value }) =>
        name.startsWith("on") || (ADDRESS.test(name) && /^\s*(javascript|data:text)/i.test(value)))
    || node.matches("img[src='x']")
    || (node.matches("script:not([type='application/json'])") && /pwned|alert/.test(node.textContent))
).map(node => node.outerHTML.slice(0, 120)) }"""
SIDEWAYS = "() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth"
# Boxes that stand out of the window, for the report of a failure.
CULPRITS = """() => [...document.querySelectorAll("body *")].filter(node =>
    node.checkVisibility() && node.getBoundingClientRect().right > innerWidth + 1
    && !node.closest(".board, .vh, details:not([open]) > :not(summary)")
).slice(0, 12).map(node => `${node.tagName}.${node.className} ${Math.round(node.getBoundingClientRect().right)}`)"""

# What stands out of its box, and is not meant to scroll.
OUTSIDE = """() => [...document.querySelectorAll("main *, dialog[open] *")].filter(node =>
    node.clientWidth && node.scrollWidth > node.clientWidth + 8 && getComputedStyle(node).overflowX === "visible"
    && !node.matches("details") && !node.closest(".vh, svg, .board")
    && node.checkVisibility({ visibilityProperty: true })
).slice(0, 8).map(node => `${node.tagName}.${node.className} ${node.textContent.trim().slice(0, 40)}`)"""


@pytest.fixture(scope="module")
def stopped_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with hostile_world(tmp_path_factory.mktemp("hostile")) as world:
        yield world


@pytest.fixture(scope="module")
def world(stopped_site: World) -> Iterator[World]:
    with stopped_site.start():
        fill(stopped_site)
        yield stopped_site


def the_dialog(page: Page, world: World) -> None:
    page.locator(f'.board [data-ticket-id="{world.tickets["main"]["ticket_id"]}"] .card-title a').click()
    expect(page.locator("dialog.sheet[open] .comment").first).to_be_visible()


def the_commit(page: Page, world: World) -> None:
    the_dialog(page, world)
    page.locator(f'a[href^="/commits/{world.sha}"]').first.click()
    expect(page.locator(".commit-dialog tr.add").first).to_be_visible()


def the_palette(page: Page, world: World) -> None:
    the_cards(page, world)
    page.keyboard.press("Control+k")
    expect(page.locator("dialog.palette[open]").get_by_role("combobox")).to_be_focused()
    page.keyboard.type("title")
    expect(page.locator("dialog.palette [role=option]").filter(has_text="title <img")).not_to_have_count(0)


def the_hits(page: Page, _world: World) -> None:
    expect(page.locator(".hit").first).to_be_visible()


def the_cards(page: Page, _world: World) -> None:
    expect(page.locator("[data-live-word]")).to_have_text("Live")


def the_views(page: Page, world: World) -> None:
    the_cards(page, world)
    page.keyboard.press("f")
    expect(page.locator("[popover]:popover-open, details[open]").first).to_be_visible()


def the_form(page: Page, _world: World) -> None:
    page.get_by_label("Title", exact=True).fill(f"title {ALL}"[:500])
    page.get_by_label("Description", exact=True).fill(ALL)


def the_drawing(page: Page, _world: World) -> None:
    expect(page.locator(".node").first).to_be_visible()


def the_diff(page: Page, _world: World) -> None:
    expect(page.locator("tr.add").first).to_be_visible()


TICKET = "/tickets/EVL-1"
# Page → its address, what to do on it, and texts that a person reads there.
PAGES = {
    "board": ("/tickets?workflow=evil", the_cards, [f"title {IMAGE}", f"workflow {IMAGE}", f"column {IMAGE}"]),
    "lanes": ("/tickets?workflow=evil&lanes=agent", the_cards, [f"agent {IMAGE}{VECTOR}"]),
    "filters": ("/tickets?workflow=evil&tag=🔥مرحبا", the_views, [f"tag {IMAGE}", f"type {IMAGE}"]),
    "ticket-dialog": ("/tickets?workflow=evil", the_dialog, [f"comment {IMAGE}", f"description {IMAGE}"]),
    "ticket": (TICKET, None, [f"title {IMAGE}", f"message {IMAGE}", f"notes/{IMAGE}", f"agent {IMAGE}"]),
    "ticket-blocked": ("/tickets/EVL-6", None, [f"reason {IMAGE}"]),
    "ticket-waits": ("/tickets/EVL-5", None, [f"waits {IMAGE}", f"title {IMAGE}", LONG[:60]]),
    "ticket-done": ("/tickets/EVL-7", None, [f"resolution {IMAGE}"]),
    "ticket-changed": ("/tickets/EVL-2", None, [LONG, f"changed {IMAGE}"]),
    "commit-dialog": ("/tickets?workflow=evil", the_commit, [f"message {IMAGE}", f"{IMAGE}{VECTOR}.py"]),
    "commit": ("/commits/{sha}?workflow=evil", the_diff, [f"body {IMAGE}", f"agent {IMAGE}"]),
    "search": (f"/search?workflow=evil&q={IMAGE} title", None, []),
    "search-hits": ("/search?workflow=evil&q=title", the_hits, [f"title {IMAGE}"]),
    "palette": ("/connect?workflow=evil", the_palette, [f"title {IMAGE}"]),
    "new-ticket": ("/tickets/new?workflow=evil", the_form, [f"type {IMAGE}"]),
    "attention": ("/attention?workflow=gate", None, [f"approve {IMAGE}"]),
    "approvals": ("/approvals?workflow=gate", None, [f"approve {IMAGE}", f"please {IMAGE}"]),
    "agents": ("/agents?workflow=evil", None, [f"agent {IMAGE}{VECTOR}", f"person {IMAGE}{VECTOR}"]),
    "graph": ("/graph?workflow=evil", the_drawing, [f"waits {IMAGE}"]),
    "guardian": ("/guardian?workflow=evil", None, [f"waits {IMAGE}", f"agent {IMAGE}"]),
    "statistics": ("/statistics?workflow=evil", None, [f"agent {IMAGE}"]),
    "audit": ("/audit?workflow=evil", None, [f"title {IMAGE}", f"agent {IMAGE}"]),
    "board-at": ("/board-at?workflow=evil&ticket=EVL-1", None, [f"title {IMAGE}", f"column {IMAGE}"]),
    "board-settings": ("/board-settings?workflow=evil", None, []),
    "connect": ("/connect?workflow=evil", None, [f"workflow {IMAGE}"]),
    "profile": ("/profile", None, [f"person {IMAGE}{VECTOR}"]),
}


@pytest.mark.parametrize("name", PAGES)
def test_text_is_only_text(
    open_page: OpenPage, world: World, name: str, check_access: Callable[[Page], None], shots: Path
) -> None:
    """In light, dark and on a phone's width; axe finds nothing wrong with it in either theme."""
    address, act, shown = PAGES[name]
    address = address.format(sha=world.sha) if "{sha}" in address else address
    page = open_page(address, color_scheme="light", reduced_motion="reduce")
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    if act:
        act(page, world)
    for text in shown:
        expect(page.locator("body")).to_contain_text(text)
    assert page.locator("body").inner_text().count("{{49}}") == 0
    check_access(page)
    page.screenshot(path=shots / f"hostile-{name}-light.png")
    assert page.evaluate(SIDEWAYS) <= 0, page.evaluate(CULPRITS)
    assert page.evaluate(OUTSIDE) == []
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    check_access(page)
    page.screenshot(path=shots / f"hostile-{name}-dark.png")
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=shots / f"hostile-{name}-phone.png")
    assert page.evaluate(SIDEWAYS) <= 0, page.evaluate(CULPRITS)
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate(ALIVE) == []
    assert page.evaluate("window.__pwned") is None
