"""The statistics in a browser: read, filtered, downloaded, followed live; by keyboard, in the dark, on a phone."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import OpenPage, Site

pytestmark = [pytest.mark.browser]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
HOSTILE = "<script>alert(1)</script> \u202eevil " + "word" * 60
# A busy machine takes a while from an event to what it changes, after the pause that the page itself makes.
SLOW = 30_000


def chart(page: Page, name: str) -> Locator:
    return page.locator(f'[data-figure="{name}"]')


def headline(page: Page, name: str) -> Locator:
    return page.locator(".kpi").filter(has=page.get_by_text(name, exact=True)).locator("dd")


def cells(page: Page, name: str) -> dict[str, list[str]]:
    """The table of a chart, by the first cell of each row."""
    rows = chart(page, name).locator("tbody tr")
    found = [row.locator("th, td").all_inner_texts() for row in rows.all()]
    return {row[0]: row[1:] for row in found}


def download(page: Page, name: str, word: str) -> bytes:
    """By keyboard: open the menu, pick, take the file. The focus comes back to the button."""
    button = chart(page, name).locator("[data-download]")
    button.focus()
    page.keyboard.press("Enter")
    item = page.get_by_role("menuitem", name=re.compile(word))
    item.focus()
    with page.expect_download() as waited:
        page.keyboard.press("Enter")
    path = waited.value.path()
    assert waited.value.suggested_filename.endswith(f".{word.lower()}")
    expect(button).to_be_focused()
    return Path(path).read_bytes()


def test_a_supervisor_reads_filters_downloads_and_follows(
    site: Site, open_page: OpenPage, check_access: Callable[[Page], None], shots: Path
) -> None:
    agent, flow = site.agent, f"anvil-{uuid.uuid4().hex[:8]}"
    site.installed.manage("create_workflow", flow, "--name", "Anvil")
    site.installed.manage("create_agent", "impl-1", "--workflow", flow)
    bug = agent.create("Mend the hinge", workflow_id=flow, ticket_type="bug", assigned_agent_id="impl-1")
    stuck = agent.create(HOSTILE, workflow_id=flow, ticket_type="task")
    agent.post("block", ticket_id=stuck["ticket_id"], reason="Rain")
    for title in ("Draw the plan", "Cast the iron"):
        agent.move(agent.create(title, workflow_id=flow, ticket_type="task"), "review")

    page = open_page(f"/statistics?workflow={flow}")
    expect(page.locator("[data-live-word]")).to_have_text("Live", timeout=SLOW)
    expect(headline(page, "Completed")).to_contain_text("0")
    expect(headline(page, "Blocked")).to_contain_text("1")
    expect(page.get_by_role("img", name=re.compile("^Tickets by status: Backlog 2"))).to_be_visible()
    expect(chart(page, "blocked").locator(".blocked-ticket")).to_contain_text("<script>alert(1)</script>")
    status = chart(page, "status")
    status.locator("summary").click()
    expect(status.locator("tbody tr")).to_have_count(5)
    assert cells(page, "status")["Review"] == ["2"]
    check_access(page)
    page.screenshot(path=shots / "statistics.png", full_page=True)

    # What happens shows by itself; what is open stays open, and the focus where it was.
    scroll = status.locator(".table-scroll")
    scroll.focus()
    agent.post("resolve", ticket_id=bug["ticket_id"], resolution_comment="It swings as it should.")
    expect(headline(page, "Completed")).to_contain_text("1", timeout=SLOW)
    expect(status.locator("tbody tr").last.locator("td")).to_have_text("1")
    assert cells(page, "status")["Done"] == ["1"]
    expect(scroll).to_be_focused()

    # What is downloaded is what is shown.
    head, *lines = csv.reader(io.StringIO(download(page, "status", "CSV").decode()))
    assert head == ["Column", "Tickets"]
    assert {line[0]: line[1:] for line in lines} == cells(page, "status")
    picture = download(page, "cumulative_flow", "PNG")
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5000
    (shots / "statistics-cumulative-flow.png").write_bytes(picture)

    # Filters are links; the address says what is shown.
    page.get_by_role("navigation", name="Days").get_by_text("7 days").click()
    expect(page).to_have_url(re.compile("days=7"))
    page.locator("summary", has_text="All types").click()
    page.get_by_role("navigation", name="Types").get_by_text("Bug").click()
    expect(page).to_have_url(re.compile("days=7.*type=bug"))
    expect(headline(page, "Completed")).to_contain_text("1")
    expect(headline(page, "Blocked")).to_contain_text("0")
    page.locator("summary", has_text="All agents").click()
    page.get_by_role("navigation", name="Agents").get_by_text("Nobody").click()
    expect(headline(page, "Completed")).to_contain_text("0")
    shared = open_page(page.url.removeprefix(site.url))
    expect(shared.locator("summary", has_text="Nobody")).to_be_visible()
    expect(headline(shared, "Completed")).to_contain_text("0")
    # Days of one's own.
    shared.locator("summary", has_text="Other days").click()
    shared.get_by_label("First day").fill("2024-02-01")
    shared.get_by_label("Last day").fill("2024-02-29")
    shared.get_by_role("button", name="Show", exact=True).click()
    expect(shared).to_have_url(re.compile("from=2024-02-01&to=2024-02-29"))
    expect(shared.locator("summary", has_text="2024-02-01 to 2024-02-29")).to_be_visible()


def test_in_the_dark_on_a_phone_without_a_server_and_without_tickets(
    site: Site, open_page: OpenPage, check_access: Callable[[Page], None], shots: Path
) -> None:
    site.installed.manage("create_workflow", flow := f"empty-{uuid.uuid4().hex[:8]}", "--name", "Empty")
    page = open_page(f"/statistics?workflow={flow}", expect_errors=True, color_scheme="dark", **PHONE)
    expect(page.locator("[data-nothing]")).to_contain_text("Nothing on the anvil yet")
    expect(chart(page, "forecast")).to_contain_text("nothing can be foreseen")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    check_access(page)
    page.screenshot(path=shots / "statistics-empty-phone.png", full_page=True)

    page.goto("/statistics?workflow=forge")
    expect(page.locator("[data-live-word]")).to_have_text("Live", timeout=SLOW)
    site.agent.create("Before the lights go out", workflow_id="forge")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    check_access(page)

    # The figures stay where the server does not give new ones, and come with the next try.
    def refuse(route: Route) -> None:
        route.fulfill(status=503, json={"error": {"code": "busy", "message": "Busy.", "retryable": True}})

    page.route("**/api/workflows/forge/metrics*", refuse)
    site.agent.create("While nobody answers", workflow_id="forge")
    lost = page.locator("[data-lost]")
    expect(lost).to_be_visible(timeout=SLOW)
    before = headline(page, "Open tickets done by").inner_text()
    assert before
    page.unroute("**/api/workflows/forge/metrics*", refuse)
    lost.get_by_role("button", name="Try again").click()
    expect(lost).to_be_hidden(timeout=SLOW)
    expect(page.get_by_role("img", name=re.compile("^Tickets by status"))).to_be_visible()
    page.screenshot(path=shots / "statistics-phone-dark.png", full_page=True)
