"""How many tickets hold on to a board's columns and types."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from django.db.models import Count

from tickets.models import Ticket, Workflow


@dataclass(frozen=True)
class Uses:
    """Number of tickets by column and by type, also of those that the board does not show. Empty ones are left out."""

    columns: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)


def uses_of(workflow: Workflow) -> Uses:
    """What a change of the board would have to move. One query."""
    uses = Uses()
    rows = (
        Ticket.objects.filter(workflow=workflow).values_list("status", "ticket_type").annotate(Count("id")).order_by()
    )
    for status, kind, count in rows:
        uses.columns[status] += count
        uses.types[kind] += count
    return uses
