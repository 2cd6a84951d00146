"""What of a board its address shows: filters, order, lanes; on the server, at a fixed cost."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from boards.web.board.bar import MAX_PEOPLE
from tests.boards.pages import browser_of, html
from tests.boards.test_board_page import column
from tests.factories import AgentWithToken, make_agent, make_person, make_ticket, make_workflow
from tickets.models import Agent, Membership, Ticket, Workflow
from tickets.schemas.tickets import ClaimTicket, ResolveTicket
from tickets.services.claims import ticket_claim
from tickets.services.status import ticket_resolve

pytestmark = pytest.mark.django_db

MOST_HTML = 60 * 1024
MOST_SCRIPT = 60 * 1024


def keys(page: str) -> list[str]:
    return re.findall(r'<span class="key">([^<]+-\d+)', page)


def resolve(agent: AgentWithToken, ticket: Ticket) -> None:
    request = ResolveTicket(ticket_id=ticket.id, resolution_comment="Done with it.")
    ticket_resolve(actor=agent.actor, request=request)


def test_filters_meet(agent: AgentWithToken, browser: Client) -> None:
    bug = make_ticket(agent, ticket_type="bug", priority="high", tags=["Air"])
    make_ticket(agent, ticket_type="bug", priority="low", tags=["air"])
    make_ticket(agent, ticket_type="task", priority="high", tags=["air"])
    page = html(browser, "/tickets?workflow=anvil&type=bug&priority=high,critical&tag=air")
    assert keys(page) == [bug.key]
    assert "1 of 3 tickets" in page
    assert 'data-total="1"' in page
    assert page.count('class="chip"') == 4


def test_words_stand_in_the_title_or_are_the_key(agent: AgentWithToken, browser: Client) -> None:
    both = make_ticket(agent, title="Forge a hinge for 100% of doors")
    other = make_ticket(agent, title="Forge a nail")
    assert keys(html(browser, "/tickets?q=HINGE+forge")) == [both.key]
    assert keys(html(browser, "/tickets?q=100%25")) == [both.key]
    assert keys(html(browser, "/tickets?q=0%25+o")) == [both.key]
    assert keys(html(browser, f"/tickets?q={other.key.lower()}")) == [other.key]
    page = html(browser, "/tickets?q=anvil")
    assert keys(page) == []
    assert "Nothing matches." in page


def test_states_of_agents_filter(agent: AgentWithToken, browser: Client) -> None:
    held = make_ticket(agent)
    make_ticket(agent)
    ticket_claim(actor=agent.actor, request=ClaimTicket(ticket_id=held.id))
    assert keys(html(browser, "/tickets?state=working")) == [held.key]
    assert keys(html(browser, "/tickets?state=stale")) == []


@pytest.mark.parametrize(
    "query",
    ["type=nothing", "priority=soon", "status=nowhere", "sort=luck", "lanes=height", "state=happy", "blocked=perhaps",
     "parent=ANV-999", "q=" + "x" * 201, "q=%00", "type=%00", "agent=" + "x" * 101],
)  # fmt: skip
def test_an_address_that_makes_no_sense_is_told_so(browser: Client, query: str) -> None:
    assert browser.get(f"/tickets?workflow=anvil&{query}").status_code in (400, 404)
    assert browser.get(f"/tickets/cards?workflow=anvil&ids=x&{query}").status_code in (400, 404)


def test_each_order_goes_on_where_it_ended(agent: AgentWithToken, browser: Client) -> None:
    for number in range(45):
        make_ticket(agent, priority=("low", "critical", "high", "medium")[number % 4])
    for sort in ("priority", "updated", "created"):
        page = html(browser, f"/tickets?workflow=anvil&sort={sort}")
        cursor = re.search(r'data-next="([^"]+)"', page)
        assert cursor
        where = {"workflow": "anvil", "column": "backlog", "after": cursor[1].replace("&#x27;", "'"), "sort": sort}
        rest = browser.get("/tickets/column", where).json()
        shown = keys(page) + keys(rest["html"])
        assert len(shown) == len(set(shown)) == 45
        assert rest["next"] is None
        for wrong in ("x~1", "~", "2026-01-01~1", "0001-01-01T00:00:00+23:59~1", "9~1"):
            assert browser.get("/tickets/column", {**where, "after": wrong}).status_code == 400
    ranks = dict(Ticket.objects.values_list("key", "priority_rank"))
    by_priority = [ranks[key] for key in keys(html(browser, "/tickets?workflow=anvil&sort=priority"))]
    assert by_priority == sorted(by_priority)


def test_lanes_hold_each_ticket_once(agent: AgentWithToken, browser: Client) -> None:
    parent = make_ticket(agent, title="The whole")
    tickets = [
        parent,
        make_ticket(agent, parent_ticket_id=parent.id, assigned_agent_id="impl-1", ticket_type="bug"),
        make_ticket(agent, priority="critical", initial_status="review"),
        make_ticket(agent, assigned_agent_id="impl-1", priority="low"),
    ]
    resolve(agent, tickets[3])
    names = {
        "agent": ["impl-1", "Unassigned"],
        "type": ["Bug", "Task"],
        "priority": ["Critical", "Medium", "Low"],
        "parent": [f"{parent.key} The whole", "No parent"],
    }
    for by, lanes in names.items():
        page = html(browser, f"/tickets?workflow=anvil&lanes={by}")
        assert sorted(keys(page)) == sorted(ticket.key for ticket in tickets)
        assert re.findall(r'<span class="clip" dir="auto">([^<]+)</span><span class="hint num', page) == lanes


def test_a_long_cell_goes_on(agent: AgentWithToken, browser: Client) -> None:
    for _ in range(60):
        make_ticket(agent, assigned_agent_id="impl-1")
    make_ticket(agent)
    page = html(browser, "/tickets?workflow=anvil&lanes=agent")
    cell = re.search(r'data-status="backlog" data-lane="impl-1" data-next="([^"]+)"', page)
    assert cell
    where = {"workflow": "anvil", "lanes": "agent", "lane": "impl-1", "column": "backlog"}
    rest: list[str] = []
    after: str | None = cell[1]
    while after:
        answer = browser.get("/tickets/column", {**where, "after": after}).json()
        rest += keys(answer["html"])
        after = answer["next"]
    assert len(set(keys(page)) | set(rest)) == 61
    assert len(rest) + len(keys(page)) == 61


def test_changed_cards_come_with_their_lane_and_only_where_they_fit(agent: AgentWithToken, browser: Client) -> None:
    mine, other = make_ticket(agent, assigned_agent_id="impl-1"), make_ticket(agent, ticket_type="bug")
    query = f"workflow=anvil&ids={mine.id},{other.id}"
    answer = browser.get(f"/tickets/cards?{query}&lanes=agent").json()
    assert {card["id"]: card["lane"] for card in answer["cards"]} == {mine.id: "impl-1", other.id: "none"}
    assert {lane["id"]: lane["cells"] for lane in answer["lanes"]} == {"impl-1": {"backlog": 1}, "none": {"backlog": 1}}
    answer = browser.get(f"/tickets/cards?{query}&type=bug").json()
    assert [card["id"] for card in answer["cards"]] == [other.id]
    head = answer["columns"][0]
    assert head["total"] == 1
    assert "1 of" in head["count"]


@pytest.mark.parametrize("query", ["type=task&q=ticket", "sort=updated", "lanes=agent", "lanes=parent&type=task"])
def test_queries_do_not_grow(
    agent: AgentWithToken, browser: Client, query: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    parent = make_ticket(agent)
    for number in range(60):
        fields: Any = {"assigned_agent_id": "impl-1", "parent_ticket_id": parent.id} if number % 2 else {}
        make_ticket(agent, blocked_by_ticket_ids=[parent.id], **fields)
    html(browser, "/tickets?workflow=anvil")
    with django_assert_max_num_queries(20):
        html(browser, f"/tickets?workflow=anvil&{query}")


def test_only_those_who_may_write_are_offered_to(workflow: Workflow) -> None:
    for role, writes in (("viewer", "false"), ("member", "true")):
        assert f'"writes": {writes}' in html(browser_of(make_person(workflow, role=role)), "/tickets?workflow=anvil")


def test_who_comes_after_the_last_that_the_menus_name_may_write_all_the_same(workflow: Workflow) -> None:
    crowd = Agent.objects.bulk_create(Agent(id=f"a-{number}", name=f"A {number}") for number in range(MAX_PEOPLE))
    Membership.objects.bulk_create(Membership(workflow=workflow, agent=agent, role="member") for agent in crowd)
    for role, writes in (("viewer", "false"), ("member", "true")):
        person = make_person(workflow, role=role, username=f"zoe-{role}")
        assert f'"writes": {writes}' in html(browser_of(person), "/tickets?workflow=anvil")


# ── weight ──


def test_a_full_board_weighs_little(agent: AgentWithToken, browser: Client) -> None:
    statuses = ("backlog", "todo", "in_progress", "review", "done")
    for number in range(205):
        make_ticket(
            agent, title=f"Ticket {number * 7919 % 1009} of the many that a long summer brings to the smithy",
            initial_status=statuses[number % 5], tags=[f"tag-{number % 17}", "iron"], assigned_agent_id="impl-1",
        )  # fmt: skip
    response = browser.get("/tickets?workflow=anvil", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.content).count(b'<li class="card') == 200
    assert len(response.content) <= MOST_HTML


def test_the_boards_scripts_weigh_little(browser: Client) -> None:
    """Every module that the board loads, as the page and the imports say, each compressed by itself."""
    root = settings.BASE_DIR / "static"
    wanted = [
        root / name for name in re.findall(r'<script type="module" src="/static/([^"]+)"', html(browser, "/tickets"))
    ]
    assert {path.name for path in wanted} >= {"app.js", "board.js"}
    found = {}
    while wanted:
        path = wanted.pop().resolve()
        if path not in found:
            text = path.read_text()
            found[path] = len(gzip.compress(text.encode(), 6))
            wanted += [path.parent / name for name in re.findall(r'^import [^"]*"([^"]+)";', text, re.MULTILINE)]
    assert {"Sortable.min.js", "tinykeys.js", "socket.js"} <= {path.name for path in found}
    assert sum(found.values()) <= MOST_SCRIPT, {path.name: size for path, size in found.items()}


def test_what_is_vendored_comes_with_its_licence() -> None:
    folders = [path for path in (settings.BASE_DIR / "static" / "vendor").iterdir() if path.is_dir()]
    assert folders
    for folder in folders:
        assert re.fullmatch(r"[a-z0-9-]+-\d+\.\d+\.\d+", folder.name)
        assert any(path.stat().st_size > 500 for path in folder.glob("LICEN*"))


def test_a_column_that_filters_leave_empty_keeps_its_limit() -> None:
    columns = [{"id": "todo", "name": "To do", "wip_limit": 1}, {"id": "done", "name": "Done"}]
    workflow = make_workflow("small", board={"columns": columns, "ticket_types": ["task"]})
    agent = make_agent(workflow)
    for _ in range(2):
        make_ticket(agent, priority="low")
    todo = column(html(browser_of(make_person(workflow)), "/tickets?priority=high"), "todo")
    assert "Nothing here matches." in todo
    assert "1 over limit" in todo
    assert "0 of </span>2" in todo
