"""Claims: leases on tickets, so that no two agents work on the same one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Q, QuerySet

from tickets import clock
from tickets.access import Actor, workflow_for
from tickets.board_source import board_of
from tickets.errors import Conflict, Forbidden, LeaseLost
from tickets.models import ApprovalStatus, Claim, ClaimEnd, Role, Ticket, Workflow
from tickets.schemas.tickets import (
    ClaimTicket,
    HeartbeatTicket,
    NextTicket,
    NextTicketAnswer,
    ReleaseTicket,
    TicketClaimed,
    TicketReleased,
)
from tickets.services import lifecycle
from tickets.services.assignment import assignee_set
from tickets.services.mentions import find_mentions
from tickets.unit import Unit, open_ticket, open_unit


def ready_tickets(workflow: Workflow, agent_id: str, now: datetime) -> QuerySet[Ticket]:
    """Tickets that this agent could start on, best first: by priority, then rank, then age."""
    return Ticket.objects.filter(
        Q(lease_expires_at=None) | Q(lease_expires_at__lte=now),
        # Whoever let its lease run out let go of the ticket too: nobody else could take up what a dead agent held.
        Q(assigned_agent=None) | Q(assigned_agent=agent_id) | Q(assigned_agent=F("lease_agent")),
        workflow=workflow,
        status__in=board_of(workflow).statuses("queue"),
        is_blocked=False,
        is_resolved=False,
        approval_status__in=(ApprovalStatus.NONE, ApprovalStatus.APPROVED),
    ).order_by("priority_rank", "rank", "created_at", "number")


def ticket_next(*, actor: Actor, request: NextTicket) -> NextTicketAnswer:
    """The best ready ticket, leased to the caller unless ``claim`` is false.

    Each call leases a further ticket. Nothing ready is a success with ``ticket_id`` None and ``reasons``.
    """
    if not request.claim:
        workflow = workflow_for(actor, request.workflow_id, Role.VIEWER)
        ticket = _filtered(ready_tickets(workflow, actor.agent_id, clock.now()), request).first()
        return _next_answer(ticket, workflow, actor)
    with open_unit(actor, request.workflow_id) as unit:
        ready = _filtered(ready_tickets(unit.workflow, actor.agent_id, unit.now), request)
        ticket_id = _pick(unit, ready, request.lease_seconds)
        ticket = None
        if ticket_id is not None:
            ticket = unit.adopt(Ticket.objects.get(pk=ticket_id))
            _record_claim(unit, ticket)
    return _next_answer(ticket, unit.workflow, actor)


def ticket_claim(*, actor: Actor, request: ClaimTicket) -> TicketClaimed:
    """Lease a certain ticket. The holder's second claim prolongs the lease and keeps its token.

    Raises Conflict where another agent holds or owns it or it is resolved, Blocked, PendingReview.
    """
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        if _is_live(unit, ticket) and ticket.lease_agent_id == actor.agent_id:
            _prolong(unit, ticket, request.lease_seconds)
            return _claimed(ticket, f"You hold {ticket.key} already; the lease is prolonged.")
        _require_claimable(unit, ticket)
        unit.touch(
            ticket,
            lease_agent_id=actor.agent_id,
            lease_expires_at=unit.now + timedelta(seconds=request.lease_seconds),
            fencing_token=ticket.fencing_token + 1,
        )
        _record_claim(unit, ticket)
    return _claimed(ticket, f"{ticket.key} is yours until the lease ends.")


def ticket_heartbeat(*, actor: Actor, request: HeartbeatTicket) -> TicketClaimed:
    """Prolong one's lease. Raises LeaseLost where it has ended."""
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        _prolong(unit, ticket, request.lease_seconds)
    return _claimed(ticket, f"The lease on {ticket.key} is prolonged.")


def ticket_release(*, actor: Actor, request: ReleaseTicket) -> TicketReleased:
    """Give a lease back; where there is none nothing changes. A maintainer may end another's.

    The assignment stays, but where another's lease has run out: its holder has let go of the ticket too, and
    assigned to it nobody else could take it up. Raises Forbidden, LeaseLost.
    """
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        holder, is_live = ticket.lease_agent_id, _is_live(unit, ticket)
        if holder is not None and holder != actor.agent_id:
            try:
                workflow_for(actor, unit.workflow.id, Role.MAINTAINER)
            except Forbidden:
                if is_live:
                    raise Forbidden(
                        f"{holder!r} holds {ticket.key}; only a maintainer can end another's lease."
                    ) from None
                # An expired lease is none: who held it last is nobody's concern but its own and a maintainer's.
                holder = None
        comment = (request.comment or "").strip()
        if holder is not None and comment:
            unit.comment(ticket, comment, "general", mentions=find_mentions(actor, unit.workflow.id, comment))
        released = holder is not None and lifecycle.end_claim(unit, ticket, ClaimEnd.RELEASED)
        if released and not is_live and holder != actor.agent_id and ticket.assigned_agent_id == holder:
            assignee_set(unit, ticket, None)
    return TicketReleased(
        message=f"{ticket.key} is free." if released else f"{ticket.key} was not held.",
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
        released=released,
    )


def leases_end_of(unit: Unit, agent_id: str) -> None:
    """End every lease of an agent in the unit's workflow: its work here is over."""
    held = Ticket.objects.filter(workflow_id=unit.workflow.id, lease_agent_id=agent_id)
    for ticket in held:
        lifecycle.end_claim(unit, unit.adopt(ticket), ClaimEnd.TASK_DONE)


def why_nothing_is_ready(actor: Actor, workflow: Workflow) -> dict[str, int]:
    """Counts of the tickets in queue columns by what keeps the caller from them. One query each."""
    now = clock.now()
    queued = Ticket.objects.filter(
        workflow=workflow, status__in=board_of(workflow).statuses("queue"), is_resolved=False
    )
    others = queued.filter(assigned_agent__isnull=False).exclude(assigned_agent=actor.agent_id)
    reasons = {
        "blocked": queued.filter(is_blocked=True).count(),
        "pending_review": queued.filter(approval_status=ApprovalStatus.PENDING).count(),
        "leased": queued.filter(lease_expires_at__gt=now).count(),
        "assigned_to_others": others.exclude(assigned_agent=F("lease_agent"), lease_expires_at__lte=now).count(),
    }
    return {name: count for name, count in reasons.items() if count}


def _filtered(tickets: QuerySet[Ticket], request: NextTicket) -> QuerySet[Ticket]:
    if request.ticket_type is not None:
        tickets = tickets.filter(ticket_type=request.ticket_type)
    for tag in request.tags:
        tickets = tickets.filter(tag_rows__folded=tag.casefold())
    return tickets


def _pick(unit: Unit, ready: QuerySet[Ticket], lease_seconds: int) -> str | None:
    """Choose and lease in one statement. Returns the ticket's id."""
    best, best_params = ready.values("id")[:1].query.sql_with_params()
    expires = unit.now + timedelta(seconds=lease_seconds)
    # The inner query is the ORM's own, with its values as parameters.
    sql = (
        "UPDATE tickets SET lease_agent_id = %s, lease_expires_at = %s, fencing_token = fencing_token + 1 "  # noqa: S608
        f"WHERE id = ({best}) RETURNING id"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [unit.actor.agent_id, connection.ops.adapt_datetimefield_value(expires), *best_params])
        row = cursor.fetchone()
    return row[0] if row else None


def _record_claim(unit: Unit, ticket: Ticket) -> None:
    lost_by = _end_expired(unit, ticket)
    assert ticket.lease_expires_at is not None
    Claim.objects.create(
        ticket=ticket,
        agent_id=unit.actor.agent_id,
        fencing_token=ticket.fencing_token,
        claimed_at=unit.now,
        heartbeat_at=unit.now,
        expires_at=ticket.lease_expires_at,
    )
    if ticket.assigned_agent_id in (None, lost_by):
        assignee_set(unit, ticket, unit.actor.agent_id)
    unit.record(
        ticket,
        "claimed",
        field_name="lease_agent_id",
        new=unit.actor.agent_id,
        metadata={"fencing_token": ticket.fencing_token, "expires_at": ticket.lease_expires_at.isoformat()},
    )
    unit.emit(
        "ticket_claimed",
        ticket,
        lease_agent_id=unit.actor.agent_id,
        lease_expires_at=ticket.lease_expires_at.isoformat(),
    )


def _end_expired(unit: Unit, ticket: Ticket) -> str | None:
    """Close the claim that ran out without a release, so that it is known as lost. Returns whose it was."""
    lost = Claim.objects.filter(ticket=ticket, ended_at=None).first()
    if lost is None:
        return None
    lost.ended_at, lost.end_reason = lost.expires_at, ClaimEnd.EXPIRED
    lost.save(update_fields=["ended_at", "end_reason"])
    unit.record(
        ticket,
        "released",
        field_name="lease_agent_id",
        old=lost.agent_id,
        metadata={"reason": ClaimEnd.EXPIRED.value, "fencing_token": lost.fencing_token},
    )
    unit.emit("ticket_released", ticket, lease_agent_id=lost.agent_id, reason=ClaimEnd.EXPIRED.value)
    return lost.agent_id


def _is_live(unit: Unit, ticket: Ticket) -> bool:
    return ticket.lease_expires_at is not None and ticket.lease_expires_at > unit.now


def _require_claimable(unit: Unit, ticket: Ticket) -> None:
    lifecycle.require_movable(ticket, verb="claimed")
    if ticket.is_resolved:
        raise Conflict(f"{ticket.key} is resolved.", extra={"current_version": ticket.version})
    if _is_live(unit, ticket):
        raise Conflict(
            f"{ticket.lease_agent_id!r} holds {ticket.key}.",
            extra={
                "current_version": ticket.version,
                "lease_agent_id": ticket.lease_agent_id,
                "lease_expires_at": ticket.lease_expires_at.isoformat() if ticket.lease_expires_at else None,
            },
        )
    if ticket.assigned_agent_id not in (None, unit.actor.agent_id, ticket.lease_agent_id):
        raise Conflict(
            f"{ticket.key} is assigned to {ticket.assigned_agent_id!r}.",
            extra={"current_version": ticket.version, "assigned_agent_id": ticket.assigned_agent_id},
        )


def _prolong(unit: Unit, ticket: Ticket, lease_seconds: int) -> None:
    """A heartbeat is no change of the ticket: it makes no version, no history row and no event."""
    expires = unit.now + timedelta(seconds=lease_seconds)
    Claim.objects.filter(ticket=ticket, ended_at=None).update(heartbeat_at=unit.now, expires_at=expires)
    Ticket.objects.filter(pk=ticket.pk).update(lease_expires_at=expires)
    ticket.lease_expires_at = expires


def _claimed(ticket: Ticket, message: str) -> TicketClaimed:
    if ticket.lease_agent_id is None or ticket.lease_expires_at is None:
        raise LeaseLost(f"Nobody holds {ticket.key}.")
    return TicketClaimed(
        message=message,
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
        lease_agent_id=ticket.lease_agent_id,
        lease_expires_at=ticket.lease_expires_at,
        fencing_token=ticket.fencing_token,
    )


def _next_answer(ticket: Ticket | None, workflow: Workflow, actor: Actor) -> NextTicketAnswer:
    if ticket is None:
        return NextTicketAnswer(
            message=f"Nothing is ready in {workflow.id}.", ticket_id=None, reasons=why_nothing_is_ready(actor, workflow)
        )
    until = ticket.lease_expires_at
    live = ticket.lease_agent_id == actor.agent_id and until is not None and until > clock.now()
    return NextTicketAnswer(
        message=f"{ticket.key}: {ticket.title}",
        ticket_id=ticket.id,
        key=ticket.key,
        title=ticket.title,
        priority=ticket.priority,
        status=ticket.status,
        version=ticket.version,
        lease_agent_id=ticket.lease_agent_id if live else None,
        lease_expires_at=until if live else None,
        fencing_token=ticket.fencing_token if live else None,
    )
