"""Review by a person of what AI agents create."""

from __future__ import annotations

from tickets import clock
from tickets.access import Actor, system_actor
from tickets.errors import Conflict, Forbidden
from tickets.models import Approval, ApprovalDecision, ApprovalStatus, Role, Ticket
from tickets.schemas.tickets import DecideTicket, TicketDecided
from tickets.services.blocking import dependants_release
from tickets.services.mentions import find_mentions
from tickets.unit import Unit, open_ticket


def ticket_approve(*, actor: Actor, request: DecideTicket) -> TicketDecided:
    """Let a ticket that waits for review go on. See ``_decide`` for who may."""
    return _decide(actor, request, ApprovalDecision.APPROVED)


def ticket_reject(*, actor: Actor, request: DecideTicket) -> TicketDecided:
    """Refuse a ticket that waits for review: it leaves boards and lists, and nothing waits for it any more."""
    return _decide(actor, request, ApprovalDecision.REJECTED)


def approvals_expire(ticket_id: str | None = None) -> int:
    """Expire the requests whose time has run out; returns how many. Writes only where one is due.

    Tickets of a workflow that is not active, or no longer tracks tickets, wait until it does again.
    """
    due = Ticket.objects.filter(
        approval_status=ApprovalStatus.PENDING,
        approval_expires_at__lte=clock.now(),
        workflow__is_active=True,
        workflow__ticket_tracking_enabled=True,
    )
    if ticket_id is not None:
        due = due.filter(pk=ticket_id)
    expired = 0
    for pk in list(due.values_list("pk", flat=True)[:200]):
        with open_ticket(system_actor(), pk) as (unit, ticket):
            # Decided between the look and the lock: leave it.
            if ticket.approval_status == ApprovalStatus.PENDING:
                _close(unit, ticket, ApprovalDecision.EXPIRED, "Nobody decided in time.")
                expired += 1
    return expired


def _decide(actor: Actor, request: DecideTicket, decision: ApprovalDecision) -> TicketDecided:
    """Only a human maintainer decides, never the ticket's creator, never through a gateway.

    Raises Forbidden, and Conflict where the ticket does not wait for review. The same decision again
    changes nothing.
    """
    if not actor.is_human or actor.via_agent_id is not None:
        raise Forbidden("Only a person decides on tickets that wait for review, with a credential of their own.")
    with open_ticket(actor, request.ticket_id, role=Role.MAINTAINER, expected_version=request.expected_version) as (
        unit,
        ticket,
    ):
        if ticket.approval_status != decision.value:
            if ticket.approval_status != ApprovalStatus.PENDING:
                raise Conflict(
                    f"{ticket.key} does not wait for review: its approval_status is {ticket.approval_status}.",
                    extra={"current_version": ticket.version, "approval_status": ticket.approval_status},
                )
            if ticket.approval_expires_at is not None and ticket.approval_expires_at <= unit.now:
                # Housekeeping writes that down; a refused command writes nothing.
                raise Conflict(
                    f"The time to decide on {ticket.key} has run out.",
                    extra={"current_version": ticket.version, "approval_status": ApprovalStatus.EXPIRED.value},
                )
            if ticket.created_by_agent_id == actor.agent_id:
                raise Forbidden(f"You created {ticket.key}; another maintainer must decide on it.")
            _close(unit, ticket, decision, (request.reason or "").strip())
    return TicketDecided(
        message=f"{ticket.key} {decision.value}.",
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
        approval_status=ticket.approval_status,
    )


def _close(unit: Unit, ticket: Ticket, decision: ApprovalDecision, reason: str) -> None:
    Approval.objects.filter(ticket=ticket, decided_at=None).update(
        decision=decision, decided_by_agent_id=unit.actor.agent_id, decided_at=unit.now, reason=reason
    )
    unit.set(ticket, "approval_status", decision.value, change_type=decision.value, description=reason)
    unit.touch(ticket, approval_expires_at=None)
    unit.emit(f"ticket_{decision.value}", ticket, reason=reason)
    if reason and unit.actor.is_human:
        unit.comment(ticket, reason, "general", mentions=find_mentions(unit.actor, unit.workflow.id, reason))
    if decision != ApprovalDecision.APPROVED:
        dependants_release(unit, ticket, why=decision.value)
