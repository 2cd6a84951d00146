"""How tickets pass through the columns: the rules that every way of moving shares.

These functions run inside an open unit; ``status`` holds the commands.
"""

from __future__ import annotations

from django.db import connection
from django.db.models import F

from tickets.errors import Blocked, PendingReview, TransitionNotAllowed, WipLimit, not_one_of
from tickets.models import ApprovalStatus, Claim, ClaimEnd, StatusPeriod, Ticket
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.services.blocking import dependants_release, live_blocker_ids
from tickets.services.ranks import rank_at_end
from tickets.unit import Unit


def find_status(unit: Unit, text: str, *, field: str) -> str:
    """The column meant by its id or name, in any spelling. Raises Invalid."""
    status = unit.board.find_status(text)
    if status is None:
        raise not_one_of(field, text, unit.board.by_id)
    return status


def require_movable(ticket: Ticket, *, verb: str = "moved") -> None:
    """Raise PendingReview or Blocked where the ticket may neither move nor be resolved or claimed."""
    require_reviewed(ticket, verb=verb)
    if ticket.is_blocked:
        blockers = live_blocker_ids(ticket.id)
        why = f"by {len(blockers)} unresolved ticket(s)" if blockers else "by hand"
        if ticket.blocked_reason:
            why += f" ({ticket.blocked_reason})"
        raise Blocked(
            f"{ticket.key} cannot be {verb}: it is blocked {why}.",
            extra={"blocking_ticket_ids": blockers},
            top_level={"blocked": True, "blocking_ticket_ids": blockers, "ticket_id": ticket.id},
        )


def require_reviewed(ticket: Ticket, *, verb: str) -> None:
    """Raise PendingReview where a person has not approved the ticket."""
    if ticket.approval_status not in (ApprovalStatus.NONE, ApprovalStatus.APPROVED):
        state = "waits for review" if ticket.approval_status == ApprovalStatus.PENDING else "was not approved"
        raise PendingReview(
            f"{ticket.key} cannot be {verb}: it {state} ({ticket.approval_status}).",
            extra={"approval_status": ticket.approval_status},
        )


def check_transition(unit: Unit, ticket: Ticket, target: str) -> None:
    """Raise TransitionNotAllowed where the board does not let the ticket go there."""
    board = unit.board
    allowed = board.allowed_from(ticket.status)
    if target not in allowed:
        raise TransitionNotAllowed(
            f"{ticket.key} cannot go from {ticket.status!r} to {target!r}. Allowed: {', '.join(allowed) or 'none'}.",
            field="new_status",
            allowed=allowed,
        )
    if leaves_final(unit, ticket.status, target) and not board.settings.allow_reopen:
        raise TransitionNotAllowed(f"{ticket.key} is closed and this board does not reopen tickets.", allowed=[])


def leaves_final(unit: Unit, origin: str, target: str) -> bool:
    return unit.board.category(origin) == "final" != unit.board.category(target)


def check_wip(unit: Unit, target: str, *, field: str = "new_status") -> list[str]:
    """Warnings for a column that one more ticket takes over its limit; WipLimit where the board enforces it."""
    column = unit.board.by_id[target]
    if column.wip_limit is None:
        return []
    there = Ticket.objects.filter(
        workflow_id=unit.workflow.id, status=target, approval_status__in=VISIBLE_APPROVALS
    ).count()
    if there < column.wip_limit:
        return []
    message = f"{column.name} is at its limit: {there} of {column.wip_limit}."
    if unit.board.settings.enforce_wip_limits:
        raise WipLimit(message, field=field, extra={"wip_limit": column.wip_limit, "ticket_count": there})
    return [message]


def start_period(unit: Unit, ticket: Ticket) -> None:
    """Begin the ticket's stay in the column where it is."""
    period = StatusPeriod(
        ticket_id=ticket.id,
        status=ticket.status,
        category=unit.board.category(ticket.status),
        entered_at=unit.now,
    )
    unit.writes.insert([period])


def end_period(unit: Unit, ticket: Ticket) -> None:
    """End the ticket's stay in the column where it is."""
    unit.writes.add(
        "UPDATE ticket_status_periods SET left_at = %s WHERE ticket_id = %s AND left_at IS NULL",
        [connection.ops.adapt_datetimefield_value(unit.now), ticket.id],
    )


def enter_column(unit: Unit, ticket: Ticket, target: str, *, rank: str | None = None) -> list[str]:
    """Put the ticket into another column, with all that follows from the column's category.

    The caller has checked that it may. Returns the ids of tickets that this unblocked.
    """
    board, origin = unit.board, ticket.status
    was_final, is_final = board.category(origin) == "final", board.category(target) == "final"
    derived: dict[str, object] = {"rank": rank or rank_at_end(unit.workflow.id, target)}
    if board.category(target) == "active" and ticket.started_at is None:
        derived["started_at"] = unit.now
    if is_final and not was_final:
        derived["completed_at"] = unit.now
    elif was_final and not is_final:
        derived["completed_at"] = None
    end_period(unit, ticket)
    if was_final and not is_final and ticket.is_resolved:
        _reopen(unit, ticket)
    unit.set(ticket, "status", target, change_type="status_changed", metadata=_as_text(derived))
    unit.touch(ticket, **derived)
    start_period(unit, ticket)
    unit.emit("status_changed", ticket, old_status=origin, new_status=target, rank=ticket.rank)
    if is_final and board.settings.resolve_on_final:
        return mark_resolved(unit, ticket)
    return []


def rename_column(unit: Unit, ticket: Ticket, target: str) -> None:
    """Put the ticket into a column that takes the place of its own, of the same category.

    Blocked and pending tickets go along: the board changed under them, they did not move.
    """
    rank = rank_at_end(unit.workflow.id, target)
    origin = ticket.status
    end_period(unit, ticket)
    unit.set(ticket, "status", target, change_type="status_changed", metadata={"rank": rank, "board_changed": True})
    unit.touch(ticket, rank=rank)
    Ticket.objects.filter(pk=ticket.pk).update(status=target, rank=rank)
    start_period(unit, ticket)
    unit.emit("status_changed", ticket, old_status=origin, new_status=target, rank=rank)


def mark_resolved(unit: Unit, ticket: Ticket) -> list[str]:
    """Set the ticket resolved, end its lease and release what waits for it. Once; again changes nothing."""
    if ticket.is_resolved:
        return []
    unit.set(ticket, "is_resolved", True, change_type="resolved", metadata={"status": ticket.status})
    unit.touch(ticket, resolved_at=unit.now)
    end_claim(unit, ticket, ClaimEnd.RESOLVED)
    unit.emit("ticket_resolved", ticket)
    return dependants_release(unit, ticket, why="resolved")


def end_claim(unit: Unit, ticket: Ticket, reason: ClaimEnd) -> bool:
    """End the lease on a ticket, if there is one. An expired one ended when it expired."""
    if ticket.lease_agent_id is None:
        return False
    expired = ticket.lease_expires_at is not None and ticket.lease_expires_at <= unit.now
    open_claim = Claim.objects.filter(ticket=ticket, ended_at=None)
    if expired:
        reason = ClaimEnd.EXPIRED
        open_claim.update(ended_at=F("expires_at"), end_reason=reason)
    else:
        open_claim.update(ended_at=unit.now, end_reason=reason)
    unit.record(
        ticket,
        "released",
        field_name="lease_agent_id",
        old=ticket.lease_agent_id,
        metadata={"reason": reason.value, "fencing_token": ticket.fencing_token},
    )
    unit.emit("ticket_released", ticket, lease_agent_id=ticket.lease_agent_id, reason=reason.value)
    unit.touch(ticket, lease_agent_id=None, lease_expires_at=None)
    return True


def _reopen(unit: Unit, ticket: Ticket) -> None:
    unit.set(ticket, "is_resolved", False, change_type="reopened")
    unit.touch(ticket, resolved_at=None)
    unit.emit("ticket_reopened", ticket)


def _as_text(values: dict[str, object]) -> dict[str, object]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}
