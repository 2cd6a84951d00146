"""The board's bar and what it arranges: filters, order, lanes, views, folded columns, several cards at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.board_page import STRICT, Operator, card, column, drag, expect_stored, link, placed, wait_until_live
from tests.browser.conftest import PASSWORD, Agent, OpenPage, Site

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def tickets(agent: Agent) -> dict[str, dict[str, Any]]:
    """Four tickets in "todo" that differ in what one filters by."""
    common = {"initial_status": "todo", "workflow_id": "forge"}
    made = {
        "bug": agent.create("Leaking bellows", ticket_type="bug", priority="high", tags=["air"], **common),
        "task": agent.create(
            "Oil the hinges", priority="low", assigned_agent_id="impl-1", tags=["oil", "air"], **common
        ),
        "blocked": agent.create("Hang the door", is_blocked=True, blocked_reason="No door yet.", **common),
    }
    made["part"] = agent.create("Cut the hinge pins", parent_ticket_id=made["task"]["ticket_id"], **common)
    return made


def shown(page: Page) -> set[str]:
    return set(column(page, "todo").locator(".key").all_text_contents())


def test_filters_live_in_the_address(open_page: OpenPage, agent: Agent, tickets: dict[str, Any]) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    page.evaluate("window.same = true")
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Bug").check(force=True)
    expect(page.locator(".chip")).to_have_text(re.compile("TypeBug"))
    expect(page).to_have_url(re.compile("type=bug"))
    expect(column(page, "todo").locator(".key")).to_have_text([tickets["bug"]["key"]])
    expect(page.locator("[data-summary]")).to_contain_text(re.compile(r"1 of \d+ tickets"))
    expect(column(page, "todo").locator(".col-count")).to_contain_text(re.compile(r"1 of \d+"))
    page.keyboard.press("Escape")

    # What an agent does shows only where it fits the filter, and leaves where it no longer does.
    other = agent.create("Not a bug", workflow_id="forge", initial_status="todo")
    fits = agent.create("Another bug", workflow_id="forge", ticket_type="bug", initial_status="todo")
    expect(card(page, fits)).to_be_visible()
    expect(card(page, other)).to_have_count(0)
    agent.post("update", ticket_id=fits["ticket_id"], updates={"ticket_type": "task"})
    expect(card(page, fits)).to_have_count(0)

    page.get_by_role("link", name="Remove the filter Type Bug").click()
    expect(card(page, tickets["task"])).to_be_visible()
    page.go_back()
    expect(card(page, tickets["task"])).to_have_count(0)
    assert page.evaluate("window.same"), "nothing of this loaded the page anew"


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("tag=air", {"bug", "task"}),
        ("tag=air&tag=oil", {"task"}),
        ("agent=impl-1", {"task"}),
        ("agent=none&priority=high", {"bug"}),
        ("blocked=true", {"blocked"}),
        ("q=hinge", {"task", "part"}),
        ("q=HINGE pins", {"part"}),
        ("status=review", set()),
    ],
)
def test_each_filter_is_applied_by_the_server(
    open_page: OpenPage, tickets: dict[str, Any], query: str, keys: set[str]
) -> None:
    page = open_page(f"/tickets?workflow=forge&{query}", java_script_enabled=False)
    ours = {ticket["key"] for ticket in tickets.values()}
    assert shown(page) & ours == {tickets[name]["key"] for name in keys}


def test_a_filter_that_fits_nothing_says_so(open_page: OpenPage, tickets: dict[str, Any]) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    page.keyboard.press("/")
    field = page.get_by_role("searchbox")
    expect(field).to_be_focused()
    field.press_sequentially("xylophone")
    expect(page.locator("[data-says]")).to_contain_text("Nothing matches.")
    expect(field).to_be_focused()
    expect(field).to_have_value("xylophone")
    page.get_by_role("link", name="Show all tickets").click()
    expect(card(page, tickets["bug"])).to_be_visible()
    expect(field).to_have_value("")


def test_a_board_that_does_not_load_stays_and_says_so(open_page: OpenPage, tickets: dict[str, Any]) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge", expect_errors=True))
    page.route("**/tickets?*", lambda route: route.abort())
    page.get_by_role("searchbox").fill("hinge")
    expect(page.locator("[data-says]")).to_contain_text("The board did not load.")
    expect(card(page, tickets["bug"])).to_be_visible()
    page.unroute("**/tickets?*")
    page.get_by_role("button", name="Try again").click()
    expect(card(page, tickets["bug"])).to_have_count(0)
    expect(card(page, tickets["part"])).to_be_visible()
    expect(page.locator("[data-says]")).not_to_contain_text("did not load")


def test_the_last_filter_stays_and_no_text_is_lost_to_it(
    open_page: OpenPage, agent: Agent, tickets: dict[str, Any]
) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    link(page, tickets["bug"]).focus()
    page.keyboard.press("r")
    field = page.get_by_label(f"How was {tickets['bug']['key']} resolved?")
    field.fill("New leather, sewn twice.")
    page.evaluate("""() => {
        const real = fetch;
        window.fetch = async (address, options) => {
            const answer = await real(address, options);
            if (String(address).includes("q=xylo")) await new Promise(done => { setTimeout(done, 1500); });
            document.body.dataset.came = String(address);
            return answer;
        };
    }""")
    find = page.get_by_role("searchbox")
    find.fill("xylophone")
    expect(page).to_have_url(re.compile("q=xylophone"))
    expect(page.locator(".board")).to_have_attribute("aria-busy", "true")
    find.fill("bellows")
    expect(page.locator("body")).to_have_attribute("data-came", re.compile("q=xylophone"))
    expect(column(page, "todo").locator(".key")).to_have_text([tickets["bug"]["key"]])
    expect(page.locator(".board[aria-busy]")).to_have_count(0)
    # The form went with the columns; its text did not, and the card is not held by it any more.
    expect(page.locator(".card-form")).to_have_count(0)
    agent.post("update", ticket_id=tickets["bug"]["ticket_id"], updates={"title": "Leaking bellows, still"})
    expect(card(page, tickets["bug"])).to_contain_text("still")
    link(page, tickets["bug"]).focus()
    page.keyboard.press("r")
    expect(field).to_have_value("New leather, sewn twice.")


def test_columns_are_sorted(open_page: OpenPage, agent: Agent, tickets: dict[str, Any]) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge&sort=priority"))
    keys = column(page, "todo").locator(".key")
    assert keys.first.text_content() == tickets["bug"]["key"]
    urgent = agent.create("At once", workflow_id="forge", priority="critical", initial_status="todo")
    expect(keys.first).to_have_text(urgent["key"])
    agent.post("update", ticket_id=urgent["ticket_id"], updates={"priority": "low"})
    expect(keys.first).to_have_text(tickets["bug"]["key"])
    page.locator("[data-swap=sort] > summary").click()
    page.get_by_role("link", name="Latest change").click()
    expect(page).to_have_url(re.compile("sort=updated"))
    expect(keys.first).to_have_text(urgent["key"])


@pytest.mark.parametrize("by", ["agent", "type", "priority", "parent"])
def test_lanes(open_page: OpenPage, agent: Agent, tickets: dict[str, Any], by: str) -> None:
    lanes = {
        "agent": ("impl-1", "Unassigned"),
        "type": ("Task", "Bug"),
        "priority": ("Low", "High"),
        "parent": ("No parent", "No parent"),
    }
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    page.get_by_text("Lanes", exact=True).click()
    page.get_by_role("navigation", name="Lanes").get_by_role("link", name=by.capitalize()).click()
    for name, lane in zip(("task", "bug"), lanes[by], strict=True):
        where = page.get_by_role("region", name=re.compile(f"^{lane}"))
        expect(where.locator(f'[data-ticket-id="{tickets[name]["ticket_id"]}"]')).to_be_visible()
    if by == "agent":
        there = page.get_by_role("region", name=re.compile("^impl-1"))
        expect(there.locator(".lane-count")).to_have_text("1 ticket")
        agent.post("assign", ticket_id=tickets["bug"]["ticket_id"], assigned_agent_id="impl-1")
        expect(there.locator(".lane-count")).to_have_text("2 tickets")
        expect(there.locator(f'[data-ticket-id="{tickets["bug"]["ticket_id"]}"]')).to_be_visible()
        # Carried into another lane, it is given to whom the lane belongs.
        nobody = page.get_by_role("list", name="Unassigned, To Do")
        drag(page, tickets["bug"], nobody, at=0.3)
        expect(nobody.locator(f'[data-ticket-id="{tickets["bug"]["ticket_id"]}"]')).to_be_visible()
        expect(page.locator("[data-announcer]")).to_contain_text("moved")
        expect_stored(page, agent, tickets["bug"], assigned_agent_id=None)


def test_a_view_is_kept_and_shared(
    open_page: OpenPage, site: Site, tickets: dict[str, Any], check_access: Callable[[Page], None]
) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge&type=bug&sort=priority"))
    page.get_by_text("Views", exact=True).click()
    page.get_by_label("Keep this view as").fill(HOSTILE[:50])
    page.get_by_label("Share it with all").check()
    page.get_by_role("button", name="Keep view").click()
    expect(page.locator(".toast")).to_contain_text("kept and shared")
    page.goto("/tickets?workflow=forge")
    page.get_by_text("Views", exact=True).click()
    check_access(page)
    page.locator(".view-menu").get_by_role("link", name=HOSTILE[:50]).click()
    expect(page).to_have_url(re.compile("type=bug&sort=priority"))

    site.installed.manage(
        "createsuperuser", "--noinput", "--username=noor", "--email=noor@example.org",
        env={"DJANGO_SUPERUSER_PASSWORD": PASSWORD},
    )  # fmt: skip
    other = open_page("/login", sign_in=False)
    other.get_by_label("Name").fill("noor")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url(lambda url: "/login" not in url)
    other.goto("/tickets?workflow=forge")
    other.get_by_text("Views", exact=True).click()
    expect(other.get_by_role("button", name=re.compile("Forget"))).to_have_count(0)
    other.locator(".view-menu").get_by_role("link", name=HOSTILE[:50]).click()
    expect(column(other, "todo").locator(".key")).to_have_text([tickets["bug"]["key"]])

    page.get_by_text("Views", exact=True).click()
    page.get_by_role("button", name=re.compile("Forget")).click()
    expect(page.locator(".view-row")).to_have_count(0)


def test_a_folded_column_stays_folded(open_page: OpenPage, agent: Agent, tickets: dict[str, Any]) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    todo = column(page, "todo")
    todo.locator(".col-head").hover()
    todo.get_by_role("button", name="Collapse To Do").click()
    expect(card(page, tickets["bug"])).to_be_hidden()
    page.reload()
    expect(card(page, tickets["bug"])).to_be_hidden()
    # A card that is carried through it is in sight all the way, and opens it where it is dropped.
    carried = agent.create("Carried through a fold", workflow_id="forge", initial_status="backlog")
    link(page, carried).focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-dock=move]")).to_contain_text("to To Do")
    expect(link(page, carried)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(card(page, tickets["bug"])).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect_stored(page, agent, carried, status="todo")
    expect(link(page, carried)).to_be_focused()
    expect(card(page, tickets["bug"])).to_be_visible()


def test_several_cards_change_at_once(open_page: OpenPage, agent: Agent, operator: Operator) -> None:
    yard = operator.new_workflow("yard", STRICT)
    made = [agent.create(f"Plank {number}", workflow_id=yard) for number in range(4)]
    stuck = agent.create("Nailed down", workflow_id=yard, is_blocked=True, blocked_reason="Nails.")
    page = wait_until_live(open_page(f"/tickets?workflow={yard}"))
    dock = page.locator("[data-dock=bulk]")
    link(page, made[0]).click(modifiers=["Control"])
    link(page, made[2]).click(modifiers=["Shift"])
    expect(dock).to_contain_text("3 selected")
    expect(page).to_have_url(re.compile(f"workflow={yard}"))
    link(page, made[0]).focus()
    page.keyboard.press("x")
    expect(dock).to_contain_text("2 selected")
    page.keyboard.press("x")
    link(page, made[2]).focus()
    page.keyboard.press("Shift+ArrowDown")
    expect(dock).to_contain_text("4 selected")
    # A change from elsewhere does not take a card out of the selection.
    agent.post("update", ticket_id=made[1]["ticket_id"], updates={"title": "Plank, planed"})
    expect(card(page, made[1])).to_contain_text("Plank, planed")
    expect(card(page, made[1])).to_have_class(re.compile("is-selected"))
    dock.get_by_role("button", name="Priority…").click()
    page.get_by_role("menuitem", name="High").click()
    expect(column(page, "open").locator(".prio-high")).to_have_count(4)
    expect(dock).to_have_count(0)

    link(page, made[3]).focus()
    page.keyboard.press("x")
    link(page, stuck).click(modifiers=["Control"])
    dock.get_by_role("button", name="Move to…").click()
    page.get_by_role("menuitem", name=re.compile("Done")).click()
    expect(placed(page, "done", made[3])).to_be_visible()
    expect(card(page, stuck).get_by_role("alert")).to_contain_text("it is blocked by hand")
    expect(dock).to_contain_text("1 selected")
    page.keyboard.press("Escape")
    expect(dock).to_have_count(0)


def test_two_tabs_show_the_same(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Seen twice", workflow_id="forge", initial_status="todo")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    other = page.context.new_page()
    other.goto("/tickets?workflow=forge")
    wait_until_live(other)
    page.bring_to_front()
    link(page, ticket).focus()
    page.keyboard.press("m")
    page.get_by_role("menuitem", name=re.compile("Review")).click()
    expect(placed(page, "review", ticket)).to_be_visible()
    expect(placed(other, "review", ticket)).to_be_visible()


def test_any_text_is_only_text(
    open_page: OpenPage, agent: Agent, operator: Operator, check_access: Callable[[Page], None], shots: Path
) -> None:
    board = {
        "columns": [{"id": "a", "name": HOSTILE}, {"id": "b", "name": "تم <b>"}],
        "ticket_types": [{"id": "odd", "name": HOSTILE, "icon": "<b>"}],
    }
    odd = operator.new_workflow("odd", board, name=HOSTILE)
    texts = ["ل" * 3 + " دعم الكتابة من اليمين إلى اليسار 🚀", "x" * 500, f"{HOSTILE} and more"]
    made = [
        agent.create(text, workflow_id=odd, tags=[HOSTILE[:50], "🛡️"], is_blocked=True, blocked_reason=HOSTILE)
        for text in texts
    ]
    for scheme in ("light", "dark"):
        page = wait_until_live(open_page(f"/tickets?workflow={odd}", color_scheme=scheme))
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        for ticket, text in zip(made, texts, strict=True):
            expect(link(page, ticket)).to_have_text(text)
        assert page.evaluate("document.documentElement.scrollWidth") <= 1440
        page.get_by_text("Filter", exact=True).click()
        check_access(page)
        page.keyboard.press("Escape")
        link(page, made[0]).focus()
        page.keyboard.press(".")
        check_access(page)
        page.keyboard.press("Escape")
        page.keyboard.press("Space")
        check_access(page)
        page.keyboard.press("Escape")
        page.keyboard.press("x")
        check_access(page)
        page.keyboard.press("Shift+?")
        expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
        check_access(page)
        page.keyboard.press("Escape")
        page.goto(f"/tickets?workflow={odd}&lanes=type&tag=%3Cimg&q=%3Cscript%3E")
        expect(page.locator(".chip")).to_have_count(2)
        page.goto(f"/tickets?workflow={odd}&lanes=type")
        expect(page.locator(".lane")).to_have_count(1)
        check_access(page)
        page.screenshot(path=shots / f"board-lanes-{scheme}.png")
        expect(page.locator("main script:not([type]), main img")).to_have_count(0)
    phone = wait_until_live(open_page(f"/tickets?workflow={odd}", **PHONE))
    phone.locator(".card-menu").first.tap()
    expect(phone.get_by_role("menu")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
