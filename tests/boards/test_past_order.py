"""What history tells of the order within a column."""

from __future__ import annotations

import pytest

from tests.tickets.world import World
from tickets.models import Ticket, TicketHistory
from tickets.operations import TICKET_MOVE
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
    told = {}
    rows = TicketHistory.objects.order_by("id").values_list("ticket_id", "change_type", "field_name", "new_value")
    for ticket_id, change, field, value in rows:
        if change == "field_updated" and field == "rank":
            told[ticket_id] = value
    assert told == dict(Ticket.objects.values_list("pk", "rank"))
    # Nobody changed the others: their version stays what it was.
    bystander.refresh_from_db()
    assert bystander.version == version
