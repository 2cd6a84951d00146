"""The search page in a browser: by keyboard and mouse, live, with what may go wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.board_page import wait_until_live
from tests.browser.conftest import Agent, OpenPage

pytestmark = [pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
RTL = "عنوان الطلب من اليمين إلى اليسار 🛠"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SEARCH = "/search?workflow=forge"


@pytest.fixture(scope="module")
def tickets(agent: Agent) -> dict[str, dict[str, Any]]:
    """Tickets that say "bellows" in their title, their description, a comment, a tag; and hostile ones."""
    common = {"workflow_id": "forge", "initial_status": "todo"}
    blocker = agent.create("Fetch new leather", **common)
    made = {
        "title": agent.create(
            "Bellows leak air", description="The left one hisses whenever it is pressed.", priority="high",
            ticket_type="bug", assigned_agent_id="impl-1", tags=["air"], **common,
        ),
        "text": agent.create("Fire goes out", description="Since the bellows leak, it burns too cold.", **common),
        "comment": agent.create("Patch the seams", blocked_by_ticket_ids=[blocker["ticket_id"]], **common),
        "tag": agent.create("Buy glue", tags=["bellows"], **common),
        "hostile": agent.create(
            f"{HOSTILE} {RTL}", description=f"hostile {HOSTILE} " + "w" * 900, tags=["<b>&"], **common
        ),
        "long": agent.create("hostile " + "Ü" * 480, **common),
    }  # fmt: skip
    agent.post("comment", ticket_id=made["comment"]["ticket_id"], comment_text=f"Bellows first. {HOSTILE}")
    return made


def keys(page: Page) -> list[str]:
    return page.locator(".hit .key").all_text_contents()


def row(page: Page, ticket: dict[str, Any]) -> Any:
    return page.locator(f'.hit[data-ticket-id="{ticket["ticket_id"]}"]')


def title_link(page: Page, ticket: dict[str, Any]) -> Any:
    return row(page, ticket).locator(".card-title a")


def test_a_search_by_keyboard_that_stays_live(
    open_page: OpenPage, agent: Agent, tickets: dict[str, Any], check_access: Callable[[Page], None], shots: Path
) -> None:
    page = wait_until_live(open_page(SEARCH))
    expect(page.get_by_label("Search tickets")).to_be_focused()
    expect(page.get_by_text("Three ways to search")).to_be_visible()
    check_access(page)
    page.keyboard.type("bellows", delay=20)
    expect(page.locator(".hit")).to_have_count(4)
    expect(page).to_have_url(re.compile(r"q=bellows$"))
    expect(page.locator("[data-degraded]")).to_contain_text("Embeddings are switched off")
    expect(page.locator("[data-announcer]")).to_contain_text("4 tickets, searched by words only")
    expect(title_link(page, tickets["title"]).locator("mark")).to_have_text("Bellows")
    expect(row(page, tickets["comment"])).to_contain_text("in comments")
    expect(row(page, tickets["tag"])).to_contain_text("in tags")

    # From the field into the list and through it; what has the focus is shown beside it.
    page.keyboard.press("ArrowDown")
    first = page.locator(".hit").first
    expect(first.locator("a")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    second = page.locator(".hit").nth(1)
    expect(second.locator("a")).to_be_focused()
    expect(page.locator("[data-preview] h2")).to_have_text(second.locator("a").inner_text())
    page.keyboard.press("Escape")
    expect(page.get_by_label("Search tickets")).to_be_focused()
    title_link(page, tickets["comment"]).focus()
    expect(page.locator("[data-preview]")).to_contain_text("Blocked by")
    expect(page.locator("[data-preview] .refs")).to_contain_text("Fetch new leather")

    # An agent changes what is read: only that line, and neither the focus nor the order.
    before, box = keys(page), row(page, tickets["comment"]).bounding_box()
    agent.move(tickets["text"], "in_progress")
    agent.post("update", ticket_id=tickets["comment"]["ticket_id"], updates={"priority": "critical"})
    expect(row(page, tickets["text"]).locator("[data-facts]")).to_contain_text("In Progress")
    expect(row(page, tickets["comment"]).locator(".prio")).to_have_text("Critical")
    expect(row(page, tickets["comment"]).locator(".card-heat")).to_contain_text("changed priority")
    expect(row(page, tickets["comment"])).to_have_class(re.compile("is-warm"))
    expect(title_link(page, tickets["comment"])).to_be_focused()
    assert keys(page) == before
    assert row(page, tickets["comment"]).bounding_box() == box
    expect(page.locator("[data-preview] .prio")).to_have_text("Critical")

    agent.create("Bellows number five", workflow_id="forge")
    page.get_by_role("button", name="1 new since. Search again").click()
    expect(page.locator(".hit")).to_have_count(5)
    check_access(page)
    page.screenshot(path=shots / "search-light.png")

    # Enter opens, the click is told, Escape comes back to the result.
    title_link(page, tickets["title"]).focus()
    with page.expect_request(re.compile(r"/api/tickets/FRG-\d+\?search_id=search-")) as told:
        page.keyboard.press("Enter")
    answer = told.value.response()
    assert answer
    assert answer.status == 200
    expect(page.locator("dialog #t-title")).to_contain_text("Bellows leak air")
    expect(page).to_have_url(re.compile(r"/tickets/FRG-"))
    page.keyboard.press("Escape")
    expect(title_link(page, tickets["title"])).to_be_focused()
    expect(page).to_have_url(re.compile(r"/search\?workflow=forge&q=bellows$"))
    expect(page.locator(".hit")).to_have_count(5)
    page.keyboard.press("/")
    expect(page.get_by_label("Search tickets")).to_be_focused()
    page.emulate_media(color_scheme="dark")
    title_link(page, tickets["title"]).hover()
    expect(page.locator("[data-preview] h2")).to_have_text("Bellows leak air")
    check_access(page)
    page.screenshot(path=shots / "search-dark.png")


def test_a_search_in_the_address_kept_shared_and_taken_along(
    open_page: OpenPage, agent: Agent, tickets: dict[str, Any]
) -> None:
    page = open_page(f"{SEARCH}&q=bellows")
    count = page.locator(".hit").count()
    page.get_by_role("group", name="Type").get_by_label("Bug").check(force=True)
    expect(page.locator(".hit")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=bellows&type=bug$"))
    expect(page.locator("[data-filter-count]")).to_have_text("1")
    page.get_by_label("Words", exact=True).check(force=True)
    expect(page).to_have_url(re.compile("mode=keyword"))
    expect(page.locator("[data-degraded]")).to_have_count(0)
    page.go_back()
    expect(page.locator("[data-degraded]")).to_be_visible()
    page.go_back()
    expect(page.locator(".hit")).to_have_count(count)
    expect(page.get_by_role("group", name="Type").get_by_label("Bug")).not_to_be_checked()
    page.go_forward()
    expect(page.locator(".hit")).to_have_count(1)
    expect(page.get_by_role("group", name="Type").get_by_label("Bug")).to_be_checked()

    page.get_by_text("Saved", exact=True).click()
    page.get_by_label("Keep this search as").fill("Leaking <b>bugs</b>")
    page.get_by_label("Share it with all who see this workflow").check()
    page.get_by_role("button", name="Keep search").click()
    expect(page.locator("[data-saved] .menu-item")).to_contain_text("Leaking <b>bugs</b>")
    kept = agent.http.get("/api/workflows/forge/views", params={"kind": "search"}).json()["views"]
    assert [(view["query"], view["is_shared"]) for view in kept] == [("q=bellows&type=bug", True)]
    page.keyboard.press("Escape")

    page.keyboard.press("Control+k")
    page.keyboard.type("leaking")
    kept_line = page.locator("dialog.palette [role=option]").filter(has_text="Leaking <b>bugs</b>")
    expect(kept_line).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search\?workflow=forge&q=bellows&type=bug$"))

    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as taken:
        page.get_by_role("link", name="JSON, for programs").click()
    found = json.loads(taken.value.path().read_text())
    assert [hit["title"] for hit in found["results"]] == ["Bellows leak air"]

    # The start again: what was searched and kept is offered there.
    page.get_by_label("Search tickets").fill("glue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No ticket says “glue” within these filters")).to_be_visible()
    page.get_by_role("link", name="Search without the filters").click()
    expect(page.locator(".hit .card-title")).to_have_text(["Buy glue"])
    page.get_by_label("Search tickets").fill("")
    expect(page.locator("[data-recent] a")).to_contain_text(["glue"])
    page.locator("[data-start]").get_by_role("link", name="Leaking <b>bugs</b>").click()
    expect(page.locator(".hit .card-title")).to_have_text(["Bellows leak air"])
    expect(page.get_by_label("Search tickets")).to_have_value("bellows")

    page.get_by_text("Saved", exact=True).click()
    page.get_by_role("button", name="Forget the search Leaking <b>bugs</b>").click()
    expect(page.locator("[data-saved]")).to_contain_text("None yet")


def test_answers_that_come_late_or_not_at_all(open_page: OpenPage, tickets: dict[str, Any]) -> None:
    page = open_page(f"{SEARCH}&q=glue", expect_errors=True)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/search/results.*q=leather"), hold)
    field = page.get_by_label("Search tickets")
    field.fill("leather")
    expect(page.locator("[data-results]")).to_have_class(re.compile("is-slow"))
    expect(page.locator(".hit .card-title")).to_have_text(["Buy glue"])
    field.fill("seams")
    expect(page.locator(".hit .card-title")).to_have_text(["Patch the seams"])
    assert len(held) == 1
    held[0].fulfill(status=200, content_type="text/html", body="<p data-late>Late</p>")
    page.wait_for_timeout(300)
    expect(page.locator("[data-late]")).to_have_count(0)
    expect(page.locator(".hit .card-title")).to_have_text(["Patch the seams"])

    page.route(re.compile(r"/search/results.*q=air"), lambda route: route.abort())
    field.fill("air")
    fault = page.locator("[data-fault][role=alert]")
    expect(fault).to_contain_text("The search did not arrive.")
    expect(page.locator(".hit .card-title")).to_have_text(["Patch the seams"])
    page.unroute_all(behavior="ignoreErrors")
    fault.get_by_role("button", name="Try again").click()
    expect(page.locator(".hit .card-title")).to_have_text(["Bellows leak air"])
    expect(fault).to_have_count(0)

    page.context.clear_cookies()
    field.fill("hinge")
    expect(fault).to_contain_text("You are signed out.")
    expect(fault.get_by_role("button", name="Sign in")).to_be_visible()
    expect(field).to_have_value("hinge")


def test_hostile_text_on_a_phone_and_without_script(
    open_page: OpenPage, tickets: dict[str, Any], check_access: Callable[[Page], None], shots: Path
) -> None:
    page = open_page(f"{SEARCH}&q=hostile", **PHONE)
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    expect(page.locator(".hit")).to_have_count(2)
    expect(title_link(page, tickets["hostile"])).to_have_text(f"{HOSTILE} {RTL}")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    expect(page.get_by_label("Assigned to")).to_be_hidden()
    page.locator("[data-filters] > summary").click()
    expect(page.get_by_label("Assigned to")).to_be_visible()
    page.get_by_text("Dates, approval, comments").click()
    check_access(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("[data-filters] > summary").click()
    page.screenshot(path=shots / "search-phone.png")
    title_link(page, tickets["hostile"]).tap()
    expect(page.locator("dialog #t-title")).to_have_text(f"{HOSTILE} {RTL}")

    wide = open_page(f"{SEARCH}&q={HOSTILE.replace('=', '%3D').replace('&', '%26')}")
    wide.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    title_link(wide, tickets["hostile"]).hover()
    expect(wide.locator("[data-preview] h2")).to_have_text(f"{HOSTILE} {RTL}")
    check_access(wide)
    assert wide.locator("[data-results] img, [data-preview] img, #main script").count() == 0

    plain = open_page(SEARCH, java_script_enabled=False)
    plain.get_by_label("Search tickets").fill("bellows")
    plain.get_by_role("group", name="Type").get_by_label("Bug").check(force=True)
    plain.get_by_role("button", name="Search", exact=True).click()
    assert keys(plain) == [tickets["title"]["key"]]
    assert "type=bug" in plain.url
    assert "q=bellows" in plain.url
