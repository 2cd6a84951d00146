"""The dependency graph as people use it: by keys, by mouse, as a list, beside agents at work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.board_page import HOSTILE, TITLES, WIDE, wait_until_live
from tests.browser.conftest import Agent, OpenPage

pytestmark = pytest.mark.browser

MARK = "document.querySelectorAll('.node').forEach(node => { node.marked = node.firstChild })"
REPAINTED = (
    "[...document.querySelectorAll('.node')].filter(node => node.marked !== node.firstChild).map(n => n.dataset.key)"
)
LINES = ".graph-lines .line:not(.is-draft, .is-refused)"

Ticket = dict[str, Any]


def chain(agent: Agent, flow: str, *titles: str, **fields: Any) -> list[Ticket]:
    """Tickets of which each waits for the one before."""
    made: list[Ticket] = []
    for title in titles:
        waits = [made[-1]["ticket_id"]] if made else []
        made.append(agent.create(title, workflow_id=flow, blocked_by_ticket_ids=waits, **fields))
    return made


def graph(open_page: OpenPage, flow: str, query: str = "", **options: Any) -> Page:
    return wait_until_live(open_page(f"/graph?workflow={flow}{query}", **options))


def node(page: Page, ticket: Ticket) -> Locator:
    return page.locator(f'.node[data-key="{ticket["key"]}"]')


def panel(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Chosen ticket")


def transform(page: Page) -> str:
    style: str = page.locator(".graph-world").evaluate("world => world.style.transform")
    return style


def scale(page: Page) -> float:
    return float(re.findall(r"scale\(([\d.]+)\)", transform(page))[0])


def blockers(agent: Agent, ticket: Ticket) -> list[str]:
    found: list[str] = agent.http.get(f"/api/tickets/{ticket['ticket_id']}").json()["ticket"]["blocked_by_ticket_ids"]
    return found


def connect(page: Page, ticket: Ticket, other: Ticket) -> None:
    """By keys alone: the other one waits for the ticket."""
    node(page, ticket).focus()
    page.keyboard.press("c")
    field = page.get_by_role("combobox", name=f"Ticket that waits for {ticket['key']}")
    expect(field).to_be_focused()
    field.press_sequentially(other["key"])
    expect(page.locator("[data-dock] [role=option]").first).to_contain_text(other["key"])
    page.keyboard.press("Enter")
    expect(page.locator("[data-dock]")).to_have_count(0)


def test_the_graph_by_keyboard_alone(open_page: OpenPage, agent: Agent, flow: str) -> None:
    first, second, third = chain(agent, flow, "Dig", "Lay bricks", "Put a roof on")
    beside = agent.create("Order doors", workflow_id=flow, blocked_by_ticket_ids=[first["ticket_id"]])
    page = graph(open_page, flow)
    expect(page.locator(".node")).to_have_count(4)
    expect(page.locator(LINES)).to_have_count(3)
    expect(page.locator(".line.is-critical")).to_have_count(2)
    expect(page.locator('.node[tabindex="0"]')).to_have_count(1)
    # One stop for Tab; then arrows along the lines, the critical path first.
    page.get_by_role("button", name="Connect", exact=True).focus()
    page.keyboard.press("Tab")
    expect(node(page, first)).to_be_focused()
    expect(panel(page)).to_contain_text("Resolving this frees 3, 2 of them at once:")
    page.keyboard.press("ArrowRight")
    expect(node(page, second)).to_be_focused()
    expect(node(page, second)).to_have_accessible_name(
        re.compile(rf"{second['key']} Lay bricks; .*blocked; waits for {first['key']}; blocks {third['key']}; frees 1")
    )
    expect(node(page, first)).to_have_class(re.compile("is-up"))
    expect(node(page, third)).to_have_class(re.compile("is-down is-freed|is-freed.*is-down|is-down.*is-freed"))
    expect(page.locator(".line.is-way")).to_have_count(2)
    page.keyboard.press("ArrowDown")
    expect(node(page, beside)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(node(page, first)).to_be_focused()
    # Zoom.
    page.keyboard.press("+")
    larger = scale(page)
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert scale(page) < larger
    page.keyboard.press("0")
    # Enter opens the ticket over it, and the focus comes back.
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.locator("dialog.sheet[open]")
    expect(dialog).to_have_attribute("data-ticket-id", second["ticket_id"])
    assert page.url.endswith(f"/tickets/{second['key']}")
    agent.move(first, "doing")
    expect(node(page, first)).to_have_accessible_name(re.compile("Doing"))
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(node(page, second)).to_be_focused()
    expect(page).to_have_url(re.compile(f"/graph.*workflow={flow}"))
    # A dependency is added and taken away again.
    connect(page, beside, third)
    expect(page.locator(LINES)).to_have_count(4)
    expect(node(page, beside)).to_be_focused()
    assert blockers(agent, third) == [second["ticket_id"], beside["ticket_id"]]
    panel(page).get_by_role("button", name=f"Remove: {third['key']} waits for {beside['key']}").press("Enter")
    expect(page.locator(LINES)).to_have_count(3)
    assert blockers(agent, third) == [second["ticket_id"]]
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.locator(LINES)).to_have_count(4)
    expect(page.locator(".node:focus")).to_have_count(1)
    assert blockers(agent, third) == [second["ticket_id"], beside["ticket_id"]]


def test_a_cycle_is_refused_and_shown(
    open_page: OpenPage, agent: Agent, flow: str, check_access: Any, shots: Path
) -> None:
    first, second, third = chain(agent, flow, "Egg", "Hen", "Farm")
    page = graph(open_page, flow)
    connect(page, third, first)
    told = page.get_by_role("alert")
    expect(told).to_contain_text(
        f"That would be a cycle, so it was not done: {first['key']} waits for {third['key']} "
        f"waits for {second['key']} waits for {first['key']}."
    )
    expect(page.locator(".node.is-cycle")).to_have_count(3)
    # The two lines that there are, and the one that was refused.
    expect(page.locator(".line.is-cycle")).to_have_count(3)
    expect(page.locator(".line.is-refused")).to_have_count(1)
    assert blockers(agent, first) == []
    check_access(page)
    page.screenshot(path=shots / "graph-cycle.png")
    told.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".is-cycle")).to_have_count(0)
    expect(page.locator(LINES)).to_have_count(2)


def test_the_mouse_draws_dependencies_and_moves_the_drawing(open_page: OpenPage, agent: Agent, flow: str) -> None:
    first, second = chain(agent, flow, "One", "Two")
    other, last = chain(agent, flow, "Three", "Four")
    page = graph(open_page, flow)
    node(page, second).hover()
    expect(panel(page)).to_contain_text("Two")
    grip = page.locator(".handle.is-blocks")
    grip.hover()
    page.mouse.down()
    box = node(page, last).bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 30, steps=8)
    expect(node(page, last)).to_have_class(re.compile("is-target"))
    expect(page.locator(".line.is-draft")).to_have_count(1)
    page.mouse.up()
    expect(page.locator(LINES)).to_have_count(3)
    expect(page.locator(".line.is-draft")).to_have_count(0)
    assert set(blockers(agent, last)) == {other["ticket_id"], second["ticket_id"]}
    # The other way: what it is dragged to blocks it.
    node(page, other).hover()
    expect(panel(page)).to_contain_text("Three")
    page.locator(".handle.is-waits").hover()
    page.mouse.down()
    box = node(page, first).bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 30, steps=8)
    page.mouse.up()
    expect(page.locator(LINES)).to_have_count(4)
    assert blockers(agent, other) == [first["ticket_id"]]
    # A drag on the ground, or on a card, moves the drawing and opens nothing.
    before = transform(page)
    node(page, first).hover()
    page.mouse.down()
    page.mouse.move(500, 300, steps=5)
    page.mouse.up()
    assert transform(page) != before
    expect(page.locator("dialog[open]")).to_have_count(0)
    small = scale(page)
    page.mouse.wheel(0, 240)
    page.wait_for_function(f"() => !document.querySelector('.graph-world').style.transform.endsWith('scale({small})')")
    assert scale(page) < small
    page.get_by_role("button", name="Show all").click()
    node(page, first).click()
    expect(page.locator("dialog.sheet[open]")).to_have_attribute("data-ticket-id", first["ticket_id"])


def test_what_agents_do_changes_the_drawing_where_it_stands(open_page: OpenPage, agent: Agent, flow: str) -> None:
    first, second, third = chain(agent, flow, "Plan", "Build", "Ship")
    page = graph(open_page, flow)
    node(page, second).focus()
    page.keyboard.press("+")
    before = transform(page)
    page.evaluate(MARK)
    agent.post("update", ticket_id=third["ticket_id"], updates={"title": "Ship it at last"})
    expect(node(page, third)).to_contain_text("Ship it at last")
    assert page.evaluate(REPAINTED) == [third["key"]]
    # What was the beginning is done: it goes, the others stay where they were.
    places = [node(page, ticket).bounding_box() for ticket in (second, third)]
    agent.post("resolve", ticket_id=first["ticket_id"], resolution_comment="Done as described.")
    expect(page.locator(".node")).to_have_count(2)
    expect(node(page, second)).not_to_have_class(re.compile("is-blocked"))
    expect(node(page, second)).to_be_focused()
    assert transform(page) == before
    assert [node(page, ticket).bounding_box() for ticket in (second, third)] == places
    # A new one needs room: all may move, the one in focus stays in its place on the screen.
    agent.create("Announce", workflow_id=flow, blocked_by_ticket_ids=[second["ticket_id"]])
    expect(page.locator(".node")).to_have_count(3)
    page.wait_for_timeout(400)  # cards glide to their places
    now = node(page, second).bounding_box()
    assert now
    assert places[0]
    assert abs(now["x"] - places[0]["x"]) < 2
    assert abs(now["y"] - places[0]["y"]) < 2
    expect(node(page, second)).to_be_focused()


def test_the_list_says_the_same_and_does_the_same(
    open_page: OpenPage, agent: Agent, flow: str, check_access: Any
) -> None:
    first, second, third = chain(agent, flow, "Root", "Stem", "Leaf")
    page = graph(open_page, flow)
    page.get_by_role("button", name="List").click()
    expect(page).to_have_url(re.compile("view=list"))
    expect(page.get_by_role("region", name="Drawing")).to_be_hidden()
    shown = page.get_by_role("region", name="List", exact=True)
    heads = shown.get_by_role("heading", level=2)
    expect(heads).to_have_text(["Waits for nothing (1)", "1 before it (1)", "2 before it (1)"])
    row = shown.locator(f'[data-key="{second["key"]}"]')
    said = row.locator("dl")
    expect(said).to_contain_text(f"Waits for{first['key']}")
    expect(said).to_contain_text(f"Blocks{third['key']}")
    expect(said).to_contain_text(f"Resolving this frees 1: {third['key']}")
    expect(said).to_contain_text("1 ticket before it, 1 behind it.")
    expect(row).to_contain_text("Critical path")
    # Every pair that the drawing draws is in the list, in both directions.
    pairs = page.evaluate(
        """() => [...document.querySelectorAll('.graph-row')].flatMap(row => {
          const keys = dd => [...dd.querySelectorAll('a')].map(a => a.textContent);
          const [waits, blocks] = [...row.querySelectorAll('dd')].map(keys);
          return [...waits.map(key => `${key}>${row.dataset.key}`), ...blocks.map(key => `${row.dataset.key}>${key}`)];
        })"""
    )
    expected = [f"{first['key']}>{second['key']}", f"{second['key']}>{third['key']}"]
    assert sorted(pairs) == sorted(expected * 2)
    check_access(page)
    # Connect and remove by keys.
    connecter = shown.get_by_role("button", name=f"Connect {first['key']}")
    connecter.press("Enter")
    page.get_by_role("combobox").press_sequentially(third["key"])
    expect(page.locator("[data-dock] [role=option]").first).to_contain_text(third["key"])
    page.keyboard.press("Enter")
    expect(shown.locator(f'[data-key="{third["key"]}"] dl')).to_contain_text(first["key"])
    expect(connecter).to_be_focused()
    shown.get_by_role("button", name=f"Change the dependencies of {third['key']}").press("Enter")
    panel(page).get_by_role("button", name=f"Remove: {third['key']} waits for {first['key']}").press("Enter")
    expect(shown.locator(f'[data-key="{third["key"]}"] dl')).not_to_contain_text(first["key"])
    # A reader's place is kept while an agent works.
    link = row.get_by_role("link", name="Stem")
    link.focus()
    agent.post("update", ticket_id=second["ticket_id"], updates={"title": "Stem and bark"})
    expect(row).to_contain_text("Stem and bark")
    expect(row.get_by_role("link", name="Stem and bark")).to_be_focused()


def test_any_text_keeps_to_its_card_and_on_a_phone_the_list_comes_first(
    open_page: OpenPage, agent: Agent, flow: str, check_access: Any, shots: Path
) -> None:
    made = chain(agent, flow, *TITLES, priority="critical")
    agent.post("block", ticket_id=made[0]["ticket_id"], reason=HOSTILE)
    page = graph(open_page, flow, color_scheme="dark")
    expect(page.locator(".node")).to_have_count(len(TITLES))
    node(page, made[2]).focus()
    expect(panel(page)).to_contain_text("שלום")
    check_access(page)
    page.screenshot(path=shots / "graph-dark.png")
    assert page.evaluate("window.pwned") is None
    sizes = page.locator(".node").evaluate_all(
        "nodes => nodes.map(node => [node.offsetWidth, node.offsetHeight].join())"
    )
    assert set(sizes) == {"212,84"}
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = graph(open_page, flow, **phone)
    expect(page.get_by_role("region", name="List", exact=True)).to_be_visible()
    expect(page.locator(".graph-row")).to_have_count(len(TITLES))
    check_access(page)
    assert page.evaluate(WIDE) <= 0
    page.screenshot(path=shots / "graph-phone-list.png")
    page.get_by_role("button", name="Drawing").tap()
    expect(page.locator(".node")).to_have_count(len(TITLES))
    page.screenshot(path=shots / "graph-phone.png")
    assert page.evaluate(WIDE) <= 0
    # A tap opens the ticket, wherever its card stands; then the panel tells of it.
    view = page.locator(".graph-view").bounding_box()
    box = node(page, made[0]).bounding_box()
    assert view
    assert box
    page.mouse.move(view["x"] + 8, view["y"] + 8)
    page.mouse.down()
    page.mouse.move(view["x"] + 8, view["y"] + view["height"] - box["y"] + 8)
    page.mouse.up()
    node(page, made[0]).tap()
    expect(page.locator("dialog.sheet[open]")).to_have_attribute("data-ticket-id", made[0]["ticket_id"])
    page.keyboard.press("Escape")
    expect(panel(page)).to_contain_text(HOSTILE)


def test_a_large_graph_is_read_in_part_and_seen_as_a_whole(open_page: OpenPage, agent: Agent, flow: str) -> None:
    roots = [agent.create(f"Root {number}", workflow_id=flow) for number in range(4)]
    made = list(roots)
    for number in range(76):
        waits = [made[-4]["ticket_id"]] + ([made[-3]["ticket_id"]] if number % 5 == 0 else [])
        made.append(agent.create(f"Step {number}", workflow_id=flow, blocked_by_ticket_ids=waits))
    page = graph(open_page, flow)
    expect(page.locator(".node")).to_have_count(80)
    expect(page.locator(LINES)).to_have_count(76 + 16)
    view = page.locator(".graph-view")
    # It begins where the critical path does, near enough to be read; what is out of sight is not filled in yet.
    expect(view).to_have_attribute("data-level", "near")
    assert 0 < page.locator(".node-title").count() < 80
    page.locator('.node[tabindex="0"]').focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    focused = page.locator(".node:focus")
    expect(focused.locator(".node-title")).to_contain_text("Step")
    box, frame = focused.bounding_box(), view.bounding_box()
    assert box
    assert frame
    assert frame["x"] <= box["x"]
    assert box["x"] + box["width"] <= frame["x"] + frame["width"]
    page.keyboard.press("0")
    expect(view).to_have_attribute("data-level", re.compile("mid|far"))
    ends = page.locator(".node").evaluate_all(
        "nodes => nodes.map(n => n.getBoundingClientRect()).map(b => [b.left, b.right])"
    )
    assert min(left for left, _ in ends) >= frame["x"]
    assert max(right for _, right in ends) <= frame["x"] + frame["width"]
    # Around one ticket it is small again.
    panel(page).get_by_role("link", name="Only what is around it").click()
    expect(page.get_by_role("list", name="Filters in force")).to_contain_text("2 away")
    page.wait_for_function(
        "() => document.querySelectorAll('.node').length > 2 && document.querySelectorAll('.node').length < 20"
    )
    expect(page.locator(".node.is-current")).to_have_count(1)


def test_an_empty_graph_says_what_to_do(open_page: OpenPage, agent: Agent, flow: str, check_access: Any) -> None:
    agent.create("Alone", workflow_id=flow)
    page = graph(open_page, flow)
    expect(page.get_by_text("Nothing waits for anything.")).to_be_visible()
    check_access(page)
    page.get_by_role("link", name="Show the tickets that are tied to nothing").click()
    expect(page.locator(".node")).to_have_count(1)
    page = graph(open_page, flow, "&blocked=true")
    expect(page.get_by_text("Nothing fits these filters.")).to_be_visible()
