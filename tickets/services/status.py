"""Commands that move tickets: change status, move within a column, resolve, reopen."""

from __future__ import annotations

import functools
from collections.abc import Callable

from tickets import ports
from tickets.access import Actor, find_ticket
from tickets.errors import Conflict, Invalid
from tickets.models import AgentKind, Role, Ticket
from tickets.schemas.base import TicketAnswer
from tickets.schemas.tickets import (
    COMMENT_MIN,
    ChangeTicketStatus,
    MoveTicket,
    ReopenTicket,
    ResolveTicket,
    TicketResolved,
    TicketStatusChanged,
)
from tickets.services import lifecycle
from tickets.services.assignment import assignee_set
from tickets.services.mentions import find_mentions
from tickets.services.ranks import rank_beside
from tickets.unit import Unit, open_ticket


def ticket_change_status(*, actor: Actor, request: ChangeTicketStatus) -> TicketStatusChanged:
    """Move a ticket to another column; to the one it is in changes nothing.

    Raises Blocked, PendingReview, TransitionNotAllowed, WipLimit, and Invalid for an unknown column or a
    comment that the board requires; NotFound for a commit that no repository of the workflow has.
    """
    return ticket_change_status_prepare(actor=actor, request=request)()


def ticket_change_status_prepare(*, actor: Actor, request: ChangeTicketStatus) -> Callable[[], TicketStatusChanged]:
    """Read the commit, if one is named; returns what then moves the ticket."""
    commit = _read_commit(actor, request.ticket_id, request.commit_sha)
    return functools.partial(_change_status, actor, request, commit)


def _change_status(actor: Actor, request: ChangeTicketStatus, commit: ports.PreparedLink | None) -> TicketStatusChanged:
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        target = lifecycle.find_status(unit, request.new_status, field="new_status")
        origin = ticket.status
        if target == origin:
            return _status_answer(ticket, origin, f"{ticket.key} is in {target} already.")
        lifecycle.require_movable(ticket)
        lifecycle.check_transition(unit, ticket, target)
        _require_comment(unit, request.comment)
        warnings = lifecycle.check_wip(unit, target)
        rank = None
        if request.before_ticket_id or request.after_ticket_id:
            rank = rank_beside(unit, ticket, target, before=request.before_ticket_id, after=request.after_ticket_id)
        if _assigns_mover(unit, ticket, target):
            assignee_set(unit, ticket, actor.agent_id)
        freed = lifecycle.enter_column(unit, ticket, target, rank=rank)
        _comment(unit, ticket, request.comment, "status_change")
        if commit is not None:
            commit.link(unit=unit, ticket=ticket)
    return _status_answer(ticket, origin, f"{ticket.key} moved from {origin} to {target}.", warnings, freed)


def ticket_move(*, actor: Actor, request: MoveTicket) -> TicketAnswer:
    """Place a ticket within its column, above or below another one."""
    if not request.before_ticket_id and not request.after_ticket_id:
        raise Invalid("Name a neighbour by before_ticket_id or after_ticket_id.", field="before_ticket_id")
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        rank = rank_beside(unit, ticket, ticket.status, before=request.before_ticket_id, after=request.after_ticket_id)
        if unit.set(ticket, "rank", rank):
            unit.emit("ticket_updated", ticket, fields=["rank"], rank=rank)
    return TicketAnswer(
        message=f"{ticket.key} moved within {ticket.status}.",
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
    )


def ticket_resolve(*, actor: Actor, request: ResolveTicket) -> TicketResolved:
    """Resolve a ticket, move it to the board's resolved column, and unblock what waited for it.

    Neither transitions nor WIP limits apply. Resolving a resolved ticket changes nothing.
    Raises Blocked and PendingReview, and NotFound for a commit that no repository of the workflow has.
    """
    return ticket_resolve_prepare(actor=actor, request=request)()


def ticket_resolve_prepare(*, actor: Actor, request: ResolveTicket) -> Callable[[], TicketResolved]:
    """Read the commit, if one is named; returns what then resolves the ticket."""
    commit = _read_commit(actor, request.ticket_id, request.commit_sha)
    return functools.partial(_resolve, actor, request, commit)


def _resolve(actor: Actor, request: ResolveTicket, commit: ports.PreparedLink | None) -> TicketResolved:
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        already = ticket.is_resolved
        freed = [] if already else resolve_in_unit(unit, ticket, request.resolution_comment)
        if commit is not None and not already:
            commit.link(unit=unit, ticket=ticket)
    return TicketResolved(
        message=f"{ticket.key} was resolved already." if already else f"{ticket.key} resolved.",
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
        status=ticket.status,
        unblocked_tickets=freed,
    )


def resolve_in_unit(unit: Unit, ticket: Ticket, comment: str) -> list[str]:
    """Resolve inside an open unit; returns the ids of tickets that this unblocked."""
    lifecycle.require_movable(ticket, verb="resolved")
    _comment(unit, ticket, comment, "resolution")
    freed = []
    if unit.board.category(ticket.status) != "final":
        freed = lifecycle.enter_column(unit, ticket, unit.board.resolved_status)
    return freed + lifecycle.mark_resolved(unit, ticket)


def ticket_reopen(*, actor: Actor, request: ReopenTicket) -> TicketStatusChanged:
    """Take a ticket out of its final column."""
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        origin = ticket.status
        target = lifecycle.find_status(unit, request.new_status or unit.board.initial_status, field="new_status")
        if unit.board.category(origin) != "final":
            raise Conflict(f"{ticket.key} is not closed: it is in {origin}.", extra={"current_version": ticket.version})
        if unit.board.category(target) == "final":
            open_columns = [c.id for c in unit.board.columns if c.category != "final"]
            raise Invalid(f"{target!r} is a final column.", field="new_status", allowed=open_columns)
        lifecycle.require_movable(ticket, verb="reopened")
        lifecycle.check_transition(unit, ticket, target)
        _require_comment(unit, request.comment)
        warnings = lifecycle.check_wip(unit, target)
        if _assigns_mover(unit, ticket, target):
            assignee_set(unit, ticket, actor.agent_id)
        lifecycle.enter_column(unit, ticket, target)
        _comment(unit, ticket, request.comment, "status_change")
    return _status_answer(ticket, origin, f"{ticket.key} reopened to {target}.", warnings)


def _status_answer(
    ticket: Ticket, origin: str, message: str, warnings: list[str] | None = None, freed: list[str] | None = None
) -> TicketStatusChanged:
    return TicketStatusChanged(
        message=message,
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
        old_status=origin,
        new_status=ticket.status,
        warnings=warnings or [],
        unblocked_tickets=freed or [],
    )


def _assigns_mover(unit: Unit, ticket: Ticket, target: str) -> bool:
    """Whether the board gives the ticket to whoever moves it; never to the system, which works on nothing."""
    if unit.actor.kind == AgentKind.SYSTEM:
        return False
    is_active = unit.board.category(target) == "active"
    return is_active and unit.board.settings.auto_assign and ticket.assigned_agent_id is None


def _require_comment(unit: Unit, comment: str | None) -> None:
    required = unit.board.settings.require_comments_on_status_change
    if required and len((comment or "").strip()) < COMMENT_MIN:
        raise Invalid(
            f"This board requires a comment of at least {COMMENT_MIN} characters on each status change.",
            field="comment",
        )


def _comment(unit: Unit, ticket: Ticket, text: str | None, comment_type: str) -> None:
    text = (text or "").strip()
    if text:
        unit.comment(ticket, text, comment_type, mentions=find_mentions(unit.actor, unit.workflow.id, text))


def _read_commit(actor: Actor, ticket_id: str, commit_sha: str | None) -> ports.PreparedLink | None:
    if not commit_sha:
        return None
    ticket = find_ticket(actor, ticket_id, role=Role.MEMBER)
    return ports.commit_links().prepare(workflow=ticket.workflow, commit_sha=commit_sha)
