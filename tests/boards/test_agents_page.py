"""The page of agents and people: who is there, what they do, and who may change that."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.answers import ok, refused
from tests.boards.pages import HOSTILE, browser_of, html
from tests.boards.test_attention import PLAIN, acts, do
from tests.factories import AgentWithToken, make_agent, make_person, make_ticket, make_workflow
from tickets.access import actor_for_user
from tickets.models import Agent, AgentToken, Membership, Workflow
from tickets.operations import MEMBERSHIP_SET, TICKET_BLOCK, TICKET_CLAIM, execute
from tickets.selectors.directory import manageable_agents

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("anvil", name="Anvil", board=PLAIN)


@pytest.fixture
def maintainer(workflow: Workflow) -> Any:
    return make_person(workflow, role="maintainer", username="dana", first_name="Dana")


def rows(client: Client, query: str = "") -> dict[str, str]:
    """The members' rows by id."""
    page = html(client, f"/agents/list?workflow=anvil{query}")
    found = re.findall(r'<li class="row[^>]*data-agent="([^"]+)"(.*?)\n</li>', page, re.DOTALL)
    return dict(found)


def send(client: Client, path: str, body: Any) -> Any:
    """As the page's script does."""
    return client.post(path, body, content_type="application/json", headers={"Accept": "application/json"})


def test_who_belongs_to_it(workflow: Workflow, agent: AgentWithToken, maintainer: Any) -> None:
    shown = rows(browser_of(maintainer))
    assert set(shown) == {"system", "impl-1", maintainer.agent.id}
    row = shown["impl-1"]
    for part in ("Agent", "Member", "Idle, seen", "<b>0</b> assigned", "<b>0</b> held", "1 token"):
        assert part in row
    assert "avatar-human" not in row
    me = shown[maintainer.agent.id]
    for part in ("Person", "Maintainer", "avatar-human", ", you", "0 tokens"):
        assert part in me
    browser = Client()
    browser.post("/login", {"username": "dana", "password": "secret"})
    assert "Seen <time" in rows(browser)[maintainer.agent.id]
    Agent.objects.filter(pk="impl-1").update(state="terminated")
    assert "Ended, seen" in rows(browser_of(maintainer))["impl-1"]


def test_what_they_have_in_hand(
    workflow: Workflow, agent: AgentWithToken, maintainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_agent(workflow, agent_id="aaa")
    lost, held = make_ticket(agent, title="Left lying"), make_ticket(agent, title="In hand")
    make_ticket(agent, assigned_agent_id="impl-1")
    do(agent, TICKET_CLAIM, ticket_id=lost.id, lease_seconds=60)
    do(agent, TICKET_CLAIM, ticket_id=held.id, lease_seconds=7200)
    client = browser_of(maintainer)
    shown = rows(client)
    assert next(iter(shown)) == "impl-1", "who has work in hand comes first"
    assert "agent-working" in shown["impl-1"]
    assert "Working" in shown["impl-1"]
    assert "<b>3</b> assigned" in shown["impl-1"]
    assert "<b>2</b> held" in shown["impl-1"]
    assert re.findall(r'data-lease-of="([^"]+)"', shown["impl-1"]) == [held.id, lost.id]
    do(agent, TICKET_BLOCK, ticket_id=held.id, reason="Waits for coal")
    assert "Waiting" in rows(client)["impl-1"]
    later = timezone.now() + timedelta(hours=3)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert "Stale" in rows(client)["impl-1"]
    # Who has left still shows with what it holds.
    Membership.objects.filter(agent_id="impl-1").delete()
    assert "No member" in rows(client)["impl-1"]


def test_who_is_offered_what(workflow: Workflow, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    do(agent, TICKET_CLAIM, ticket_id=ticket.id)
    people = {role: make_person(workflow, role=role) for role in ("viewer", "member", "maintainer")}
    for role, person in people.items():
        shown = rows(browser_of(person))
        maintains = role == "maintainer"
        assert acts(shown["impl-1"]) == (["role", "tokens", "release"] if maintains else [])
        # One's own tokens are everyone's own affair; those of other people are not a maintainer's.
        assert acts(shown[person.agent.id]) == (["role", "tokens"] if maintains else ["tokens"])
        others = [row for agent_id, row in shown.items() if agent_id not in ("impl-1", person.agent.id)]
        assert all(acts(row) == (["role"] if maintains else []) for row in others)
        page = html(browser_of(person), "/agents?workflow=anvil")
        assert ('id="new-form"' in page) == maintains
        assert ('id="add-form"' in page) == maintains
    superuser = browser_of(make_person(superuser=True))
    assert all("tokens" in acts(row) and "role" in acts(row) for row in rows(superuser).values())


def test_tokens_of_an_agent_with_another_workflow_are_not_offered(workflow: Workflow, maintainer: Any) -> None:
    make_agent(workflow, make_workflow("elsewhere"), agent_id="shared")
    assert acts(rows(browser_of(maintainer))["shared"]) == ["role"]


def test_offered_is_exactly_what_the_operations_allow(workflow: Workflow, agent: AgentWithToken) -> None:
    elsewhere = make_workflow("elsewhere")
    make_agent(workflow, elsewhere, agent_id="shared")
    make_agent(elsewhere, agent_id="foreign")
    people = [make_person(workflow, role=role) for role in ("viewer", "member", "maintainer")]
    people += [make_person(superuser=True), make_person()]
    everybody = list(Agent.objects.values_list("pk", flat=True))
    for person in people:
        client = browser_of(person)
        offered = set(manageable_agents(actor_for_user(person)).values_list("pk", flat=True))
        allowed = {one for one in everybody if client.get(f"/api/agents/{one}/tokens").status_code == 200}
        assert offered == allowed, person
        shown = (
            {one for one, row in rows(client).items() if "tokens" in acts(row)} if person is not people[-1] else set()
        )
        assert shown == offered & members_of(workflow)


def members_of(workflow: Workflow) -> set[str]:
    return set(Membership.objects.filter(workflow=workflow).values_list("agent_id", flat=True))


def test_a_token_is_told_once_and_then_by_its_beginning(agent: AgentWithToken, maintainer: Any) -> None:
    client = browser_of(maintainer)
    issued = ok(send(client, "/api/agents/impl-1/tokens", {"label": "laptop"}))
    assert "2 tokens" in rows(client)["impl-1"]
    listed = client.get("/api/agents/impl-1/tokens").content.decode()
    assert issued["token"] not in listed
    assert issued["token"] not in html(client, "/agents?workflow=anvil")
    assert issued["detail"]["hint"] in listed
    ok(send(client, f"/api/tokens/{issued['detail']['token_id']}/revoke", {}))
    assert "1 token" in rows(client)["impl-1"]
    AgentToken.objects.filter(agent_id="impl-1").update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "0 tokens" in rows(client)["impl-1"]


def test_members_are_added_changed_and_removed(workflow: Workflow, agent: AgentWithToken, maintainer: Any) -> None:
    client, newcomer = browser_of(maintainer), make_agent(agent_id="newcomer")

    def set_role(who: str, role: str | None, client: Client = client) -> Any:
        return send(client, "/api/workflows/anvil/members", {"member_agent_id": who, "role": role})

    ok(set_role(newcomer.id, "viewer"))
    assert 'data-role="viewer"' in html(client, "/agents/list?workflow=anvil")
    ok(set_role(newcomer.id, None))
    assert newcomer.id not in rows(client)
    refused(set_role("nobody", "member"), 404, "not_found", "member_agent_id")
    # The last maintainer stays.
    ok(set_role("system", "viewer"))
    refused(set_role(maintainer.agent.id, "member"), 409, "conflict")
    refused(set_role(newcomer.id, "member", browser_of(make_person(workflow))), 403, "forbidden")


def test_narrowing(workflow: Workflow, agent: AgentWithToken, maintainer: Any) -> None:
    client = browser_of(maintainer)
    assert set(rows(client, "&q=IMPL")) == {"impl-1"}
    assert set(rows(client, "&q=dana")) == {maintainer.agent.id}
    assert rows(client, "&q=%00zzz") == {}
    assert "Nobody matches" in html(client, f"/agents?workflow=anvil&q={HOSTILE}")
    assert "<script>alert" not in html(client, f"/agents?workflow=anvil&q={HOSTILE}")


def test_hostile_names_stay_text(workflow: Workflow, agent: AgentWithToken, maintainer: Any) -> None:
    Agent.objects.filter(pk="impl-1").update(name=HOSTILE)
    do(agent, TICKET_CLAIM, ticket_id=make_ticket(agent, title=HOSTILE).id)
    page = html(browser_of(maintainer), "/agents?workflow=anvil")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;") > 3


def test_strangers(workflow: Workflow) -> None:
    stranger = browser_of(make_person())
    assert html(stranger, "/agents?workflow=anvil", 404)
    assert stranger.get("/agents/list?workflow=anvil").status_code == 404
    assert Client().get("/agents/list?workflow=anvil").status_code == 401
    assert Client().get("/agents?workflow=anvil").status_code == 302


def test_queries_do_not_grow(
    workflow: Workflow, agent: AgentWithToken, maintainer: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser_of(maintainer)
    do(agent, TICKET_CLAIM, ticket_id=make_ticket(agent).id)
    html(client, "/agents?workflow=anvil")
    for _ in range(2):
        # Session, user, agent, workflows to pick, this one; six for the members, whether the person maintains, and
        # members to name.
        with django_assert_num_queries(13):
            html(client, "/agents?workflow=anvil")
        for number in range(8):
            one = make_agent(workflow)
            do(one, TICKET_CLAIM, ticket_id=make_ticket(one).id)
            execute(
                MEMBERSHIP_SET,
                actor_for_user(maintainer),
                {"workflow_id": "anvil", "member_agent_id": one.id, "role": ("viewer", "member")[number % 2]},
            )
