"""How tickets pass through columns: one test for each rule of moving, resolving and reopening."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tickets.world import World
from tickets.access import system_actor
from tickets.errors import Blocked, Conflict, Invalid, TransitionNotAllowed, WipLimit
from tickets.models import StatusPeriod, TicketComment
from tickets.operations import (
    TICKET_BLOCK,
    TICKET_CHANGE_STATUS,
    TICKET_CLAIM,
    TICKET_MOVE,
    TICKET_REOPEN,
    TICKET_RESOLVE,
)

pytestmark = pytest.mark.django_db
DONE = "It is all done."


@pytest.fixture
def world() -> World:
    return World()


def move(world: World, ticket: Any, status: str, **fields: Any) -> Any:
    return world.do(TICKET_CHANGE_STATUS, ticket, new_status=status, **fields)


def test_the_status_it_has_already_succeeds_and_changes_nothing(world: World) -> None:
    ticket = world.ticket()
    seq = world.seq
    answer = move(world, ticket, "To-Do", comment="This is not kept either.")
    assert (answer.success, answer.old_status, answer.new_status) == (True, "todo", "todo")
    assert (ticket.version, world.seq, ticket.comment_count) == (1, seq, 0)


def test_an_unknown_column_names_the_allowed_ones(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        move(world, world.ticket(), "limbo")
    assert caught.value.field == "new_status"
    assert caught.value.allowed == ["todo", "ready", "doing", "checking", "done", "wont"]


def test_started_at_is_set_when_an_active_column_is_first_entered(world: World) -> None:
    ticket = world.ticket()
    times = []
    for status in ("ready", "doing", "todo", "checking"):
        move(world, ticket, status)
        times.append(ticket.started_at)
    assert times[0] is None
    assert times[1] is not None
    assert times[1] == times[2] == times[3]


def test_completed_at_is_set_on_entering_a_final_column_and_cleared_on_leaving(world: World) -> None:
    ticket = world.ticket()
    move(world, ticket, "done")
    completed = ticket.completed_at
    assert completed is not None
    move(world, ticket, "wont")
    assert ticket.completed_at == completed
    move(world, ticket, "doing")
    assert ticket.completed_at is None


def test_entering_a_final_column_resolves(world: World) -> None:
    ticket = world.ticket()
    move(world, ticket, "wont")
    assert (ticket.is_resolved, ticket.status) == (True, "wont")
    assert world.events()[-2:] == ["status_changed", "ticket_resolved"]


def test_where_the_board_says_so_a_final_column_does_not_resolve() -> None:
    world = World(resolve_on_final=False)
    ticket = world.ticket()
    waiting = world.ticket(blocked_by_ticket_ids=[ticket.id])
    move(world, ticket, "done")
    assert not ticket.is_resolved
    answer = world.do(TICKET_RESOLVE, ticket, resolution_comment=DONE)
    assert (ticket.status, ticket.is_resolved, answer.unblocked_tickets) == ("done", True, [waiting.id])


def test_resolving_moves_to_the_boards_resolved_column(world: World) -> None:
    ticket = world.ticket()
    answer = world.do(TICKET_RESOLVE, ticket, resolution_comment=DONE)
    assert (answer.status, ticket.status, ticket.is_resolved) == ("done", "done", True)
    assert TicketComment.objects.get(ticket=ticket).comment_type == "resolution"


def test_resolving_again_changes_nothing(world: World) -> None:
    ticket = world.ticket()
    world.do(TICKET_RESOLVE, ticket, resolution_comment=DONE)
    version, seq = ticket.version, world.seq
    assert world.do(TICKET_RESOLVE, ticket, resolution_comment=DONE).unblocked_tickets == []
    assert (ticket.version, world.seq, ticket.comment_count) == (version, seq, 1)


def test_resolving_heeds_neither_transitions_nor_wip_limits() -> None:
    world = World(transitions={"todo": ["doing"]}, limits={"done": 1}, enforce_wip_limits=True)
    for _ in range(2):
        ticket = world.ticket()
        world.do(TICKET_RESOLVE, ticket, resolution_comment=DONE)
        assert ticket.status == "done"


@pytest.mark.parametrize("length", [9, 10])
def test_a_resolution_comment_has_ten_characters(world: World, length: int) -> None:
    ticket = world.ticket()
    if length < 10:
        with pytest.raises(Invalid, match="resolution_comment"):
            world.do(TICKET_RESOLVE, ticket, resolution_comment=f"  {'x' * length}  ")
    else:
        world.do(TICKET_RESOLVE, ticket, resolution_comment="x" * length)
    assert ticket.is_resolved == (length == 10)


def test_dependants_are_unblocked_once_with_the_designs_comment(world: World) -> None:
    first, second = world.ticket(), world.ticket()
    one = world.ticket(blocked_by_ticket_ids=[first.id])
    both = world.ticket(blocked_by_ticket_ids=[first.id, second.id])

    answer = world.do(TICKET_RESOLVE, first, resolution_comment=DONE)

    assert answer.unblocked_tickets == [one.id]
    for waiting in (one, both):
        comment = TicketComment.objects.get(ticket=waiting)
        assert comment.comment_text == f"Unblocked - {first.id} was resolved"
        assert comment.comment_type == "blocker"
    one.refresh_from_db()
    both.refresh_from_db()
    assert (one.is_blocked, both.is_blocked, both.open_blocker_count) == (False, True, 1)


def test_reopening_does_not_block_former_dependants_again(world: World) -> None:
    ticket = world.ticket()
    waiting = world.ticket(blocked_by_ticket_ids=[ticket.id])
    world.do(TICKET_RESOLVE, ticket, resolution_comment=DONE)
    move(world, ticket, "doing")
    waiting.refresh_from_db()
    assert (ticket.is_resolved, waiting.is_blocked) == (False, False)
    assert world.do(TICKET_RESOLVE, ticket, resolution_comment=DONE).unblocked_tickets == []
    assert TicketComment.objects.filter(ticket=waiting).count() == 1


@pytest.mark.parametrize("operation", [TICKET_CHANGE_STATUS, TICKET_RESOLVE])
def test_a_blocked_ticket_neither_moves_nor_is_resolved(world: World, operation: Any) -> None:
    blocker = world.ticket()
    ticket = world.ticket(blocked_by_ticket_ids=[blocker.id])
    fields = {"resolution_comment": DONE} if operation is TICKET_RESOLVE else {"new_status": "doing"}
    with pytest.raises(Blocked) as caught:
        world.do(operation, ticket, **fields)
    answer = caught.value.as_dict()
    assert (answer["blocked"], answer["blocking_ticket_ids"]) == (True, [blocker.id])
    assert answer["error"]["blocking_ticket_ids"] == [blocker.id]
    assert caught.value.status == 409


def test_a_ticket_blocked_by_hand_says_why(world: World) -> None:
    ticket = world.ticket()
    world.do(TICKET_BLOCK, ticket, reason="Waiting for credentials")
    with pytest.raises(Blocked, match="Waiting for credentials"):
        move(world, ticket, "doing")


def test_transitions_limit_moves() -> None:
    world = World(transitions={"todo": ["doing"], "doing": ["done"]})
    ticket = world.ticket()
    with pytest.raises(TransitionNotAllowed) as caught:
        move(world, ticket, "done")
    assert caught.value.allowed == ["doing"]
    move(world, ticket, "doing")


def test_a_wip_limit_warns() -> None:
    world = World(limits={"doing": 1})
    first, second = world.ticket(), world.ticket()
    assert move(world, first, "doing").warnings == []
    assert move(world, second, "doing").warnings == ["Doing is at its limit: 1 of 1."]
    assert second.status == "doing"


def test_an_enforced_wip_limit_refuses_moves_and_creation() -> None:
    world = World(limits={"doing": 1}, enforce_wip_limits=True)
    world.ticket(initial_status="doing")
    with pytest.raises(WipLimit):
        move(world, world.ticket(), "doing")
    with pytest.raises(WipLimit) as caught:
        world.ticket(initial_status="doing")
    assert caught.value.field == "initial_status"


@pytest.mark.parametrize(
    ("required", "comment", "accepted"),
    [
        (False, None, True),
        (False, "short", True),
        (True, None, False),
        (True, "123456789 ", False),
        (True, "1234567890", True),
    ],
)
def test_the_board_decides_whether_a_move_needs_a_comment(required: bool, comment: str | None, accepted: bool) -> None:
    world = World(require_comments_on_status_change=required)
    ticket = world.ticket()
    if accepted:
        move(world, ticket, "doing", comment=comment)
        kept = TicketComment.objects.filter(ticket=ticket, comment_type="status_change").count()
        assert kept == (comment is not None)
    else:
        with pytest.raises(Invalid) as caught:
            move(world, ticket, "doing", comment=comment)
        assert caught.value.field == "comment"


def test_auto_assign_gives_an_unassigned_ticket_to_whoever_starts_it() -> None:
    world = World(auto_assign=True)
    ticket = world.ticket()
    holders = []
    for status, by in (("ready", world.other), ("doing", world.other), ("checking", world.agent)):
        move(world, ticket, status, by=by)
        holders.append(ticket.assigned_agent_id)
    assert holders == [None, world.other.id, world.other.id]


def test_auto_assign_also_works_on_reopening_and_never_takes_the_system() -> None:
    world = World(auto_assign=True)
    ticket, other = world.ticket(initial_status="done"), world.ticket()
    world.do(TICKET_REOPEN, ticket, new_status="doing")
    assert ticket.assigned_agent_id == world.agent.id
    move(world, other, "doing", by=system_actor())
    assert other.assigned_agent_id is None


def test_leaving_a_final_column_reopens(world: World) -> None:
    ticket = world.ticket(initial_status="done")
    seq = world.seq
    move(world, ticket, "doing")
    assert (ticket.is_resolved, ticket.resolved_at) == (False, None)
    assert world.events(seq) == ["ticket_reopened", "status_changed"]
    assert ("reopened", "is_resolved", "true", "false") in world.history(ticket)


@pytest.mark.parametrize("operation", [TICKET_CHANGE_STATUS, TICKET_REOPEN])
def test_a_board_that_does_not_reopen_says_409(operation: Any) -> None:
    world = World(allow_reopen=False)
    ticket = world.ticket(initial_status="done")
    with pytest.raises(TransitionNotAllowed) as caught:
        world.do(operation, ticket, new_status="doing")
    assert caught.value.status == 409
    move(world, ticket, "wont")


def test_reopening_goes_to_the_initial_column_or_the_one_named(world: World) -> None:
    for wanted, expected in ((None, "todo"), ("checking", "checking")):
        ticket = world.ticket(initial_status="done")
        world.do(TICKET_REOPEN, ticket, new_status=wanted)
        assert ticket.status == expected


def test_only_closed_tickets_reopen_and_never_into_a_final_column(world: World) -> None:
    with pytest.raises(Conflict, match="not closed"):
        world.do(TICKET_REOPEN, world.ticket())
    with pytest.raises(Invalid) as caught:
        world.do(TICKET_REOPEN, world.ticket(initial_status="done"), new_status="wont")
    assert caught.value.allowed == ["todo", "ready", "doing", "checking"]


def test_resolving_ends_the_lease(world: World) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket)
    world.do(TICKET_RESOLVE, ticket, resolution_comment=DONE)
    assert ticket.lease_agent_id is None


def test_a_move_carries_the_time_spent_in_the_column_left(world: World) -> None:
    ticket = world.ticket()
    move(world, ticket, "doing")
    move(world, ticket, "done")
    periods = list(StatusPeriod.objects.filter(ticket=ticket).order_by("entered_at", "id"))
    assert [(period.status, period.category) for period in periods] == [
        ("todo", "queue"), ("doing", "active"), ("done", "final"),
    ]  # fmt: skip
    assert [period.left_at for period in periods] == [periods[1].entered_at, periods[2].entered_at, None]


# Within a column


def order(world: World, *tickets: Any) -> list[int]:
    for ticket in tickets:
        ticket.refresh_from_db()
    return [tickets.index(ticket) for ticket in sorted(tickets, key=lambda each: each.rank)]


def test_new_tickets_go_to_the_end_of_their_column(world: World) -> None:
    assert order(world, *(world.ticket() for _ in range(3))) == [0, 1, 2]


def test_a_ticket_is_placed_above_below_and_between(world: World) -> None:
    a, b, c = (world.ticket() for _ in range(3))
    world.do(TICKET_MOVE, c, before_ticket_id=a.id)
    assert order(world, a, b, c) == [2, 0, 1]
    world.do(TICKET_MOVE, c, after_ticket_id=b.key)
    assert order(world, a, b, c) == [0, 1, 2]
    world.do(TICKET_MOVE, c, after_ticket_id=a.id, before_ticket_id=b.id)
    assert order(world, a, b, c) == [0, 2, 1]


def test_a_move_within_a_column_is_an_update_and_the_same_place_none(world: World) -> None:
    a, b = world.ticket(), world.ticket()
    seq = world.seq
    world.do(TICKET_MOVE, b, before_ticket_id=a.id)
    assert world.events(seq) == ["ticket_updated"]
    world.do(TICKET_MOVE, b, before_ticket_id=a.id)
    assert (world.events(seq), b.version) == (["ticket_updated"], 2)


def test_a_neighbour_must_stand_in_the_column(world: World) -> None:
    ticket, elsewhere = world.ticket(), world.ticket(initial_status="doing")
    with pytest.raises(Invalid, match="column 'todo'"):
        world.do(TICKET_MOVE, ticket, before_ticket_id=elsewhere.id)
    with pytest.raises(Invalid):
        world.do(TICKET_MOVE, ticket, before_ticket_id=ticket.id)
    with pytest.raises(Invalid, match="Name a neighbour"):
        world.do(TICKET_MOVE, ticket)


def test_a_ticket_is_dropped_into_its_place_in_another_column(world: World) -> None:
    ticket, below = world.ticket(), world.ticket(initial_status="doing")
    move(world, ticket, "doing", before_ticket_id=below.id)
    assert order(world, ticket, below) == [0, 1]


def test_many_moves_to_one_place_keep_ranks_short_and_the_order(world: World) -> None:
    first, *rest = (world.ticket() for _ in range(4))
    for number in range(60):
        world.do(TICKET_MOVE, rest[number % 3], after_ticket_id=first.id)
        assert max(len(ticket.rank) for ticket in rest) < 255
    assert order(world, first, *rest)[0] == 0
