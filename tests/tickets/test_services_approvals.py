"""Review by a person of what AI agents create."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.factories import make_agent
from tests.tickets.world import World
from tickets.access import system_actor
from tickets.errors import Conflict, Forbidden, NotFound, PendingReview
from tickets.models import Approval, Ticket, TicketComment, Workflow
from tickets.operations import (
    TICKET_APPROVE,
    TICKET_CHANGE_STATUS,
    TICKET_CLAIM,
    TICKET_NEXT,
    TICKET_REJECT,
    TICKET_RESOLVE,
    TICKET_UPDATE,
)
from tickets.selectors.integrity import integrity_findings
from tickets.services.approvals import approvals_expire

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World(ticket_human_review=True, approval_timeout_seconds=60)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    now = timezone.now()

    def later(seconds: float) -> None:
        monkeypatch.setattr(timezone, "now", lambda: now + timedelta(seconds=seconds))

    later(0)
    return later


def test_what_an_ai_agent_creates_waits_in_the_initial_column(world: World) -> None:
    ticket = world.ticket()
    assert (ticket.approval_status, ticket.status) == ("pending_review", "todo")
    assert world.events() == ["ticket_created", "ticket_pending_review"]
    approval = Approval.objects.get(ticket=ticket)
    assert approval.expires_at == ticket.approval_expires_at == ticket.created_at + timedelta(seconds=60)


@pytest.mark.parametrize("who", ["a person", "the system"])
def test_what_others_create_does_not_wait(world: World, who: str) -> None:
    by = world.person("member") if who == "a person" else system_actor()
    assert world.ticket(by=by).approval_status == "none"


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        (TICKET_CHANGE_STATUS, {"new_status": "doing"}),
        (TICKET_RESOLVE, {"resolution_comment": "It is all done."}),
        (TICKET_CLAIM, {}),
    ],
)
@pytest.mark.parametrize("state", ["pending", "rejected", "expired"])
def test_an_unapproved_ticket_is_neither_moved_resolved_nor_claimed(
    world: World, later: Any, operation: Any, fields: dict[str, Any], state: str
) -> None:
    ticket = world.ticket()
    if state == "rejected":
        world.do(TICKET_REJECT, ticket, by=world.person())
    if state == "expired":
        later(60)
        approvals_expire()
    with pytest.raises(PendingReview) as caught:
        world.do(operation, ticket, **fields)
    assert caught.value.status == 409
    assert world.do(TICKET_NEXT).ticket_id is None


def test_a_pending_ticket_can_be_edited(world: World) -> None:
    ticket = world.ticket()
    world.do(TICKET_UPDATE, ticket, updates={"priority": "high"})
    assert ticket.priority == "high"


def test_an_approved_ticket_goes_on(world: World) -> None:
    ticket = world.ticket()
    person = world.person()
    world.do(TICKET_APPROVE, ticket, by=person, reason="Looks right.")
    approval = Approval.objects.get(ticket=ticket)
    assert (ticket.approval_status, approval.decision, approval.decided_by_agent_id) == (
        "approved", "approved", person.agent_id,
    )  # fmt: skip
    assert TicketComment.objects.get(ticket=ticket).comment_text == "Looks right."
    world.do(TICKET_CHANGE_STATUS, ticket, new_status="doing")


def test_the_same_decision_again_changes_nothing_and_another_is_a_conflict(world: World) -> None:
    ticket, person = world.ticket(), world.person()
    world.do(TICKET_REJECT, ticket, by=person)
    version, seq = ticket.version, world.seq
    world.do(TICKET_REJECT, ticket, by=person)
    assert (ticket.version, world.seq) == (version, seq)
    with pytest.raises(Conflict, match="does not wait"):
        world.do(TICKET_APPROVE, ticket, by=person)


def test_only_a_human_maintainer_decides(world: World) -> None:
    ticket = world.ticket()
    for by in (world.agent, make_agent(world.workflow, role="maintainer"), world.person("member"), system_actor()):
        with pytest.raises(Forbidden):
            world.do(TICKET_APPROVE, ticket, by=by)
    with pytest.raises(NotFound):
        world.do(TICKET_APPROVE, ticket, by=World().person())
    assert ticket.approval_status == "pending_review"


def test_a_person_does_not_decide_through_a_gateway(world: World) -> None:
    gateway = make_agent(world.workflow, role="maintainer", gateway=True)
    with pytest.raises(Forbidden):
        world.do(TICKET_APPROVE, world.ticket(), by=gateway, agent_id=world.other.id)


def test_nobody_decides_on_what_they_created(world: World) -> None:
    ticket, person = world.ticket(), world.person()
    Ticket.objects.update(created_by_agent_id=person.agent_id)
    with pytest.raises(Forbidden, match="You created"):
        world.do(TICKET_APPROVE, ticket, by=person)


@pytest.mark.parametrize(("seconds", "status"), [(59.999999, "pending_review"), (60, "expired")])
def test_what_nobody_decides_in_time_expires(world: World, later: Any, seconds: float, status: str) -> None:
    ticket = world.ticket()
    later(seconds)
    approvals_expire()
    ticket.refresh_from_db()
    assert ticket.approval_status == status
    assert ("ticket_expired" in world.events()) == (status == "expired")
    assert list(integrity_findings()) == []


def test_deciding_too_late_is_refused_and_leaves_no_trace(world: World, later: Any) -> None:
    ticket, person = world.ticket(), world.person()
    seq = world.seq
    later(60)
    with pytest.raises(Conflict, match="run out"):
        world.do(TICKET_APPROVE, ticket, by=person)
    assert (ticket.approval_status, ticket.version, world.seq) == ("pending_review", 1, seq)


def test_a_workflow_at_rest_holds_up_no_other(world: World, later: Any) -> None:
    resting, working = world.ticket(), World(ticket_human_review=True, approval_timeout_seconds=60)
    due = working.ticket()
    Workflow.objects.filter(pk=world.workflow.pk).update(is_active=False)
    later(61)
    assert approvals_expire() == 1
    resting.refresh_from_db()
    due.refresh_from_db()
    assert (resting.approval_status, due.approval_status) == ("pending_review", "expired")
