"""A ticket over the board, as people use it, while an agent works on the same ticket through REST."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.board_page import REVIEWED, STRICT, TALKATIVE, Operator, card, link, stored, wait_until_live
from tests.browser.conftest import Agent, OpenPage, Site

pytestmark = pytest.mark.browser

DESCRIPTION = """## Why

Cold iron does **not** bend.

- wood
- coal

```python
def light(fire):
    return fire + 1
```
"""
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


class Smith(Agent):
    """The site's agent, who means the workflow "forge" unless told otherwise."""

    def create(self, title: str, **fields: Any) -> dict[str, Any]:
        return super().create(title, **{"workflow_id": "forge", **fields})


@pytest.fixture(scope="module")
def agent(site: Site) -> Agent:
    return Smith(site.agent.http)


@pytest.fixture(scope="module")
def rich(agent: Agent) -> dict[str, Any]:
    """A ticket with some of everything."""
    parent = agent.create("Open the forge")
    blocker = agent.create("Buy coal for the winter")
    other = agent.create("Sweep the chimney")
    ticket = agent.create(
        "Light the fire before dawn",
        description=DESCRIPTION,
        ticket_type="feature",
        priority="high",
        tags=["fire", "morning"],
        parent_ticket_id=parent["ticket_id"],
        blocked_by_ticket_ids=[blocker["ticket_id"]],
        related_ticket_ids=[other["ticket_id"]],
        estimate_minutes=135,
        story_points=5,
        assigned_agent_id="impl-1",
    )
    agent.create("Bring the water", blocked_by_ticket_ids=[ticket["ticket_id"]])
    agent.create("Split the wood", parent_ticket_id=ticket["ticket_id"])
    first = agent.post("comment", ticket_id=ticket["ticket_id"], comment_text="Is there `dry` wood, @impl-1?")
    agent.post(
        "comment", ticket_id=ticket["ticket_id"], comment_text="Some, behind the shed.",
        parent_comment_id=first["comment_id"], attachments=["https://example.org/shed.png", "notes/wood.md"],
    )  # fmt: skip
    agent.post(
        "link-commit", ticket_id=ticket["ticket_id"], commit_sha="ab" * 20, commit_message="Stack the wood\n\nAt last."
    )
    return ticket


def dialog(page: Page) -> Locator:
    return page.locator("dialog.sheet[open]")


def opened(page: Page, ticket: dict[str, Any]) -> Locator:
    """The dialog of the ticket, opened by a click on its card."""
    link(page, ticket).click()
    expect(dialog(page)).to_have_attribute("data-ticket-id", ticket["ticket_id"])
    return dialog(page)


def field(page: Page, name: str) -> Locator:
    return page.locator(f'[data-field="{name}"]')


def choose(page: Page, word: str) -> None:
    page.locator(".menu[popover]").locator("[role^=menuitem]").filter(has_text=word).first.click()


def history(agent: Agent, ticket: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = agent.http.get(f"/api/tickets/{ticket['ticket_id']}/history?limit=200").json()[
        "history"
    ]
    return found


# ── opening and closing ──


def test_a_card_opens_its_ticket_over_the_board_and_back_closes_it(
    open_page: OpenPage, agent: Agent, rich: dict[str, Any]
) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge&priority=high"))
    page.evaluate("window.same = true")
    shown = opened(page, rich)
    expect(page).to_have_url(re.compile(rf"/tickets/{rich['key']}$"))
    expect(shown).to_have_attribute("data-version", re.compile(r"\d+"))
    for text in (
        "Light the fire before dawn", "Cold iron does not bend.", "Is there dry wood, @impl-1?",
        "Some, behind the shed.", "Buy coal for the winter", "Bring the water", "Split the wood", "Sweep the chimney",
        "Open the forge", "abababa",
        "Stack the wood", "2h 15m", "created the ticket", "linked a commit", "0 of 1 done", "notes/wood.md",
    ):  # fmt: skip
        expect(shown).to_contain_text(text)
    expect(shown.locator(".hl .nf")).to_have_text("light")
    expect(shown.locator(".mention")).to_have_text("@impl-1")
    expect(shown.get_by_role("link", name=re.compile("abababa.*Stack"))).to_have_attribute(
        "href", f"/commits/{'ab' * 20}?workflow=forge"
    )
    # A ticket that it is tied to opens in its place, and back leads to the one before.
    shown.locator(".panel-side").get_by_role("link", name=re.compile("Buy coal")).click()
    expect(shown.get_by_role("heading", level=1)).to_have_text("Buy coal for the winter")
    page.go_back()
    expect(shown.get_by_role("heading", level=1)).to_have_text("Light the fire before dawn")
    page.go_back()
    expect(dialog(page)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/tickets\?workflow=forge&priority=high$"))
    expect(link(page, rich)).to_be_focused()
    page.go_forward()
    expect(dialog(page).get_by_role("heading", level=1)).to_have_text("Light the fire before dawn")
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    expect(page).to_have_url(re.compile("priority=high$"))
    assert page.evaluate("window.same"), "the board was never left"


def test_a_reload_shows_the_ticket_as_a_page_and_back_leads_to_the_board(
    open_page: OpenPage, rich: dict[str, Any]
) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    opened(page, rich)
    page.reload()
    expect(page.locator("main.sheet")).to_have_attribute("data-ticket-id", rich["ticket_id"])
    expect(page.get_by_role("heading", level=1)).to_have_text("Light the fire before dawn")
    page.go_back()
    expect(card(page, rich)).to_be_visible()
    expect(dialog(page)).to_have_count(0)


def test_a_ticket_that_is_gone_says_so(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Gone in a moment")
    page = open_page("/tickets?workflow=forge", expect_errors=True)
    page.route("**/sheet*", lambda route: route.fulfill(status=404, body="{}"))
    link(page, ticket).click()
    expect(dialog(page)).to_contain_text("There is no such ticket")
    page.unroute("**/sheet*")
    dialog(page).get_by_role("button", name="Try again").click()
    expect(dialog(page).get_by_role("heading", level=1)).to_have_text("Gone in a moment")


# ── fields ──


def test_every_field_is_changed_in_place(open_page: OpenPage, agent: Agent) -> None:
    parent = agent.create("The whole wall")
    ticket = agent.create("Lay a brick", description="Red bricks, laid by hand.")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    shown = opened(page, ticket)

    def pick(name: str, word: str) -> None:
        field(page, name).locator("[data-edit]").click()
        choose(page, word)
        expect(field(page, name)).to_contain_text(word)
        expect(field(page, name).locator("[data-edit]")).to_be_focused()

    def type_in(name: str, text: str, shows: str) -> None:
        field(page, name).locator("[data-edit]").click()
        field(page, name).locator(".input").fill(text)
        page.keyboard.press("Enter")
        expect(field(page, name)).to_contain_text(shows)
        expect(field(page, name).locator(".line-edit")).to_have_count(0)

    pick("priority", "Critical")
    pick("ticket_type", "Bug")
    pick("status", "In Progress")
    pick("assigned_agent_id", "impl-1")
    type_in("title", "Lay two bricks", "Lay two bricks")
    type_in("story_points", "8", "8")
    type_in("tags", "wall, red", "red")
    type_in("estimate_minutes", "1h 30m", "1h 30m")
    field(page, "estimate_minutes").locator("[data-edit]").click()
    field(page, "estimate_minutes").locator(".input").fill("soon")
    page.keyboard.press("Enter")
    expect(field(page, "estimate_minutes").get_by_role("alert")).to_contain_text("45m, 3h or 2h 15m")
    page.keyboard.press("Escape")
    field(page, "estimate_minutes").get_by_role("button", name="Throw away").click()

    field(page, "parent_ticket_id").locator("[data-edit]").click()
    shown.get_by_role("combobox").fill("whole wall")
    expect(shown.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field(page, "parent_ticket_id")).to_contain_text("The whole wall")

    shown.get_by_role("button", name="Edit", exact=True).click()
    editor = field(page, "description").get_by_role("textbox")
    editor.fill("Red bricks, **laid** by hand.\n\nTwo of them.")
    field(page, "description").get_by_role("button", name="Preview").click()
    expect(field(page, "description").locator(".editor-preview strong")).to_have_text("laid")
    field(page, "description").get_by_role("button", name="Write").click()
    editor.press("Control+Enter")
    expect(editor).to_have_count(0)
    expect(field(page, "description").locator(".md strong")).to_have_text("laid")

    now = stored(agent, ticket)
    wanted = {
        "title": "Lay two bricks", "priority": "critical", "ticket_type": "bug", "status": "in_progress",
        "story_points": 8, "assigned_agent_id": "impl-1", "tags": ["wall", "red"], "estimate_minutes": 90,
        "parent_ticket_id": parent["ticket_id"], "description": "Red bricks, **laid** by hand.\n\nTwo of them.",
    }  # fmt: skip
    assert {name: now[name] for name in wanted} == wanted
    # The history tells before and after, and so does the board underneath.
    shown.locator("[data-act=compare]").click()
    expect(shown.locator(".change del")).to_contain_text("Red bricks, laid by hand.")
    expect(shown.locator(".change ins").first).to_contain_text("Red bricks, **laid** by hand.")
    expect(shown.locator("[data-timeline]")).to_contain_text("changed the points to 8")
    page.keyboard.press("Escape")
    expect(page.locator(f'[data-column="in_progress"] [data-ticket-id="{ticket["ticket_id"]}"]')).to_contain_text(
        "Lay two bricks"
    )


# ── what is done with a ticket ──


def test_blocking_runs_both_ways(open_page: OpenPage, agent: Agent) -> None:
    first, last = agent.create("Dig the ditch"), agent.create("Fill the ditch")
    ticket = agent.create("Lay the pipe")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    shown = opened(page, ticket)
    blocking = page.locator("[data-part=blocking]")

    shown.get_by_role("button", name="Add blocker").click()
    shown.get_by_role("combobox").fill(first["key"])
    page.keyboard.press("Enter")
    expect(blocking).to_contain_text("Dig the ditch")
    expect(shown.locator(".crumbs")).to_contain_text("Blocked")
    shown.get_by_role("button", name="Add to blocking").click()
    choose(page, "Blocks a ticket")
    shown.get_by_role("combobox").fill("Fill the")
    shown.get_by_role("option", name=re.compile("Fill the ditch")).filter(has_text=last["key"]).click()
    expect(blocking).to_contain_text("Fill the ditch")
    assert stored(agent, last)["blocked_by_ticket_ids"] == [ticket["ticket_id"]]

    # It cannot be resolved, and says what helps.
    shown.get_by_role("button", name="Resolve").press("Enter")
    expect(shown.locator("[data-says-here]")).to_contain_text(f"It waits for {first['key']}")
    agent.post("resolve", ticket_id=first["ticket_id"], resolution_comment="The ditch is dug now.")
    expect(blocking).not_to_contain_text("Dig the ditch")
    expect(shown.locator(".crumbs")).not_to_contain_text("Blocked")

    shown.get_by_role("button", name=f"No longer blocks {last['key']}").click()
    expect(blocking).not_to_contain_text("Fill the ditch")
    shown.get_by_role("button", name="Undo").click()
    expect(blocking).to_contain_text("Fill the ditch")

    shown.get_by_role("button", name="Add to blocking").click()
    choose(page, "Block by hand")
    page.get_by_role("textbox", name="Why is it blocked?").fill("The ground is frozen.")
    page.keyboard.press("Control+Enter")
    expect(blocking).to_contain_text("The ground is frozen.")
    blocking.get_by_role("button", name="Reason").click()
    blocking.locator(".input").fill("The ground is very hard.")
    page.keyboard.press("Enter")
    expect(blocking).to_contain_text("The ground is very hard.")
    blocking.get_by_role("button", name="Lift the block").click()
    expect(blocking).not_to_contain_text("hard")
    assert stored(agent, ticket)["is_blocked"] is False


def test_a_ticket_is_claimed_moved_resolved_and_reopened(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Ring the bell")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    shown = opened(page, ticket)
    lease = page.locator("[data-part=lease]")
    lease.get_by_role("button", name="Claim").click()
    expect(lease).to_contain_text("working")
    expect(lease).to_contain_text("lease ends in")
    lease.get_by_role("button", name="Release").click()
    expect(lease).to_contain_text("Nobody")
    agent_status = shown.get_by_role("button", name="Change status")
    agent_status.click()
    choose(page, "Review")
    expect(field(page, "status")).to_contain_text("Review")
    page.locator(".foot-acts").get_by_role("button", name="Assign").click()
    choose(page, "Nobody")
    expect(field(page, "assigned_agent_id")).to_contain_text("Nobody")

    page.locator(".panel-main").focus()
    page.keyboard.press("r")
    answer = page.get_by_role("textbox", name="How was it resolved?")
    answer.fill("Too")
    page.keyboard.press("Control+Enter")
    expect(shown.locator(".foot-form")).to_contain_text("3 of 10 characters")
    answer.fill("The bell was rung three times.")
    page.keyboard.press("Control+Enter")
    expect(shown.locator(".crumbs")).to_contain_text("Resolved")
    expect(shown.locator("[data-timeline]")).to_contain_text("The bell was rung three times.")
    shown.get_by_role("button", name="Reopen").click()
    expect(shown.locator(".crumbs")).not_to_contain_text("Resolved")
    assert stored(agent, ticket)["is_resolved"] is False

    # Another is quicker: the words are a comment then.
    page.locator(".panel-main").focus()
    page.keyboard.press("r")
    answer.fill("It rang for the fourth time.")
    agent.post("resolve", ticket_id=ticket["ticket_id"], resolution_comment="The agent rang it, too.")
    expect(shown.locator(".crumbs")).to_contain_text("Resolved")
    page.keyboard.press("Control+Enter")
    expect(shown.locator("[data-timeline]")).to_contain_text("It rang for the fourth time.")


def test_commits_parts_and_relations_are_linked_by_hand(open_page: OpenPage, agent: Agent) -> None:
    part, other = agent.create("Plane the seat"), agent.create("Paint the fence")
    ticket = agent.create("Build a bench")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    shown = opened(page, ticket)
    shown.locator(".panel-side").get_by_role("button", name="Link a commit").click()
    page.get_by_role("textbox", name="Sha of the commit").fill("cd" * 20)
    page.get_by_role("textbox", name="Message of the commit").fill("Saw the planks")
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=commits]")).to_contain_text("Saw the planks")
    expect(page.locator("[data-part=commits]")).to_contain_text("unverified")

    shown.get_by_role("button", name="Add a sub-ticket").click()
    shown.get_by_role("combobox").fill(part["key"])
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=subs]")).to_contain_text("Plane the seat")
    agent.post("resolve", ticket_id=part["ticket_id"], resolution_comment="It is as smooth as glass.")
    expect(page.locator("[data-part=sub-count]")).to_have_text("1 of 1 done")

    shown.get_by_role("button", name="Link a related ticket").click()
    shown.get_by_role("combobox").fill(other["key"])
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=related]")).to_contain_text("Paint the fence")
    shown.get_by_role("button", name=f"No longer related: {other['key']}").click()
    expect(page.locator("[data-part=related]")).not_to_contain_text("Paint the fence")
    assert stored(agent, ticket)["related_ticket_ids"] == []


def test_a_refused_move_says_why_and_what_helps(open_page: OpenPage, site: Site, agent: Agent) -> None:
    operator = Operator(site)
    strict, talkative = operator.new_workflow("strict", STRICT), operator.new_workflow("talkative", TALKATIVE)
    agent.create("Has the only place", workflow_id=strict, initial_status="doing")
    ticket = agent.create("Wants a place", workflow_id=strict)
    page = wait_until_live(open_page(f"/tickets?workflow={strict}"))
    shown = opened(page, ticket)
    shown.get_by_role("button", name="Change status").click()
    expect(page.locator(".menu[popover] [aria-disabled=true]")).to_contain_text("not from here")
    choose(page, "Doing")
    expect(shown.locator("[data-says-here]")).to_contain_text("limit")
    expect(field(page, "status")).to_contain_text("Open")

    quiet = agent.create("Say why", workflow_id=talkative)
    page.goto(f"/tickets/{quiet['key']}")
    page.keyboard.press("s")
    choose(page, "Doing")
    reason = page.get_by_role("textbox", name="Why does it move to Doing?")
    reason.fill("It is next in line.")
    # Refused, it keeps the words for the next try.
    agent.post("update", ticket_id=quiet["ticket_id"], updates={"is_blocked": True, "blocked_reason": "Rain."})
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-says-here]")).to_contain_text("Not moved to Doing.")
    expect(reason).to_have_value("It is next in line.")
    agent.post("update", ticket_id=quiet["ticket_id"], updates={"is_blocked": False})
    reason.press("Control+Enter")
    expect(field(page, "status")).to_contain_text("Doing")
    expect(page.locator("[data-timeline]")).to_contain_text("It is next in line.")


def test_a_waiting_ticket_is_decided_on(open_page: OpenPage, site: Site, agent: Agent) -> None:
    reviewed = Operator(site).new_workflow("reviewed", REVIEWED)
    yes, no = (agent.create(title, workflow_id=reviewed) for title in ("A good idea", "A bad idea"))
    page = open_page(f"/tickets/{yes['key']}")
    expect(page.locator(".crumbs")).to_contain_text("Waits for approval")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".crumbs")).not_to_contain_text("Waits for approval")
    page.goto(f"/tickets/{no['key']}")
    page.get_by_role("button", name="Reject…").click()
    page.get_by_role("textbox", name="Why is it rejected?").fill("It would burn down.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".crumbs")).to_contain_text("Rejected")


# ── comments ──


def test_comments_are_written_answered_edited_deleted_and_reacted_to(open_page: OpenPage, agent: Agent) -> None:
    ticket, named = agent.create("Talk it over"), agent.create("The other matter")
    asked = agent.post("comment", ticket_id=ticket["ticket_id"], comment_text="Which wood, oak or ash?")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    shown = opened(page, ticket)
    timeline = page.locator("[data-timeline]")

    page.keyboard.press("c")
    composer = page.get_by_role("textbox", name="Comment")
    expect(composer).to_be_focused()
    composer.press_sequentially("Ask @impl")
    shown.get_by_role("option", name=re.compile("impl-1")).click()
    composer.press_sequentially("about #other")
    expect(shown.get_by_role("option")).to_have_count(1)
    expect(shown.get_by_role("option")).to_contain_text("The other matter")
    page.keyboard.press("Enter")
    expect(composer).to_have_value(f"Ask @impl-1 about #{named['key']} ")
    page.locator(".composer").get_by_role("button", name="Attach addresses").click()
    page.get_by_role("textbox", name=re.compile("Addresses")).fill("https://example.org/a.txt docs/plan.md")
    composer.press("Control+Enter")
    mine = timeline.locator(".comment").filter(has_text="Ask @impl-1")
    expect(mine.get_by_role("link", name=f"#{named['key']}")).to_have_attribute("href", f"/tickets/{named['key']}")
    expect(mine.locator(".attachments")).to_contain_text("docs/plan.md")
    expect(composer).to_have_value("")

    theirs = timeline.locator(f'[data-entry="{asked["comment_id"]}"]')
    theirs.get_by_role("button", name="Reply to impl-1").click()
    page.get_by_role("textbox", name="Reply to impl-1").fill("Oak, by all means.")
    page.keyboard.press("Control+Enter")
    expect(theirs.locator(".replies")).to_contain_text("Oak, by all means.")
    agent.post(
        "comment", ticket_id=ticket["ticket_id"], comment_text="Oak then.", parent_comment_id=asked["comment_id"]
    )
    # The focus is in this comment, and stays while the rest of it changes.
    expect(theirs.get_by_role("button", name="Reply to impl-1").first).to_be_focused()
    expect(theirs.locator(".replies")).to_contain_text("Oak then.")

    theirs.get_by_role("button", name="Add a reaction").first.click()
    choose(page, "🎉")
    expect(theirs.locator(".reaction")).to_have_attribute("aria-pressed", "true")
    agent.http.post(f"/api/tickets/comments/{asked['comment_id']}/reactions", json={"emoji": "🎉"}).raise_for_status()
    expect(theirs.locator(".reaction")).to_contain_text("2 by dana, impl-1")
    theirs.locator(".reaction").click()
    expect(theirs.locator(".reaction")).to_have_attribute("aria-pressed", "false")

    mine.get_by_role("button", name="Edit your comment").click()
    page.get_by_role("textbox", name="Your comment").fill("Never mind, I know.")
    page.keyboard.press("Control+Enter")
    edited = timeline.locator(".comment").filter(has_text="Never mind, I know.")
    expect(edited.locator(".comment-box > header")).to_contain_text("edited")
    edited.get_by_role("button", name="Delete your comment").click()
    edited.get_by_role("button", name="Keep it").click()
    edited.get_by_role("button", name="Delete your comment").click()
    edited.get_by_role("button", name="Delete", exact=True).click()
    expect(timeline).not_to_contain_text("Never mind")
    expect(timeline).to_contain_text("This comment was deleted.")
    expect(shown.locator("[data-part=comment-count]")).to_have_text("3")


def test_the_timeline_is_paged_and_shows_comments_or_history_alone(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("A long story")
    for number in range(60):
        agent.post("comment", ticket_id=ticket["ticket_id"], comment_text=f"Chapter {number:02d}.")
    page = open_page(f"/tickets/{ticket['key']}")
    timeline = page.locator("[data-timeline]")
    expect(timeline.locator("[data-entry]")).to_have_count(40)
    expect(timeline).not_to_contain_text("Chapter 19")
    page.get_by_role("link", name="Show earlier").click()
    expect(timeline.locator("[data-entry]")).to_have_count(61)
    expect(page.get_by_role("link", name="Show earlier")).to_have_count(0)
    told = timeline.locator(".comment .md").all_inner_texts()
    assert told == [f"Chapter {number:02d}." for number in range(60)]
    agent.post("comment", ticket_id=ticket["ticket_id"], comment_text="The end, at last.")
    expect(timeline.locator("[data-entry]")).to_have_count(62)
    page.get_by_role("button", name="History").click()
    expect(timeline.locator("[data-entry]")).to_have_count(1)
    page.get_by_role("button", name=re.compile("Comments")).click()
    expect(timeline.locator(".comment")).to_have_count(40)
    expect(timeline.locator(".event:not(.older)")).to_have_count(0)


# ── how it looks, and for whom ──


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_ticket_is_accessible_and_photographed(
    open_page: OpenPage, rich: dict[str, Any], scheme: str, shots: Path, check_access: Callable[[Page], None]
) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge", color_scheme=scheme, reduced_motion="reduce"))
    shown = opened(page, rich)
    expect(shown.locator(".panel-side")).to_contain_text("Bring the water")
    check_access(page)
    page.screenshot(path=shots / f"ticket-dialog-{scheme}.png")
    page.keyboard.press("e")
    page.keyboard.type("More of it. ")
    shown.get_by_role("button", name="Add blocker").click()
    check_access(page)
    page.screenshot(path=shots / f"ticket-editing-{scheme}.png")
    page.goto(f"/tickets/{rich['key']}")
    check_access(page)
    page.screenshot(path=shots / f"ticket-page-{scheme}.png")


def test_a_phone_shows_the_ticket_whole(
    open_page: OpenPage, rich: dict[str, Any], shots: Path, check_access: Callable[[Page], None]
) -> None:
    page = open_page(f"/tickets/{rich['key']}", **PHONE)
    check_access(page)
    page.screenshot(path=shots / "ticket-phone.png")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Edit", exact=True).tap()
    expect(page.get_by_role("textbox", name="Description")).to_be_focused()
    field(page, "priority").locator("[data-edit]").tap()
    choose(page, "Low")
    expect(field(page, "priority")).to_contain_text("Low")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_all_by_keyboard(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Keys alone", priority="critical")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    link(page, ticket).focus()
    page.keyboard.press("Enter")
    shown = dialog(page)
    expect(shown).to_have_attribute("data-ticket-id", ticket["ticket_id"])
    # The focus goes round within the dialog.
    for _ in range(60):
        page.keyboard.press("Tab")
        inside = "[document.body, ...document.querySelectorAll('dialog[open] *')].includes(document.activeElement)"
        assert page.evaluate(inside)
    shown.locator(".panel-main").focus()
    page.keyboard.press("a")
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    expect(page.locator(".menu[popover]")).to_have_count(0)
    expect(shown).to_be_visible()
    expect(shown.locator(".panel-main")).to_be_focused()
    page.keyboard.press("t")
    page.keyboard.press("Control+A")
    page.keyboard.type("Keys and nothing else")
    page.keyboard.press("Enter")
    expect(shown.get_by_role("heading", level=1)).to_have_text("Keys and nothing else")
    expect(shown.locator("[data-announcer]")).not_to_be_empty()
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    expect(link(page, ticket)).to_be_focused()
