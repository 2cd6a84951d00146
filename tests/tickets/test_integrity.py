"""check_integrity is silent about whatever services do, and finds each kind of damage."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from boards.models import BoardConfig
from tests.factories import AgentWithToken, make_agent, make_person, make_ticket, make_workflow
from tickets.access import actor_for_user
from tickets.models import (
    Approval,
    Claim,
    Event,
    StatusPeriod,
    Task,
    Ticket,
    TicketComment,
    TicketDependency,
    TicketHistory,
    TicketTag,
    Workflow,
)
from tickets.models.triggers import drop_triggers
from tickets.operations import (
    COMMENT_ADD,
    COMMENT_DELETE,
    TASK_CREATE,
    TICKET_APPROVE,
    TICKET_CHANGE_STATUS,
    TICKET_CLAIM,
    TICKET_RELEASE,
    TICKET_RESOLVE,
    TICKET_UPDATE,
    execute,
)
from tickets.selectors.integrity import integrity_findings

pytestmark = pytest.mark.django_db

BOARD = {
    "columns": [{"id": "todo", "name": "To do"}, {"id": "doing", "name": "Doing"}, {"id": "done", "name": "Done"}],
    "ticket_types": ["task", "bug"],
    "settings": {"ticket_human_review": True},
}


def findings() -> list[str]:
    return [str(finding) for finding in integrity_findings()]


@pytest.fixture
def lived_in() -> AgentWithToken:
    """A workflow in which a little of everything has happened. ``FLOW-1`` is the ticket in the middle."""
    workflow = make_workflow("flow", board=BOARD, key_prefix="FLOW")
    agent = make_agent(workflow, agent_id="worker")
    human = actor_for_user(make_person(workflow, role="maintainer"))
    for number in range(1, 5):
        make_ticket(agent, tags=["Alpha", "beta"], related_ticket_ids=["FLOW-1"] if number > 1 else [])
        execute(TICKET_APPROVE, human, {"ticket_id": f"FLOW-{number}"})
    make_ticket(agent)

    def do(operation: Any, number: int, **fields: Any) -> Any:
        return execute(operation, agent.actor, {"ticket_id": f"FLOW-{number}", **fields})

    do(TICKET_UPDATE, 1, updates={"blocked_by_add": ["FLOW-2"], "parent_ticket_id": "FLOW-4", "story_points": 3})
    do(COMMENT_ADD, 1, comment_text="See #FLOW-3 and @worker, please.")
    comment = do(COMMENT_ADD, 1, comment_text="Never mind.").comment_id
    execute(COMMENT_DELETE, agent.actor, {"comment_id": comment})
    do(TICKET_CLAIM, 2)
    do(TICKET_RESOLVE, 2, resolution_comment="It is done now.")
    do(TICKET_CHANGE_STATUS, 2, new_status="doing")
    do(TICKET_CLAIM, 3)
    do(TICKET_RELEASE, 3)
    do(TICKET_CLAIM, 3)
    do(TICKET_UPDATE, 3, updates={"blocked_by_add": ["FLOW-4"], "is_blocked": True, "blocked_reason": "Rain"})
    execute(TASK_CREATE, agent.actor, {"description": "Do it", "ticket_id": "FLOW-1"})
    return agent


def one() -> Any:
    return Ticket.objects.filter(key="FLOW-1")


def three() -> Any:
    return Ticket.objects.filter(key="FLOW-3")


def id_of(number: int) -> str:
    return Ticket.objects.get(key=f"FLOW-{number}").id


def test_what_services_do_is_clean(lived_in: AgentWithToken) -> None:
    assert findings() == []


def _lose_an_event() -> None:
    drop_triggers(connection)
    Event.objects.filter(seq=3).delete()


def _lose_the_newest_event() -> None:
    drop_triggers(connection)
    last = Event.objects.order_by("-seq").first()
    assert last is not None
    last.delete()


def _lose_history() -> None:
    drop_triggers(connection)
    TicketHistory.objects.filter(ticket_id=id_of(1), change_type="created").delete()


def _overlap_claims() -> None:
    first = Claim.objects.filter(ticket_id=id_of(3)).order_by("fencing_token").first()
    assert first is not None
    Claim.objects.filter(pk=first.pk).update(ended_at=timezone.now() + timedelta(hours=1))


def _wait_in_a_circle() -> None:
    TicketDependency.objects.create(ticket_id=id_of(4), blocker_id=id_of(3), created_by_agent_id="worker")


def _move_a_relative_away() -> None:
    other = make_workflow("elsewhere", board={**BOARD, "settings": {}})
    foreign = make_ticket(make_agent(other), other)
    one().update(parent_ticket_id=foreign.id, related_ticket_ids=[foreign.id])


DAMAGE: dict[str, tuple[Callable[[], object], str]] = {
    "a title": (lambda: one().update(title="Another"), "title against history: FLOW-1"),
    "a description": (lambda: one().update(description="Another one."), "description against history: FLOW-1"),
    "a status": (lambda: one().update(status="doing"), "status against history: FLOW-1"),
    "a priority": (lambda: one().update(priority="low", priority_rank=3), "priority against history: FLOW-1"),
    "a priority's rank": (lambda: one().update(priority_rank=0), "priority_rank: FLOW-1"),
    "points": (lambda: one().update(story_points=5), "story_points against history: FLOW-1"),
    "a parent": (lambda: one().update(parent_ticket=None), "parent_ticket_id against history: FLOW-1"),
    "an assignee": (lambda: one().update(assigned_agent_id="system"), "assigned_agent_id against history: FLOW-1"),
    "a reason": (lambda: three().update(blocked_reason="Snow"), "blocked_reason against history: FLOW-3"),
    "a list of tasks": (lambda: one().update(related_task_ids=[]), "related_task_ids against history: FLOW-1"),
    "a count of comments": (lambda: one().update(comment_count=9), "comment_count: FLOW-1"),
    "a count of commits": (lambda: one().update(commit_count=1), "commit_count: FLOW-1"),
    "a count of blockers": (lambda: three().update(open_blocker_count=2), "open_blocker_count: FLOW-3"),
    "a dependency": (lambda: TicketDependency.objects.filter(ticket_id=id_of(3)).delete(), "blocked_by_ticket_ids"),
    "a blocker resolved aside": (
        lambda: Ticket.objects.filter(key="FLOW-4").update(
            is_resolved=True, resolved_at=timezone.now(), completed_at=timezone.now(), started_at=None
        ),
        "dependency",
    ),
    "a circle": (_wait_in_a_circle, "no cycle"),
    "a tag's row": (lambda: TicketTag.objects.filter(ticket_id=id_of(1), name="beta").delete(), "rows of tags: FLOW-1"),
    "a tag's folding": (lambda: TicketTag.objects.filter(name="Alpha").update(folded="Alpha"), "rows of tags: FLOW-1"),
    "a relative": (lambda: one().update(related_ticket_ids=["ticket-none"]), "related_ticket_ids: FLOW-1"),
    "a foreign relative": (_move_a_relative_away, "parent: FLOW-1"),
    "a mention": (lambda: TicketComment.objects.filter(ticket_id=id_of(1)).update(mentions=["nobody"]), "mention: "),
    "a key": (lambda: one().update(key="FLOW-99"), "key: ticket-"),
    "a type": (lambda: one().update(ticket_type="saga"), "ticket_type: FLOW-1"),
    "an unknown column": (lambda: one().update(status="limbo"), "status: FLOW-1"),
    "a time of completion": (lambda: one().update(completed_at=timezone.now()), "completed_at: FLOW-1"),
    "a resolution": (
        lambda: one().update(is_resolved=True, resolved_at=timezone.now(), completed_at=timezone.now()),
        "is_resolved: FLOW-1",
    ),
    "a closed period": (
        lambda: StatusPeriod.objects.filter(ticket_id=id_of(1)).update(left_at=timezone.now()),
        "open status period: FLOW-1",
    ),
    "a period's column": (
        lambda: StatusPeriod.objects.filter(ticket_id=id_of(1)).update(status="doing"),
        "open status period: FLOW-1",
    ),
    "a period's category": (
        lambda: StatusPeriod.objects.filter(ticket_id=id_of(1)).update(category="final"),
        "category of the open status period: FLOW-1",
    ),
    "a hole between periods": (
        lambda: StatusPeriod.objects.filter(ticket_id=id_of(2), left_at=None).update(
            entered_at=timezone.now() + timedelta(hours=1)
        ),
        "status period: FLOW-2",
    ),
    "a lease": (lambda: three().update(lease_agent=None, lease_expires_at=None), "open claim: FLOW-3"),
    "a lease's end": (lambda: three().update(lease_expires_at=timezone.now()), "open claim: FLOW-3"),
    "a fencing token": (lambda: three().update(fencing_token=7), "fencing_token: FLOW-3"),
    "overlapping claims": (_overlap_claims, "overlapping claims: FLOW-3"),
    "an approval": (lambda: one().update(approval_status="rejected"), "approval_status: FLOW-1"),
    "an open approval": (
        lambda: Approval.objects.filter(ticket_id=id_of(5)).update(decided_at=timezone.now(), decision="approved"),
        "open approval: FLOW-5",
    ),
    "a number": (lambda: Workflow.objects.update(next_number=5), "next ticket number: flow"),
    "the counts": (lambda: Workflow.objects.update(ticket_counts={"status": {"todo": 1}}), "ticket counts: flow"),
    "an event": (_lose_an_event, "gap in event numbers: flow"),
    "the newest event": (_lose_the_newest_event, "newest event number: flow"),
    "a count of events": (lambda: Workflow.objects.update(event_seq=F("event_seq") + 1), "newest event number: flow"),
    "a history": (_lose_history, "history: FLOW-1"),
    "the triggers": (lambda: drop_triggers(connection), "trigger: "),
    "a board": (lambda: BoardConfig.objects.all().delete(), "board: flow"),
    "a task's ticket": (
        lambda: Task.objects.update(workflow=make_workflow("elsewhere", board=BOARD)), "task's ticket: task-",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(lived_in: AgentWithToken, name: str) -> None:
    damage, expected = DAMAGE[name]
    # Caches of boards go by the revision.
    Workflow.objects.update(board_revision=name[:32])
    damage()
    found = findings()
    assert any(line.startswith(expected) or (expected in line) for line in found), found


def test_pruned_events_are_no_gap(lived_in: AgentWithToken) -> None:
    Workflow.objects.update(events_pruned_through=4)
    # Pruning goes in batches: what is not yet deleted is no fault either.
    Event.objects.filter(seq__in=[1, 2, 4]).delete()
    assert findings() == []


def test_everything_pruned_is_no_gap(lived_in: AgentWithToken) -> None:
    Workflow.objects.update(events_pruned_through=F("event_seq"))
    Event.objects.all().delete()
    assert findings() == []


def test_many_tickets_take_few_queries(lived_in: AgentWithToken, django_assert_max_num_queries: Any) -> None:
    for _ in range(20):
        make_ticket(lived_in)
    with django_assert_max_num_queries(40):
        assert findings() == []


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_dangling_reference_is_found() -> None:
    make_ticket(make_agent(make_workflow("flow")))
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA foreign_keys=OFF")
        try:
            cursor.execute("UPDATE tickets SET assigned_agent_id = 'ghost'")
            assert any(line.startswith("dangling reference: tickets row") for line in findings())
            cursor.execute("UPDATE tickets SET assigned_agent_id = NULL")
        finally:
            cursor.execute("PRAGMA foreign_keys=ON")


@pytest.mark.django_db(transaction=True)
def test_the_check_leaves_no_transaction_open() -> None:
    agent = make_agent(make_workflow("flow"))
    ticket = make_ticket(agent)
    for finding in integrity_findings():
        raise AssertionError(finding)
    assert not connection.in_atomic_block
    execute(TICKET_UPDATE, agent.actor, {"ticket_id": ticket.id, "updates": {"priority": "high"}})


def test_the_command_says_clean_and_ends_with_zero(lived_in: AgentWithToken) -> None:
    output = io.StringIO()
    call_command("check_integrity", stdout=output)
    assert output.getvalue() == "clean\n"


def test_the_command_lists_one_finding_a_line_and_ends_with_one(lived_in: AgentWithToken) -> None:
    one().update(title="Two\nlines", comment_count=9)
    output, errors = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("check_integrity", stdout=output, stderr=errors)
    assert caught.value.code == 1
    lines = output.getvalue().splitlines()
    assert errors.getvalue() == f"{len(lines)} findings.\n"
    assert any(line.startswith("title against history: FLOW-1: expected") for line in lines)
