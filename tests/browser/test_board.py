"""The board in a browser, while agents work through REST and nobody touches the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PASSWORD, Agent, OpenPage, Site

# One worker: they share a server, which takes longer to start than a test.
pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# Marks each card's node, so that a test can tell which were replaced.
MARK = "document.querySelectorAll('.card').forEach(card => { card.marked = true })"
UNMARKED = "[...document.querySelectorAll('.card')].filter(card => !card.marked).map(card => card.dataset.ticketId)"


def card(page: Page, ticket: dict[str, Any]) -> Locator:
    return page.locator(f'[data-ticket-id="{ticket["ticket_id"]}"]')


def column(page: Page, name: str) -> Locator:
    return page.locator(f'[data-column="{name}"]')


@pytest.fixture(scope="module")
def chain(agent: Agent) -> None:
    """A hundred tickets in the column "todo"."""
    for half in range(2):
        titles = [f"Link {half * 50 + number}" for number in range(50)]
        fields = {"description": "One of a long chain.", "initial_status": "todo"}
        agent.post("bulk-create", tickets=[{"title": title, **fields} for title in titles])


def newest(agent: Agent) -> int:
    """The number of the workflow's last event."""
    seq: int = agent.http.get("/api/workflows/forge/events?since=0&limit=1").json()["seq"]
    return seq


def wait_until_live(page: Page) -> Page:
    expect(page.locator("[data-live-word]")).to_have_text("Live")
    return page


def test_sign_in_leads_to_the_board_with_its_tickets(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Forge a hinge", ticket_type="feature", priority="high", tags=["iron"])
    page = open_page("/tickets?workflow=forge")
    expect(page).to_have_title(re.compile("Forge"))
    shown = column(page, "backlog").locator(f'[data-ticket-id="{ticket["ticket_id"]}"]')
    for text in ("Forge a hinge", "FRG-", "High", "iron"):
        expect(shown).to_contain_text(text)
    # The title's link covers the card: a click anywhere opens the ticket.
    shown.click(position={"x": 150, "y": 8})
    expect(page.get_by_role("dialog").get_by_role("heading", level=1)).to_have_text("Forge a hinge")
    expect(page).to_have_url(re.compile(r"/tickets/FRG-\d+$"))


def test_a_wrong_password_stays_at_the_door(open_page: OpenPage, site: Site) -> None:
    page = open_page("/login", sign_in=False)
    page.get_by_label("Name").fill("dana")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not match")


def test_what_agents_do_shows_by_itself(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Temper the blade")
    still = agent.create("Sweep the yard")
    page = wait_until_live(open_page())
    seq = int(page.locator(".board").get_attribute("data-seq") or 0)
    backlog = int(column(page, "backlog").get_attribute("data-total") or 0)
    page.evaluate(MARK)

    agent.move(ticket, "in_progress")
    moved = column(page, "in_progress").locator(f'[data-ticket-id="{ticket["ticket_id"]}"]')
    expect(moved).to_be_visible()
    expect(moved).to_have_class(re.compile("is-warm"))
    expect(moved.locator(".card-heat")).to_contain_text("impl-1 moved it to In Progress · now")
    expect(column(page, "backlog")).to_have_attribute("data-total", str(backlog - 1))
    expect(column(page, "backlog").locator(".col-count")).to_contain_text(str(backlog - 1))
    assert page.evaluate(UNMARKED) == [ticket["ticket_id"]], "only the card that moved was touched"

    created = agent.create("Buy coal", initial_status="review", assigned_agent_id="impl-1")
    expect(column(page, "review").locator(f'[data-ticket-id="{created["ticket_id"]}"]')).to_contain_text("Buy coal")
    expect(column(page, "review").locator(".col-empty")).to_have_count(0)

    agent.post("comment", ticket_id=created["ticket_id"], comment_text="The shop is closed today.")
    expect(card(page, created).locator(".counts")).to_contain_text("1 comment")
    expect(card(page, created).locator(".card-heat")).to_contain_text("impl-1 commented")

    agent.post("update", ticket_id=created["ticket_id"], updates={"title": "Buy charcoal"})
    expect(card(page, created)).to_contain_text("Buy charcoal")

    agent.post("resolve", ticket_id=created["ticket_id"], resolution_comment="Bought two sacks of it.")
    done = column(page, "done").locator(f'[data-ticket-id="{created["ticket_id"]}"]')
    expect(done).to_contain_text("Resolved")
    expect(done).to_have_attribute("data-version", re.compile(r"[2-9]"))
    assert set(page.evaluate(UNMARKED)) == {ticket["ticket_id"], created["ticket_id"]}
    assert page.evaluate("id => document.querySelector(`[data-ticket-id='${id}']`).marked", still["ticket_id"])
    assert newest(agent) >= seq + 5
    expect(page.locator(".board")).to_have_attribute("data-seq", str(newest(agent)))


def test_blockers_come_and_go(open_page: OpenPage, agent: Agent) -> None:
    first, second = agent.create("Light the fire"), agent.create("Heat the iron")
    page = wait_until_live(open_page())
    agent.post("update", ticket_id=second["ticket_id"], updates={"blocked_by_add": [first["ticket_id"]]})
    note = card(page, second).locator(".note-blocked")
    expect(note).to_contain_text(f"Blocked by {first['key']}")
    agent.post("resolve", ticket_id=first["ticket_id"], resolution_comment="The fire burns now.")
    expect(note).to_have_count(0)


def test_a_card_goes_where_its_rank_says(open_page: OpenPage, agent: Agent) -> None:
    tickets = [agent.create(f"Nail {number}", initial_status="in_progress") for number in range(3)]
    page = wait_until_live(open_page())
    agent.post("move", ticket_id=tickets[2]["ticket_id"], before_ticket_id=tickets[0]["ticket_id"])
    keys = column(page, "in_progress").locator(".card", has_text="Nail").locator(".key")
    expect(keys).to_have_text([tickets[n]["key"] for n in (2, 0, 1)])
    page.reload()
    expect(keys).to_have_text([tickets[n]["key"] for n in (2, 0, 1)])


def test_a_card_in_focus_waits_and_says_so(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("The one in focus")
    for number in range(20):
        agent.create(f"Filler {number}")
    page = wait_until_live(open_page())
    link = card(page, ticket).get_by_role("link", name="The one in focus")
    link.focus()
    cards = column(page, "backlog").locator(".cards")
    cards.evaluate("list => { list.scrollTop = 300 }")
    place = "list => list.children[4].getBoundingClientRect().top"
    before = cards.evaluate(place)
    page.evaluate(MARK)
    agent.post("update", ticket_id=ticket["ticket_id"], updates={"priority": "critical"})
    expect(card(page, ticket).locator(".card-waits")).to_contain_text("impl-1 changed priority")
    expect(card(page, ticket)).to_contain_text("Medium")
    expect(link).to_be_focused()
    assert page.evaluate(UNMARKED) == [], "what is in focus is not replaced"
    assert cards.evaluate(place) == pytest.approx(before, abs=1), "what is read does not move"
    card(page, ticket).get_by_role("button", name="View").click()
    expect(card(page, ticket)).to_contain_text("Critical")
    expect(link).to_be_focused()
    agent.move(ticket, "review")
    expect(card(page, ticket).locator(".card-waits")).to_contain_text("moved it to Review")
    # It is shown by itself once the focus leaves.
    page.keyboard.press("Tab")
    page.get_by_role("searchbox").focus()
    expect(column(page, "review").get_by_role("link", name="The one in focus")).to_be_visible()


def test_a_burst_takes_few_requests(open_page: OpenPage, agent: Agent) -> None:
    page = wait_until_live(open_page())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/tickets/cards" in request.url else None)
    batch = [{"title": f"Rivet {number}", "description": "One of a hundred."} for number in range(50)]
    agent.post("bulk-create", tickets=batch)
    expect(page.locator(".board")).to_have_attribute("data-seq", str(newest(agent)))
    assert len(asked) <= 5


@pytest.mark.usefixtures("chain")
def test_more_cards_by_scrolling_and_by_the_link(open_page: OpenPage, agent: Agent) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    todo = column(page, "todo")
    expect(todo.locator(".card")).to_have_count(40)
    todo.locator(".cards").evaluate("list => { list.scrollTop = list.scrollHeight }")
    expect(todo.locator(".card")).to_have_count(80)
    todo.get_by_role("link", name="Show more").click()
    total = int(todo.get_attribute("data-total") or 0)
    expect(todo.locator(".card")).to_have_count(total)
    expect(todo.locator(".col-more")).to_have_count(0)
    keys = todo.locator(".key").all_text_contents()
    assert len(set(keys)) == total


@pytest.mark.usefixtures("chain")
def test_new_cards_below_what_is_loaded_only_count(open_page: OpenPage, agent: Agent) -> None:
    page = wait_until_live(open_page())
    todo = column(page, "todo")
    total = int(todo.get_attribute("data-total") or 0)
    created = agent.create("The last link", initial_status="todo")
    expect(todo.locator("[data-of]")).to_have_text(str(total + 1))
    expect(card(page, created)).to_have_count(0)
    expect(todo.locator(".card")).to_have_count(40)
    # Where agents take what is loaded, the column goes on by itself.
    ids = "cards => cards.slice(0, 30).map(card => card.dataset.ticketId)"
    taken = todo.locator(".card").evaluate_all(ids)
    agent.post("bulk-update", ticket_ids=taken, updates={"status": "review"}, comment="All of them are looked at.")
    expect(todo.locator(".card")).to_have_count(50)
    expect(todo.locator("[data-of]")).to_have_text(str(total + 1 - 30))


@pytest.mark.usefixtures("chain")
def test_the_board_works_without_script(open_page: OpenPage, agent: Agent, site: Site) -> None:
    page = open_page("/tickets?workflow=forge", java_script_enabled=False)
    todo = column(page, "todo")
    expect(todo.locator(".card")).to_have_count(40)
    first = todo.locator(".key").first.text_content()
    todo.get_by_role("link", name="Show more").click()
    assert todo.locator(".key").first.text_content() != first
    todo.get_by_role("link", name="Back to the top").click()
    expect(todo.locator(".key").first).to_have_text(str(first))


def test_the_theme_is_kept(open_page: OpenPage, site: Site) -> None:
    page = open_page("/tickets?workflow=forge", color_scheme="light")
    canvas = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(canvas)
    page.get_by_text("theme and sign out").locator("..").click()
    page.get_by_role("button", name="Dark", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = page.evaluate(canvas)
    assert dark != light
    page.reload()
    assert page.evaluate(canvas) == dark
    page.get_by_role("button", name="Theme: dark").click()
    assert page.evaluate(canvas) == light


def test_a_phone_shows_a_column_at_a_time(open_page: OpenPage, agent: Agent, shots: Path) -> None:
    ticket = agent.create("x" * 300, tags=["a-tag-that-is-rather-long-" + "y" * 20])
    for path in ("/tickets?workflow=forge", f"/tickets/{ticket['key']}", "/connect?workflow=forge"):
        page = open_page(path, **PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert page.evaluate("document.body.scrollWidth") <= 390, path
    page = open_page("/tickets?workflow=forge", **PHONE)
    page.screenshot(path=shots / "board-phone.png")
    drawn: list[str] = []
    page.on("request", lambda request: drawn.append(request.url) if "/tickets?" in request.url else None)
    tab = page.locator('[data-tab="review"]')
    tab.click()
    expect(column(page, "review")).to_be_in_viewport(ratio=0.6)
    expect(tab).to_have_attribute("aria-current", "true")
    assert drawn == [], "a tab scrolls, and draws nothing anew"


def test_hostile_text_runs_nowhere(open_page: OpenPage, agent: Agent) -> None:
    page = wait_until_live(open_page())
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'"
    ticket = agent.create(
        hostile,
        initial_status="review",
        description=f"{hostile}\n\n<b onmouseover=alert(3)>x</b>",
        tags=["<svg onload=alert(4)>"],
    )
    agent.post("comment", ticket_id=ticket["ticket_id"], comment_text=f"[x](javascript:alert(5)) {hostile}")
    expect(card(page, ticket).get_by_role("link")).to_have_text(hostile)
    page.goto(f"/tickets/{ticket['key']}")
    expect(page.get_by_role("heading", level=1)).to_have_text(hostile)
    expect(page.locator("main script:not([type='application/json']), main img")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_anyones_way(
    open_page: OpenPage, agent: Agent, scheme: Any, check_access: Callable[[Page], None], shots: Path
) -> None:
    blocker = agent.create("Mend the bellows", priority="critical", ticket_type="bug", assigned_agent_id="impl-1")
    ticket = agent.create(
        "Blow",
        initial_status="review",
        blocked_by_ticket_ids=[blocker["ticket_id"]],
        tags=["air"],
        description="# A\n\n```\nx\n```",
    )
    agent.post("claim", ticket_id=blocker["ticket_id"])
    page = wait_until_live(open_page("/tickets?workflow=forge", color_scheme=scheme))
    agent.post("comment", ticket_id=ticket["ticket_id"], comment_text="Waiting for the bellows.")
    expect(card(page, ticket)).to_have_class(re.compile("is-warm"))
    check_access(page)
    page.screenshot(path=shots / f"board-{scheme}.png")
    for path in (f"/tickets/{ticket['key']}", "/connect?workflow=forge"):
        page.goto(path)
        check_access(page)
    # A missing page complains in the console by its status, so it is opened where that is expected.
    lost = open_page("/tickets/FRG-99999", color_scheme=scheme, expect_errors=True)
    check_access(lost)
    check_access(open_page("/login", sign_in=False, color_scheme=scheme))
    check_access(open_page("/tickets?workflow=forge", color_scheme=scheme, **PHONE))


def test_the_keyboard_reaches_everything(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Reached by keys", initial_status="review")
    page = open_page("/tickets?workflow=forge")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    link = card(page, ticket).get_by_role("link")
    link.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(link).to_be_focused()
    # The ring is the card's: its link covers it.
    assert card(page, ticket).evaluate("card => getComputedStyle(card).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("heading", level=1)).to_have_text("Reached by keys")


def test_the_menu_closes_by_escape(open_page: OpenPage, site: Site) -> None:
    page = open_page("/tickets?workflow=forge")
    summary = page.locator("summary.picker")
    summary.click()
    expect(page.get_by_role("navigation", name="Workflows")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("navigation", name="Workflows")).to_be_hidden()
    expect(summary).to_be_focused()


def test_the_board_follows_a_change_of_its_columns(open_page: OpenPage, site: Site) -> None:
    token = site.installed.manage("create_agent", "planner-1", "--workflow", "forge", "--role", "maintainer")
    headers = {"Authorization": f"Bearer {token.strip().splitlines()[-1]}"}
    address = "/api/workflows/forge/board"
    board = site.agent.http.get(f"{address}/export").json()
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    board["columns"][3]["name"] = "Inspection"
    answer = site.agent.http.put(address, json={"board": board}, headers=headers)
    assert answer.status_code == 200, answer.text
    expect(column(page, "review").get_by_role("heading", level=2)).to_have_text("Inspection")
    expect(page.locator('[data-tab="review"]')).to_contain_text("Inspection")


def test_an_ended_session_is_said(open_page: OpenPage, site: Site) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge", expect_errors=True))
    other = page.context.new_page()
    other.goto("/connect?workflow=forge")
    other.get_by_text("theme and sign out").locator("..").click()
    other.get_by_role("button", name="Sign out").click()
    # The server looks every ten seconds whether the session still stands.
    expect(page.locator("[data-says]")).to_contain_text("You are signed out", timeout=30_000)
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute(
        "href", re.compile(r"/login\?next=%2Ftickets%3Fworkflow%3Dforge")
    )
    expect(page.locator("[data-live-word]")).to_have_text("Not live")
    # Back from signing in in the other tab: it is live again, and has what happened meanwhile.
    ticket = site.agent.create("While nobody was signed in", initial_status="review")
    other.goto("/login")
    other.get_by_label("Name").fill("dana")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url(lambda url: "/login" not in url)
    page.evaluate("dispatchEvent(new Event('focus'))")
    wait_until_live(page)
    expect(card(page, ticket)).to_be_visible()
    expect(page.locator("[data-says]")).not_to_contain_text("signed out")
