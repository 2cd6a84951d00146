"""Who has a ticket."""

from __future__ import annotations

from tickets.access import Actor, member_agent
from tickets.models import Ticket
from tickets.schemas.base import TicketAnswer
from tickets.schemas.tickets import AssignTicket
from tickets.unit import Unit, open_ticket


def ticket_assign(*, actor: Actor, request: AssignTicket) -> TicketAnswer:
    """Give a ticket to a member of its workflow, or to nobody. To whoever has it changes nothing."""
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        assignee_set(unit, ticket, request.assigned_agent_id)
    holder = ticket.assigned_agent_id
    return TicketAnswer(
        message=f"{ticket.key} is assigned to {holder}." if holder else f"{ticket.key} is assigned to nobody.",
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
    )


def assignee_set(unit: Unit, ticket: Ticket, agent_id: str | None) -> bool:
    """Assign inside an open unit. Raises Invalid for an agent that is no member."""
    if agent_id == ticket.assigned_agent_id:
        return False
    # Whoever acts in an open unit is a member, unless it is a superuser.
    if agent_id is not None and (agent_id != unit.actor.agent_id or unit.actor.is_superuser):
        member_agent(unit.workflow.id, agent_id, field="assigned_agent_id")
    old = ticket.assigned_agent_id
    unit.set(ticket, "assigned_agent_id", agent_id, change_type="assigned" if agent_id else "unassigned")
    unit.emit("ticket_assigned", ticket, assigned_agent_id=agent_id, old_assigned_agent_id=old)
    return True
