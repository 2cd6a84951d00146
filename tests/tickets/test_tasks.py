"""Tasks: the gate, what finishing one brings about, and what a validator's review does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import AgentWithToken, api_client, make_agent, make_person, make_ticket, make_workflow
from tickets import ports
from tickets.access import actor_for_user
from tickets.errors import Blocked, Conflict, DomainError, Forbidden, IdentityMismatch, Invalid, NotFound, PendingReview
from tickets.models import (
    Agent,
    AgentState,
    Claim,
    Event,
    Task,
    Ticket,
    TicketComment,
    TicketHistory,
    Workflow,
)
from tickets.operations import (
    TASK_CREATE,
    TASK_GET,
    TASK_LIST,
    TASK_UPDATE_STATUS,
    TICKET_CLAIM,
    VALIDATION_REVIEW_GIVE,
    execute,
)
from tickets.services.reviews import task_tag

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("flow")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="worker")


def create(agent: AgentWithToken, **fields: Any) -> Task:
    values = {"description": "Implement OAuth", **fields}
    return Task.objects.get(pk=execute(TASK_CREATE, agent.actor, values).task_id)


def report(agent: AgentWithToken, task: Task | str, status: str, **fields: Any) -> Any:
    task_id = task if isinstance(task, str) else task.id
    return execute(TASK_UPDATE_STATUS, agent.actor, {"task_id": task_id, "status": status, **fields})


def review(agent: AgentWithToken, task: Task, passed: bool = False, **fields: Any) -> Any:
    values = {"task_id": task.id, "validation_passed": passed, "feedback": "Two things are wrong.", **fields}
    return execute(VALIDATION_REVIEW_GIVE, agent.actor, values)


def last_event(workflow: Workflow) -> Event:
    event = Event.objects.filter(workflow=workflow).order_by("seq").last()
    assert event is not None
    return event


# The gate


def test_with_tracking_a_task_needs_a_ticket(agent: AgentWithToken) -> None:
    with pytest.raises(Invalid) as caught:
        create(agent)
    assert caught.value.message == "Ticket tracking enabled - ticket_id required"
    assert caught.value.field == "ticket_id"
    assert not Task.objects.exists()


def test_a_superuser_does_not_bypass_the_gate(workflow: Workflow) -> None:
    actor = actor_for_user(make_person(superuser=True))
    with pytest.raises(Invalid, match="ticket_id required"):
        execute(TASK_CREATE, actor, {"description": "Anything", "workflow_id": workflow.id})


def test_without_tracking_a_ticket_is_optional(agent: AgentWithToken, workflow: Workflow) -> None:
    Workflow.objects.update(ticket_tracking_enabled=False)
    task = create(agent)
    assert (task.ticket_id, task.workflow_id) == (None, workflow.id)


def test_the_gate_is_per_workflow(agent: AgentWithToken) -> None:
    free = make_workflow("free", ticket_tracking_enabled=False)
    both = make_agent(free, Workflow.objects.get(pk="flow"))
    create(both, workflow_id="free")
    with pytest.raises(Invalid, match="ticket_id required"):
        create(both, workflow_id="flow")


def test_a_ticket_of_another_workflow_will_not_do(agent: AgentWithToken, workflow: Workflow) -> None:
    other = make_workflow("other")
    both = make_agent(workflow, other)
    foreign = make_ticket(both, other)
    with pytest.raises(NotFound):
        create(both, workflow_id="flow", ticket_id=foreign.key)
    with pytest.raises(NotFound):
        create(agent, ticket_id=foreign.id)


def test_an_inactive_workflow_takes_no_tasks(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    task = create(agent, ticket_id=ticket.id)
    Workflow.objects.update(is_active=False)
    with pytest.raises(Forbidden):
        create(agent, ticket_id=ticket.id)
    with pytest.raises(Forbidden):
        report(agent, task, "in_progress")


def test_a_viewer_reads_tasks_and_writes_none(agent: AgentWithToken, workflow: Workflow) -> None:
    task = create(agent, ticket_id=make_ticket(agent).id)
    viewer = make_agent(workflow, role="viewer")
    assert execute(TASK_GET, viewer.actor, {"task_id": task.id}).task.description == "Implement OAuth"
    with pytest.raises(Forbidden):
        report(viewer, task, "done")


def test_a_stranger_finds_no_task(agent: AgentWithToken) -> None:
    task = create(agent, ticket_id=make_ticket(agent).id)
    stranger = make_agent(make_workflow("elsewhere"))
    for operation, fields in (
        (TASK_GET, {}),
        (TASK_UPDATE_STATUS, {"status": "done"}),
        (VALIDATION_REVIEW_GIVE, {"validation_passed": True, "feedback": "fine"}),
    ):
        with pytest.raises(NotFound):
            execute(operation, stranger.actor, {"task_id": task.id, **fields})
    assert execute(TASK_LIST, stranger.actor, {}).total_count == 0


# Creating


def test_an_id_may_be_chosen_and_is_taken_once(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    assert create(agent, ticket_id=ticket.id, task_id="phase-1.7").id == "phase-1.7"
    with pytest.raises(Conflict, match="exists already"):
        create(agent, ticket_id=ticket.id, task_id="phase-1.7")
    assert create(agent, ticket_id=ticket.id).id.startswith("task-")


def test_the_ticket_notes_its_task_in_its_history(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    task = create(agent, ticket_id=ticket.key)
    ticket.refresh_from_db()
    assert ticket.related_task_ids == [task.id]
    assert TicketHistory.objects.filter(ticket=ticket, field_name="related_task_ids").count() == 1
    event = last_event(task.workflow)
    assert (event.type, event.ticket_id, event.data["task_id"]) == ("task_created", ticket.id, task.id)


def test_the_ticket_says_which_workflow(agent: AgentWithToken, workflow: Workflow) -> None:
    both = make_agent(workflow, make_workflow("other"))
    assert create(both, ticket_id=make_ticket(agent).id).workflow_id == "flow"


@pytest.mark.parametrize("phase", [1, "1"])
def test_hephaestus_clients_are_understood(agent: AgentWithToken, phase: object) -> None:
    ticket = make_ticket(agent)
    answer = execute(
        TASK_CREATE,
        agent.actor,
        {
            "task_description": "Implement OAuth",
            "done_definition": "Login works",
            "ai_agent_id": agent.id,
            "workflow_id": "flow",
            "priority": "high",
            "phase_id": phase,
            "cwd": "/srv/project",
            "ticket_id": ticket.id,
        },
    )
    task = Task.objects.get(pk=answer.task_id)
    assert (task.description, task.phase, task.priority, task.cwd) == ("Implement OAuth", "1", "high", "/srv/project")
    # The agent that asks, not the one that the task is for.
    assert (task.created_by_agent_id, task.agent_id, answer.status) == (agent.id, None, "pending")


def test_ai_agent_id_is_held_against_the_credential(agent: AgentWithToken) -> None:
    with pytest.raises(IdentityMismatch):
        create(agent, ticket_id=make_ticket(agent).id, ai_agent_id="somebody-else")


def test_two_names_for_one_field_must_agree(agent: AgentWithToken) -> None:
    with pytest.raises(Invalid, match="mean the same"):
        create(agent, ticket_id=make_ticket(agent).id, task_description="Something else")


def test_an_unknown_field_names_its_neighbour(agent: AgentWithToken) -> None:
    with pytest.raises(Invalid, match="Did you mean 'done_definition'"):
        create(agent, done_defnition="x")


def test_a_task_is_for_a_member(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    stranger = make_agent(make_workflow("elsewhere"))
    with pytest.raises(Invalid, match="no member"):
        create(agent, ticket_id=ticket.id, assigned_agent_id=stranger.id)
    task = create(agent, ticket_id=ticket.id, assigned_agent_id=agent.id)
    assert (task.agent_id, task.status) == (agent.id, "assigned")


# Reporting


def test_done_resolves_the_ticket_and_unblocks_what_waited(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    waiting = make_ticket(agent, blocked_by_ticket_ids=[ticket.id])
    task = create(agent, ticket_id=ticket.id)

    answer = report(agent, task, "done", summary="OAuth works.", key_learnings=["Scopes matter."])

    ticket.refresh_from_db()
    waiting.refresh_from_db()
    assert (ticket.is_resolved, ticket.status, waiting.is_blocked) == (True, "done", False)
    assert (answer.ticket_resolved, answer.unblocked_tickets) == (ticket.id, [waiting.id])
    comment = TicketComment.objects.get(ticket=ticket)
    assert comment.comment_type == "resolution"
    assert comment.comment_text == f"Task {task.id} completed\n\nOAuth works."
    assert comment.mentions == [task.id]
    task.refresh_from_db()
    assert (task.status, task.summary, task.key_learnings) == ("done", "OAuth works.", ["Scopes matter."])
    assert task.completed_at is not None
    assert last_event(task.workflow).type == "task_updated"


@pytest.mark.parametrize("cause", ["by hand", "by a ticket", "pending review"])
def test_a_ticket_that_cannot_be_resolved_leaves_everything_as_it_was(agent: AgentWithToken, cause: str) -> None:
    blocker = make_ticket(agent)
    fields: dict[str, Any] = {"by hand": {"is_blocked": True}, "by a ticket": {"blocked_by_ticket_ids": [blocker.id]}}
    ticket = make_ticket(agent, **fields.get(cause, {}))
    if cause == "pending review":
        Ticket.objects.filter(pk=ticket.pk).update(approval_status="pending_review")
    task = create(agent, ticket_id=ticket.id, assigned_agent_id=agent.id)
    before = (
        list(Task.objects.values()),
        list(Ticket.objects.values()),
        Event.objects.count(),
        list(Agent.objects.values()),
    )

    with pytest.raises(DomainError) as caught:
        report(agent, task, "done", summary="Not kept.")

    assert isinstance(caught.value, PendingReview if cause == "pending review" else Blocked)
    assert caught.value.status == 409
    after = (
        list(Task.objects.values()),
        list(Ticket.objects.values()),
        Event.objects.count(),
        list(Agent.objects.values()),
    )
    assert after == before


def test_done_with_a_resolved_ticket_leaves_the_ticket_alone(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, initial_status="done")
    task = create(agent, ticket_id=ticket.id)
    rows = TicketHistory.objects.filter(ticket=ticket).count()
    assert report(agent, task, "done").ticket_resolved is None
    assert TicketHistory.objects.filter(ticket=ticket).count() == rows


def test_the_same_status_again_changes_nothing(agent: AgentWithToken, workflow: Workflow) -> None:
    task = create(agent, ticket_id=make_ticket(agent).id)
    report(agent, task, "done", summary="First")
    seq = Workflow.objects.get(pk=workflow.pk).event_seq
    assert report(agent, task, "done", summary="Second").success
    task.refresh_from_db()
    assert task.summary == "First"
    assert Workflow.objects.get(pk=workflow.pk).event_seq == seq


def test_done_ends_the_agents_leases(agent: AgentWithToken) -> None:
    ticket, other = make_ticket(agent), make_ticket(agent)
    for each in (ticket, other):
        execute(TICKET_CLAIM, agent.actor, {"ticket_id": each.id})
    task = create(agent, ticket_id=ticket.id, assigned_agent_id=agent.id)
    report(agent, task, "done")
    reasons = dict(Claim.objects.values_list("ticket_id", "end_reason"))
    assert reasons == {ticket.id: "resolved", other.id: "task_done"}
    assert not Ticket.objects.filter(lease_agent__isnull=False).exists()


def test_an_agent_without_a_task_left_is_terminated_and_keeps_its_token(agent: AgentWithToken) -> None:
    first = create(agent, ticket_id=make_ticket(agent).id, assigned_agent_id=agent.id)
    second = create(agent, ticket_id=make_ticket(agent).id, assigned_agent_id=agent.id)
    assert not report(agent, first, "done").agent_terminated
    assert Agent.objects.get(pk=agent.id).state == AgentState.ACTIVE
    assert report(agent, second, "done").agent_terminated
    assert Agent.objects.get(pk=agent.id).state == AgentState.TERMINATED
    make_ticket(agent)


def test_a_new_task_brings_a_terminated_agent_back(agent: AgentWithToken) -> None:
    report(agent, create(agent, ticket_id=make_ticket(agent).id), "done")
    create(agent, ticket_id=make_ticket(agent).id, assigned_agent_id=agent.id)
    assert Agent.objects.get(pk=agent.id).state == AgentState.ACTIVE


def test_a_task_of_nobody_belongs_to_the_agent_that_reports(agent: AgentWithToken) -> None:
    task = create(agent, ticket_id=make_ticket(agent).id)
    assert report(agent, task, "in_progress").assigned_agent_id == agent.id


def test_a_person_who_reports_is_not_terminated(workflow: Workflow, agent: AgentWithToken) -> None:
    task = create(agent, ticket_id=make_ticket(agent).id)
    person = actor_for_user(make_person(workflow))
    answer = execute(TASK_UPDATE_STATUS, person, {"task_id": task.id, "status": "done"})
    assert (answer.assigned_agent_id, answer.agent_terminated) == (None, False)
    assert Agent.objects.get(pk=person.agent_id).state == AgentState.ACTIVE


def test_failed_keeps_the_ticket_open_and_says_why(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    task = create(agent, ticket_id=ticket.id)
    report(agent, task, "failed", failure_reason="The API is down.", key_learnings="Ask first.")
    task.refresh_from_db()
    ticket.refresh_from_db()
    assert (task.status, task.failure_reason, task.key_learnings) == ("failed", "The API is down.", ["Ask first."])
    assert not ticket.is_resolved


def test_an_unknown_status_names_the_allowed_ones(agent: AgentWithToken) -> None:
    task = create(agent, ticket_id=make_ticket(agent).id)
    with pytest.raises(Invalid) as caught:
        report(agent, task, "completed")
    assert caught.value.field == "status"
    assert "under_review" in (caught.value.allowed or [])


def test_where_tracking_was_switched_off_done_leaves_the_ticket_alone(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    task = create(agent, ticket_id=ticket.id)
    Workflow.objects.update(ticket_tracking_enabled=False)
    report(agent, task, "done")
    ticket.refresh_from_db()
    assert not ticket.is_resolved


# Worktrees


class Merge:
    """A worktree whose merge is told what to do."""

    commit_sha = "c0ffee" * 6 + "c0ff"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.conflict_at: str | None = None

    def _step(self, name: str) -> None:
        self.calls.append(name)
        if self.conflict_at == name:
            raise Conflict("The worktree does not merge.")

    def prepare(self, **_: Any) -> Merge:
        self._step("prepare")
        return self

    def link(self, **_: Any) -> None:
        self._step("link")

    def publish(self) -> None:
        self._step("publish")


@pytest.fixture
def merge(monkeypatch: pytest.MonkeyPatch) -> Merge:
    merge = Merge()
    monkeypatch.setattr(ports, "_worktrees", merge)
    return merge


def test_done_merges_the_worktree_last(agent: AgentWithToken, merge: Merge) -> None:
    ticket = make_ticket(agent)
    answer = report(agent, create(agent, ticket_id=ticket.id), "done")
    assert merge.calls == ["prepare", "link", "publish"]
    assert answer.merge_commit_sha == merge.commit_sha
    assert "completed and merged" in TicketComment.objects.get(ticket=ticket).comment_text


@pytest.mark.parametrize("step", ["prepare", "link", "publish"])
def test_a_merge_conflict_leaves_everything_as_it_was(agent: AgentWithToken, merge: Merge, step: str) -> None:
    ticket = make_ticket(agent)
    task = create(agent, ticket_id=ticket.id)
    merge.conflict_at = step
    with pytest.raises(Conflict, match="does not merge"):
        report(agent, task, "done")
    ticket.refresh_from_db()
    task.refresh_from_db()
    assert (ticket.is_resolved, task.status) == (False, "pending")


# Reviews


def test_each_issue_becomes_a_ticket(agent: AgentWithToken, workflow: Workflow) -> None:
    ticket = make_ticket(agent)
    task = create(agent, ticket_id=ticket.id, task_id="login")
    issues = [
        {"title": "No logout", "description": "There is no way out.", "severity": "High", "ticket_type": "feature"},
        {"title": "Crash", "description": "It crashes on start.", "severity": "apocalyptic"},
    ]
    answer = review(agent, task, issues=issues, evidence=["log.txt", {"line": 3}], recommendations="Read the log.")

    made = list(Ticket.objects.filter(pk__in=answer.created_tickets).order_by("number"))
    assert [t.title for t in made] == ["Validation Issue: No logout", "Validation Issue: Crash"]
    assert [(t.priority, t.ticket_type) for t in made] == [("high", "feature"), ("medium", "bug")]
    assert all(t.tags == ["validation", "task-login"] and t.related_task_ids == ["login"] for t in made)
    comment = TicketComment.objects.get(pk=answer.comment_id)
    assert comment.ticket_id == ticket.id
    for part in ("Two things are wrong.", "log.txt", '{"line": 3}', "Read the log.", made[0].key):
        assert part in comment.comment_text
    task.refresh_from_db()
    assert (task.status, task.validation_passed) == ("needs_work", False)


def test_a_passed_review_leaves_done_to_the_report(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    task = create(agent, ticket_id=ticket.id)
    assert review(agent, task, True).status == "under_review"
    report(agent, task, "done")
    assert review(agent, task, True).status == "done"
    assert review(agent, task, False).status == "needs_work"


def test_a_faulty_issue_names_its_place_and_nothing_is_kept(agent: AgentWithToken) -> None:
    task = create(agent, ticket_id=make_ticket(agent).id)
    good = {"title": "Fine", "description": "A good description."}
    events = Event.objects.count()
    with pytest.raises(Invalid) as caught:
        review(agent, task, issues=[good, {**good, "ticket_type": "nonsense"}])
    assert caught.value.field == "issues.1.ticket_type"
    assert (Ticket.objects.count(), Event.objects.count()) == (1, events)


def test_the_validator_is_the_acting_agent(agent: AgentWithToken, workflow: Workflow) -> None:
    task = create(agent, ticket_id=make_ticket(agent).id)
    validator = make_agent(workflow)
    answer = review(validator, task, validator_agent_id=validator.id)
    assert TicketComment.objects.get(pk=answer.comment_id).agent_id == validator.id
    with pytest.raises(IdentityMismatch):
        review(validator, task, validator_agent_id=agent.id)


def test_a_task_without_a_ticket_can_be_reviewed_but_makes_none() -> None:
    agent = make_agent(make_workflow("free", ticket_tracking_enabled=False))
    task = create(agent)
    assert review(agent, task).comment_id is None
    with pytest.raises(Forbidden, match="not enabled"):
        review(agent, task, issues=[{"title": "Fault", "description": "A real fault here."}])


def test_long_task_ids_make_distinct_tags_that_fit() -> None:
    tags = {task_tag("t" * 98 + str(number)) for number in range(10)}
    assert len(tags) == 10
    assert {len(tag) for tag in tags} == {50}
    assert task_tag("t" * 45) == "task-" + "t" * 45


# Reading


def test_tasks_are_listed_by_workflow_status_agent_and_ticket(agent: AgentWithToken, workflow: Workflow) -> None:
    ticket = make_ticket(agent)
    one = create(agent, ticket_id=ticket.id, assigned_agent_id=agent.id, description="x" * 300)
    two = create(agent, ticket_id=make_ticket(agent).id)

    def ids(**query: Any) -> list[str]:
        return [row.task_id for row in execute(TASK_LIST, agent.actor, query).tasks]

    assert ids() == [two.id, one.id]
    assert ids(workflow_id="flow", limit="1", offset="1") == [one.id]
    assert ids(status="pending") == [two.id]
    assert ids(agent=agent.id) == [one.id]
    assert ids(ticket=ticket.key) == [one.id]
    page = execute(TASK_LIST, agent.actor, {"limit": 1})
    assert (page.total_count, page.has_more) == (2, True)
    assert len(execute(TASK_LIST, agent.actor, {"offset": 1}).tasks[0].description) == 200
    with pytest.raises(NotFound):
        ids(workflow_id="unknown")
    with pytest.raises(Invalid):
        ids(limit=201)


def test_the_list_asks_a_fixed_number_of_queries(agent: AgentWithToken, django_assert_num_queries: Any) -> None:
    ticket = make_ticket(agent)
    for _ in range(3):
        create(agent, ticket_id=ticket.id)
    with django_assert_num_queries(2):
        execute(TASK_LIST, agent.actor, {})


# Addresses


def test_hephaestus_clients_find_their_addresses(agent: AgentWithToken) -> None:
    """What Hephaestus's own client sends, header and all, to the root."""
    client = api_client(agent)
    headers = {"X-Agent-ID": agent.id}
    body = {
        "task_description": "Implement OAuth",
        "done_definition": "Login works",
        "ai_agent_id": agent.id,
        "workflow_id": "flow",
        "priority": "medium",
        "phase_id": "1",
    }
    refused = client.write("/create_task", body, headers=headers)
    assert (refused.status_code, refused.json()["message"]) == (400, "Ticket tracking enabled - ticket_id required")

    created = client.write("/create_task", {**body, "ticket_id": make_ticket(agent).id}, headers=headers)
    assert (created.status_code, created.json()["status"]) == (200, "pending")
    task_id = created.json()["task_id"]

    verdict = {"validator_agent_id": agent.id, "validation_passed": True, "feedback": "Fine."}
    verdict |= {"task_id": task_id, "evidence": [], "recommendations": []}
    assert client.write("/give_validation_review", verdict, headers=headers).json()["status"] == "under_review"

    done = {"task_id": task_id, "status": "done", "agent_id": agent.id, "key_learnings": [], "summary": "It works."}
    answer = client.write("/update_task_status", done, headers=headers)
    assert (answer.status_code, answer.json()["agent_terminated"]) == (200, True)


def test_tasks_have_addresses_of_their_own(agent: AgentWithToken) -> None:
    client = api_client(agent)
    ticket = make_ticket(agent, is_blocked=True)
    task_id = client.write("/api/tasks", {"description": "Try it", "ticket_id": ticket.key}).json()["task_id"]
    assert client.get(f"/api/tasks/{task_id}").json()["task"]["ticket_id"] == ticket.id
    assert client.get(f"/api/tasks?ticket={ticket.key}").json()["total_count"] == 1
    assert client.get("/api/tasks?colour=red").status_code == 400
    refused = client.write(f"/api/tasks/{task_id}/status", {"status": "done"})
    assert (refused.status_code, refused.json()["blocked"]) == (409, True)
    reviewed = client.write(f"/api/tasks/{task_id}/review", {"validation_passed": False, "feedback": "No."})
    assert reviewed.json()["status"] == "needs_work"
