"""Attention: what waits for a person, and who may do what about it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.boards.pages import HOSTILE, browser_of, html
from tests.factories import AgentWithToken, make_agent, make_person, make_ticket, make_workflow
from tickets.access import actor_for_user
from tickets.models import Ticket, Workflow
from tickets.operations import COMMENT_ADD, INBOX_ACKNOWLEDGE, TICKET_BLOCK, TICKET_CHANGE_STATUS, TICKET_CLAIM, execute

pytestmark = pytest.mark.django_db

REVIEWED = {
    "columns": [{"id": "todo", "name": "To do"}, {"id": "doing", "name": "Doing"}, {"id": "done", "name": "Done"}],
    "ticket_types": ["task", "bug"],
    "settings": {"ticket_human_review": True},
}
PLAIN = {**REVIEWED, "settings": {}}


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("anvil", name="Anvil", board=PLAIN)


@pytest.fixture
def person(workflow: Workflow) -> Any:
    return make_person(workflow, role="maintainer", username="dana", first_name="Dana")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets time pass."""

    def wait(**time: float) -> None:
        now = timezone.now() + timedelta(**time)
        monkeypatch.setattr(timezone, "now", lambda: now)

    return wait


def do(agent: AgentWithToken, operation: Any, **fields: Any) -> Any:
    return execute(operation, agent.actor, fields)


def groups(client: Client, query: str = "workflow=anvil") -> dict[str, str]:
    """The groups that are shown, by their id."""
    page = html(client, f"/attention/list?{query}")
    found = re.findall(r'<section[^>]*data-group="(\w+)"[^>]*?( hidden)?>(.*?)</section>', page, re.DOTALL)
    return {name: content for name, hidden, content in found if not hidden}


def items(group: str) -> list[str]:
    return re.findall(r'data-item="\w+:([^"]+)"', group)


def acts(group: str) -> list[str]:
    return re.findall(r'data-act="([\w-]+)"', group)


def total(client: Client) -> int:
    count: int = client.get("/attention/count?workflow=anvil").json()["count"]
    return count


def test_nothing_waits(workflow: Workflow, agent: AgentWithToken, person: Any) -> None:
    make_ticket(agent, priority="medium")
    client = browser_of(person)
    page = html(client, "/attention?workflow=anvil")
    assert "Nothing waits for you" in page
    assert not re.search(r"data-nothing hidden", page)
    assert groups(client) == {}
    assert total(client) == 0


def test_requests_for_approval(person: Any) -> None:
    reviewed = make_workflow("watched", board=REVIEWED)
    agent = make_agent(reviewed, agent_id="maker")
    ticket = make_ticket(agent, title="May I?", priority="high")
    clients = {role: browser_of(make_person(reviewed, role=role)) for role in ("viewer", "member", "maintainer")}
    for role, client in clients.items():
        group = groups(client, "workflow=watched")
        # Urgent and nobody's it is too, but nobody can take it before it is approved.
        assert list(group) == ["approvals"]
        assert items(group["approvals"]) == [ticket.id]
        assert "maker" in group["approvals"]
        assert re.search(r"Expires in \d+[mhd]", group["approvals"])
        assert acts(group["approvals"]) == (["approve", "reject"] if role == "maintainer" else [])
    superuser = browser_of(make_person(superuser=True))
    assert acts(groups(superuser, "workflow=watched")["approvals"]) == ["approve", "reject"]


def test_news_until_it_is_read(workflow: Workflow, agent: AgentWithToken, person: Any) -> None:
    me = person.agent.id
    first, second = make_ticket(agent), make_ticket(agent)
    for ticket in (first, second):
        do(agent, COMMENT_ADD, ticket_id=ticket.id, comment_text=f"@{me} please look {HOSTILE}")
    make_ticket(agent, assigned_agent_id=me)
    client = browser_of(person)
    group = groups(client)["inbox"]
    assert len(items(group)) == 3
    assert group.count("mentioned you") == 2
    assert "gave it to you" in group
    assert "<script>alert" not in group
    assert acts(group) == ["read-all", "reply", "read", "reply", "read", "read"]
    assert total(client) == 3
    assert groups(browser_of(make_person(workflow))) == {}, "others are not concerned"

    execute(INBOX_ACKNOWLEDGE, actor_for_user(person), {"workflow_id": "anvil", "cursor": int(items(group)[0])})
    assert items(groups(client)["inbox"]) == items(group)[1:]
    assert total(client) == 2


def test_a_viewer_reads_the_news_and_does_no_more(workflow: Workflow, agent: AgentWithToken) -> None:
    viewer = make_person(workflow, role="viewer")
    ticket = make_ticket(agent, priority="critical")
    do(agent, COMMENT_ADD, ticket_id=ticket.id, comment_text=f"@{viewer.agent.id} please look")
    shown = groups(browser_of(viewer))
    assert acts(shown["inbox"]) == ["read-all", "read"]
    assert acts(shown["ownerless"]) == []
    assert "as a viewer" in html(browser_of(viewer), "/attention?workflow=anvil")


@pytest.mark.parametrize(("role", "offered"), [("member", ["assign"]), ("maintainer", ["release", "assign"])])
def test_leases_of_lost_agents(
    workflow: Workflow, agent: AgentWithToken, later: Any, role: str, offered: list[str]
) -> None:
    ticket, live = make_ticket(agent, priority="high"), make_ticket(agent)
    do(agent, TICKET_CLAIM, ticket_id=ticket.id, lease_seconds=600)
    do(agent, TICKET_CLAIM, ticket_id=live.id, lease_seconds=7200)
    client = browser_of(make_person(workflow, role=role))
    assert groups(client) == {}
    later(minutes=20)
    shown = groups(client)
    assert list(shown) == ["stale"]
    assert items(shown["stale"]) == [ticket.id]
    assert re.search(r"is stale: no heartbeat for <time[^>]*>20m</time>", shown["stale"])
    assert acts(shown["stale"]) == offered
    later(days=3)
    assert "is offline" in groups(client)["stale"]


def test_what_others_wait_for_and_nobody_does(workflow: Workflow, agent: AgentWithToken, person: Any) -> None:
    gone = make_agent(workflow, role="viewer", agent_id="gone")
    free, given, held, done = (make_ticket(agent, title=name) for name in ("Free", "Given", "Held", "Done"))
    worked = make_ticket(agent, title="Worked on")
    for blocker in (free, given, held, done, worked):
        make_ticket(agent, blocked_by_ticket_ids=[blocker.id])
    last = make_ticket(agent, blocked_by_ticket_ids=[free.id])
    Ticket.objects.filter(pk=given.pk).update(assigned_agent_id=agent.id)
    Ticket.objects.filter(pk=held.pk).update(assigned_agent_id=agent.id)
    do(agent, TICKET_BLOCK, ticket_id=held.id, reason="The vendor is asked")
    do(agent, TICKET_CLAIM, ticket_id=worked.id)
    client = browser_of(person)
    group = groups(client)["blocked"]
    rows = {item: row for row in re.findall(r'<li class="row".*?</li>', group, re.DOTALL) for item in items(row)}
    assert set(rows) == {free.id, given.id, held.id, done.id}
    assert "it is nobody" in rows[free.id]
    assert f'<a href="/tickets/{last.key}">' in rows[free.id]
    assert "have waited" in rows[free.id]
    assert acts(rows[free.id]) == ["assign"]
    assert "has not started" in rows[given.id]
    assert acts(rows[given.id]) == ["assign", "nudge"]
    assert "blocked by hand" in rows[held.id]
    assert acts(rows[held.id]) == ["unblock", "nudge"]
    assert gone.id not in group
    assert total(client) == 4


def test_urgent_and_nobodys(workflow: Workflow, agent: AgentWithToken, person: Any) -> None:
    high, critical = make_ticket(agent, priority="high"), make_ticket(agent, priority="critical")
    make_ticket(agent, priority="medium")
    make_ticket(agent, priority="critical", assigned_agent_id=agent.id)
    finished = make_ticket(agent, priority="critical")
    do(agent, TICKET_CHANGE_STATUS, ticket_id=finished.id, new_status="done", comment="It is all done.")
    make_ticket(agent, priority="critical", blocked_by_ticket_ids=[high.id])
    client = browser_of(person)
    shown = groups(client)
    # The first blocks another: there it is said once, with what waits for it.
    assert items(shown["blocked"]) == [high.id]
    assert items(shown["ownerless"]) == [critical.id]
    assert acts(shown["ownerless"]) == ["take", "assign"]
    assert total(client) == 2


def test_long_groups_are_cut_and_counted(workflow: Workflow, agent: AgentWithToken, person: Any) -> None:
    tickets = [make_ticket(agent, priority="high") for _ in range(11)]
    client = browser_of(person)
    group = groups(client)["ownerless"]
    assert items(group) == [ticket.id for ticket in tickets[:8]]
    assert "data-total>11<" in group
    link = re.search(r'href="(/attention\?[^"]+)">All 11', group)
    assert link
    page = html(client, link[1].replace("&amp;", "&"))
    assert len(items(page)) == 11
    assert 'data-group="stale"' not in page
    assert total(client) == 11


def test_a_workflow_at_rest_offers_nothing(workflow: Workflow, agent: AgentWithToken, person: Any) -> None:
    make_ticket(agent, priority="critical")
    workflow.is_active = False
    workflow.save()
    client = browser_of(person)
    assert acts(groups(client)["ownerless"]) == []
    assert "This workflow is not active" in html(client, "/attention?workflow=anvil")


def test_hostile_text_stays_text(workflow: Workflow, person: Any) -> None:
    agent = make_agent(workflow, agent_id="evil")
    agent_row = Workflow.objects.get(pk="anvil").memberships.get(agent_id="evil").agent
    agent_row.name = HOSTILE
    agent_row.save()
    ticket = make_ticket(agent, title=HOSTILE, priority="critical")
    do(agent, COMMENT_ADD, ticket_id=ticket.id, comment_text=f"@{person.agent.id} {HOSTILE}")
    page = html(browser_of(person), "/attention?workflow=anvil")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;") >= 3


def test_strangers_and_nonsense(workflow: Workflow, person: Any) -> None:
    stranger = browser_of(make_person())
    for address in ("/attention/list", "/attention/count"):
        assert stranger.get(f"{address}?workflow=anvil").status_code == 404
        assert Client().get(f"{address}?workflow=anvil").status_code == 401
        assert browser_of(person).get(f"{address}?workflow=%00").status_code == 404
    assert html(stranger, "/attention?workflow=anvil", 404)
    assert Client().get("/attention?workflow=anvil").status_code == 302
    assert html(browser_of(person), "/attention?workflow=anvil&group=everything", 400)
    assert browser_of(person).get("/attention/list?workflow=anvil&group=x").json()["error"]["allowed"]


def test_queries_do_not_grow(
    workflow: Workflow,
    agent: AgentWithToken,
    person: Any,
    later: Any,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    def one_of_each() -> None:
        ticket, blocker, lost = make_ticket(agent, priority="high"), make_ticket(agent), make_ticket(agent)
        make_ticket(agent, blocked_by_ticket_ids=[blocker.id])
        do(agent, TICKET_CLAIM, ticket_id=lost.id, lease_seconds=30)
        do(agent, COMMENT_ADD, ticket_id=ticket.id, comment_text=f"@{person.agent.id} look")

    client = browser_of(person)
    one_of_each()
    later(minutes=1)
    html(client, "/attention?workflow=anvil")
    for _ in range(2):
        # Session, user, agent, workflows to pick, this one, members; then ten for what there is, one for its lines.
        with django_assert_num_queries(17):
            html(client, "/attention?workflow=anvil")
        # Session, user, agent, workflow.
        with django_assert_num_queries(14):
            client.get("/attention/count?workflow=anvil")
        for _ in range(5):
            one_of_each()
        later(minutes=2)
