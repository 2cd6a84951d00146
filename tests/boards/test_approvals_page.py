"""The queue of approvals: what it shows, to whom, and what it costs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.boards.pages import HOSTILE, browser_of, html
from tests.boards.test_attention import REVIEWED, acts, items
from tests.factories import AgentWithToken, make_agent, make_person, make_ticket, make_workflow
from tickets import ports
from tickets.access import actor_for_user
from tickets.models import Approval, Workflow
from tickets.operations import TICKET_APPROVE, TICKET_REJECT, execute

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("anvil", name="Anvil", board=REVIEWED)


@pytest.fixture
def maintainer(workflow: Workflow) -> Any:
    return make_person(workflow, role="maintainer")


def queue(client: Client, query: str = "") -> str:
    return html(client, f"/approvals/list?workflow=anvil{query}")


def test_what_one_needs_to_decide(agent: AgentWithToken, maintainer: Any) -> None:
    ticket = make_ticket(
        agent,
        title="Drop the old table",
        description="First line.\n\n" + "And much more of it. " * 60 + "The end.",
        ticket_type="bug",
        priority="critical",
        tags=["data", "risk"],
    )
    page = html(browser_of(maintainer), "/approvals?workflow=anvil")
    assert items(page) == [ticket.id]
    for part in ("Drop the old table", ticket.key, "Bug", "Critical", "data</li>", "impl-1", "First line. And much"):
        assert part in page
    assert "The end." not in page
    assert re.search(r"asks, <time[^>]*>\ds</time> ago", page)
    assert re.search(r"Expires in \d+[smhd]", page)
    assert "The end." not in html(browser_of(maintainer), f"/approvals/alike?ticket={ticket.id}")


@pytest.mark.parametrize(
    ("role", "offered"),
    [("viewer", ["alike"]), ("member", ["alike"]), ("maintainer", ["select-all", "approve", "reject", "alike"])],
)
def test_who_is_offered_to_decide(workflow: Workflow, agent: AgentWithToken, role: str, offered: list[str]) -> None:
    make_ticket(agent)
    client = browser_of(make_person(workflow, role=role))
    assert acts(queue(client)) == offered
    assert ("a maintainer of the workflow decides" in html(client, "/approvals?workflow=anvil")) == (
        role != "maintainer"
    )


def test_a_superuser_decides_everywhere_and_nobody_where_work_rests(workflow: Workflow, agent: AgentWithToken) -> None:
    make_ticket(agent)
    client = browser_of(make_person(superuser=True))
    assert "approve" in acts(queue(client))
    workflow.ticket_tracking_enabled = False
    workflow.save()
    assert acts(queue(client)) == ["alike"]
    assert "Nothing can be decided" in html(client, "/approvals?workflow=anvil")


def test_its_creator_is_not_offered_to_decide(workflow: Workflow, agent: AgentWithToken, maintainer: Any) -> None:
    ticket = make_ticket(agent)
    Approval.objects.filter(ticket=ticket).update(requested_by_agent_id=maintainer.agent.id)
    page = queue(browser_of(maintainer))
    assert "another maintainer decides" in page
    assert acts(page) == ["select-all", "alike"]
    assert "data-pick" not in page


def test_what_is_decided_or_out_of_time_leaves(
    agent: AgentWithToken, maintainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets = [make_ticket(agent) for _ in range(4)]
    client, person = browser_of(maintainer), actor_for_user(maintainer)
    assert items(queue(client)) == [ticket.id for ticket in tickets]
    execute(TICKET_APPROVE, person, {"ticket_id": tickets[0].id})
    execute(TICKET_REJECT, person, {"ticket_id": tickets[1].id, "reason": "Not now."})
    assert items(queue(client)) == [ticket.id for ticket in tickets[2:]]
    Approval.objects.filter(ticket=tickets[2]).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert items(queue(client)) == [tickets[3].id]
    soon = Approval.objects.get(ticket=tickets[3]).expires_at - timedelta(seconds=30)
    monkeypatch.setattr(timezone, "now", lambda: soon)
    page = queue(client)
    assert re.search(r'is-late">Expires in [23]\ds', page)
    monkeypatch.setattr(timezone, "now", lambda: soon + timedelta(minutes=1))
    assert "Nothing waits for approval" in queue(client)


def test_filters(workflow: Workflow, agent: AgentWithToken, maintainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_agent(workflow, agent_id="impl-2")
    old = make_ticket(agent, ticket_type="bug")
    Approval.objects.filter(ticket=old).update(
        requested_at=timezone.now() - timedelta(hours=7), expires_at=timezone.now() + timedelta(days=9)
    )
    bug, task = make_ticket(other, ticket_type="bug"), make_ticket(other, ticket_type="task")
    client = browser_of(maintainer)
    assert set(items(queue(client))) == {old.id, bug.id, task.id}
    assert items(queue(client, "&agent=impl-2")) == [bug.id, task.id]
    assert set(items(queue(client, "&type=bug"))) == {old.id, bug.id}
    assert items(queue(client, "&type=bug&agent=impl-2")) == [bug.id]
    assert items(queue(client, "&older=6h")) == [old.id]
    assert items(queue(client, "&older=1d")) == []
    assert "Nothing matches" in queue(client, "&older=1d")
    assert "3 wait for approval" in queue(client, "&older=1d")
    page = html(client, "/approvals?workflow=anvil&agent=impl-2&type=bug")
    assert '<option value="impl-2" selected>' in page
    assert "agent=impl-2&amp;type=bug" in page, "what is shown live is filtered alike"
    # Whom one filters by stays to be seen, also where that one asks for nothing any more.
    assert '<option value="nobody" selected>' in html(client, "/approvals?workflow=anvil&agent=nobody")


def test_similar_tickets(agent: AgentWithToken, maintainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket, other = make_ticket(agent), make_ticket(agent, title="Much the same")

    class Index:
        def alike(self, *, ticket: Any, limit: int) -> list[dict[str, Any]]:
            known = {"status": "todo", "similarity_score": 0.9, "relation_type": "duplicate"}
            return [{"ticket_id": one.id, "key": one.key, "title": one.title, **known} for one in (ticket, other)]

    client = browser_of(maintainer)
    monkeypatch.setattr(ports, "ticket_index", Index)
    page = html(client, f"/approvals/alike?ticket={ticket.key}")
    assert re.findall(r'href="/tickets/([^"]+)"', page) == [other.key]
    assert "duplicate, To do" in page
    monkeypatch.setattr(ports, "ticket_index", lambda: None)
    assert "Search by meaning is off" in html(client, f"/approvals/alike?ticket={ticket.key}")


def test_an_empty_queue_tells_how_it_fills(workflow: Workflow, maintainer: Any) -> None:
    assert "waits for a maintainer" in html(browser_of(maintainer), "/approvals?workflow=anvil")
    plain = make_workflow("free")
    page = html(browser_of(make_person(plain)), "/approvals?workflow=free")
    assert "needs no approval" in page


def test_hostile_text_stays_text(workflow: Workflow, agent: AgentWithToken, maintainer: Any) -> None:
    make_ticket(agent, title=HOSTILE, description=HOSTILE * 3, tags=["<script>x</script>"])
    page = html(browser_of(maintainer), "/approvals?workflow=anvil")
    assert "<script>alert" not in page
    assert "<script>x" not in page
    assert "<img src=x" not in page


def test_strangers_and_nonsense(workflow: Workflow, agent: AgentWithToken, maintainer: Any) -> None:
    ticket = make_ticket(agent)
    stranger, client = browser_of(make_person()), browser_of(maintainer)
    assert html(stranger, "/approvals?workflow=anvil", 404)
    for address in ("/approvals/list?workflow=anvil", f"/approvals/alike?ticket={ticket.id}"):
        assert stranger.get(address).status_code == 404
        assert Client().get(address).status_code == 401
    for query in ("type=epic", "older=5m", "older=%00"):
        assert client.get(f"/approvals/list?workflow=anvil&{query}").status_code == 400
        assert html(client, f"/approvals?workflow=anvil&{query}", 400)
    assert items(queue(client, "&agent=%00")) == []
    for wrong in ("", "%00", "no-such-1", "x" * 500):
        assert client.get(f"/approvals/alike?ticket={wrong}").status_code in (400, 404)


def test_queries_do_not_grow(
    workflow: Workflow, agent: AgentWithToken, maintainer: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser_of(maintainer)
    make_ticket(agent)
    html(client, "/approvals?workflow=anvil")
    for _ in range(2):
        # Session, user, agent, workflows to pick, this one; requests, those shown, members.
        with django_assert_num_queries(8):
            html(client, "/approvals?workflow=anvil")
        for _ in range(20):
            make_ticket(agent)
