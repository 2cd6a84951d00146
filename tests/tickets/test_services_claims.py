"""Leases: who may work on what, for how long, and what a fencing token is good for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.factories import make_agent
from tests.tickets.world import World
from tickets.errors import Blocked, Conflict, Forbidden, Invalid, LeaseLost, PendingReview
from tickets.models import Claim, Ticket
from tickets.operations import (
    COMMENT_ADD,
    TICKET_ASSIGN,
    TICKET_CHANGE_STATUS,
    TICKET_CLAIM,
    TICKET_HEARTBEAT,
    TICKET_NEXT,
    TICKET_RELEASE,
    TICKET_UPDATE,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def next_key(world: World, **fields: Any) -> str | None:
    key: str | None = world.do(TICKET_NEXT, **fields).key
    return key


def test_the_best_ready_ticket_has_the_highest_priority_then_rank_then_age(world: World) -> None:
    first, low, second, critical = (
        world.ticket(priority=priority) for priority in ("medium", "low", "medium", "critical")
    )
    assert [next_key(world) for _ in range(5)] == [critical.key, first.key, second.key, low.key, None]


@pytest.mark.parametrize("why", ["active", "final", "blocked", "by hand", "assigned", "leased"])
def test_what_is_not_ready_is_not_picked(world: World, why: str) -> None:
    blocker = world.ticket(initial_status="doing")
    fields: dict[str, dict[str, Any]] = {
        "active": {"initial_status": "doing"},
        "final": {"initial_status": "done"},
        "blocked": {"blocked_by_ticket_ids": [blocker.id]},
        "by hand": {"is_blocked": True},
        "assigned": {"assigned_agent_id": world.other.id},
    }
    ticket = world.ticket(**fields.get(why, {}))
    if why == "leased":
        world.do(TICKET_CLAIM, ticket, by=world.other)
    assert next_key(world) is None


def test_nothing_ready_says_why(world: World) -> None:
    world.ticket(is_blocked=True)
    world.do(TICKET_CLAIM, world.ticket(), by=world.other)
    answer = world.do(TICKET_NEXT)
    assert (answer.success, answer.ticket_id) == (True, None)
    assert answer.reasons == {"blocked": 1, "leased": 1, "assigned_to_others": 1}


def test_ones_own_assignment_is_ready(world: World) -> None:
    ticket = world.ticket(assigned_agent_id=world.agent.id)
    assert next_key(world) == ticket.key


def test_picking_can_be_limited_to_a_type_and_tags(world: World) -> None:
    world.ticket(priority="critical")
    bug = world.ticket(ticket_type="bug", tags=["Backend", "hot"])
    assert next_key(world, ticket_type="bug", tags=["backend", "HOT"]) == bug.key


def test_a_look_claims_nothing(world: World) -> None:
    ticket = world.ticket()
    seq = world.seq
    answer = world.do(TICKET_NEXT, claim=False)
    assert (answer.key, answer.fencing_token, world.seq) == (ticket.key, None, seq)


def test_a_look_does_not_take_ones_expired_lease_for_a_live_one(world: World, clock: Clock) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket, lease_seconds=10)
    clock.wait(10)
    answer = world.do(TICKET_NEXT, claim=False)
    assert (answer.key, answer.lease_agent_id, answer.fencing_token) == (ticket.key, None, None)


def test_a_claim_assigns_an_unassigned_ticket_and_does_not_move_it(world: World) -> None:
    ticket = world.ticket()
    answer = world.do(TICKET_CLAIM, ticket)
    assert (ticket.assigned_agent_id, ticket.status, answer.fencing_token) == (world.agent.id, "todo", 1)
    assert ("claimed", "lease_agent_id", None, world.agent.id) in world.history(ticket)


def test_a_lease_lasts_900_seconds_unless_asked_otherwise(world: World, clock: Clock) -> None:
    assert world.do(TICKET_CLAIM, world.ticket()).lease_expires_at == clock.now + timedelta(seconds=900)
    answer = world.do(TICKET_CLAIM, world.ticket(), lease_seconds=86_400)
    assert answer.lease_expires_at == clock.now + timedelta(days=1)


@pytest.mark.parametrize("seconds", [0, 86_401])
def test_a_lease_lasts_from_a_second_to_a_day(world: World, seconds: int) -> None:
    with pytest.raises(Invalid, match="lease_seconds"):
        world.do(TICKET_CLAIM, world.ticket(), lease_seconds=seconds)


def test_there_is_one_holder_at_a_time(world: World) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket)
    with pytest.raises(Conflict) as caught:
        world.do(TICKET_CLAIM, ticket, by=world.other)
    assert caught.value.extra["lease_agent_id"] == world.agent.id


def test_a_second_claim_of_the_holder_prolongs_and_keeps_the_token(world: World, clock: Clock) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket)
    version, seq = ticket.version, world.seq
    clock.wait(100)
    answer = world.do(TICKET_CLAIM, ticket)
    assert (answer.fencing_token, answer.lease_expires_at) == (1, clock.now + timedelta(seconds=900))
    assert (ticket.version, world.seq) == (version, seq)


@pytest.mark.parametrize(("waited", "free"), [(9.999999, False), (10, True)])
def test_an_expired_lease_is_free_to_the_instant(world: World, clock: Clock, waited: float, free: bool) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket, lease_seconds=10)
    clock.wait(waited)
    if not free:
        assert next_key(world, by=world.other) is None
        return
    assert world.do(TICKET_NEXT, by=world.other).fencing_token == 2
    assert Ticket.objects.get(pk=ticket.pk).assigned_agent_id == world.other.id
    lost = Claim.objects.get(ticket=ticket, fencing_token=1)
    assert (lost.end_reason, lost.ended_at) == ("expired", lost.expires_at)
    changes = [change for change, *_ in world.history(ticket)]
    assert changes[-3:] == ["released", "assigned", "claimed"]


@pytest.mark.parametrize("operation", [TICKET_CLAIM, TICKET_NEXT])
def test_what_a_dead_agent_was_given_is_free_when_its_lease_ends(world: World, clock: Clock, operation: Any) -> None:
    ticket = world.ticket(assigned_agent_id=world.agent.id)
    world.do(TICKET_CLAIM, ticket, lease_seconds=10)
    clock.wait(10)
    about = (ticket,) if operation is TICKET_CLAIM else ()
    assert world.do(operation, *about, by=world.other).lease_agent_id == world.other.id
    assert Ticket.objects.get(pk=ticket.pk).assigned_agent_id == world.other.id


def test_a_lease_that_ended_frees_nothing_that_was_given_to_a_third(world: World, clock: Clock) -> None:
    ticket = world.ticket()
    third = make_agent(world.workflow)
    world.do(TICKET_CLAIM, ticket, lease_seconds=10)
    world.do(TICKET_ASSIGN, ticket, assigned_agent_id=third.id)
    clock.wait(10)
    assert next_key(world, by=world.other) is None
    with pytest.raises(Conflict):
        world.do(TICKET_CLAIM, ticket, by=world.other)
    assert world.do(TICKET_NEXT, by=world.other).reasons == {"assigned_to_others": 1}


def test_a_lease_does_not_stop_the_writes_of_others(world: World) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket)
    world.do(TICKET_CHANGE_STATUS, ticket, new_status="doing", by=world.other)
    assert ticket.status == "doing"


@pytest.mark.parametrize(
    "operation", [TICKET_UPDATE, TICKET_CHANGE_STATUS, COMMENT_ADD, TICKET_HEARTBEAT, TICKET_ASSIGN]
)
def test_a_write_with_a_lost_token_is_refused(world: World, clock: Clock, operation: Any) -> None:
    fields: dict[Any, dict[str, Any]] = {
        TICKET_UPDATE: {"updates": {"priority": "low"}},
        TICKET_CHANGE_STATUS: {"new_status": "doing"},
        COMMENT_ADD: {"comment_text": "Still here."},
    }
    ticket = world.ticket()
    token = world.do(TICKET_CLAIM, ticket, lease_seconds=10).fencing_token
    world.do(operation, ticket, fencing_token=token, **fields.get(operation, {}))
    clock.wait(1000)
    with pytest.raises(LeaseLost):
        world.do(operation, ticket, fencing_token=token, **fields.get(operation, {}))


def test_a_token_is_worth_nothing_in_other_hands_or_after_the_next_claim(world: World, clock: Clock) -> None:
    ticket = world.ticket()
    old = world.do(TICKET_CLAIM, ticket, lease_seconds=10).fencing_token
    with pytest.raises(LeaseLost):
        world.do(TICKET_HEARTBEAT, ticket, fencing_token=old, by=world.other)
    clock.wait(20)
    new = world.do(TICKET_CLAIM, ticket).fencing_token
    with pytest.raises(LeaseLost):
        world.do(TICKET_HEARTBEAT, ticket, fencing_token=old)
    world.do(TICKET_HEARTBEAT, ticket, fencing_token=new)


def test_a_heartbeat_prolongs_and_makes_no_noise(world: World, clock: Clock) -> None:
    ticket = world.ticket()
    token = world.do(TICKET_CLAIM, ticket, lease_seconds=10).fencing_token
    version, seq = ticket.version, world.seq
    clock.wait(9)
    answer = world.do(TICKET_HEARTBEAT, ticket, fencing_token=token, lease_seconds=60)
    assert answer.lease_expires_at == clock.now + timedelta(seconds=60) == Claim.objects.get().expires_at
    assert (ticket.version, world.seq) == (version, seq)


def test_releasing_keeps_the_assignment_and_again_changes_nothing(world: World) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket)
    assert world.do(TICKET_RELEASE, ticket, comment="Off to lunch.").released
    assert (ticket.lease_agent_id, ticket.assigned_agent_id, ticket.comment_count) == (None, world.agent.id, 1)
    seq = world.seq
    assert not world.do(TICKET_RELEASE, ticket, comment="Again.").released
    assert (world.seq, ticket.comment_count) == (seq, 1)


def test_only_a_maintainer_ends_anothers_lease(world: World) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket)
    with pytest.raises(Forbidden, match="only a maintainer"):
        world.do(TICKET_RELEASE, ticket, by=world.other)
    assert world.do(TICKET_RELEASE, ticket, by=make_agent(world.workflow, role="maintainer")).released


def test_an_expired_lease_of_another_is_nothing_to_release(world: World, clock: Clock) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket, lease_seconds=10)
    clock.wait(10)
    version = ticket.version
    assert not world.do(TICKET_RELEASE, ticket, by=world.other).released
    assert ticket.version == version


@pytest.mark.parametrize("owner", ["the dead agent", "somebody else"])
def test_a_maintainer_clears_the_lease_of_a_dead_agent(world: World, clock: Clock, owner: str) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket, lease_seconds=10)
    if owner == "somebody else":
        world.do(TICKET_ASSIGN, ticket, assigned_agent_id=world.other.id)
    clock.wait(10)
    assert world.do(TICKET_RELEASE, ticket, by=make_agent(world.workflow, role="maintainer")).released
    claim = Claim.objects.get(ticket=ticket)
    assert (claim.end_reason, claim.ended_at) == ("expired", claim.expires_at)
    kept = None if owner == "the dead agent" else world.other.id
    assert (ticket.lease_agent_id, ticket.assigned_agent_id) == (None, kept)
    assert next_key(world, by=world.other) == ticket.key


@pytest.mark.parametrize("why", ["blocked", "pending", "resolved", "assigned"])
def test_what_nobody_may_work_on_is_not_claimed(world: World, why: str) -> None:
    fields: dict[str, dict[str, Any]] = {
        "blocked": {"is_blocked": True},
        "resolved": {"initial_status": "done"},
        "assigned": {"assigned_agent_id": world.other.id},
    }
    ticket = world.ticket(**fields.get(why, {}))
    if why == "pending":
        Ticket.objects.update(approval_status="pending_review")
    errors = {"blocked": Blocked, "pending": PendingReview}
    with pytest.raises(errors.get(why, Conflict)):
        world.do(TICKET_CLAIM, ticket)


def test_a_viewer_claims_nothing(world: World) -> None:
    viewer = make_agent(world.workflow, role="viewer")
    ticket = world.ticket()
    for operation, about in ((TICKET_CLAIM, ticket), (TICKET_NEXT, None)):
        with pytest.raises(Forbidden):
            world.do(operation, about, by=viewer)
    assert world.do(TICKET_NEXT, by=viewer, claim=False).key == ticket.key
