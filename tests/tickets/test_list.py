"""The list of tickets: what it holds, in what order, at what cost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from tests.factories import AgentWithToken, api_client, make_agent, make_person, make_ticket, make_workflow
from tickets.models import Ticket, TicketDependency, Workflow
from tickets.rules import PRIORITY_RANK
from tickets.schemas.base import parse
from tickets.schemas.lists import ROW_NAMES, ListTickets, TicketList
from tickets.schemas.tickets import (
    BlockTicket,
    ChangeTicketStatus,
    ClaimTicket,
    ResolveTicket,
    TicketUpdates,
    UpdateTicket,
)
from tickets.selectors.tickets import ticket_list
from tickets.services.blocking import ticket_block
from tickets.services.claims import ticket_claim
from tickets.services.status import ticket_change_status, ticket_resolve
from tickets.services.tickets import ticket_update
from tickets.tally import count_anew

pytestmark = pytest.mark.django_db

ISSUES = Path(__file__).parents[3] / "shared" / "data" / "github-issues.jsonl"
COLUMNS = ["backlog", "todo", "in_progress", "review", "done"]
TYPES = ["bug", "feature", "improvement", "task", "spike"]
TAGS = ["API", "front end", "söme"]


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("alpha")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="ada")


@pytest.fixture
def tickets(workflow: Workflow, agent: AgentWithToken) -> list[Ticket]:
    return fill(agent, make_agent(workflow, agent_id="bob"))


def listed(agent: AgentWithToken, **query: Any) -> TicketList:
    return ticket_list(actor=agent.actor, request=parse(ListTickets, query))


def keys(agent: AgentWithToken, **query: Any) -> list[str]:
    return [row["key"] for row in listed(agent, **query).tickets]


def get(agent: AgentWithToken, query: Any = "", path: str = "/api/tickets/get") -> Any:
    text = query if isinstance(query, str) else urlencode(query, doseq=True)
    return api_client(agent).get(f"{path}?{text}" if text else path)


def fill(agent: AgentWithToken, other: AgentWithToken, count: int = 24) -> list[Ticket]:
    """Tickets of every column, type, priority, tag and state that filters tell apart."""
    for number in range(count):
        make_ticket(
            agent if number % 2 else other,
            initial_status=COLUMNS[number % 5],
            ticket_type=TYPES[(number // 2) % 5],
            priority=list(PRIORITY_RANK)[(number // 3) % 4],
            tags=TAGS[: number % 4],
            assigned_agent_id=[None, agent.id, other.id][number % 3],
        )
    tickets = list(Ticket.objects.order_by("number"))
    for ticket in tickets[::5]:
        ticket_block(actor=agent.actor, request=BlockTicket(ticket_id=ticket.id, reason="by hand"))
    updates = TicketUpdates(parent_ticket_id=tickets[0].id)
    for ticket in tickets[1::4]:
        ticket_update(actor=agent.actor, request=UpdateTicket(ticket_id=ticket.id, updates=updates))
    Ticket.objects.filter(number__in=(3, 8)).update(approval_status="rejected")
    Ticket.objects.filter(number=9).update(approval_status="expired")
    Ticket.objects.filter(number=10).update(approval_status="pending_review")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for ticket in tickets:
        # Equal times, so that orders need their last key.
        created = start + timedelta(days=ticket.number // 3)
        Ticket.objects.filter(pk=ticket.pk).update(
            created_at=created, updated_at=start + timedelta(days=(ticket.number * 7) % 10)
        )
    Workflow.objects.filter(pk=tickets[0].workflow_id).update(ticket_counts=count_anew(tickets[0].workflow_id))
    return list(Ticket.objects.order_by("number"))


def reference(tickets: list[Ticket], query: dict[str, Any]) -> list[str]:
    """The same list the slow way, from whole rows."""

    def matches(ticket: Ticket) -> bool:
        folded = {tag.casefold() for tag in ticket.tags}
        wanted = query.get("approval_status") or ["none", "pending_review", "approved"]
        after, before, since = (query.get(n) for n in ("created_after", "created_before", "updated_after"))
        return all(
            (
                ticket.status in (query.get("status") or COLUMNS),
                ticket.ticket_type in (query.get("ticket_type") or TYPES),
                ticket.priority in (query.get("priority") or PRIORITY_RANK),
                all(tag.casefold() in folded for tag in query.get("tags") or ()),
                query.get("is_blocked") in (None, ticket.is_blocked),
                query.get("include_completed", True) or ticket.status != "done",
                ticket.approval_status in wanted
                or bool(query.get("include_rejected") and not query.get("approval_status")),
                query.get("assigned_agent_id") in (None, ticket.assigned_agent_id or "none"),
                query.get("parent_ticket_id") in (None, ticket.parent_ticket_id or "none"),
                after is None or ticket.created_at >= datetime.fromisoformat(after).replace(tzinfo=UTC),
                before is None or ticket.created_at < datetime.fromisoformat(before).replace(tzinfo=UTC),
                since is None or ticket.updated_at >= datetime.fromisoformat(since).replace(tzinfo=UTC),
            )
        )

    sort_by, down = query.get("sort_by", "created_at"), query.get("sort_order", "desc") == "desc"

    def order(ticket: Ticket) -> Any:
        if sort_by == "priority":
            return -PRIORITY_RANK[ticket.priority], ticket.number
        if sort_by == "status":
            return COLUMNS.index(ticket.status), ticket.created_at, ticket.number
        return getattr(ticket, sort_by), ticket.number

    return [ticket.key for ticket in sorted(filter(matches, tickets), key=order, reverse=down)]


def some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


DATES = ["2026-01-03", "2026-01-05T00:00:00", "2026-01-08"]
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "status": some(COLUMNS),
        "ticket_type": some(TYPES),
        "priority": some(list(PRIORITY_RANK)),
        "tags": some(["api", "FRONT END", "SÖME"]),
        "is_blocked": st.booleans(),
        "include_completed": st.booleans(),
        "include_rejected": st.booleans(),
        "approval_status": some(["none", "pending_review", "approved", "rejected", "expired"]),
        "assigned_agent_id": st.sampled_from(["none", "ada", "bob"]),
        "parent_ticket_id": st.sampled_from(["none", "first"]),
        "created_after": st.sampled_from(DATES),
        "created_before": st.sampled_from(DATES),
        "updated_after": st.sampled_from(DATES),
        "sort_by": st.sampled_from(["created_at", "updated_at", "priority", "status"]),
        "sort_order": st.sampled_from(["asc", "desc"]),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_filter_order_and_page_agrees_with_the_slow_way(
    data: st.DataObject, agent: AgentWithToken, tickets: list[Ticket]
) -> None:
    query = dict(data.draw(QUERIES))
    if query.get("parent_ticket_id") == "first":
        query["parent_ticket_id"] = tickets[0].id
    expected = reference(tickets, query)
    assert keys(agent, **query) == expected
    limit = data.draw(st.integers(1, 7))
    paged = []
    for offset in range(0, len(expected) + 1, limit):
        page = listed(agent, **query, limit=limit, offset=offset)
        assert page.total_count == len(expected)
        assert page.has_more == (offset + len(page.tickets) < len(expected))
        paged += [row["key"] for row in page.tickets]
    assert paged == expected


def test_answers_with_the_designs_names_at_every_address(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, tags=["api"], priority="high", description="x" * 500)
    bodies = [get(agent, path=path).json() for path in ("/api/tickets/get", "/api/tickets", "/tickets/get")]
    assert bodies[0] == bodies[1] == bodies[2]
    body = bodies[0]
    assert (body["success"], body["total_count"], body["has_more"]) == (True, 1, False)
    row = body["tickets"][0]
    assert set(row) == set(ROW_NAMES)
    assert row["ticket_id"] == ticket.id
    assert row["created_at"] == ticket.created_at.isoformat().replace("+00:00", "Z")
    assert row["description"] == "x" * 199 + "…"
    assert (row["tags"], row["priority"], row["blocked_by_ticket_ids"]) == (["api"], "high", [])
    assert (row["is_blocked"], row["is_resolved"], row["version"]) == (False, False, 1)
    TicketList.model_validate(body)


def test_whole_seconds_are_written_like_all_times(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    Ticket.objects.filter(pk=ticket.pk).update(created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert listed(agent).tickets[0]["created_at"] == "2026-01-02T03:04:05Z"


def test_tells_blockers_leases_and_resolution(agent: AgentWithToken, workflow: Workflow) -> None:
    first, second, third = (make_ticket(agent) for _ in range(3))
    request = BlockTicket(ticket_id=third.id, blocked_by_ticket_ids=[second.id, first.id])
    ticket_block(actor=agent.actor, request=request)
    ticket_claim(actor=agent.actor, request=ClaimTicket(ticket_id=second.id, lease_seconds=60))
    ticket_resolve(actor=agent.actor, request=ResolveTicket(ticket_id=first.id, resolution_comment="Done at last."))
    rows = {row["ticket_id"]: row for row in listed(agent).tickets}
    assert rows[third.id]["blocked_by_ticket_ids"] == [second.id]
    assert rows[second.id]["lease_agent_id"] == agent.id
    assert (rows[first.id]["is_resolved"], rows[first.id]["status"]) == (True, "done")
    Ticket.objects.filter(pk=second.pk).update(lease_expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    row = next(row for row in listed(agent).tickets if row["ticket_id"] == second.id)
    assert (row["lease_agent_id"], row["lease_expires_at"]) == (None, None)


@pytest.mark.parametrize("form", ["status=todo,Review", "status=todo&status=review", "status=To%20Do,%20review,"])
def test_values_come_repeated_or_between_commas_by_id_or_name(agent: AgentWithToken, form: str) -> None:
    tickets = {status: make_ticket(agent, initial_status=status) for status in COLUMNS}
    found = {row["ticket_id"] for row in get(agent, form).json()["tickets"]}
    assert found == {tickets["todo"].id, tickets["review"].id}


def test_descriptions_come_whole_or_not_at_all_only_when_asked_for(agent: AgentWithToken) -> None:
    make_ticket(agent, description="x" * 5000)
    assert listed(agent, description="full").tickets[0]["description"] == "x" * 5000
    assert "description" not in listed(agent, description="none").tickets[0]
    assert listed(agent, fields="key,description").tickets[0] == {"key": "TKT-1", "description": "x" * 5000}
    assert len(listed(agent, fields=["description"], description="excerpt").tickets[0]["description"]) == 200
    assert listed(agent, fields="blocked_by_ticket_ids").tickets == [{"blocked_by_ticket_ids": []}]


@pytest.mark.parametrize("name", ["assigned_agent_id", "parent_ticket_id"])
def test_an_empty_parameter_asks_for_nothing(agent: AgentWithToken, name: str) -> None:
    make_ticket(agent)
    assert get(agent, f"{name}=&status=&tags=").json()["total_count"] == 1


@pytest.mark.parametrize(
    ("query", "field", "part"),
    [
        ("limit=abc", "limit", "integer"),
        ("limit=0", "limit", "greater"),
        ("limit=201", "limit", "less"),
        ("offset=-1", "offset", "greater"),
        (f"offset={10**30}", "offset", "less"),
        (f"offset={'9' * 5000}", "offset", ""),
        ("tags=a%00b", "tags", "NUL"),
        ("status=%ED%A0%80", None, "UTF-8"),
        ("statsu=todo", "statsu", "Did you mean 'status'"),
        ("status=nowhere", "status", "backlog"),
        ("ticket_type=epic", "ticket_type", "bug"),
        ("priority=urgent", "priority", "critical"),
        ("approval_status=maybe", "approval_status", "pending_review"),
        ("sort_by=title", "sort_by", "created_at"),
        ("sort_order=up", "sort_order", "asc"),
        ("is_blocked=perhaps", "is_blocked", "boolean"),
        ("created_after=yesterday", "created_after", "2025-10-01"),
        ("created_after=0001-01-01T00:00%2B14:00", "created_after", "years"),
        ("updated_after=9999-12-31T23:59-12:00", "updated_after", "years"),
        ("parent_ticket_id=nothing-like-it", "parent_ticket_id", "ticket id"),
        ("parent_ticket_id=TKT-999", "parent_ticket_id", "TKT-999"),
        ("fields=key,nmae", "fields", "Unknown"),
        ("limit=1&limit=2", "limit", "twice"),
        (urlencode({"tags": ",".join(map(str, range(51)))}), "tags", "50"),
        ("sort_by[]=x", "sort_by[]", "Did you mean 'sort_by'"),
    ],
)
def test_refuses_what_it_does_not_know(agent: AgentWithToken, query: str, field: str | None, part: str) -> None:
    answer = get(agent, query)
    assert answer.status_code == 400, answer.content
    error = answer.json()["error"]
    assert (error["code"], error.get("field")) == ("invalid", field)
    assert part in error["message"] or part in json.dumps(error.get("allowed"))


def test_a_lost_plus_in_a_time_is_read_as_one(agent: AgentWithToken) -> None:
    make_ticket(agent)
    assert get(agent, "created_after=2026-01-01T00:00:00 02:00".replace(" ", "%20")).status_code == 200


def test_other_workflows_do_not_exist(agent: AgentWithToken) -> None:
    stranger = make_agent(make_workflow("beta"))
    make_ticket(stranger)
    assert get(agent, "workflow_id=beta").status_code == 404
    assert get(agent, "workflow_id=nowhere").json()["error"]["field"] == "workflow_id"
    assert keys(agent) == []


def test_the_workflow_is_implied_with_one_membership_alone(agent: AgentWithToken) -> None:
    make_ticket(agent)
    assert get(agent).json()["total_count"] == 1
    both = make_agent(Workflow.objects.get(), make_workflow("beta"))
    error = get(both).json()["error"]
    assert (error["field"], error["allowed"]) == ("workflow_id", ["alpha", "beta"])


def test_names_another_agent_only_through_a_gateway(agent: AgentWithToken) -> None:
    assert get(agent, "agent_id=somebody").json()["error"]["code"] == "identity_mismatch"
    assert get(agent, f"agent_id={agent.id}").status_code == 200


def test_a_fixed_number_of_queries(
    agent: AgentWithToken, workflow: Workflow, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    tickets = [make_ticket(agent) for _ in range(6)]
    for ticket in tickets[1:]:
        request = BlockTicket(ticket_id=ticket.id, blocked_by_ticket_ids=[tickets[0].id])
        ticket_block(actor=agent.actor, request=request)
    for _ in range(2):
        with django_assert_num_queries(3):  # workflow, rows, blockers
            listed(agent, workflow_id="alpha")
        with django_assert_num_queries(4):  # workflow, count, rows, blockers
            listed(agent, workflow_id="alpha", status=["backlog"], sort_by="priority")
        # More tickets, no more queries.
        make_ticket(agent, blocked_by_ticket_ids=[tickets[0].id])


def test_counts_follow_each_change_at_once(agent: AgentWithToken, workflow: Workflow) -> None:
    ticket = make_ticket(agent)
    assert listed(agent, status="todo").total_count == 0
    ticket_change_status(actor=agent.actor, request=ChangeTicketStatus(ticket_id=ticket.id, new_status="todo"))
    assert listed(agent, status="todo").total_count == 1
    assert listed(agent).total_count == 1
    make_ticket(agent)
    assert listed(agent).total_count == 2


def test_hidden_tickets_leave_the_list_and_its_count(workflow: Workflow, agent: AgentWithToken) -> None:
    board = {
        "columns": [{"id": "open", "name": "Open"}, {"id": "closed", "name": "Closed"}],
        "ticket_types": ["bug"],
        "settings": {"ticket_human_review": True},
    }
    reviewed = make_workflow("gamma", board=board)
    author = make_agent(reviewed)
    pending, rejected = make_ticket(author), make_ticket(author)
    assert listed(author).total_count == 2
    person = make_person(reviewed, role="maintainer")
    client = api_client()
    client.force_login(person)
    assert client.write("/api/tickets/reject", {"ticket_id": rejected.id}).status_code == 200
    assert keys(author) == [pending.key]
    assert listed(author).total_count == 1
    assert listed(author, include_rejected=True).total_count == 2
    assert keys(author, approval_status="rejected") == [rejected.key]


def test_fifty_rows_of_real_issues_fit_in_64_kb(agent: AgentWithToken, workflow: Workflow) -> None:
    for issue in _issues(50):
        make_ticket(agent, title=issue["title"][:500], description=issue["body"], tags=["facebook/react", "bug"])
    answer = get(agent, "limit=50")
    assert len(answer.json()["tickets"]) == 50
    assert len(answer.content) <= 64 * 1024


def _issues(count: int) -> list[dict[str, str]]:
    if ISSUES.exists():
        lines = ISSUES.read_text(encoding="utf-8").splitlines()
        issues = [json.loads(line) for line in lines]
        # The ones whose excerpts take most room.
        issues.sort(key=lambda issue: len((issue["title"] + (issue["body"] or "")[:200]).encode()), reverse=True)
        return [{**issue, "body": (issue["body"] or "").replace("\0", "").ljust(10, ".")} for issue in issues[:count]]
    return [{"title": f"Crash number {n} " + "ü" * 80, "body": "ß" * 3000} for n in range(count)]


def test_the_browsable_api_shows_the_filters_as_a_form(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    page = api_client(agent).get("/api/tickets/get", headers={"accept": "text/html"})
    assert page.status_code == 200
    content = page.content.decode()
    assert ticket.title in content
    assert 'name="created_after"' in content


def test_the_default_order_reads_an_index_without_sorting(agent: AgentWithToken) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for _ in range(3):
        make_ticket(agent)
    for sort_by in ("created_at", "updated_at", "priority", "status"):
        for sort_order in ("asc", "desc"):
            with CaptureQueriesContext(connection) as captured:
                listed(agent, sort_by=sort_by, sort_order=sort_order)
            statement = next(q["sql"] for q in reversed(captured.captured_queries) if "ORDER BY" in q["sql"])
            if connection.vendor == "sqlite":
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
                    plan = " ".join(row[3] for row in cursor.fetchall())
                assert "USING INDEX" in plan, plan
                assert "TEMP B-TREE" not in plan, (sort_by, sort_order, plan)


def test_released_dependencies_are_no_blockers(agent: AgentWithToken) -> None:
    first, second = make_ticket(agent), make_ticket(agent)
    ticket_block(actor=agent.actor, request=BlockTicket(ticket_id=second.id, blocked_by_ticket_ids=[first.id]))
    ticket_resolve(actor=agent.actor, request=ResolveTicket(ticket_id=first.id, resolution_comment="Done at last."))
    assert TicketDependency.objects.count() == 1
    assert all(row["blocked_by_ticket_ids"] == [] for row in listed(agent).tickets)
