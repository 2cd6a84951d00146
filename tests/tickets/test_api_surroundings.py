"""Workflows, members, agents, tokens, events, leases: what surrounds tickets."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.answers import ok, refused
from tests.factories import ApiClient, api_client, make_agent, make_ticket, make_workflow
from tickets.models import AgentToken, Claim, Membership, Workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(db: None) -> ApiClient:
    return api_client(make_agent(operator=True, agent_id="operator"))


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("alpha")


def test_an_operator_makes_workflows(operator: ApiClient) -> None:
    body = ok(operator.write("/api/workflows", {"workflow_id": "alpha", "name": "Alpha One"}))["workflow"]
    assert (body["workflow_id"], body["key_prefix"], body["is_active"]) == ("alpha", "TKT", True)
    second = ok(operator.write("/api/workflows", {"name": "Second Board"}))["workflow"]
    assert second["key_prefix"] == "SB"
    assert Membership.objects.filter(agent_id="operator", role="maintainer").count() == 2
    assert ok(operator.get("/api/workflows/alpha"))["workflow"] == body
    columns = ok(operator.get("/api/workflows/alpha/board"))["board_config"]["columns"]
    assert [column["id"] for column in columns] == ["backlog", "todo", "in_progress", "review", "done"]


@pytest.mark.parametrize(
    ("sent", "refusal", "field"),
    [
        ({"name": " "}, (400, "invalid"), "name"),
        ({"name": "X", "workflow_id": "a/b"}, (400, "invalid"), "workflow_id"),
        ({"name": "X", "key_prefix": "TICKET"}, (400, "invalid"), "key_prefix"),
        ({"name": "X", "key_prefix": "x"}, (400, "invalid"), "key_prefix"),
        ({"name": "X", "workflow_id": "alpha"}, (409, "conflict"), "workflow_id"),
        ({"name": "X", "key_prefix": "TKT"}, (409, "conflict"), "key_prefix"),
        ({"name": "X", "repositories": ["/etc"]}, (400, "invalid"), "repositories"),
        ({"name": "X", "repositories": ["../../../../etc"]}, (400, "invalid"), "repositories"),
        ({"name": "X", "repositories": ["/etc/\x00"]}, (400, "invalid"), "repositories.0"),
        ({"name": "X", "repositories": ["~nobody-here/x", "~" + "a" * 900]}, (400, "invalid"), "repositories"),
        ({"name": "X", "board": {"columns": []}}, (400, "invalid"), "columns"),
    ],
)
def test_workflows_name_the_field_at_fault(
    operator: ApiClient, workflow: Workflow, sent: dict[str, Any], refusal: tuple[int, str], field: str
) -> None:
    refused(operator.write("/api/workflows", sent), *refusal, field)
    assert Workflow.objects.count() == 1


def test_others_make_no_workflows(workflow: Workflow) -> None:
    client = api_client(make_agent(workflow, role="maintainer"))
    refused(client.write("/api/workflows", {"name": "Mine"}), 403, "forbidden")


def test_workflows_are_listed_by_page(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    agent = make_agent(*(make_workflow(f"w{number}") for number in range(5)))
    make_workflow("other")
    client = api_client(agent)
    with django_assert_num_queries(3):
        first = ok(client.get("/api/workflows?limit=2&offset=1"))
    assert [row["workflow_id"] for row in first["workflows"]] == ["w1", "w2"]
    assert (first["total_count"], first["has_more"]) == (5, True)
    last = ok(client.get("/api/workflows?offset=4"))
    assert (len(last["workflows"]), last["has_more"]) == (1, False)
    with django_assert_num_queries(4):
        ok(client.get("/api/agents"))


def test_a_maintainer_changes_a_workflow(workflow: Workflow, settings: Any, tmp_path: Path) -> None:
    settings.REPOSITORY_ROOT = tmp_path
    (tmp_path / "code").mkdir()
    client = api_client(make_agent(workflow, role="maintainer"))
    sent = {"updates": {"name": "Renamed", "repositories": ["code"], "ticket_tracking_enabled": False}}
    body = ok(client.send("PATCH", "/api/workflows/alpha", sent))["workflow"]
    assert (body["name"], body["repositories"]) == ("Renamed", [str(tmp_path / "code")])
    assert ok(client.send("PATCH", "/api/workflows/alpha", sent))["message"] == "Nothing to change."
    refused(
        client.send("PATCH", "/api/workflows/alpha", {"updates": {"key_prefix": "X"}}),
        400,
        "invalid",
        "updates.key_prefix",
    )
    refused(client.send("PATCH", "/api/workflows/alpha", {"name": "X"}), 400, "invalid", "name")


def test_members_come_and_go(workflow: Workflow) -> None:
    client = api_client(make_agent(workflow, role="maintainer", agent_id="ada"))
    make_agent(agent_id="bob")
    address = "/api/workflows/alpha/members"
    assert ok(client.write(address, {"member_agent_id": "bob", "role": "viewer"}))["role"] == "viewer"
    rows = ok(client.get(address))["members"]
    assert {row["agent_id"]: row["role"] for row in rows if row["agent_id"] != "system"} == {
        "ada": "maintainer",
        "bob": "viewer",
    }
    assert ok(client.write(address, {"member_agent_id": "bob", "role": None}))["role"] is None
    assert not Membership.objects.filter(agent_id="bob").exists()
    refused(client.write(address, {"member_agent_id": "nobody", "role": "member"}), 404, "not_found", "member_agent_id")
    error = refused(client.write(address, {"member_agent_id": "bob", "role": "boss"}), 400, "invalid", "role")
    assert error["allowed"] == ["viewer", "member", "maintainer"]


def test_agents_and_their_tokens(operator: ApiClient, workflow: Workflow) -> None:
    body = ok(operator.write("/api/agents", {"new_agent_id": "ada", "workflow_id": None}))["agent"]
    assert (body["agent_id"], body["kind"], body["memberships"]) == ("ada", "ai", {})
    refused(operator.write("/api/agents", {"new_agent_id": "ada"}), 409, "conflict")
    issued = ok(operator.write("/api/agents/ada/tokens", {"label": "laptop"}))
    client = api_client(issued["token"])
    assert ok(client.get("/api/me"))["agent"]["agent_id"] == "ada"
    listed = operator.get("/api/agents/ada/tokens")
    assert [row["token_id"] for row in ok(listed)["tokens"]] == [issued["detail"]["token_id"]]
    assert issued["token"].encode() not in listed.content
    revoked = ok(operator.write(f"/api/tokens/{issued['detail']['token_id']}/revoke"))
    assert revoked["detail"]["revoked_at"].endswith("Z")
    refused(client.get("/api/me"), 401, "unauthenticated")
    ok(operator.write(f"/api/tokens/{issued['detail']['token_id']}/revoke"))
    refused(operator.write("/api/tokens/none/revoke"), 404, "not_found", "token_id")
    refused(operator.get("/api/agents/nobody"), 404, "not_found", "agent_id")
    refused(operator.write("/api/agents/nobody/tokens"), 404, "not_found", "for_agent_id")


def test_an_operator_adds_agents_to_the_workflows_it_belongs_to(workflow: Workflow) -> None:
    operator = api_client(make_agent(workflow, role="viewer", operator=True))
    ok(operator.write("/api/agents", {"new_agent_id": "new-hand", "workflow_id": workflow.id}))
    make_workflow("elsewhere")
    refused(
        operator.write("/api/agents", {"new_agent_id": "spy", "workflow_id": "elsewhere"}),
        404,
        "not_found",
        "workflow_id",
    )


def test_tokens_may_expire(operator: ApiClient) -> None:
    make_agent(agent_id="ada")
    past = (timezone.now() - timedelta(days=1)).isoformat()
    refused(operator.write("/api/agents/ada/tokens", {"expires_at": past}), 400, "invalid", "expires_at")
    refused(operator.write("/api/agents/ada/tokens", {"expires_at": "2030-01-01"}), 400, "invalid", "expires_at")
    for wide in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        answer = operator.write("/api/agents/ada/tokens", {"expires_at": wide})
        assert answer.status_code in (200, 400), answer.content
    body = ok(operator.write("/api/agents/ada/tokens", {"expires_at": "2030-01-01T00:00:00+02:00"}))
    assert body["detail"]["expires_at"] == "2029-12-31T22:00:00Z"


def test_a_maintainer_does_not_revoke_an_operators_token(operator: ApiClient, workflow: Workflow) -> None:
    ok(operator.write("/api/agents", {"new_agent_id": "root"}))
    issued = ok(operator.write("/api/agents/root/tokens", {"is_operator": True}))
    revoke = f"/api/tokens/{issued['detail']['token_id']}/revoke"
    client = api_client(make_agent(workflow, role="maintainer", agent_id="ada"))
    ok(client.write("/api/workflows/alpha/members", {"member_agent_id": "root", "role": "viewer"}))
    refused(client.write(revoke), 403, "forbidden", "token_id")
    root = api_client(issued["token"])
    assert ok(root.get("/api/me"))["is_operator"]
    ok(root.write(revoke))
    refused(root.get("/api/me"), 401, "unauthenticated")


def test_a_gateway_issues_no_tokens_in_the_name_of_a_maintainer(workflow: Workflow) -> None:
    make_agent(workflow, role="maintainer", agent_id="ada")
    make_agent(workflow, agent_id="bob")
    client = api_client(make_agent(workflow, agent_id="gateway", gateway=True))
    for agent_id in ("ada", "bob", "gateway"):
        answer = client.write(f"/api/agents/{agent_id}/tokens", headers={"X-Agent-ID": "ada"})
        refused(answer, 403, "forbidden")
    assert AgentToken.objects.exclude(agent_id="gateway").filter(label="").count() == 2


def test_a_maintainer_manages_agents_of_their_workflows_alone(workflow: Workflow) -> None:
    client = api_client(make_agent(workflow, role="maintainer", agent_id="ada"))
    ok(client.write("/api/agents", {"new_agent_id": "bob", "workflow_id": "alpha"}))
    ok(client.write("/api/agents/bob/tokens"))
    refused(client.write("/api/agents/bob/tokens", {"is_gateway": True}), 403, "forbidden")
    refused(client.write("/api/agents/bob/tokens", {"is_operator": True}), 403, "forbidden")
    refused(client.write("/api/agents", {"new_agent_id": "eve"}), 403, "forbidden", "workflow_id")
    make_agent(workflow, make_workflow("beta"), agent_id="shared")
    refused(client.write("/api/agents/shared/tokens"), 403, "forbidden")


def test_events_are_polled_since_a_number(workflow: Workflow) -> None:
    agent = make_agent(workflow)
    client = api_client(agent)
    for _ in range(3):
        make_ticket(agent)
    page = ok(client.get("/api/workflows/alpha/events?limit=2"))
    assert [event["seq"] for event in page["events"]] == [1, 2]
    assert (page["seq"], page["oldest"], page["has_more"]) == (3, 1, True)
    assert page["events"][0]["type"] == "ticket_created"
    assert page["events"][0]["timestamp"].endswith("Z")
    rest = ok(client.get("/api/workflows/alpha/events?since=2"))
    assert ([event["seq"] for event in rest["events"]], rest["has_more"]) == ([3], False)
    assert ok(client.get(f"/api/workflows/alpha/events?since={2**63 - 1}"))["events"] == []
    for query, field in (
        ("since=-1", "since"),
        ("limit=1001", "limit"),
        (f"since={2**63}", "since"),
        ("sinc=1", "sinc"),
    ):
        refused(client.get(f"/api/workflows/alpha/events?{query}"), 400, "invalid", field)


def test_live_leases_are_listed(workflow: Workflow) -> None:
    agent = make_agent(workflow, agent_id="ada")
    client = api_client(agent)
    ticket, other = make_ticket(agent), make_ticket(agent)
    for one in (ticket, other):
        ok(client.write("/api/tickets/claim", {"ticket_id": one.id}))
    Claim.objects.filter(ticket=other).update(expires_at=timezone.now() - timedelta(seconds=1))
    body = ok(client.get("/api/workflows/alpha/claims"))
    assert [(row["key"], row["agent_id"], row["fencing_token"]) for row in body["claims"]] == [(ticket.key, "ada", 1)]
    assert body["total_count"] == 1


def test_who_am_i(workflow: Workflow) -> None:
    body = ok(api_client(make_agent(workflow, agent_id="ada")).get("/api/me"))
    assert body["agent"]["memberships"] == {"alpha": "member"}
    assert (body["is_operator"], body["is_gateway"], body["is_superuser"], body["via_agent_id"]) == (False,) * 3 + (
        None,
    )
