"""The trusted-loopback mode: a Hephaestus client that knows no tokens works unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from tests.answers import ok, refused
from tests.factories import ApiClient, api_client, make_agent, make_person, make_ticket, make_workflow
from tickets.models import Agent, Membership, Ticket, Workflow

pytestmark = pytest.mark.django_db
NEW = {"title": "Abc", "description": "Long enough to say something."}


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("alpha")


@pytest.fixture(autouse=True)
def _trusting(settings: Any) -> None:
    settings.AGENT_AUTH = "trusted-loopback"


def local(agent_id: str | None = None, **defaults: Any) -> ApiClient:
    headers = {"X-Agent-ID": agent_id} if agent_id else {}
    return api_client(None, headers={**headers, **defaults.pop("headers", {})}, **defaults)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_an_unknown_agent_becomes_a_member(workflow: Workflow, address: str) -> None:
    client = local("newcomer", REMOTE_ADDR=address)
    body = ok(client.write("/tickets/create", {**NEW, "workflow_id": "alpha", "agent_id": "newcomer"}))
    assert Ticket.objects.get(pk=body["ticket_id"]).created_by_agent_id == "newcomer"
    assert Membership.objects.get(agent_id="newcomer").role == "member"
    assert Agent.objects.get(pk="newcomer").kind == "ai"


def test_a_ticket_names_its_workflow_too(workflow: Workflow) -> None:
    ticket = make_ticket(make_agent(workflow))
    ok(local("newcomer").write("/api/tickets/comment", {"ticket_id": ticket.key, "comment_text": "Hi"}))


def test_an_id_in_the_body_counts(workflow: Workflow) -> None:
    ok(local().write("/tickets/create", {**NEW, "workflow_id": "alpha", "agent_id": "newcomer"}))
    ok(local().get("/tickets/board-config/alpha?agent_id=newcomer"))


def test_without_an_id_one_reads_and_does_not_write(workflow: Workflow) -> None:
    assert ok(local().get("/api/me"))["agent"]["agent_id"] == "system"
    ok(local().get("/api/workflows/alpha"))
    refused(local().write("/api/tickets/create", {**NEW, "workflow_id": "alpha"}), 403, "forbidden", "X-Agent-ID")
    assert not Ticket.objects.exists()


def test_an_agent_that_nobody_knows_must_name_a_workflow(workflow: Workflow) -> None:
    for body in (NEW, {**NEW, "workflow_id": "none"}, {**NEW, "workflow_id": 7}, {**NEW, "workflow_id": "a\x00"}):
        refused(local("newcomer").write("/api/tickets/create", body), 403, "forbidden", "workflow_id")
    refused(
        local("new comer").write("/api/tickets/create", {**NEW, "workflow_id": "alpha"}), 403, "forbidden", "X-Agent-ID"
    )
    assert not Agent.objects.filter(pk__startswith="new").exists()


def test_header_and_body_must_agree(workflow: Workflow) -> None:
    make_agent(workflow, agent_id="ada")
    answer = local("ada").write("/api/tickets/create", {**NEW, "agent_id": "bob"})
    refused(answer, 403, "identity_mismatch", "agent_id")


def test_people_and_the_system_are_nobodys_to_claim(workflow: Workflow) -> None:
    make_person(workflow, username="carla")
    for agent_id in ("human-carla", "system"):
        answer = local(agent_id).write("/api/tickets/create", {**NEW, "workflow_id": "alpha"})
        refused(answer, 403, "identity_mismatch", "X-Agent-ID")


@pytest.mark.parametrize(
    "defaults",
    [
        {"REMOTE_ADDR": "10.0.0.7"},
        {"REMOTE_ADDR": "10.0.0.7", "headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"REMOTE_ADDR": ""},
        {"headers": {"Origin": "https://evil.example"}},
        {"headers": {"Origin": "null"}},
        {"headers": {"Sec-Fetch-Site": "cross-site"}},
        {"headers": {"Authorization": "Bearer wrong"}},
    ],
)
def test_others_are_not_trusted(workflow: Workflow, defaults: dict[str, Any]) -> None:
    make_agent(workflow, agent_id="ada")
    client = local("ada", **defaults)
    refused(client.get("/api/me"), 401, "unauthenticated")
    refused(client.write("/api/tickets/create", NEW), 401, "unauthenticated")


def test_off_by_default(workflow: Workflow, settings: Any) -> None:
    settings.AGENT_AUTH = "token"
    make_agent(workflow, agent_id="ada")
    refused(local("ada").get("/api/me"), 401, "unauthenticated")


def test_a_token_still_decides_who_asks(workflow: Workflow) -> None:
    ada = make_agent(workflow, agent_id="ada")
    make_agent(workflow, agent_id="bob")
    client = api_client(ada, headers={"X-Agent-ID": "bob"})
    refused(client.get("/api/me"), 403, "identity_mismatch", "X-Agent-ID")
