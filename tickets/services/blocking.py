"""What a ticket waits for: dependencies between tickets and blocks by hand."""

from __future__ import annotations

from collections.abc import Iterable

from tickets.access import Actor, find_tickets
from tickets.errors import Invalid
from tickets.models import ApprovalStatus, Ticket, TicketDependency
from tickets.schemas.tickets import BlockTicket, TicketBlockingChanged, UnblockTicket
from tickets.unit import Unit, open_ticket

MAX_BLOCKERS = 100


def live_blocker_ids(ticket_id: str) -> list[str]:
    """Ids of the tickets that this one waits for now, oldest dependency first."""
    rows = TicketDependency.objects.filter(ticket_id=ticket_id, released_at=None).order_by("id")
    return list(rows.values_list("blocker_id", flat=True))


def blockers_change(
    unit: Unit, ticket: Ticket, *, add: Iterable[str] = (), remove: Iterable[str] = (), field: str
) -> bool:
    """Add and remove dependencies (references). Adding what is there and removing what is not change nothing.

    Raises Invalid for a resolved or refused blocker, a ticket that blocks itself, a cycle (with the cycle
    in ``cycle``) and more than 100 blockers.
    """
    added, removed = list(add), list(remove)
    before = live_blocker_ids(ticket.id)
    # As this unit knows them: one may have been resolved in it a moment ago (a batch).
    adding = [unit.adopt(t) for t in find_tickets(unit.actor, added, workflow_id=unit.workflow.id, field=field)]
    gone = {t.id for t in find_tickets(unit.actor, removed, workflow_id=unit.workflow.id, field=field)} & set(before)
    fresh = [blocker for blocker in adding if blocker.id not in before]
    for blocker in fresh:
        _check_blocker(ticket, blocker, field)
    after = [blocker_id for blocker_id in before if blocker_id not in gone] + [blocker.id for blocker in fresh]
    if after == before:
        return False
    if len(after) > MAX_BLOCKERS:
        raise Invalid(f"A ticket has at most {MAX_BLOCKERS} blockers; these would be {len(after)}.", field=field)
    if fresh:
        _check_cycle(ticket, fresh, field)
    TicketDependency.objects.filter(ticket=ticket, blocker_id__in=gone, released_at=None).update(released_at=unit.now)
    TicketDependency.objects.bulk_create(
        TicketDependency(
            ticket_id=ticket.id, blocker_id=blocker.id, created_by_agent_id=unit.actor.agent_id, created_at=unit.now
        )
        for blocker in fresh
    )
    _record(unit, ticket, before, after)
    return True


def manual_block_set(unit: Unit, ticket: Ticket, blocked: bool, reason: str) -> bool:
    """Block by hand with a reason, or lift that block. False where nothing changes."""
    reason = reason if blocked else ""
    if ticket.is_manually_blocked == blocked and ticket.blocked_reason == reason:
        return False
    was_blocked = ticket.is_blocked
    unit.set(
        ticket,
        "is_manually_blocked",
        blocked,
        change_type="blocked" if blocked else "unblocked",
        history_field="is_blocked",
        description=reason,
    )
    unit.set(ticket, "blocked_reason", reason)
    _refresh(unit, ticket, was_blocked, reason=reason)
    return True


def dependants_release(unit: Unit, blocker: Ticket, *, why: str) -> list[str]:
    """End every dependency on this ticket for good, telling each dependant.

    Returns the ids of those that nothing blocks any more.
    """
    rows = TicketDependency.objects.filter(blocker=blocker, released_at=None).order_by("id")
    waiting = [unit.adopt(row.ticket) for row in rows.select_related("ticket")]
    rows.update(released_at=unit.now)
    freed = []
    for ticket in waiting:
        after = live_blocker_ids(ticket.id)
        _record(unit, ticket, [*after, blocker.id], after, blocker=blocker)
        unit.comment(ticket, f"Unblocked - {blocker.id} was {why}", "blocker", mentions=[blocker.id])
        if not ticket.is_blocked:
            freed.append(ticket.id)
    return freed


def ticket_block(*, actor: Actor, request: BlockTicket) -> TicketBlockingChanged:
    """Block a ticket by hand, by other tickets, or both."""
    if request.reason is None and not request.blocked_by_ticket_ids:
        raise Invalid("Say why by reason, or name blockers by blocked_by_ticket_ids.", field="reason")
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        if request.blocked_by_ticket_ids:
            blockers_change(unit, ticket, add=request.blocked_by_ticket_ids, field="blocked_by_ticket_ids")
        if request.reason is not None:
            manual_block_set(unit, ticket, True, request.reason)
        _emit_updated(unit, ticket)
    return _answer(ticket, f"{ticket.key} is blocked.")


def ticket_unblock(*, actor: Actor, request: UnblockTicket) -> TicketBlockingChanged:
    """Lift the manual block, or the blockers named."""
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        if request.blocked_by_ticket_ids:
            blockers_change(unit, ticket, remove=request.blocked_by_ticket_ids, field="blocked_by_ticket_ids")
        else:
            manual_block_set(unit, ticket, False, "")
        _emit_updated(unit, ticket)
    return _answer(ticket, f"{ticket.key} is still blocked." if ticket.is_blocked else f"{ticket.key} is not blocked.")


def _answer(ticket: Ticket, message: str) -> TicketBlockingChanged:
    return TicketBlockingChanged(
        message=message,
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
        is_blocked=ticket.is_blocked,
        blocked_by_ticket_ids=live_blocker_ids(ticket.id),
    )


def _emit_updated(unit: Unit, ticket: Ticket) -> None:
    if unit.changed:
        unit.emit("ticket_updated", ticket, fields=["blocked_by_ticket_ids"])


def _record(unit: Unit, ticket: Ticket, before: list[str], after: list[str], blocker: Ticket | None = None) -> None:
    was_blocked = ticket.is_blocked
    unit.touch(ticket, open_blocker_count=len(after))
    grew = len(after) > len(before) or bool(set(after) - set(before))
    unit.record(
        ticket,
        "blocked" if grew else "unblocked",
        field_name="blocked_by_ticket_ids",
        old=before,
        new=after,
        description=f"{blocker.key} was resolved" if blocker else "",
    )
    _refresh(unit, ticket, was_blocked)


def _refresh(unit: Unit, ticket: Ticket, was_blocked: bool, *, reason: str = "") -> None:
    is_blocked = ticket.is_manually_blocked or ticket.open_blocker_count > 0
    unit.touch(ticket, is_blocked=is_blocked)
    if is_blocked and not was_blocked:
        unit.emit("ticket_blocked", ticket, reason=reason, blocked_by_ticket_ids=live_blocker_ids(ticket.id))
    elif was_blocked and not is_blocked:
        unit.emit("ticket_unblocked", ticket)


def _check_blocker(ticket: Ticket, blocker: Ticket, field: str) -> None:
    if blocker.id == ticket.id:
        raise Invalid(f"{ticket.key} cannot block itself.", field=field)
    if blocker.is_resolved:
        raise Invalid(f"{blocker.key} is resolved already, so it cannot block {ticket.key}.", field=field)
    if blocker.approval_status in (ApprovalStatus.REJECTED, ApprovalStatus.EXPIRED):
        raise Invalid(f"{blocker.key} was {blocker.approval_status}, so it cannot block {ticket.key}.", field=field)


def _check_cycle(ticket: Ticket, blockers: list[Ticket], field: str) -> None:
    """Follow what the blockers wait for, level by level; one query a level. Raises Invalid with the cycle."""
    came_from: dict[str, str] = {blocker.id: ticket.id for blocker in blockers}
    level = list(came_from)
    while level:
        edges = TicketDependency.objects.filter(ticket_id__in=level, released_at=None)
        level = []
        for waiting_id, blocker_id in edges.values_list("ticket_id", "blocker_id"):
            if blocker_id == ticket.id:
                raise _cycle_error(ticket, waiting_id, came_from, field)
            if blocker_id not in came_from:
                came_from[blocker_id] = waiting_id
                level.append(blocker_id)


def _cycle_error(ticket: Ticket, last_id: str, came_from: dict[str, str], field: str) -> Invalid:
    path = [last_id]
    while came_from[path[-1]] != ticket.id:
        path.append(came_from[path[-1]])
    ids = [ticket.id, *reversed(path), ticket.id]
    keys = dict(Ticket.objects.filter(id__in=ids).values_list("id", "key"))
    shown = " waits for ".join(keys.get(id_, ticket.key) for id_ in ids)
    return Invalid(f"That would be a cycle: {shown}.", field=field, extra={"cycle": ids})
