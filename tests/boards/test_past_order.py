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
    first, second, *others = [world.ticket() for _ in range(5)]
    versions = {other.id: other.version for other in others}
    spread: set[str] = set()
    for _ in range(40):
        first, second = second, first
        world.do(TICKET_MOVE, second, before_ticket_id=first.id)
        world.do(TICKET_MOVE, others[0], before_ticket_id=first.id)
        world.do(TICKET_MOVE, others[0], after_ticket_id=others[2].id)
        kept = TicketHistory.objects.filter(metadata__respread=True)
        spread = set(kept.values_list("ticket_id", flat=True))
        if spread:
            break
    assert spread == set(Ticket.objects.values_list("pk", flat=True)), "all keys of the column are new"
    told = {}
    rows = TicketHistory.objects.order_by("id").values_list("ticket_id", "change_type", "field_name", "new_value")
    for ticket_id, change, field, value in rows:
        if change == "field_updated" and field == "rank":
            told[ticket_id] = value
    assert told == dict(Ticket.objects.values_list("pk", "rank"))
    # Nobody changed the others: their version stays what it was.
    assert Ticket.objects.get(pk=others[1].pk).version == versions[others[1].id]
