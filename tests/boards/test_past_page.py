"""The page of a past board: moments, what it shows, what it cannot know, who may look."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from html import unescape
from itertools import product
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from boards.models import BoardRevision
from boards.selectors import places
from tests.boards.pages import HOSTILE, browser_of, html
from tests.boards.test_audit import change_board
from tests.factories import make_agent, make_person, make_ticket, make_workflow
from tests.tickets.world import World
from tickets import operations as op
from tickets.models import Event, Ticket, TicketHistory
from tickets.models.triggers import drop_triggers
from tickets.services.retention import events_prune

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def browser(world: World) -> Client:
    return browser_of(make_person(world.workflow, role="viewer"))


def past(browser: Client, world: World, status: int = 200, **query: Any) -> str:
    return html(browser, "/board-at?" + "&".join(f"{k}={v}" for k, v in at(world, **query).items()), status)


def at(world: World, **query: Any) -> dict[str, str]:
    moment = query.get("at")
    if isinstance(moment, datetime):
        query["at"] = moment.isoformat().replace("+00:00", "Z")
    return {"workflow": world.workflow.id, **query}


def cards(page: str, column: str) -> list[str]:
    """Keys of a column's cards, in their order."""
    section = re.search(rf'<section[^>]*data-column="{column}".*?</section>', page, re.DOTALL)
    assert section, f"no column {column}"
    return re.findall(r'data-then="([^"]+)"', section[0])


def moment() -> datetime:
    return timezone.now()


def test_the_board_is_as_it_was(world: World, browser: Client) -> None:
    first, second = world.ticket(title="Then so", priority="low"), world.ticket()
    world.do(op.TICKET_ASSIGN, first, assigned_agent_id=world.other.id)
    world.do(op.TICKET_BLOCK, second, blocked_by_ticket_ids=[first.id])
    before = moment()
    world.do(op.TICKET_UPDATE, first, updates={"title": "Now other", "priority": "critical"})
    world.do(op.TICKET_RESOLVE, first, resolution_comment="It is all done.")
    third = world.ticket()

    page = past(browser, world, at=before)
    assert cards(page, "todo") == [first.key, second.key]
    assert cards(page, "done") == []
    assert "Then so" in page
    assert "Now other" not in page
    assert f'Blocked by <a href="/tickets/{first.key}">' in page
    assert world.other.id in page
    assert third.key not in page

    page = past(browser, world)
    assert cards(page, "todo") == [second.key, third.key]
    assert cards(page, "done") == [first.key]
    assert "Then so" not in page
    assert "nothing has happened since" in page


def test_it_can_only_be_looked_at(world: World, browser: Client) -> None:
    ticket = world.ticket()
    page = past(browser, world, ticket=ticket.key)
    main = page[page.index("<main") :]
    assert 'method="post"' not in main
    assert 'class="card-menu" type="button"' not in main
    assert "Back to now" in main
    assert f'href="/tickets/{ticket.key}"' in main
    assert browser.post("/board-at", {"workflow": world.workflow.id}).status_code == 405


def test_a_moment_is_a_time_an_event_or_a_change(world: World, browser: Client) -> None:
    first = world.ticket()
    event = Event.objects.filter(workflow=world.workflow).order_by("-seq")[0]
    row = TicketHistory.objects.filter(ticket=first).order_by("-id")[0]
    second = world.ticket()
    for asked in (str(event.seq), f"h{row.pk}", row.changed_at):
        assert cards(past(browser, world, at=asked), "todo") == [first.key], asked
    local = (timezone.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert cards(past(browser, world, local=local), "todo") == [first.key, second.key]
    assert cards(past(browser, world, at="2020-01-01"), "todo") == []
    assert cards(past(browser, world, at="9999-12-31"), "todo") == [first.key, second.key]
    assert cards(past(browser, world, place=1000), "todo") == [first.key, second.key]
    assert cards(past(browser, world, place=0), "todo") == []
    browser.cookies["hephaestus_zone"] = "Pacific/Kiritimati"
    ahead = (row.changed_at + timedelta(hours=14, seconds=-1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert cards(past(browser, world, local=ahead), "todo") == [], "the second before, by the clock there"


def test_steps_lead_from_change_to_change_and_back(world: World, browser: Client) -> None:
    ticket = world.ticket()
    world.do(op.TICKET_CHANGE_STATUS, ticket, new_status="doing")
    change_board(world, name="Another name")
    world.do(op.TICKET_CHANGE_STATUS, ticket, new_status="done")
    times = sorted(
        {*TicketHistory.objects.values_list("changed_at", flat=True)}
        | {*BoardRevision.objects.filter(workflow=world.workflow).values_list("changed_at", flat=True)}
    )
    walked, page = [], past(browser, world)
    while step := re.search(r'href="(/board-at[^"]*)" data-go data-step="previous"', page):
        walked.append(parse_qs(urlsplit(unescape(step[1])).query)["at"][0])
        page = html(browser, unescape(step[1]))
    assert [datetime.fromisoformat(text) for text in walked] == times[-2::-1]
    forth = []
    while step := re.search(r'href="(/board-at[^"]*)" data-go data-step="next"', page):
        forth.append(parse_qs(urlsplit(unescape(step[1])).query)["at"][0])
        page = html(browser, unescape(step[1]))
    assert [datetime.fromisoformat(text) for text in forth] == times[1:]


def test_the_change_that_led_here_is_said_and_marked(world: World, browser: Client) -> None:
    ticket, other = world.ticket(), world.ticket()
    world.do(op.TICKET_CHANGE_STATUS, ticket, new_status="doing", comment="Begun at last.")
    page = past(browser, world)
    said = re.search(r'class="past-sentence">(.*?)</span>', page, re.DOTALL)
    assert said
    assert unescape(re.sub(r"<[^>]+>", "", said[1])) == f"{ticket.key}: {world.agent.id} moved it from Todo to Doing"
    assert re.findall(r'is-changed" data-ticket-id="([^"]+)"', page) == [ticket.id]
    assert other.id in page


def test_columns_are_those_of_then(world: World, browser: Client) -> None:
    ticket = world.ticket(initial_status="ready")
    before = moment()
    columns = [
        {"id": "todo", "name": "Renamed", "category": "queue"},
        {"id": "done", "name": "Done", "category": "final"},
    ]
    change_board(world, columns=columns, move_tickets={"ready": "todo"})
    page = past(browser, world, at=before)
    assert re.findall(r'data-column="(\w+)"', page) == ["todo", "ready", "doing", "checking", "done", "wont"]
    assert cards(page, "ready") == [ticket.key]
    assert "Renamed" not in page
    assert "configuration of then was not kept" not in page
    page = past(browser, world)
    assert re.findall(r'data-column="(\w+)"', page) == ["todo", "done"]
    assert cards(page, "todo") == [ticket.key]


def test_what_is_not_known_is_said(world: World, browser: Client) -> None:
    """As after an upgrade: the board's first kept configuration is younger than its tickets."""
    ticket = world.ticket(initial_status="ready")
    before = moment()
    columns = [
        {"id": "todo", "name": "Todo", "category": "queue"},
        {"id": "done", "name": "Done", "category": "final"},
    ]
    change_board(world, columns=columns, move_tickets={"ready": "todo"})
    drop_triggers(connection)
    BoardRevision.objects.filter(workflow=world.workflow, version=1).delete()
    page = past(browser, world, at=before)
    assert "configuration of then was not kept" in page
    assert cards(page, "ready") == [ticket.key]
    assert "Not on the oldest board that was kept" in page


def test_a_number_whose_event_is_gone_says_what_helps(world: World, browser: Client) -> None:
    world.ticket()
    seq = world.seq
    world.ticket()
    events_prune(keep=1)
    assert "Say the time instead" in past(browser, world, 404, at=str(seq))
    past(browser, world, 404, at=str(seq + 1000))
    row = TicketHistory.objects.order_by("id")[0]
    assert cards(past(browser, world, at=f"h{row.pk}"), "todo"), "history is never pruned"


def test_a_ticket_of_then_stands_beside_that_of_now(world: World, browser: Client) -> None:
    parent, ticket = world.ticket(), world.ticket(title=f"Then {HOSTILE}", description="What it said <b>then</b>.")
    world.do(op.TICKET_UPDATE, ticket, updates={"parent_ticket_id": parent.id, "blocked_by_add": [parent.id]})
    before = moment()
    world.do(op.TICKET_UPDATE, ticket, updates={"title": "Now", "description": "What it says now.", "priority": "high"})
    world.do(op.TICKET_RESOLVE, parent, resolution_comment="It is all done.")
    panel = past(browser, world, at=before, ticket=ticket.key)
    panel = panel[panel.index('class="past-panel"') :]
    rows = {
        unescape(name): tuple(unescape(re.sub(r"<[^>]+>", "", cell)) for cell in (then, now))
        for name, then, now in re.findall(
            r'<th scope="row">(.*?)</th><td dir="auto">(.*?)</td><td dir="auto">(.*?)</td>', panel
        )
    }
    assert rows["Priority"] == ("medium", "high")
    assert rows["Waits for"] == (parent.key, "\u2013")
    assert rows["Parent"] == (parent.key, "the same")
    assert rows["Column"] == ("Todo", "the same")
    assert "What it said &lt;b&gt;then&lt;/b&gt;." in panel
    assert "<script>alert" not in panel
    assert "was not there yet" in past(browser, world, at="2020-01-01", ticket=ticket.key)


def test_a_long_column_goes_on(world: World, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boards.web.history.past_view.PER_COLUMN", 2)
    keys = [world.ticket().key for _ in range(5)]
    page = past(browser, world)
    assert cards(page, "todo") == keys[:2]
    more = re.search(r'href="(/board-at[^"]*)" data-more', page)
    assert more
    page = html(browser, unescape(more[1].partition("#")[0]))
    assert cards(page, "todo") == keys[2:4]
    assert "Back to the top of the column" in page
    query = {"workflow": world.workflow.id, "column": "todo", "offset": "4"}
    answer = browser.get("/board-at/column", query).json()
    assert re.findall(r'data-then="([^"]+)"', answer["html"]) == keys[4:]
    assert answer["next"] is None
    assert browser.get("/board-at/column", {**query, "column": "nowhere"}).status_code == 400


def test_rejected_tickets_leave_the_board_when_they_were_rejected(browser: Client) -> None:
    world = World(ticket_human_review=True)
    person = world.person()
    looks = browser_of(make_person(world.workflow))
    ticket = world.ticket()
    waiting = moment()
    world.do(op.TICKET_REJECT, ticket, by=person, reason="Not this one.")
    assert cards(past(looks, world, at=waiting), "todo") == [ticket.key]
    assert "Waited for approval" in past(looks, world, at=waiting)
    assert cards(past(looks, world), "todo") == []


ODD = (
    "\x00", "9" * 400, "-1", "h" + "9" * 18, "h" + "9" * 40, "h0", "0", "9" * 18, "é🐛\u202e", "0001-01-01",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "²", "NaN", "00001" + "9" * 30, "1" + "0" * 5000,
)  # fmt: skip
# Of which the first moments of the year 1 lie before it, and the last ones of the year 9999 after it.
ZONES = ("America/New_York", "Pacific/Kiritimati")


@pytest.mark.parametrize("path", ["/board-at", "/board-at/column"])
@pytest.mark.parametrize("value", ODD)
def test_nothing_that_is_sent_breaks_it(world: World, browser: Client, path: str, value: str) -> None:
    world.ticket()
    for zone, name in product(ZONES, ("at", "local", "place", "ticket", "column", "offset", "workflow")):
        browser.cookies["hephaestus_zone"] = zone
        query = {"workflow": world.workflow.id, "column": "todo", name: value}
        assert browser.get(path, query).status_code in (200, 400, 404), name


def test_tickets_and_moments_of_other_workflows_are_not_found(world: World, browser: Client) -> None:
    elsewhere = make_workflow()
    foreign = make_ticket(make_agent(elsewhere))
    row = TicketHistory.objects.filter(ticket=foreign)[0]
    past(browser, world, 404, at=f"h{row.pk}")
    assert past(browser, world, 404, ticket=foreign.key).count(foreign.title) == 0


def test_the_number_of_queries_does_not_grow(world: World, browser: Client) -> None:
    blocker = world.ticket()
    world.do(op.TICKET_ASSIGN, blocker, assigned_agent_id=world.agent.id)
    world.ticket(blocked_by_ticket_ids=[blocker.id], initial_status="ready")
    world.ticket(initial_status="doing", assigned_agent_id=world.agent.id)
    past(browser, world)
    places._kept.clear()
    with CaptureQueriesContext(connection) as few:
        past(browser, world)
    for status in ("todo", "ready", "doing", "done"):
        for _ in range(5):
            world.ticket(initial_status=status, assigned_agent_id=world.other.id)
    world.do(op.TICKET_UPDATE, Ticket.objects.get(pk=blocker.pk), updates={"title": "As the last"})
    places._kept.clear()
    with CaptureQueriesContext(connection) as many:
        past(browser, world)
    assert len(many) <= len(few) <= 34
    with CaptureQueriesContext(connection) as kept:
        past(browser, world)
    assert len(kept) < len(many)


def test_what_is_kept_is_of_one_workflow(world: World, browser: Client) -> None:
    ticket = world.ticket()
    other = World()
    theirs = other.ticket()
    looks = browser_of(make_person(superuser=True))
    assert cards(past(looks, world), "todo") == [ticket.key]
    assert cards(past(looks, other), "todo") == [theirs.key]
    assert cards(past(looks, world), "todo") == [ticket.key]
