"""What history tells of the order within a column."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.utils import timezone

from boards.selectors import places
from boards.selectors.past import PastBoard
from tests.tickets.world import World
from tickets.models import Ticket, TicketHistory
from tickets.operations import TICKET_CHANGE_STATUS, TICKET_MOVE
from tickets.services import ranks

pytestmark = pytest.mark.django_db


def test_a_new_ticket_says_where_it_stands() -> None:
    world = World()
    ticket = world.ticket()
    assert TicketHistory.objects.get(ticket=ticket, change_type="created").metadata == {"rank": ticket.rank}


def test_new_keys_of_a_column_are_kept_with_the_move_that_needed_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "RESPREAD_LENGTH", 4)
    world = World()
    anchor, moved, other, bystander = (world.ticket() for _ in range(4))
    version = bystander.version
    spread: set[str] = set()
    while not spread:
        # Always directly below the same one: the room there becomes small.
        moved, other = other, moved
        world.do(TICKET_MOVE, moved, after_ticket_id=anchor.id)
        kept = TicketHistory.objects.filter(metadata__respread=True)
        spread = set(kept.values_list("ticket_id", flat=True))
    assert spread == set(Ticket.objects.values_list("pk", flat=True)), "all keys of the column are new"
    rows = TicketHistory.objects.filter(change_type="field_updated", field_name="rank").order_by("id")
    told = dict(rows.values_list("ticket_id", "new_value"))
    assert told == dict(Ticket.objects.values_list("pk", "rank"))
    # Nobody changed the others: their version stays what it was.
    bystander.refresh_from_db()
    assert bystander.version == version


def order(world: World, column: str, moment: datetime | None = None) -> list[str]:
    """Ids of the column's tickets then, read from the beginning."""
    places._kept.clear()
    past = PastBoard(world.workflow, moment or timezone.now())
    return [id_ for item in past.columns if item.column.id == column for id_ in item.ticket_ids]


def test_from_one_final_column_to_another_a_ticket_keeps_its_time() -> None:
    world = World()
    first, second = world.ticket(initial_status="wont"), world.ticket()
    world.do(TICKET_CHANGE_STATUS, second, new_status="done")
    third = world.ticket(initial_status="wont")
    world.do(TICKET_CHANGE_STATUS, second, new_status="wont")
    assert order(world, "wont") == [third.id, second.id, first.id], "the latest done comes first"


def test_without_a_rank_in_its_history_a_card_stands_last_by_its_number() -> None:
    """Histories from before ranks were written down."""
    world = World()
    known = world.ticket()
    old = [world.ticket() for _ in range(2)]
    for ticket in old:
        # As if written by an earlier version: rows cannot be changed, so one is made.
        TicketHistory.objects.create(
            ticket=ticket, workflow=world.workflow, agent_id=world.agent.id, change_type="status_changed",
            field_name="status", old_value="todo", new_value="ready", changed_at=timezone.now(),
        )  # fmt: skip
    world.do(TICKET_CHANGE_STATUS, known, new_status="ready")
    assert order(world, "ready") == [known.id, *[ticket.id for ticket in old]]
    assert PastBoard(world.workflow, timezone.now()).unordered == 2
