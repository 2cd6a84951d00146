"""The audit: what it says, what its filters leave, who may read it, what it costs."""

from __future__ import annotations

import io
import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from boards.models import BoardRevision
from boards.operations import BOARD_GET, BOARD_UPDATE
from boards.selectors.audit import KINDS, Position, Wanted, changes
from tests.boards.pages import HOSTILE, browser_of, html
from tests.factories import make_agent, make_person, make_ticket
from tests.tickets.world import World
from tickets import operations as op
from tickets.access import system_actor
from tickets.models import Agent, Ticket, TicketHistory, WorkflowHistory
from tickets.operations import execute
from tickets.services import ranks

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def browser(world: World) -> Client:
    return browser_of(make_person(world.workflow, role="viewer"))


def happen(world: World) -> Ticket:
    """One of nearly everything, to one ticket beside another; returns the first."""
    person = world.person()
    blocker, ticket = world.ticket(title="In the way"), world.ticket(title="A first title")
    world.do(op.TICKET_UPDATE, ticket, updates={"title": "A second title", "description": "Line one.\nLine two."})
    world.do(op.TICKET_UPDATE, ticket, updates={"blocked_by_add": [blocker.id], "parent_ticket_id": blocker.id})
    world.do(op.TICKET_BLOCK, ticket, reason="Rain", by=person)
    world.do(op.TICKET_UNBLOCK, ticket, by=person)
    world.do(op.TICKET_RESOLVE, blocker, resolution_comment="Out of the way.", by=person)
    world.do(op.TICKET_CLAIM, ticket, lease_seconds=60)
    world.do(op.TICKET_RELEASE, ticket)
    world.do(op.TICKET_ASSIGN, ticket, assigned_agent_id=world.other.id, by=person)
    world.do(op.TICKET_CHANGE_STATUS, ticket, new_status="doing", comment="Begun at last.", by=world.other)
    world.do(op.COMMENT_ADD, ticket, comment_text=f"Looks well. {HOSTILE}", by=person)
    world.do(op.TICKET_RESOLVE, ticket, resolution_comment="It is all done.")
    world.do(op.TICKET_REOPEN, ticket, by=person)
    world.do(op.TICKET_MOVE, world.ticket(), before_ticket_id=ticket.id)
    return ticket


def change_board(world: World, **changes: Any) -> None:
    maintainer = world.person()
    board = execute(BOARD_GET, maintainer, {"workflow_id": world.workflow.id}).board_config.model_dump(mode="json")
    kept = {name: board[name] for name in ("name", "ticket_types", "settings", "transitions")}
    columns = [{k: v for k, v in column.items() if k != "ticket_count"} for column in board["columns"]]
    moves = changes.pop("move_tickets", {})
    request = {"workflow_id": world.workflow.id, "board": {**kept, "columns": columns, **changes}}
    execute(BOARD_UPDATE, maintainer, {**request, "move_tickets": moves})


def sentences(page: str) -> list[str]:
    """What the rows say, newest first, as it is read."""
    found = re.findall(r'<div class="audit-said"><p>(.*?)</p>', page, re.DOTALL)
    texts = (re.sub(r'<span class="avatar[^>]*>[^<]*</span>|<[^>]+>', "", row) for row in found)
    return [" ".join(unescape(text).split()) for text in texts]


def ids(page: str) -> list[str]:
    return re.findall(r'<li class="audit-row" id="([hbw]\d+)"', page)


def address(world: World, **query: Any) -> str:
    pairs = "".join(f"&{name}={value}" for name, value in query.items())
    return f"/audit?workflow={world.workflow.id}{pairs}"


# ── what it says ──


def test_each_change_is_a_sentence_newest_first(world: World, browser: Client) -> None:
    ticket = happen(world)
    blocker = Ticket.objects.get(title="In the way")
    said = sentences(html(browser, address(world, ticket=ticket.key)))[::-1]
    me, other = world.agent.id, world.other.id
    for clause in (
        f"{me} created it",
        f"{me} changed the title from A first title to A second title",
        f"{me} changed the description",
        f"{me} made it part of {blocker.key}",
        f"{me} made it wait for {blocker.key}",
        "blocked it: Rain",
        "unblocked it",
        f"freed it from {blocker.key} ({blocker.key} was resolved)",
        f"{me} claimed it",
        f"{me} released it",
        f"assigned it to {other}",
        f"{other} moved it from Todo to Doing",
        f"{other} commented Begun at last.",
        f"commented Looks well. {HOSTILE[:20]}",
        f"{me} resolved it",
        "reopened it",
    ):
        place = next((n for n, sentence in enumerate(said) if clause in sentence), None)
        assert place is not None, (clause, said)
        said = said[place:]


def test_what_was_typed_is_text(world: World, browser: Client) -> None:
    ticket = make_ticket(world.agent, title=HOSTILE, tags=["<b>tag</b>"])
    world.do(op.TICKET_UPDATE, ticket, updates={"title": f"Other {HOSTILE}", "tags_add": ["<i>"]})
    for page in (html(browser, address(world)), html(browser, address(world, agent="<script>", since="<b>"), 400)):
        assert "<script>alert" not in page
        assert "<b>tag" not in page
        assert "onerror=alert(1)>" not in page.replace("&gt;", "_")


def test_a_change_of_the_board_says_what_it_was(world: World, browser: Client) -> None:
    ticket = world.ticket(initial_status="ready")
    columns = [
        {"id": "todo", "name": "Open <b>", "category": "queue", "wip_limit": 7},
        {"id": "doing", "name": "Doing", "category": "active"},
        {"id": "extra", "name": "Extra", "category": "active"},
        {"id": "done", "name": "Done", "category": "final"},
        {"id": "wont", "name": "Wont", "category": "final"},
    ]
    change_board(world, columns=columns, move_tickets={"ready": "todo"}, settings={"auto_assign": True})
    page = html(browser, address(world, kind="board"))
    details = [unescape(text) for text in re.findall(r'<li dir="auto">(.*?)</li>', page)]
    assert details == [
        "column “Ready” removed, its tickets to “Open <b>”",
        "column “Checking” removed",
        "“Todo” renamed to “Open <b>”",
        "limit of “Open <b>” from none to 7",
        "column “Extra” added",
        "auto assign off → on",
    ]
    assert ids(page)[-1] == f"b{BoardRevision.objects.get(workflow=world.workflow, version=1).pk}"
    # The move that it brought with it comes after it, and knows the name of the column that is gone.
    page = html(browser, address(world))
    assert ids(page)[1] == f"b{BoardRevision.objects.get(workflow=world.workflow, version=2).pk}"
    assert sentences(page)[0].endswith("carried it over, with a change of the board, from Ready to Open <b>")
    assert f"/tickets/{ticket.key}" in page


def test_changes_of_members_tokens_and_settings_are_told(world: World, browser: Client) -> None:
    maintainer, agent, hostile = world.person(), make_agent(world.workflow), f"Renamed {HOSTILE}"
    about = {"workflow_id": world.workflow.id, "member_agent_id": agent.id}
    world.do(op.MEMBERSHIP_SET, by=maintainer, role="viewer", **about)
    facts = {"for_agent_id": agent.id, "expires_at": "2099-05-06T07:08:09Z", "is_gateway": True}
    token = world.do(op.TOKEN_ISSUE, by=system_actor(), label="its label", **facts)
    world.do(op.TOKEN_REVOKE, by=maintainer, token_id=token.detail.token_id)
    world.do(op.MEMBERSHIP_SET, by=maintainer, role=None, **about)
    for updates in ({"name": hostile}, {"is_active": False}, {"phases": [{"id": 1}]}):
        world.do(op.WORKFLOW_UPDATE, by=maintainer, workflow_id=world.workflow.id, updates=updates)
    page = html(browser, address(world))
    who = Agent.objects.get(pk=maintainer.agent_id).name
    assert sentences(page)[:7] == [
        f"{who} changed the phases",
        f"{who} deactivated the workflow",
        f"{who} renamed the workflow from {world.workflow.name} to {hostile}",
        f"{who} removed {agent.id} as viewer",
        f"{who} revoked a token of {agent.id} as gateway",
        f"System issued a token for {agent.id} as gateway, until 2099-05-06",
        f"{who} changed the role of {agent.id} from member to viewer",
    ]
    for secret in (token.token, token.detail.hint, "its label", "<img src=x"):
        assert secret not in page
    assert f'href="/agents?workflow={world.workflow.id}&amp;q={agent.id}"' in page
    for kind, clause in (("members", "added"), ("tokens", "token"), ("settings", "the workflow")):
        told = sentences(html(browser, address(world, kind=kind)))
        assert told
        assert all(clause in said or "role" in said or "removed" in said or "phases" in said for said in told)


def test_imports_expired_leases_and_gateways_are_told_as_such(world: World, browser: Client) -> None:
    from tickets.imports.running import Import, tickets_import

    line = json.dumps({"id": "x-1", "title": "From elsewhere", "description": "Written long ago."})
    tickets_import(Import(system_actor(), world.workflow.id, io.BytesIO(line.encode()), "jsonl", name="old.jsonl"))
    assert "System imported it from jsonl:old.jsonl" in sentences(html(browser, address(world)))
    gateway = make_agent(world.workflow, gateway=True)
    from tickets.access import acting_as

    ticket = world.ticket(by=acting_as(gateway.actor, world.other.id))
    assert sentences(html(browser, address(world, ticket=ticket.key))) == [
        f"{world.other.id} through {gateway.id} created it"
    ]


def test_new_keys_of_a_column_are_nothing_that_anybody_did(
    world: World, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "RESPREAD_LENGTH", 4)
    anchor, one, two = (world.ticket() for _ in range(3))
    while not TicketHistory.objects.filter(metadata__respread=True).exists():
        one, two = two, one
        world.do(op.TICKET_MOVE, one, after_ticket_id=anchor.id)
    told = {f"h{id_}" for id_ in TicketHistory.objects.filter(metadata__respread=True).values_list("pk", flat=True)}
    assert not told & set(ids(html(browser, address(world))))
    assert "moved it within its column" in html(browser, address(world))


def test_long_texts_are_compared_in_their_place_without_script(world: World, browser: Client) -> None:
    ticket = world.ticket()
    world.do(op.TICKET_UPDATE, ticket, updates={"description": "Line one.\nLine two."})
    row = TicketHistory.objects.get(ticket=ticket, field_name="description")
    page = html(browser, address(world))
    assert f'data-compare="/tickets/{ticket.key}/changes/{row.pk}"' in page
    compared = html(browser, address(world, compare=f"h{row.pk}"))
    assert '<ins dir="auto"><span class="vh">added: </span>Line two.</ins>' in compared
    assert "<ins" not in html(browser, address(world, compare="h999999"))


# ── what the filters leave ──


SOURCES: dict[Any, str] = {BoardRevision: "b", WorkflowHistory: "w", TicketHistory: "h"}


def brute_force(world: World, wanted: Wanted) -> list[str]:
    """The ids of the changes that are asked for, newest first, by looking at each."""
    found = []
    for place, (model, letter) in enumerate(SOURCES.items()):
        for row in model._default_manager.filter(workflow=world.workflow):
            if wanted.kind is not None and getattr(row, "change_type", None) not in (KINDS[wanted.kind] or (None,)):
                continue
            if wanted.agent_id is not None and row.agent_id != wanted.agent_id:
                continue
            if wanted.ticket_id is not None and getattr(row, "ticket_id", None) != wanted.ticket_id:
                continue
            if not (wanted.since or row.changed_at) <= row.changed_at < (wanted.until or row.changed_at + timedelta(1)):
                continue
            found.append((row.changed_at, place, row.pk, letter))
    return [f"{letter}{pk}" for _, _, pk, letter in sorted(found, reverse=True)]


def test_filters_and_pages_leave_what_a_look_at_each_change_leaves(world: World) -> None:
    ticket = happen(world)
    change_board(world, settings={"auto_assign": True})
    world.do(op.TICKET_ASSIGN, ticket, assigned_agent_id=None)
    change_board(world, name="Another")
    times = sorted(TicketHistory.objects.values_list("changed_at", flat=True))
    agents = [None, world.agent.id, world.other.id, "nobody-at-all"]
    ranges = [(None, None), (times[5], None), (None, times[-4]), (times[8], times[-3])]
    for agent, kind, about, (since, until) in itertools.product(agents, [None, *KINDS], [None, ticket.id], ranges):
        wanted = Wanted(agent, about, kind, since, until)
        walked: list[str] = []
        last: Position | None = None
        while True:
            page = changes(world.workflow, wanted, before=last, limit=3)
            walked += [f"{SOURCES[type(row)]}{row.pk}" for row in page]
            if len(page) < 3:
                break
            last = Position.of(page[-1])
        assert walked == brute_force(world, wanted), wanted


def test_after_a_position_comes_all_that_is_newer(world: World) -> None:
    happen(world)
    change_board(world, settings={"auto_assign": True})
    everything = changes(world.workflow, Wanted(), limit=1000)
    for place, row in enumerate(everything):
        newer = changes(world.workflow, Wanted(), after=Position.of(row), limit=1000)
        assert newer == everything[:place]


def test_the_address_filters(world: World, browser: Client) -> None:
    ticket = happen(world)
    everything = ids(html(browser, address(world)))
    of_ticket = ids(html(browser, address(world, ticket=ticket.key.lower())))
    assert 0 < len(of_ticket) < len(everything)
    assert ids(html(browser, address(world, ticket=ticket.id, kind="moved"))) == brute_force(
        world, Wanted(ticket_id=ticket.id, kind="moved")
    )
    today = timezone.now().astimezone(UTC).date()
    assert ids(html(browser, address(world, since=today, until=today))) == everything
    assert ids(html(browser, address(world, until=today - timedelta(days=1)))) == []
    assert "Nothing here matches" in html(browser, address(world, since=today + timedelta(days=1)))
    moment = TicketHistory.objects.order_by("pk").values_list("changed_at", flat=True)[4].isoformat()
    page = html(browser, address(world, since=moment.replace("+", "%2B")))
    assert ids(page) == brute_force(world, Wanted(since=datetime.fromisoformat(moment)))
    assert f'type="text" value="{moment}"' in page


def test_days_are_those_of_whoever_looks(world: World, browser: Client) -> None:
    world.ticket()
    browser.cookies["hephaestus_zone"] = "Pacific/Kiritimati"
    there = (timezone.now() + timedelta(hours=14)).date()
    page = html(browser, address(world, since=there, until=there))
    assert f'data-day="{there}"' in page
    browser.cookies["hephaestus_zone"] = "Pacific/Pago_Pago"
    assert "Nothing here matches" in html(browser, address(world, since=there + timedelta(days=1)))


def test_a_fault_is_told_in_its_field(world: World, browser: Client) -> None:
    world.ticket()
    for query, field in (
        ({"kind": "sideways"}, "e-kind"),
        ({"ticket": "TKT-99999"}, "e-ticket"),
        ({"since": "soon"}, "e-since"),
        ({"until": "10000-01-01"}, "e-until"),
        ({"agent": "a" * 300}, "e-agent"),
    ):
        page = html(browser, address(world, **query), 400)
        assert f'id="{field}"' in page
        assert ids(page) == []


def test_pages_follow_each_other(world: World, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boards.web.history.audit.PAGE", 4)
    happen(world)
    walked, page = [], html(browser, address(world, kind="moved"))
    walked += ids(page)
    while more := re.search(r'href="(/audit\?[^"]*before=[^"]*)" data-more', page):
        page = html(browser, unescape(more[1]))
        assert "Back to the newest" in page
        walked += ids(page)
    assert walked == brute_force(world, Wanted(kind="moved"))
    assert "The beginning: nothing is older." in page


# ── what is new ──


def test_what_is_new_is_counted_by_the_filters(world: World, browser: Client) -> None:
    first = world.ticket()
    page = html(browser, address(world))
    newest = unescape(re.findall(r'data-newest="([^"]*)"', page)[0])
    query = {"workflow": world.workflow.id, "after": newest}
    assert browser.get("/audit/new", query).json() == {"count": 0, "more": False}
    world.do(op.TICKET_UPDATE, first, updates={"title": "Something new"})
    second = world.ticket()
    answer = browser.get("/audit/new", {**query, "rows": "1"}).json()
    assert (answer["count"], answer["more"]) == (2, False)
    assert sentences(answer["html"]) == [
        f"{world.agent.id} created it",
        f"{world.agent.id} changed the title from A ticket to Something new",
    ]
    assert browser.get("/audit/new", {**query, "after": answer["newest"]}).json()["count"] == 0
    assert browser.get("/audit/new", {**query, "kind": "created"}).json()["count"] == 1
    assert browser.get("/audit/new", {**query, "ticket": second.key}).json()["count"] == 1
    assert browser.get("/audit/new", {**query, "until": "2020-01-01"}).json()["count"] == 0
    assert browser.get("/audit/new", {**query, "kind": "sideways"}).status_code == 400
    # A page that was empty asks for all there is.
    assert browser.get("/audit/new", {"workflow": world.workflow.id}).json()["count"] == len(
        ids(html(browser, address(world)))
    )
