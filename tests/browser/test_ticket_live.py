"""Nothing that a person types into a ticket is lost or overwritten, whatever agents, networks and sessions do."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.board_page import link, stored, wait_until_live
from tests.browser.conftest import PASSWORD, Agent, OpenPage, Site
from tests.browser.slow_network import Held
from tests.server import Server

pytestmark = pytest.mark.browser

FIRST = "One line.\n\nTwo lines.\n\nThree lines."
MINE = "One line, mine.\n\nTwo lines.\n\nThree lines."
THEIRS = "One line.\n\nTwo lines.\n\nThree lines, theirs."
BOTH = "One line, mine.\n\nTwo lines.\n\nThree lines, theirs."
HOSTILE = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'>\"'&amp;{{7*7}}"
# What stands out of its box, and is not meant to scroll.
OVERFLOWING = """[...document.querySelectorAll('.sheet :not(.vh)')].filter(node =>
    node.clientWidth && node.scrollWidth > node.clientWidth + 8 && getComputedStyle(node).overflowX === 'visible'
).map(node => `${node.tagName} ${node.className} ${node.textContent.trim().slice(0, 40)}`)"""


@pytest.fixture(scope="module")
def server(stopped_site: Site) -> Iterator[Server]:
    with stopped_site.start() as server:
        yield server


@pytest.fixture(scope="module")
def agent(stopped_site: Site, server: Server) -> Agent:
    return stopped_site.agent


@pytest.fixture
def ticket(agent: Agent) -> dict[str, Any]:
    return agent.create("A text of two hands", description=FIRST, priority="low")


def update(agent: Agent, ticket: dict[str, Any], **updates: Any) -> None:
    agent.post("update", ticket_id=ticket["ticket_id"], updates=updates)


def opened(page: Page, ticket: dict[str, Any]) -> Locator:
    link(page, ticket).click()
    shown = page.locator("dialog.sheet[open]")
    expect(shown).to_have_attribute("data-ticket-id", ticket["ticket_id"])
    return shown


def field(page: Page, name: str) -> Locator:
    return page.locator(f'[data-field="{name}"]')


def description(page: Page, text: str | None = None) -> Locator:
    """The description's editor, open; with a text, typed into it."""
    if not field(page, "description").locator("textarea").count():
        page.get_by_role("button", name="Edit", exact=True).click()
    editor = field(page, "description").locator("textarea")
    if text is not None:
        editor.fill(text)
    return editor


def deaf(page: Page) -> Page:
    """No event reaches the page from now on."""
    page.route_web_socket(re.compile("/ws/"), lambda _socket: None)
    return page


# ── events while somebody types ──


def test_what_an_agent_does_shows_while_the_ticket_is_open(
    open_page: OpenPage, agent: Agent, ticket: dict[str, Any]
) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    shown = opened(page, ticket)
    page.evaluate("document.querySelectorAll('[data-part], [data-entry]').forEach(part => { part.marked = true })")
    update(agent, ticket, priority="critical")
    expect(field(page, "priority")).to_contain_text("Critical")
    agent.post("comment", ticket_id=ticket["ticket_id"], comment_text="It is urgent now.")
    expect(shown.locator("[data-timeline]")).to_contain_text("It is urgent now.")
    expect(shown.locator("[data-announcer]")).to_contain_text("impl-1 changed this ticket")
    part = "[...document.querySelectorAll('[data-part]')].filter(part => !part.marked).map(part => part.dataset.part)"
    assert set(page.evaluate(part)) <= {"priority", "updated", "comment-count", "people", "spent", "stays"}
    version = stored(agent, ticket)["version"]
    expect(shown).to_have_attribute("data-version", str(version))


def test_typing_goes_on_while_an_agent_changes_the_same_text(
    open_page: OpenPage, agent: Agent, ticket: dict[str, Any]
) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    shown = opened(page, ticket)
    editor = description(page)
    editor.press("Control+Home")
    editor.press_sequentially("Mine. ")
    update(agent, ticket, description=THEIRS)
    notice = field(page, "description").locator(".notice-warm")
    expect(notice).to_contain_text("impl-1 changed the description. Your text is untouched.")
    expect(editor).to_be_focused()
    editor.press_sequentially("And more. ")
    expect(editor).to_have_value(f"Mine. And more. {FIRST}")
    # Not focused, the text is as safe.
    shown.get_by_role("heading", level=1).click()
    update(agent, ticket, description=f"{THEIRS} Again.")
    expect(shown).to_have_attribute("data-version", str(stored(agent, ticket)["version"]))
    expect(notice).to_be_visible()
    expect(editor).to_have_value(f"Mine. And more. {FIRST}")
    notice.get_by_role("button", name="View").click()
    merge = field(page, "description").locator(".merge")
    expect(merge.locator("[data-side=theirs] ins").first).to_contain_text("theirs")
    expect(merge.locator("[data-side=mine] ins").first).to_contain_text("Mine")
    merge.get_by_role("button", name="Merge both").click()
    expect(editor).to_have_value(f"Mine. And more. {THEIRS} Again.")
    editor.press("Control+Enter")
    expect(editor).to_have_count(0)
    assert stored(agent, ticket)["description"] == f"Mine. And more. {THEIRS} Again."


def test_a_focused_field_is_not_replaced(open_page: OpenPage, agent: Agent, ticket: dict[str, Any]) -> None:
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    opened(page, ticket)
    control = field(page, "priority").locator("[data-edit]")
    control.focus()
    update(agent, ticket, priority="high")
    waits = field(page, "priority").locator(".part-waits")
    expect(waits).to_contain_text("Changed by impl-1")
    expect(control).to_be_focused()
    expect(control).to_contain_text("Low")
    waits.get_by_role("button", name="View").click()
    expect(control).to_contain_text("High")
    # Once the focus has left, what waited is shown by itself.
    control.focus()
    update(agent, ticket, priority="critical")
    expect(waits).to_be_visible()
    page.get_by_role("button", name="Copy link").focus()
    expect(field(page, "priority")).to_contain_text("Critical")
    # The same after its menu was open meanwhile, and nothing chosen.
    control.click()
    update(agent, ticket, priority="low")
    expect(page.locator("dialog.sheet")).to_have_attribute("data-version", str(stored(agent, ticket)["version"]))
    page.keyboard.press("Escape")
    expect(waits).to_be_visible()


def test_a_half_written_comment_stays_while_others_come(
    open_page: OpenPage, agent: Agent, ticket: dict[str, Any]
) -> None:
    asked = agent.post("comment", ticket_id=ticket["ticket_id"], comment_text="What do you think?")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    shown = opened(page, ticket)
    entry = shown.locator(f'[data-entry="{asked["comment_id"]}"]')
    entry.get_by_role("button", name="Reply to impl-1").click()
    reply = page.get_by_role("textbox", name="Reply to impl-1")
    reply.press_sequentially("Half a th")
    agent.post("comment", ticket_id=ticket["ticket_id"], comment_text="Nobody?", parent_comment_id=asked["comment_id"])
    expect(entry.locator(".part-waits")).to_contain_text("Changed by impl-1")
    expect(reply).to_be_focused()
    reply.press_sequentially("ought.")
    page.keyboard.press("Control+Enter")
    expect(entry.locator(".replies")).to_contain_text("Half a thought.")
    expect(entry.locator(".replies")).to_contain_text("Nobody?")


# ── two at one field ──


def test_a_save_that_comes_second_shows_both_texts(open_page: OpenPage, agent: Agent, ticket: dict[str, Any]) -> None:
    page = deaf(open_page(f"/tickets/{ticket['key']}"))
    page.reload()
    editor = description(page, MINE)
    update(agent, ticket, description=THEIRS)
    editor.press("Control+Enter")
    merge = field(page, "description").locator(".merge")
    expect(merge).to_contain_text("theirs")
    assert stored(agent, ticket)["description"] == THEIRS, "nothing is overwritten"
    expect(editor).to_have_value(MINE)
    merge.get_by_role("button", name="Merge both").click()
    expect(editor).to_have_value(BOTH)
    editor.press("Control+Enter")
    expect(editor).to_have_count(0)
    assert stored(agent, ticket)["description"] == BOTH

    # The title: theirs is taken, or mine is kept, by choice.
    for choice, left in (("Take theirs", "Their title"), ("Keep mine", "My title")):
        update(agent, ticket, title="First title")
        page.reload()
        page.get_by_role("button", name="Edit the title").click()
        field(page, "title").locator("textarea").fill("My title")
        update(agent, ticket, title="Their title")
        page.keyboard.press("Enter")
        field(page, "title").get_by_role("button", name=choice).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(left)
        assert stored(agent, ticket)["title"] == left

    # A choice from a menu is not forced upon another's.
    page.reload()
    update(agent, ticket, priority="critical")
    field(page, "priority").locator("[data-edit]").click()
    page.locator(".menu[popover]").get_by_text("Medium").click()
    said = page.locator("[data-says-here]")
    expect(said).to_contain_text("impl-1 changed the priority meanwhile")
    expect(field(page, "priority")).to_contain_text("Critical")
    said.get_by_role("button", name="Set Medium anyway").click()
    expect(field(page, "priority")).to_contain_text("Medium")
    assert stored(agent, ticket)["priority"] == "medium"


def test_a_change_of_another_field_stands_in_nobodys_way(
    open_page: OpenPage, agent: Agent, ticket: dict[str, Any]
) -> None:
    page = deaf(open_page(f"/tickets/{ticket['key']}"))
    page.reload()
    editor = description(page, MINE)
    update(agent, ticket, priority="high", tags=["new"])
    editor.press("Control+Enter")
    expect(editor).to_have_count(0)
    expect(field(page, "tags")).to_contain_text("new")
    now = stored(agent, ticket)
    assert (now["description"], now["priority"], now["tags"]) == (MINE, "high", ["new"])


# ── drafts ──


def test_drafts_survive_escape_reload_and_another_visit(
    open_page: OpenPage, agent: Agent, ticket: dict[str, Any]
) -> None:
    asked = agent.post("comment", ticket_id=ticket["ticket_id"], comment_text="And what of this?")
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    shown = opened(page, ticket)
    page.keyboard.press("c")
    page.keyboard.type("A thought that is not")
    description(page, MINE)
    page.keyboard.press("Escape")
    expect(field(page, "description")).to_contain_text("Your description is not saved yet.")
    entry = shown.locator(f'[data-entry="{asked["comment_id"]}"]')
    entry.get_by_role("button", name="Reply to impl-1").click()
    page.keyboard.type("Of this, nothing")
    # The first closes the reply, the second the ticket.
    page.keyboard.press("Escape")
    expect(shown).to_be_visible()
    page.keyboard.press("Escape")
    expect(shown).to_have_count(0)
    page.reload()
    opened(page, ticket)
    composer = page.get_by_role("textbox", name="Comment")
    expect(composer).to_have_value("A thought that is not")
    expect(page.get_by_role("textbox", name="Reply to impl-1")).to_have_value("Of this, nothing")
    update(agent, ticket, description=THEIRS)
    page.reload()
    expect(composer).to_have_value("A thought that is not")
    field(page, "description").get_by_role("button", name="Go on").click()
    expect(description(page)).to_have_value(MINE)
    # It was changed since the draft was begun: the draft knows.
    expect(field(page, "description").locator(".notice-warm")).to_contain_text("changed the description")
    field(page, "description").get_by_role("button", name="Cancel").click()
    expect(page.locator("[data-says-here]")).to_contain_text("Your description was thrown away.")
    page.get_by_role("button", name="Put it back").click()
    expect(description(page)).to_have_value(MINE)
    field(page, "description").get_by_role("button", name="Merge").click()
    description(page).press("Control+Enter")
    expect(field(page, "description").locator("textarea")).to_have_count(0)
    composer.focus()
    composer.press("Control+Enter")
    expect(composer).to_have_value("")
    page.reload()
    expect(composer).to_have_value("")
    expect(page.locator(".draft-offer")).to_have_count(0)
    assert stored(agent, ticket)["description"] == BOTH


# ── sessions, servers, networks ──


def test_an_expired_session_keeps_the_text_and_lets_one_sign_in(
    open_page: OpenPage, agent: Agent, ticket: dict[str, Any]
) -> None:
    page = open_page(f"/tickets/{ticket['key']}", expect_errors=True)
    composer = page.get_by_role("textbox", name="Comment")
    composer.fill("Written before the session ran out.")
    page.context.clear_cookies()
    composer.press("Control+Enter")
    said = page.locator(".composer").get_by_role("alert")
    expect(said).to_contain_text("You are signed out. Your text is kept here.")
    expect(composer).to_have_value("Written before the session ran out.")
    with page.context.expect_page() as signing:
        said.get_by_role("button", name="Sign in").click()
    door = signing.value
    door.get_by_label("Name").fill("dana")
    door.get_by_label("Password").fill(PASSWORD)
    door.get_by_role("button", name="Sign in").click()
    door.wait_for_url(re.compile("/tickets"))
    said.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-timeline]")).to_contain_text("Written before the session ran out.")
    expect(composer).to_have_value("")


def test_what_is_typed_while_a_text_is_on_its_way_stays(
    open_page: OpenPage, agent: Agent, ticket: dict[str, Any]
) -> None:
    page = wait_until_live(open_page(f"/tickets/{ticket['key']}"))
    held = Held(page, "**/api/tickets/*")
    # Nothing is sent twice; who leaves meanwhile is not asked about a draft of it.
    page.get_by_role("button", name="Edit the title").click()
    title = field(page, "title").locator("textarea")
    title.fill("Sent once")
    title.press("Enter")
    title.press("Enter")
    title.press("Escape")
    expect(page.locator(".draft-offer")).to_be_visible()
    held.let_go()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sent once")
    expect(page.locator(".draft-offer")).to_have_count(0)
    assert held.routes == []

    editor = description(page, MINE)
    editor.press("Control+Enter")
    editor.press_sequentially(" More.")
    held.let_go()
    expect(page.locator(".is-saving")).to_have_count(0)
    expect(editor).to_have_value(f"{MINE} More.")
    assert stored(agent, ticket)["description"] == MINE
    # The first half is no other's change.
    expect(field(page, "description").locator(".notice")).to_have_count(0)
    editor.press("Control+Enter")
    held.let_go()
    expect(editor).to_have_count(0)
    assert stored(agent, ticket)["description"] == f"{MINE} More."

    composer = page.get_by_role("textbox", name="Comment")
    composer.fill("First thought.")
    composer.press("Control+Enter")
    composer.press_sequentially(" Second")
    held.let_go()
    expect(page.locator("[data-timeline] .comment .md")).to_have_text("First thought.")
    expect(composer).to_have_value("Second")

    # A choice shows before it is answered.
    page.locator(".foot-acts").get_by_role("button", name="Change status").click()
    page.locator(".menu[popover]").get_by_text("To Do").click()
    expect(field(page, "status")).to_contain_text("To Do")
    assert stored(agent, ticket)["status"] == "backlog"
    held.let_go()
    expect(page.locator("[data-timeline]")).to_contain_text("moved it from Backlog to To Do")


def test_a_failed_action_offers_to_try_again_and_happens_once(
    open_page: OpenPage, agent: Agent, ticket: dict[str, Any]
) -> None:
    page = open_page(f"/tickets/{ticket['key']}", expect_errors=True)
    composer = page.get_by_role("textbox", name="Comment")
    composer.fill("Sent twice, said once.")
    # The server does what was asked, its answer is lost.
    page.route("**/api/tickets/comment", lambda route: (route.fetch(), route.abort())[1], times=1)
    composer.press("Control+Enter")
    page.locator(".composer").get_by_role("button", name="Try again").click()
    expect(composer).to_have_value("")
    expect(page.locator("[data-timeline] .comment").filter(has_text="Sent twice, said once.")).to_have_count(1)
    assert stored(agent, ticket)["comment_count"] == 1

    page.route("**/api/tickets/update", lambda route: route.abort(), times=1)
    field(page, "priority").locator("[data-edit]").click()
    page.locator(".menu[popover]").get_by_text("High").click()
    expect(page.locator("[data-says-here]")).to_contain_text("The priority was not changed.")
    expect(field(page, "priority")).to_contain_text("Low")
    page.locator("[data-says-here]").get_by_role("button", name="Try again").click()
    expect(field(page, "priority")).to_contain_text("High")


# ── whatever stands in a field is text ──


def test_hostile_long_and_foreign_text_is_only_text(open_page: OpenPage, stopped_site: Site, agent: Agent) -> None:
    evil = f"evil-{secrets.token_hex(3)}"
    stopped_site.installed.manage("create_agent", evil, "--name", HOSTILE[:90], "--workflow", "forge")
    ticket = agent.create(
        HOSTILE, description=HOSTILE, tags=[HOSTILE[:50]], assigned_agent_id=evil, is_blocked=True,
        blocked_reason=HOSTILE,
    )  # fmt: skip
    agent.post("comment", ticket_id=ticket["ticket_id"], comment_text=HOSTILE, attachments=["a/<b>.txt"])
    agent.post("link-commit", ticket_id=ticket["ticket_id"], commit_sha="ef" * 20, commit_message=HOSTILE)
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    shown = opened(page, ticket)
    expect(shown.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(shown.locator("[data-timeline] .comment .md")).to_have_text(HOSTILE)
    expect(page.locator("[data-part=commits]")).to_contain_text("<script>")
    expect(field(page, "assigned_agent_id")).to_contain_text("<script>")
    field(page, "assigned_agent_id").locator("[data-edit]").click()
    page.keyboard.press("Escape")
    composer = page.get_by_role("textbox", name="Comment")
    composer.fill(HOSTILE)
    page.locator(".composer").get_by_role("button", name="Preview").click()
    expect(page.locator(".editor-preview")).to_have_text(HOSTILE)
    page.locator(".composer").get_by_role("button", name="Write").click()
    composer.press("Control+Enter")
    expect(shown.locator("[data-timeline] .comment")).to_have_count(2)
    composer.press_sequentially("#script")
    expect(shown.get_by_role("option").filter(has_text=ticket["key"])).to_contain_text("<script>")
    update(agent, ticket, description=f"Otherwise {HOSTILE}")
    shown.get_by_role("button", name="before and after").click()
    expect(shown.locator(".change ins")).to_contain_text("<script>")
    assert page.evaluate("window.pwned") is None

    long = agent.create("ي" * 250 + "🔥" * 50 + "W" * 200, description="שלום " * 400, tags=["مهم", "🔥"])
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"/tickets/{long['key']}")
        expect(page.get_by_role("heading", level=1)).to_have_attribute("dir", "auto")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(OVERFLOWING) == []


# The last one: the server that the others share is gone after it.
def test_typing_survives_a_restart_of_the_server(
    open_page: OpenPage, stopped_site: Site, server: Server, agent: Agent
) -> None:
    ticket = agent.create("Outlives the server", description=FIRST)
    page = wait_until_live(open_page("/tickets?workflow=forge", expect_errors=True))
    opened(page, ticket)
    editor = description(page)
    editor.press("Control+Home")
    editor.press_sequentially("Before. ")
    server.kill()
    expect(page.locator("[data-live-word]")).to_have_text("Reconnecting")
    editor.press_sequentially("Between. ")
    editor.press("Control+Enter")
    fault = field(page, "description").get_by_role("alert")
    expect(fault).to_contain_text("The server did not answer. Nothing is lost.")
    with stopped_site.start():
        update(agent, ticket, priority="critical")
        expect(page.locator("[data-live-word]")).to_have_text("Live", timeout=30_000)
        expect(field(page, "priority")).to_contain_text("Critical")
        expect(editor).to_have_value(f"Before. Between. {FIRST}")
        fault.get_by_role("button", name="Try again").click()
        expect(editor).to_have_count(0)
        assert stored(agent, ticket)["description"] == f"Before. Between. {FIRST}"
