"""Tickets that stand still, that nobody has, that wait for review, and leases that mean nothing any more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.answers import refused
from tests.boards.insights_world import Watched
from tests.factories import api_client
from tickets.models import Membership, TicketComment
from tickets.operations import (
    COMMENT_ADD,
    TASK_CREATE,
    TICKET_CLAIM,
    TICKET_HEARTBEAT,
)

pytestmark = pytest.mark.django_db


def test_a_new_workflow_needs_nothing(world: Watched) -> None:
    answer = world.insights()
    assert (answer["message"], answer["truncated"], answer["unavailable"]) == ("3 findings.", [], [])
    assert answer["counts"] == {"agent_velocity": 3}
    assert {finding["severity"] for finding in answer["findings"]} == {"info"}


def test_without_past_stays_a_day_is_too_long(world: Watched) -> None:
    ticket = world.ticket(initial_status="doing")
    world.wait(hours=24)
    assert world.findings("stuck") == []
    world.wait(hours=1)
    finding = world.finding("stuck")
    assert (finding["ticket_ids"], finding["keys"], finding["severity"]) == ([ticket.id], [ticket.key], "medium")
    evidence = finding["evidence"]
    assert (evidence["hours"], evidence["threshold_hours"], evidence["threshold_source"]) == (25.0, 24.0, "default")
    assert evidence["entered_at"] == ticket.created_at.isoformat().replace("+00:00", "Z")
    world.wait(days=3)
    assert world.finding("stuck")["severity"] == "high"


def test_the_threshold_is_the_columns_own_85th_percentile(world: Watched) -> None:
    for number in range(1, 21):
        ticket = world.ticket(initial_status="doing")
        world.wait(hours=number)
        world.move(ticket, "checking")
        world.resolve(ticket)
    slow, quick = world.ticket(initial_status="doing"), world.ticket(initial_status="checking")
    world.wait(minutes=15)
    assert world.findings("stuck") == []
    world.wait(minutes=1)
    # Twenty stays there took no time at all; still nobody is called stuck within a lease's usual length.
    finding = world.finding("stuck")
    assert (finding["keys"], finding["evidence"]["threshold_hours"]) == ([quick.key], 0.25)
    world.resolve(quick)
    world.wait(hours=16, minutes=44)
    assert world.findings("stuck") == []
    world.wait(minutes=1)
    finding = world.finding("stuck")
    assert finding["keys"] == [slow.key]
    assert finding["evidence"]["threshold_source"] == "p85"
    assert (finding["evidence"]["threshold_hours"], finding["evidence"]["past_stays"]) == (17.0, 20)


def test_a_threshold_that_is_asked_for_holds_for_every_column(world: Watched) -> None:
    queued, active = world.ticket(), world.ticket(initial_status="doing")
    world.ticket(initial_status="done")
    world.wait(minutes=61)
    assert [f["keys"] for f in world.findings("stuck", stuck_hours=1)] == [[active.key], [queued.key]]
    assert world.findings("stuck", stuck_hours=1.1) == []


def test_a_move_begins_a_new_stay(world: Watched) -> None:
    ticket = world.ticket(initial_status="doing")
    world.wait(hours=20)
    world.move(ticket, "checking")
    world.wait(hours=20)
    assert world.findings("stuck") == []


def test_blocked_and_finished_tickets_are_not_stuck(world: Watched) -> None:
    world.ticket(initial_status="doing", is_blocked=True)
    world.resolve(world.ticket(initial_status="doing"))
    world.wait(days=3)
    assert world.findings("stuck") == []


def test_what_nobody_has_in_a_queue_is_hastened(world: Watched) -> None:
    ticket = world.ticket(priority="low")
    world.wait(hours=25)
    finding = world.finding("stuck")
    assert (finding["severity"], finding["suggestion"]["operation"]) == ("low", "ticket_update")
    world.carry_out(finding)
    ticket.refresh_from_db()
    assert ticket.priority == "medium"


def test_what_nobody_works_on_goes_back_to_the_queue(world: Watched) -> None:
    ticket = world.ticket(initial_status="doing")
    world.wait(hours=25)
    assert world.finding("stuck")["suggestion"]["operation"] == "ticket_change_status"
    world.carry_out(world.finding("stuck"))
    ticket.refresh_from_db()
    assert ticket.status == "ready"


@pytest.mark.parametrize(
    "board",
    [
        {"transitions": {"doing": ["checking"]}},
        {"limits": {"todo": 1, "ready": 1}, "enforce_wip_limits": True},
    ],
)
def test_where_the_board_forbids_that_it_is_given_to_an_agent(
    monkeypatch: pytest.MonkeyPatch, board: dict[str, Any]
) -> None:
    world = Watched(monkeypatch, require_comments_on_status_change=True, **board)
    ticket = world.ticket(initial_status="doing")
    for status in ("todo", "ready"):
        world.ticket(initial_status=status, is_blocked=True)
    world.wait(hours=25)
    finding = world.finding("stuck")
    assert finding["suggestion"]["operation"] == "ticket_assign"
    world.carry_out(finding)
    ticket.refresh_from_db()
    assert ticket.assigned_agent_id is not None


def test_a_required_comment_comes_with_the_move(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Watched(monkeypatch, require_comments_on_status_change=True)
    ticket = world.ticket(initial_status="doing")
    world.wait(hours=25)
    world.carry_out(world.finding("stuck"))
    ticket.refresh_from_db()
    assert (ticket.status, ticket.comment_count) == ("ready", 1)


def test_whoever_works_on_it_is_asked(world: Watched) -> None:
    ticket = world.ticket(initial_status="doing", assigned_agent_id=world.agent.id)
    world.wait(hours=25)
    finding = world.finding("stuck")
    assert (finding["agent_ids"], finding["evidence"]["worked_on_by"]) == ([world.agent.id], world.agent.id)
    world.carry_out(finding)
    comment = TicketComment.objects.get(ticket=ticket)
    assert comment.mentions == [world.agent.id, ticket.id]


def test_urgent_ready_tickets_that_nobody_has(world: Watched) -> None:
    high, critical = world.ticket(priority="high"), world.ticket(priority="critical")
    world.ticket(priority="medium")
    world.ticket(priority="critical", is_blocked=True)
    world.ticket(priority="critical", assigned_agent_id=world.agent.id)
    world.ticket(priority="critical", initial_status="doing")
    found = world.findings("unassigned")
    assert [(f["keys"], f["severity"]) for f in found] == [([critical.key], "high"), ([high.key], "medium")]
    # To agents who have the least; not both to the same one.
    takers = [f["suggestion"]["arguments"]["assigned_agent_id"] for f in found]
    assert world.agent.id not in takers
    assert len(set(takers)) == 2
    for finding in found:
        world.carry_out(finding)
    assert world.findings("unassigned") == []


def test_where_no_agent_can_take_an_urgent_ticket_people_are_asked(world: Watched) -> None:
    person = world.person_id()
    ticket = world.ticket(priority="critical")
    Membership.objects.exclude(agent_id=person).update(role="viewer")
    finding = world.finding("unassigned")
    assert finding["suggestion"]["operation"] == "comment_add"
    assert finding["suggestion"]["arguments"]["mentions"] == [person]
    assert ticket.id == finding["suggestion"]["arguments"]["ticket_id"]


def test_reviews_about_to_expire_remind_those_who_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Watched(monkeypatch, ticket_human_review=True, approval_timeout_seconds=7200)
    person = world.person_id()
    ticket = world.ticket()
    world.wait(minutes=90)
    assert world.findings("pending_review") == []
    assert world.finding("pending_review", expiring_minutes=30)["evidence"]["minutes_left"] == 30
    world.wait(minutes=6)
    finding = world.finding("pending_review")
    assert (finding["agent_ids"], finding["evidence"]["maintainers"]) == ([person], [person])
    world.carry_out(finding)
    assert person in TicketComment.objects.get(ticket=ticket).mentions
    world.wait(minutes=25)
    assert world.findings("pending_review") == []


def test_where_nobody_can_decide_nothing_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Watched(monkeypatch, ticket_human_review=True, approval_timeout_seconds=60)
    world.ticket()
    finding = world.finding("pending_review")
    assert finding["suggestion"] is None
    assert "make a person a maintainer under Agents" in finding["no_suggestion"]


def test_a_silent_holder_loses_its_lease(world: Watched) -> None:
    ticket = world.ticket(priority="high")
    token = world.do(TICKET_CLAIM, ticket, lease_seconds=3600).fencing_token
    world.wait(minutes=30)
    assert world.findings("silent_agent") == []
    world.wait(minutes=1)
    # A heartbeat is no work.
    world.do(TICKET_HEARTBEAT, ticket, fencing_token=token, lease_seconds=3600)
    finding = world.finding("silent_agent")
    assert (finding["agent_ids"], finding["severity"]) == ([world.agent.id], "high")
    assert finding["evidence"]["silent_minutes"] == 31
    assert finding["suggestion"]["role"] == "maintainer"
    refused(api_client(world.other).write("/api/tickets/release", finding["suggestion"]["arguments"]), 403, "forbidden")
    assert world.carry_out(finding)["released"] is True
    assert world.findings("silent_agent") == []


def test_work_anywhere_breaks_the_silence(world: Watched) -> None:
    world.do(TICKET_CLAIM, world.ticket(), lease_seconds=7200)
    elsewhere = world.ticket(by=world.other)
    world.wait(minutes=40)
    world.do(COMMENT_ADD, elsewhere, comment_text="I looked into it.")
    assert world.findings("silent_agent") == []
    assert len(world.findings("silent_agent", silent_minutes=0)) == 0
    world.wait(minutes=1)
    assert len(world.findings("silent_agent", silent_minutes=0.5)) == 1


def test_an_expired_lease_without_progress_is_handed_on(world: Watched) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket, lease_seconds=600)
    world.move(ticket, "doing")
    world.wait(minutes=9)
    assert world.findings("expired_lease") == []
    world.wait(minutes=2)
    finding = world.finding("expired_lease")
    assert finding["evidence"]["minutes_since"] == 1
    assert finding["suggestion"]["operation"] == "ticket_assign"
    world.carry_out(finding)
    ticket.refresh_from_db()
    assert ticket.assigned_agent_id not in (None, world.agent.id)
    # Somebody has seen to it.
    assert world.findings("expired_lease") == []


def test_an_expired_lease_in_a_queue_is_nobodys_concern(world: Watched) -> None:
    world.do(TICKET_CLAIM, world.ticket(), lease_seconds=600)
    world.wait(hours=1)
    assert world.findings("expired_lease") == []


def test_tasks_count_as_work(world: Watched) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket, lease_seconds=7200)
    world.wait(minutes=40)
    world.do(
        TASK_CREATE,
        workflow_id=world.workflow.id,
        ticket_id=ticket.id,
        description="Something that must be done.",
        done_definition="It is done.",
        assigned_agent_id=world.agent.id,
        by=world.maintainer,
    )
    assert world.findings("silent_agent") == []
