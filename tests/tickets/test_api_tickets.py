"""Each write of a ticket over REST: what it answers and what it changes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.answers import ok, refused
from tests.factories import AgentWithToken, ApiClient, api_client, make_agent, make_person, make_ticket, make_workflow
from tickets.models import Ticket, TicketComment, TicketHistory, Workflow

pytestmark = pytest.mark.django_db
LONG = "Long enough to say something."


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("alpha")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="ada")


@pytest.fixture
def api(agent: AgentWithToken) -> ApiClient:
    return api_client(agent)


@pytest.mark.parametrize("prefix", ["/api/tickets", "/tickets"])
def test_create_answers_as_the_design_says(api: ApiClient, workflow: Workflow, prefix: str) -> None:
    sent = {
        "workflow_id": "alpha",
        "agent_id": "ada",
        "title": "  Fix the login  ",
        "description": LONG,
        "priority": "high",
    }
    answer = api.write(f"{prefix}/create", sent)
    body = ok(answer)
    assert body["status"] == "backlog"
    assert body["embedding_created"] is False
    assert body["similar_tickets"] == []
    assert answer["ETag"] == '"1"'
    ticket = Ticket.objects.get(pk=body["ticket_id"])
    assert (ticket.title, ticket.priority, ticket.key) == ("Fix the login", "high", body["key"])


def test_create_takes_null_for_absent(api: ApiClient, workflow: Workflow) -> None:
    ok(api.write("/api/tickets/create", {"title": "Abc", "description": LONG, "initial_status": None, "tags": None}))


def test_create_takes_every_field(api: ApiClient, agent: AgentWithToken) -> None:
    other = make_ticket(agent)
    body = ok(
        api.write(
            "/api/tickets/create",
            {
                "title": "Abc", "description": LONG, "ticket_type": "BUG", "priority": "Low", "initial_status": "To Do",
                "assigned_agent_id": "ada", "parent_ticket_id": other.key, "tags": ["a", "b"],
                "related_task_ids": ["task-1"], "related_ticket_ids": [other.id], "blocked_by_ticket_ids": [other.key],
                "is_blocked": True, "blocked_reason": "waits", "story_points": 3, "estimate_minutes": 30,
            },
        )
    )  # fmt: skip
    ticket = Ticket.objects.get(pk=body["ticket_id"])
    assert (ticket.ticket_type, ticket.priority, ticket.status) == ("bug", "low", "todo")
    assert (ticket.parent_ticket_id, ticket.related_ticket_ids) == (other.id, [other.id])
    assert ticket.is_blocked
    assert (ticket.story_points, ticket.estimate_minutes, ticket.open_blocker_count) == (3, 30, 1)


@pytest.mark.parametrize(
    ("sent", "field", "allowed"),
    [
        ({"ticket_type": "epic"}, "ticket_type", "bug"),
        ({"priority": "urgent"}, "priority", "critical"),
        ({"initial_status": "nowhere"}, "initial_status", "backlog"),
        ({"titel": "x"}, "titel", "title"),
        ({"on_duplicate": "merge"}, "on_duplicate", "reject"),
        ({"title": "ab"}, "title", None),
        ({"title": "x" * 501}, "title", None),
        ({"title": None}, "title", None),
        ({"title": 7}, "title", None),
        ({"description": "short"}, "description", None),
        ({"description": "x" * 250_001}, "description", None),
        ({"tags": [f"t{n}" for n in range(21)]}, "tags", None),
        ({"tags": ["x" * 51]}, "tags.0", None),
        ({"tags": ["Ab", "aB"]}, "tags", None),
        ({"tags": "a"}, "tags", None),
        ({"blocked_by_ticket_ids": ["TKT-1"] * 101}, "blocked_by_ticket_ids", None),
        ({"blocked_by_ticket_ids": ["TKT-999"]}, "blocked_by_ticket_ids", None),
        ({"blocked_by_ticket_ids": ["!"]}, "blocked_by_ticket_ids", None),
        ({"parent_ticket_id": "TKT-999"}, "parent_ticket_id", None),
        ({"assigned_agent_id": "nobody"}, "assigned_agent_id", None),
        ({"title": "a\x00bc"}, "title", None),
        ({"story_points": -1}, "story_points", None),
        ({"estimate_minutes": 10**30}, "estimate_minutes", None),
        ({"blocked_reason": "why"}, "blocked_reason", None),
    ],
)
def test_create_names_the_field_at_fault(
    api: ApiClient, workflow: Workflow, sent: dict[str, Any], field: str, allowed: str | None
) -> None:
    error = refused(
        api.write("/api/tickets/create", {"title": "Abc", "description": LONG, **sent}), 400, "invalid", field
    )
    assert allowed is None or allowed in error["allowed"]
    assert not Ticket.objects.exists()
    assert not TicketHistory.objects.exists()


def test_unknown_fields_are_met_with_the_nearest_name(api: ApiClient) -> None:
    error = refused(api.write("/api/tickets/create", {"titel": "x"}), 400, "invalid", "titel")
    assert "Did you mean 'title'?" in error["message"]


def test_update_changes_what_is_given(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, tags=["a"])
    answer = api.write(
        "/api/tickets/update",
        {
            "ticket_id": ticket.key.lower(),
            "updates": {"priority": "critical", "tags_add": ["b"]},
            "update_comment": "so",
        },
    )
    assert ok(answer)["fields_updated"] == ["priority", "tags"]
    ticket.refresh_from_db()
    assert (ticket.priority, ticket.tags, ticket.comment_count, ticket.version) == ("critical", ["a", "b"], 1, 2)
    assert answer["ETag"] == '"2"'


@pytest.mark.parametrize(
    ("updates", "field"),
    [
        ({"status": "done"}, "updates.status"),
        ({"title": None}, "updates.title"),
        ({"priority": "x"}, "updates.priority"),
        ({"tags": ["a"], "tags_add": ["b"]}, "updates.tags"),
        ({"tags_add": [f"t{n}" for n in range(20)]}, "updates.tags_add"),
        ("high", "updates"),
    ],
)
def test_update_names_the_field_at_fault(api: ApiClient, agent: AgentWithToken, updates: Any, field: str) -> None:
    ticket = make_ticket(agent, tags=["a"])
    refused(api.write("/api/tickets/update", {"ticket_id": ticket.id, "updates": updates}), 400, "invalid", field)
    ticket.refresh_from_db()
    assert ticket.version == 1


def test_a_cycle_is_refused_and_shown(api: ApiClient, agent: AgentWithToken) -> None:
    first = make_ticket(agent)
    second = make_ticket(agent, blocked_by_ticket_ids=[first.id])
    answer = api.write("/api/tickets/update", {"ticket_id": first.id, "updates": {"blocked_by_add": [second.key]}})
    error = refused(answer, 400, "invalid", "updates.blocked_by_add")
    assert {first.id, second.id} <= set(error["cycle"])


def test_change_status_moves_and_comments(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    sent = {"ticket_id": ticket.id, "new_status": "In Progress", "comment": "Starting on it now."}
    body = ok(api.write("/api/tickets/change-status", sent))
    assert (body["old_status"], body["new_status"], body["blocked"]) == ("backlog", "in_progress", False)
    assert TicketComment.objects.get().comment_type == "status_change"


def test_change_status_names_the_columns(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    answer = api.write("/api/tickets/change-status", {"ticket_id": ticket.id, "new_status": "limbo"})
    assert "in_progress" in refused(answer, 400, "invalid", "new_status")["allowed"]


def test_a_blocked_ticket_does_not_move(api: ApiClient, agent: AgentWithToken) -> None:
    blocker = make_ticket(agent)
    ticket = make_ticket(agent, blocked_by_ticket_ids=[blocker.id])
    for path, sent in (
        ("change-status", {"new_status": "todo"}),
        ("resolve", {"resolution_comment": LONG}),
        ("claim", {}),
    ):
        answer = api.write(f"/api/tickets/{path}", {"ticket_id": ticket.id, **sent})
        error = refused(answer, 409, "blocked")
        assert error["blocking_ticket_ids"] == [blocker.id]
        assert answer.json()["blocked"] is True
        assert answer.json()["blocking_ticket_ids"] == [blocker.id]
    ticket.refresh_from_db()
    assert (ticket.status, ticket.version) == ("backlog", 1)


def test_transitions_and_limits_of_a_board_are_conflicts(workflow: Workflow) -> None:
    columns = [
        {"id": "a", "name": "A", "order": 0},
        {"id": "b", "name": "B", "order": 1, "wip_limit": 1},
        {"id": "c", "name": "C", "order": 2},
    ]
    strict = make_workflow(
        "strict",
        board={
            "columns": columns, "ticket_types": ["task"], "transitions": {"a": ["b"], "b": ["c"]},
            "settings": {"enforce_wip_limits": True, "require_comments_on_status_change": True, "allow_reopen": False},
        },
    )  # fmt: skip
    agent = make_agent(strict)
    api = api_client(agent)
    one, two = make_ticket(agent), make_ticket(agent)
    move = {"comment": LONG}
    error = refused(
        api.write("/api/tickets/change-status", {"ticket_id": one.id, "new_status": "c", **move}),
        409, "transition_not_allowed", "new_status",
    )  # fmt: skip
    assert error["allowed"] == ["b"]
    refused(
        api.write("/api/tickets/change-status", {"ticket_id": one.id, "new_status": "b"}), 400, "invalid", "comment"
    )
    ok(api.write("/api/tickets/change-status", {"ticket_id": one.id, "new_status": "b", **move}))
    refused(
        api.write("/api/tickets/change-status", {"ticket_id": two.id, "new_status": "b", **move}),
        409, "wip_limit", "new_status",
    )  # fmt: skip
    ok(api.write("/api/tickets/resolve", {"ticket_id": two.id, "resolution_comment": LONG}))
    refused(
        api.write("/api/tickets/reopen", {"ticket_id": two.id, **move}), 409, "transition_not_allowed", "new_status"
    )


def test_resolve_unblocks_and_reopen_takes_back(api: ApiClient, agent: AgentWithToken) -> None:
    blocker = make_ticket(agent)
    waiting = make_ticket(agent, blocked_by_ticket_ids=[blocker.id])
    body = ok(api.write("/api/tickets/resolve", {"ticket_id": blocker.key, "resolution_comment": LONG}))
    assert (body["status"], body["unblocked_tickets"]) == ("done", [waiting.id])
    again = ok(api.write("/api/tickets/resolve", {"ticket_id": blocker.key, "resolution_comment": LONG}))
    assert (again["version"], again["unblocked_tickets"]) == (body["version"], [])
    assert ok(api.write("/api/tickets/reopen", {"ticket_id": blocker.key}))["new_status"] == "backlog"
    refused(api.write("/api/tickets/reopen", {"ticket_id": blocker.key}), 409, "conflict")


def test_resolve_needs_ten_characters(api: ApiClient, agent: AgentWithToken) -> None:
    sent = {"ticket_id": make_ticket(agent).id, "resolution_comment": "   done    "}
    refused(api.write("/api/tickets/resolve", sent), 400, "invalid", "resolution_comment")


def test_move_orders_a_column(api: ApiClient, agent: AgentWithToken) -> None:
    first, second = make_ticket(agent), make_ticket(agent)
    ok(api.write("/api/tickets/move", {"ticket_id": second.id, "before_ticket_id": first.id}))
    assert list(Ticket.objects.order_by("rank").values_list("id", flat=True)) == [second.id, first.id]
    refused(api.write("/api/tickets/move", {"ticket_id": second.id}), 400, "invalid", "before_ticket_id")


def test_assign_and_take_back(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    ok(api.write("/api/tickets/assign", {"ticket_id": ticket.id, "assigned_agent_id": "ada"}))
    ticket.refresh_from_db()
    assert ticket.assigned_agent_id == "ada"
    ok(api.write("/api/tickets/assign", {"ticket_id": ticket.id, "assigned_agent_id": None}))
    ticket.refresh_from_db()
    assert ticket.assigned_agent_id is None


def test_block_and_unblock(api: ApiClient, agent: AgentWithToken) -> None:
    blocker, ticket = make_ticket(agent), make_ticket(agent)
    sent = {"ticket_id": ticket.id, "reason": "waits for a key", "blocked_by_ticket_ids": [blocker.key]}
    body = ok(api.write("/api/tickets/block", sent))
    assert (body["is_blocked"], body["blocked_by_ticket_ids"]) == (True, [blocker.id])
    ok(api.write("/api/tickets/unblock", {"ticket_id": ticket.id}))
    body = ok(api.write("/api/tickets/unblock", {"ticket_id": ticket.id, "blocked_by_ticket_ids": [blocker.id]}))
    assert (body["is_blocked"], body["blocked_by_ticket_ids"]) == (False, [])


def test_a_lease_has_one_holder(api: ApiClient, agent: AgentWithToken, workflow: Workflow) -> None:
    other = api_client(make_agent(workflow))
    ticket = make_ticket(agent)
    lease = ok(api.write("/api/tickets/claim", {"ticket_id": ticket.id, "lease_seconds": 60}))
    assert lease["lease_expires_at"].endswith("Z")
    refused(other.write("/api/tickets/claim", {"ticket_id": ticket.id}), 409, "conflict")
    beat = {"ticket_id": ticket.id, "fencing_token": lease["fencing_token"]}
    ok(api.write("/api/tickets/heartbeat", beat))
    refused(other.write("/api/tickets/heartbeat", beat), 409, "lease_lost", "fencing_token")
    refused(other.write("/api/tickets/release", {"ticket_id": ticket.id}), 403, "forbidden")
    assert ok(api.write("/api/tickets/release", {"ticket_id": ticket.id}))["released"] is True
    refused(
        api.write("/api/tickets/update", {**beat, "updates": {"priority": "low"}}), 409, "lease_lost", "fencing_token"
    )


@pytest.mark.parametrize("seconds", [0, 86_401])
def test_leases_have_limits(api: ApiClient, agent: AgentWithToken, seconds: int) -> None:
    sent = {"ticket_id": make_ticket(agent).id, "lease_seconds": seconds}
    refused(api.write("/api/tickets/claim", sent), 400, "invalid", "lease_seconds")


def test_next_gives_the_best_or_says_why_not(api: ApiClient, agent: AgentWithToken) -> None:
    make_ticket(agent)
    best = make_ticket(agent, priority="critical")
    blocked = make_ticket(agent, is_blocked=True)
    assert ok(api.write("/api/tickets/next", {"claim": False}))["ticket_id"] == best.id
    assert ok(api.write("/api/tickets/next"))["ticket_id"] == best.id
    ok(api.write("/api/tickets/next"))
    nothing = ok(api.write("/api/tickets/next"))
    assert nothing["ticket_id"] is None
    assert nothing["reasons"]["blocked"] == 1
    assert Ticket.objects.get(pk=blocked.pk).lease_agent_id is None


def test_review_by_a_person(agent: AgentWithToken) -> None:
    reviewed = make_workflow("reviewed", board={**_columns(), "settings": {"ticket_human_review": True}})
    author = make_agent(reviewed)
    person = make_person(reviewed, role="maintainer")
    browser = Client()
    browser.force_login(person)
    one, two = make_ticket(author), make_ticket(author)
    assert one.approval_status == "pending_review"
    api = api_client(author)
    refused(api.write("/api/tickets/change-status", {"ticket_id": one.id, "new_status": "b"}), 409, "pending_review")
    refused(api.write("/api/tickets/approve", {"ticket_id": one.id}), 403, "forbidden")
    waiting = ok(api.get("/api/workflows/reviewed/approvals"))
    assert [row["ticket_id"] for row in waiting["approvals"]] == [one.id, two.id]
    for verb, ticket, status in (("approve", one, "approved"), ("reject", two, "rejected")):
        answer = browser.post(
            f"/api/tickets/{verb}", {"ticket_id": ticket.id, "reason": "So it is."}, content_type="application/json"
        )
        assert ok(answer)["approval_status"] == status
    refused(
        browser.post("/api/tickets/approve", {"ticket_id": two.id}, content_type="application/json"), 409, "conflict"
    )
    assert ok(api.get("/api/workflows/reviewed/approvals"))["total_count"] == 0


def test_bulk_create_is_all_or_nothing(api: ApiClient, workflow: Workflow) -> None:
    batch: list[dict[str, Any]] = [
        {"title": "First", "description": LONG, "blocked_by_ticket_ids": ["#1"]},
        {"title": "Second", "description": LONG},
    ]
    body = ok(api.write("/api/tickets/bulk-create", {"tickets": batch}))
    assert len(body["tickets"]) == 2
    assert Ticket.objects.get(title="First").is_blocked
    batch[1]["description"] = "short"
    refused(api.write("/api/tickets/bulk-create", {"tickets": batch}), 400, "invalid", "tickets.1.description")
    batch[1]["description"] = LONG
    assert ok(api.write("/api/tickets/bulk-create", {"tickets": batch, "dry_run": True}))["dry_run"] is True
    refused(api.write("/api/tickets/bulk-create", {"tickets": []}), 400, "invalid", "tickets")
    refused(api.write("/api/tickets/bulk-create", {"tickets": batch * 26}), 400, "invalid", "tickets")
    assert Ticket.objects.count() == 2


def test_bulk_update_answers_for_each(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    sent: dict[str, Any] = {"ticket_ids": [ticket.key, "TKT-999"], "updates": {"priority": "low"}}
    body = ok(api.write("/api/tickets/bulk-update", sent))
    assert (body["updated"], body["failed"]) == (1, 1)
    assert [row["success"] for row in body["results"]] == [True, False]
    assert body["results"][1]["error"]["code"] == "not_found"
    sent["ticket_ids"] = [f"TKT-{number}" for number in range(1, 52)]
    refused(api.write("/api/tickets/bulk-update", sent), 400, "invalid", "ticket_ids")


def test_comments_are_added_edited_and_deleted(api: ApiClient, agent: AgentWithToken, workflow: Workflow) -> None:
    ticket = make_ticket(agent)
    sent = {"ticket_id": ticket.id, "comment_text": f"See #{ticket.key}, @ada", "attachments": ["logs/a.txt"]}
    body = ok(api.write("/api/tickets/comment", sent))
    assert body["mentions"] == ["ada", ticket.id]
    address = f"/api/tickets/comments/{body['comment_id']}"
    reply = ok(api.write("/api/tickets/comment", {**sent, "parent_comment_id": body["comment_id"]}))
    ok(api.send("PATCH", address, {"comment_text": "Better."}))
    assert TicketComment.objects.get(pk=body["comment_id"]).is_edited
    reacted = ok(api.write(f"{address}/reactions", {"emoji": "👍"}))
    assert reacted["reactions"] == {"👍": ["ada"]}
    assert ok(api.write(f"{address}/reactions", {"emoji": "👍", "remove": True}))["reactions"] == {}
    stranger = api_client(make_agent(workflow))
    refused(stranger.send("PATCH", address, {"comment_text": "Mine."}), 403, "forbidden")
    refused(stranger.delete(address), 403, "forbidden")
    ok(api.delete(address))
    ok(api.delete(address))
    assert TicketComment.objects.get(pk=body["comment_id"]).comment_text == ""
    refused(api.send("PATCH", address, {"comment_text": "Again."}), 400, "invalid", "comment_id")
    refused(api.delete("/api/tickets/comments/comment-none"), 404, "not_found", "comment_id")
    assert TicketComment.objects.get(pk=reply["comment_id"]).parent_id == body["comment_id"]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"comment_text": "  "}, "comment_text"),
        ({"comment_text": "x" * 100_001}, "comment_text"),
        ({"comment_type": "rant"}, "comment_type"),
        ({"attachments": ["a"] * 21}, "attachments"),
        ({"attachments": ["javascript:alert(1)"]}, "attachments.0"),
        ({"attachments": ["../../etc/passwd"]}, "attachments.0"),
        ({"attachments": ["/etc/passwd"]}, "attachments.0"),
        ({"mentions": ["nobody"]}, "mentions"),
        ({"parent_comment_id": "comment-none"}, "parent_comment_id"),
    ],
)
def test_comments_name_the_field_at_fault(
    api: ApiClient, agent: AgentWithToken, sent: dict[str, Any], field: str
) -> None:
    ticket = make_ticket(agent)
    answer = api.write("/api/tickets/comment", {"ticket_id": ticket.id, "comment_text": "Hi", **sent})
    refused(answer, 400, "invalid", field)
    assert not TicketComment.objects.exists()


def test_a_ticket_is_found_by_id_key_or_prefix(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    bare = ticket.id.removeprefix("ticket-")
    for name in (ticket.id, ticket.key, ticket.key.lower(), bare, bare[:8], f"ticket-{bare[:9]}"):
        assert ok(api.write("/api/tickets/assign", {"ticket_id": name}))["ticket_id"] == ticket.id
    refused(api.write("/api/tickets/assign", {"ticket_id": "no such thing"}), 400, "invalid", "ticket_id")
    refused(api.write("/api/tickets/assign", {"ticket_id": "TKT-4711"}), 404, "not_found", "ticket_id")
    twin = Ticket.objects.get(pk=ticket.pk)
    twin.id, twin.key, twin.number = f"ticket-{bare[:8]}-0000-4000-8000-000000000000", f"{ticket.key}9", 99
    twin.save(force_insert=True)
    error = refused(api.write("/api/tickets/assign", {"ticket_id": bare[:8]}), 400, "invalid", "ticket_id")
    assert {row["ticket_id"] for row in error["candidates"]} == {ticket.id, twin.id}


@pytest.mark.parametrize(
    ("column", "reason"), [("is_active", "is not active"), ("ticket_tracking_enabled", "tracking is not enabled")]
)
def test_a_workflow_without_tracking_takes_no_writes(
    api: ApiClient, workflow: Workflow, agent: AgentWithToken, column: str, reason: str
) -> None:
    ticket = make_ticket(agent)
    Workflow.objects.filter(pk=workflow.pk).update(**{column: False})
    for path, sent in (
        ("create", {"title": "Abc", "description": LONG}),
        ("comment", {"ticket_id": ticket.id, "comment_text": "Hi"}),
    ):
        error = refused(api.write(f"/api/tickets/{path}", sent), 403, "forbidden")
        assert reason in error["message"]


def test_several_workflows_must_be_told_apart(workflow: Workflow) -> None:
    agent = make_agent(workflow, make_workflow("beta"))
    error = refused(
        api_client(agent).write("/api/tickets/create", {"title": "Abc", "description": LONG}), 400, "invalid",
        "workflow_id",
    )  # fmt: skip
    assert error["allowed"] == ["alpha", "beta"]


def _columns() -> dict[str, Any]:
    names = ("a", "b", "c")
    columns = [{"id": name, "name": name.upper(), "order": place} for place, name in enumerate(names)]
    return {"columns": columns, "ticket_types": ["task"]}
