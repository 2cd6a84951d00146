"""Where a ticket stands within its column, as a fractional key (rocicorp's fractional indexing)."""

from __future__ import annotations

from fractional_indexing import generate_key_between, generate_n_keys_between

from tickets.errors import Invalid
from tickets.models import Ticket, TicketHistory
from tickets.statements import run_all
from tickets.unit import Unit

# Keys grow by a character in about six insertions at the same place; the column holds 255.
RESPREAD_LENGTH = 200


def rank_at_end(workflow_id: str, status: str) -> str:
    """A rank below all tickets of the column. One indexed query."""
    sql = "SELECT rank FROM tickets WHERE workflow_id = %s AND status = %s ORDER BY rank DESC LIMIT 1"
    last = run_all([(sql, [workflow_id, status])], lambda cursor: cursor.fetchone())[0]
    rank: str = generate_key_between(last[0] if last else None, None)
    return rank


def rank_beside(unit: Unit, ticket: Ticket, status: str, *, before: str | None = None, after: str | None = None) -> str:
    """A rank directly above ``before`` or below ``after`` (references to tickets of the column).

    With both, between the two. Raises Invalid where a neighbour is not in the column.
    """
    column = Ticket.objects.filter(workflow_id=unit.workflow.id, status=status).exclude(pk=ticket.pk)
    upper = _neighbour(unit, ticket, status, after, "after_ticket_id") if after else None
    lower = _neighbour(unit, ticket, status, before, "before_ticket_id") if before else None
    if upper is None and lower is None:
        return rank_at_end(unit.workflow.id, status)
    if lower is None:
        lower = column.filter(rank__gt=upper).order_by("rank").values_list("rank", flat=True).first()
    elif upper is None:
        upper = column.filter(rank__lt=lower).order_by("-rank").values_list("rank", flat=True).first()
    if upper is not None and lower is not None and upper >= lower:
        raise Invalid("after_ticket_id must stand above before_ticket_id.", field="after_ticket_id")
    rank: str = generate_key_between(upper, lower)
    if len(rank) > RESPREAD_LENGTH:
        _respread(unit, status)
        return rank_beside(unit, ticket, status, before=before, after=after)
    return rank


def _neighbour(unit: Unit, ticket: Ticket, status: str, reference: str, field: str) -> str:
    other = unit.ticket(reference, field=field)
    if other.status != status or other.pk == ticket.pk:
        raise Invalid(f"{other.key} is not another ticket of column {status!r}.", field=field)
    # Read anew: a respread may have moved it since.
    return Ticket.objects.values_list("rank", flat=True).get(pk=other.pk)


def _respread(unit: Unit, status: str) -> None:
    """Give a column short, even keys again.

    The order stays, so no event tells of it and no ticket gets a version; but later keys compare only with the new
    ones, so history keeps those (``metadata.respread``), for the order of then to be known.
    """
    column = Ticket.objects.filter(workflow_id=unit.workflow.id, status=status).order_by("rank", "number")
    tickets = list(column.only("id", "rank"))
    kept = []
    for ticket, rank in zip(tickets, generate_n_keys_between(None, None, len(tickets)), strict=True):
        kept.append(
            TicketHistory(
                ticket_id=ticket.id,
                workflow_id=unit.workflow.id,
                agent_id=unit.actor.agent_id,
                via_agent_id=unit.actor.via_agent_id,
                change_type="field_updated",
                field_name="rank",
                old_value=ticket.rank,
                new_value=rank,
                metadata={"respread": True},
                changed_at=unit.now,
            )
        )
        ticket.rank = rank
    Ticket.objects.bulk_update(tickets, ["rank"], batch_size=500)
    TicketHistory.objects.bulk_create(kept, batch_size=500)
