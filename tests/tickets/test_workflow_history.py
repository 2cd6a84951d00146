"""Whoever changes a workflow's members, their tokens or its settings leaves a row of history with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import call_command

from tests.factories import AgentWithToken, api_client, make_agent, make_person, make_workflow
from tickets import operations as op
from tickets.access import acting_as, system_actor
from tickets.errors import DomainError
from tickets.models import Workflow, WorkflowHistory
from tickets.operations import execute

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("anvil", name="Anvil")


@pytest.fixture
def smith(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, role="maintainer", agent_id="smith")


def told(after: int = 0, **only: Any) -> list[tuple[Any, ...]]:
    """Who did what to whom, where, and what it was and is."""
    rows = WorkflowHistory.objects.filter(pk__gt=after, **only).order_by("pk")
    return list(
        rows.values_list(
            "agent_id", "change_type", "subject_agent_id", "workflow_id", "field_name", "old_value", "new_value"
        )
    )


def newest() -> int:
    return WorkflowHistory.objects.latest("pk").pk


def test_members_come_change_and_go(workflow: Workflow, smith: AgentWithToken) -> None:
    before = newest()
    execute(op.AGENT_CREATE, smith.actor, {"new_agent_id": "impl", "workflow_id": "anvil"})
    for role in ("viewer", "viewer", None, None):
        execute(op.MEMBERSHIP_SET, smith.actor, {"workflow_id": "anvil", "member_agent_id": "impl", "role": role})
    assert told(before) == [
        ("smith", "member_added", "impl", "anvil", "role", None, "member"),
        ("smith", "member_changed", "impl", "anvil", "role", "member", "viewer"),
        ("smith", "member_removed", "impl", "anvil", "role", "viewer", None),
    ]
    workflow.refresh_from_db()
    assert WorkflowHistory.objects.latest("pk").changed_at >= workflow.updated_at
    # Who made the workflow is its first member.
    assert told(change_type="member_added", subject_agent_id="system")[0][3:] == ("anvil", "role", None, "maintainer")


def test_a_refused_change_leaves_no_row(workflow: Workflow, smith: AgentWithToken) -> None:
    member = make_agent(workflow, agent_id="impl")
    before = newest()
    changes: list[tuple[Any, Any, dict[str, Any]]] = [
        (op.MEMBERSHIP_SET, member.actor, {"workflow_id": "anvil", "member_agent_id": "impl", "role": "maintainer"}),
        (op.WORKFLOW_UPDATE, member.actor, {"workflow_id": "anvil", "updates": {"name": "Mine"}}),
        (op.TOKEN_ISSUE, member.actor, {"for_agent_id": "smith"}),
        (op.TOKEN_ISSUE, smith.actor, {"for_agent_id": "impl", "is_operator": True}),
    ]
    for operation, actor, fields in changes:
        with pytest.raises(DomainError):
            execute(operation, actor, fields)
    execute(op.WORKFLOW_UPDATE, smith.actor, {"workflow_id": "anvil", "updates": {"name": "Anvil"}})
    execute(op.MEMBERSHIP_SET, smith.actor, {"workflow_id": "anvil", "member_agent_id": "system"})
    with pytest.raises(DomainError, match="no maintainer"):
        execute(op.MEMBERSHIP_SET, smith.actor, {"workflow_id": "anvil", "member_agent_id": "smith", "role": "viewer"})
    assert [row[1:3] for row in told(before)] == [("member_removed", "system")]


def test_each_workflow_tells_of_a_token_that_opens_it_and_nothing_of_the_others(smith: AgentWithToken) -> None:
    bellows = make_workflow("bellows")
    shared = make_agent(Workflow.objects.get(pk="anvil"), bellows, agent_id="shared")
    before = newest()
    request = {"for_agent_id": "shared", "label": "for bellows", "is_gateway": True}
    issued = execute(op.TOKEN_ISSUE, system_actor(), request)
    for _ in range(2):  # a second time changes nothing
        execute(op.TOKEN_REVOKE, shared.actor, {"token_id": issued.detail.token_id})
    facts = json.dumps({"token_id": issued.detail.token_id, "is_gateway": True, "is_operator": False})
    assert told(before) == [
        ("system", "token_issued", "shared", "anvil", "token", None, facts),
        ("system", "token_issued", "shared", "bellows", "token", None, facts),
        ("shared", "token_revoked", "shared", "anvil", "token", facts, None),
        ("shared", "token_revoked", "shared", "bellows", "token", facts, None),
    ]
    kept = json.dumps([list(row) for row in WorkflowHistory.objects.values_list()], default=str)
    for secret in (issued.token, issued.detail.hint, "for bellows"):
        assert secret not in kept
    # That of an agent of no workflow is kept, too.
    before = newest()
    make_agent(agent_id="loner", operator=True)
    assert [row[:4] for row in told(before)] == [("system", "token_issued", "loner", None)]


def test_each_setting_that_changes_is_a_row(workflow: Workflow, smith: AgentWithToken) -> None:
    before = newest()
    updates = {"name": "Big anvil", "is_active": True, "ticket_tracking_enabled": False, "phases": [{"id": 1}]}
    execute(op.WORKFLOW_UPDATE, smith.actor, {"workflow_id": "anvil", "updates": updates})
    assert sorted(row[4:] for row in told(before)) == [
        ("name", "Anvil", "Big anvil"),
        ("phases", "[]", '[{"id": 1}]'),
        ("ticket_tracking_enabled", "true", "false"),
    ]


def test_every_way_in_is_told(workflow: Workflow, settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = newest()
    call_command("create_agent", "impl", "--workflow", "anvil")
    assert [row[:3] for row in told(before)] == [
        ("system", "member_added", "impl"), ("system", "token_issued", "impl"),
    ]  # fmt: skip
    before = newest()
    settings.AGENT_AUTH = "trusted-loopback"
    answer = api_client().get("/api/tickets?workflow_id=anvil", headers={"X-Agent-ID": "newcomer"})
    assert answer.status_code == 200
    assert told(before) == [("newcomer", "member_added", "newcomer", "anvil", "role", None, "member")]
    # A gateway's name stands beside the one that it acts for.
    gateway = make_agent(workflow, gateway=True, role="maintainer")
    actor = acting_as(gateway.actor, make_agent(workflow, role="maintainer").id)
    execute(op.WORKFLOW_UPDATE, actor, {"workflow_id": "anvil", "updates": {"name": "Small anvil"}})
    assert WorkflowHistory.objects.latest("pk").via_agent_id == gateway.id


def test_the_admin_goes_the_same_way(workflow: Workflow, client: Any) -> None:
    boss = make_person(superuser=True)
    client.force_login(boss)
    agent = make_agent(workflow, agent_id="impl")
    before = newest()
    client.post(f"/admin/tickets/agent/{agent.id}/membership/", {"workflow": "anvil", "role": "viewer"})
    client.post(f"/admin/tickets/agent/{agent.id}/issue-token/", {"label": "from the admin"})
    assert [row[:3] for row in told(before)] == [
        (boss.agent.id, "member_changed", "impl"), (boss.agent.id, "token_issued", "impl"),
    ]  # fmt: skip
