"""What a ticket waits for."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.factories import make_agent, make_ticket, make_workflow
from tests.tickets.world import World
from tickets.errors import Blocked, Invalid
from tickets.models import Ticket, TicketDependency
from tickets.operations import TICKET_BLOCK, TICKET_REJECT, TICKET_UNBLOCK, TICKET_UPDATE, TICKETS_CREATE

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def update(world: World, ticket: Ticket, **updates: Any) -> Any:
    return world.do(TICKET_UPDATE, ticket, updates=updates)


def blockers(ticket: Ticket) -> list[str]:
    rows = TicketDependency.objects.filter(ticket=ticket, released_at=None).order_by("id")
    return list(rows.values_list("blocker__key", flat=True))


def test_a_ticket_does_not_block_itself(world: World) -> None:
    ticket = world.ticket()
    with pytest.raises(Invalid, match="cannot block itself"):
        update(world, ticket, blocked_by_add=[ticket.key])


@pytest.mark.parametrize("length", [2, 3, 7])
def test_a_cycle_of_any_length_is_refused_and_shown(world: World, length: int) -> None:
    tickets = [world.ticket() for _ in range(length)]
    for ticket, blocker in itertools.pairwise(tickets):
        update(world, ticket, blocked_by_add=[blocker.id])
    with pytest.raises(Invalid, match="cycle") as caught:
        update(world, tickets[-1], blocked_by_add=[tickets[0].id])
    cycle = caught.value.extra["cycle"]
    assert (cycle[0], cycle[-1], len(cycle)) == (tickets[-1].id, tickets[-1].id, length + 1)


def test_a_released_dependency_closes_no_cycle(world: World) -> None:
    one, two = world.ticket(), world.ticket()
    update(world, one, blocked_by_add=[two.id])
    update(world, one, blocked_by_remove=[two.id])
    update(world, two, blocked_by_add=[one.id])
    assert blockers(two) == [one.key]


def test_a_resolved_ticket_is_no_blocker(world: World) -> None:
    done = world.ticket(initial_status="done")
    with pytest.raises(Invalid, match="resolved already"):
        world.ticket(blocked_by_ticket_ids=[done.id])
    with pytest.raises(Invalid, match="resolved already"):
        update(world, world.ticket(), blocked_by_add=[done.id])


def test_a_blocker_belongs_to_the_same_workflow(world: World) -> None:
    elsewhere = make_workflow()
    foreign = make_ticket(make_agent(elsewhere), elsewhere)
    both = make_agent(world.workflow, elsewhere)
    with pytest.raises(Invalid) as caught:
        world.do(TICKET_UPDATE, world.ticket(), updates={"blocked_by_add": [foreign.id]}, by=both)
    assert caught.value.field == "updates.blocked_by_add"


def test_a_hundred_blockers_are_the_limit(world: World) -> None:
    tickets = [world.ticket() for _ in range(101)]
    ids = [ticket.id for ticket in tickets]
    ticket = world.ticket(blocked_by_ticket_ids=ids[:100])
    assert ticket.open_blocker_count == 100
    with pytest.raises(Invalid, match="at most 100 blockers"):
        update(world, ticket, blocked_by_add=ids[100:])
    with pytest.raises(Invalid):
        world.ticket(blocked_by_ticket_ids=ids)


def test_adding_what_is_there_and_removing_what_is_not_change_nothing(world: World) -> None:
    blocker, stranger = world.ticket(), world.ticket()
    ticket = world.ticket(blocked_by_ticket_ids=[blocker.id])
    seq, version = world.seq, ticket.version
    answer = update(world, ticket, blocked_by_add=[blocker.key], blocked_by_remove=[stranger.key])
    assert (answer.fields_updated, world.seq, ticket.version) == ([], seq, version)


def test_the_whole_list_replaces_and_an_empty_one_frees(world: World) -> None:
    one, two = world.ticket(), world.ticket()
    ticket = world.ticket(blocked_by_ticket_ids=[one.id])
    update(world, ticket, blocked_by_ticket_ids=[two.key])
    assert blockers(ticket) == [two.key]
    update(world, ticket, blocked_by_ticket_ids=[])
    assert (blockers(ticket), ticket.is_blocked) == ([], False)


def test_a_list_and_its_add_form_do_not_go_together(world: World) -> None:
    with pytest.raises(Invalid, match="not both"):
        update(world, world.ticket(), blocked_by_ticket_ids=[], blocked_by_add=[])


def test_a_block_by_hand_stands_beside_the_blockers(world: World) -> None:
    blocker = world.ticket()
    ticket = world.ticket(blocked_by_ticket_ids=[blocker.id])
    update(world, ticket, is_blocked=True, blocked_reason="Rain")
    update(world, ticket, blocked_by_remove=[blocker.id])
    assert (ticket.is_blocked, ticket.blocked_reason) == (True, "Rain")
    update(world, ticket, is_blocked=False)
    assert (ticket.is_blocked, ticket.blocked_reason) == (False, "")


def test_a_reason_needs_a_block_and_null_takes_it_away(world: World) -> None:
    ticket = world.ticket()
    with pytest.raises(Invalid, match="needs is_blocked"):
        update(world, ticket, blocked_reason="Rain")
    update(world, ticket, is_blocked=True, blocked_reason="Rain")
    update(world, ticket, blocked_reason=None)
    assert (ticket.is_blocked, ticket.blocked_reason) == (True, "")


def test_blocking_and_unblocking_are_told_once(world: World) -> None:
    blocker, ticket = world.ticket(), world.ticket()
    seq = world.seq
    world.do(TICKET_BLOCK, ticket, reason="Rain", blocked_by_ticket_ids=[blocker.id])
    assert world.events(seq).count("ticket_blocked") == 1
    seq = world.seq
    world.do(TICKET_UNBLOCK, ticket)
    assert "ticket_unblocked" not in world.events(seq)
    world.do(TICKET_UNBLOCK, ticket, blocked_by_ticket_ids=[blocker.id])
    assert world.events(seq).count("ticket_unblocked") == 1
    assert not ticket.is_blocked


def test_blocking_wants_a_reason_or_a_blocker(world: World) -> None:
    with pytest.raises(Invalid, match="Say why"):
        world.do(TICKET_BLOCK, world.ticket())


def test_a_refused_ticket_holds_nobody_up() -> None:
    world = World(ticket_human_review=True)
    pending = world.ticket()
    waiting = world.ticket(by=world.person("member"), blocked_by_ticket_ids=[pending.id])
    world.do(TICKET_REJECT, pending, by=world.person())
    waiting.refresh_from_db()
    assert not waiting.is_blocked
    with pytest.raises(Invalid, match="was rejected"):
        update(world, waiting, blocked_by_add=[pending.id])


def test_a_batch_may_name_its_own_tickets_before_they_stand(world: World) -> None:
    batch = [{"title": f"Step {n}", "description": "A long description."} for n in range(3)]
    batch[0] |= {"blocked_by_ticket_ids": ["#2", "#1"]}  # type: ignore[dict-item]
    created = world.do(TICKETS_CREATE, tickets=batch).tickets
    first = Ticket.objects.get(pk=created[0].ticket_id)
    assert blockers(first) == [created[2].key, created[1].key]


@pytest.mark.parametrize("fault", ["#0", "#3"])
def test_a_batch_with_a_wrong_position_creates_nothing(world: World, fault: str) -> None:
    batch: list[Any] = [{"title": f"Step {n}", "description": "A long description."} for n in range(3)]
    batch[0]["blocked_by_ticket_ids"] = [fault]
    with pytest.raises(Invalid) as caught:
        world.do(TICKETS_CREATE, tickets=batch)
    assert caught.value.field == "tickets.0.blocked_by_ticket_ids"
    assert not Ticket.objects.exists()


def test_a_blocker_that_the_batch_itself_resolves_is_none(world: World) -> None:
    batch: list[Any] = [
        {"title": "Waits", "description": "A long description.", "blocked_by_ticket_ids": ["#1"]},
        {"title": "Done", "description": "A long description.", "initial_status": "done"},
    ]
    with pytest.raises(Invalid, match="resolved already") as caught:
        world.do(TICKETS_CREATE, tickets=batch)
    assert caught.value.field == "tickets.0.blocked_by_ticket_ids"


def test_a_ticket_born_resolved_is_not_born_blocked(world: World) -> None:
    blocker = world.ticket()
    with pytest.raises(Blocked):
        world.ticket(initial_status="done", blocked_by_ticket_ids=[blocker.id])
    batch = [
        {
            "title": "Done",
            "description": "A long description.",
            "initial_status": "done",
            "blocked_by_ticket_ids": ["#1"],
        },
        {"title": "Open", "description": "A long description."},
    ]
    with pytest.raises(Blocked):
        world.do(TICKETS_CREATE, tickets=batch)
