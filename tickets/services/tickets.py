"""Create and update tickets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tickets import ports
from tickets.access import Actor, find_tickets, member_agent, workflow_for
from tickets.errors import Duplicate, Invalid, not_one_of
from tickets.ids import new_id
from tickets.models import AgentKind, Approval, ApprovalStatus, Role, Ticket, TicketTag
from tickets.rules import PRIORITY_RANK
from tickets.schemas.tickets import (
    LIST_FORMS,
    MAX_TAGS,
    CreateTicket,
    CreateTicketFields,
    SimilarTicket,
    TicketCreated,
    TicketUpdated,
    TicketUpdates,
    UpdateTicket,
)
from tickets.selectors.replay import snapshot
from tickets.services import blocking, lifecycle
from tickets.services.assignment import assignee_set
from tickets.services.mentions import find_mentions
from tickets.services.ranks import rank_at_end
from tickets.unit import Unit, open_ticket, open_unit, require_tracking

MAX_PARENTS = 50
PLAIN_FIELDS = ("title", "description", "story_points", "estimate_minutes")


def ticket_create(*, actor: Actor, request: CreateTicket) -> TicketCreated:
    """Create a ticket and say what is similar to it.

    Raises Invalid for a value that the board lacks, Duplicate with ``on_duplicate: reject``, Forbidden
    where the workflow takes no tickets.
    """
    return ticket_create_prepare(actor=actor, request=request)()


def ticket_create_prepare(*, actor: Actor, request: CreateTicket) -> Callable[[], TicketCreated]:
    """Look for what is similar; returns what then creates the ticket."""
    prepared = prepare_tickets(actor, request.workflow_id, [request])[0]

    def create() -> TicketCreated:
        with open_unit(actor, request.workflow_id) as unit:
            made = create_in_unit(unit, request, prepared=prepared, alone=True)
        return created_answer(made, prepared)

    return create


def prepare_tickets(
    actor: Actor, workflow_id: str | None, tickets: Sequence[CreateTicketFields]
) -> list[ports.PreparedTicket | None]:
    """What search knows of tickets before they exist; outside any transaction, since it may compute embeddings.

    Raises Duplicate for one that is to be refused then.
    """
    index = ports.ticket_index()
    if index is None:
        return [None] * len(tickets)
    workflow = workflow_for(actor, workflow_id, Role.MEMBER)
    require_tracking(workflow)
    prepared = index.prepare(workflow=workflow, drafts=tickets)
    for fields, known in zip(tickets, prepared, strict=True):
        if known.duplicate is not None and fields.on_duplicate == "reject":
            index.refused(actor=actor, workflow=workflow, prepared=known)
            raise Duplicate(
                f"{known.duplicate['key']} says the same. Comment there, or create with on_duplicate: warn.",
                extra={"candidates": [known.duplicate]},
            )
    return list(prepared)


@dataclass(frozen=True, slots=True)
class Created:
    """A new ticket, warnings for its creator, and whether its embedding is there already."""

    ticket: Ticket
    warnings: list[str]
    embedded: bool


def create_in_unit(
    unit: Unit,
    fields: CreateTicketFields,
    *,
    source: tuple[str, str] = ("", ""),
    prepared: ports.PreparedTicket | None = None,
    alone: bool = False,
) -> Created:
    """Create a ticket inside an open unit. ``source`` is (source, id) of an import.

    ``alone``: nothing else happens in the unit, so that no query has to find the ticket before it ends.
    """
    board = unit.board
    status = lifecycle.find_status(unit, fields.initial_status or board.initial_status, field="initial_status")
    warnings = lifecycle.check_wip(unit, status, field="initial_status")
    category = board.category(status)
    ticket = Ticket(
        id=new_id("ticket"),
        workflow_id=unit.workflow.id,
        created_by_agent_id=unit.actor.agent_id,
        title=fields.title,
        description=fields.description,
        ticket_type=_ticket_type(unit, fields.ticket_type or board.default_ticket_type),
        priority=fields.priority or "medium",
        priority_rank=PRIORITY_RANK[fields.priority or "medium"],
        status=status,
        rank=rank_at_end(unit.workflow.id, status),
        tags=fields.tags or [],
        related_task_ids=fields.related_task_ids or [],
        related_ticket_ids=_related(unit, None, fields.related_ticket_ids or []),
        story_points=fields.story_points,
        estimate_minutes=fields.estimate_minutes,
        created_at=unit.now,
        updated_at=unit.now,
        started_at=unit.now if category == "active" else None,
        completed_at=unit.now if category == "final" else None,
        source=source[0],
        source_id=source[1],
    )
    _assign_new(ticket, unit, fields.assigned_agent_id)
    if fields.parent_ticket_id:
        ticket.parent_ticket_id = _parent(unit, None, fields.parent_ticket_id)
    if board.settings.ticket_human_review and unit.actor.kind == AgentKind.AI:
        ticket.approval_status = ApprovalStatus.PENDING
        ticket.approval_expires_at = unit.now + timedelta(seconds=board.settings.approval_timeout_seconds)
    unit.add(ticket)
    _write_tags(unit, ticket)
    lifecycle.start_period(unit, ticket)
    if not alone:
        unit.writes.run()
    # The rank is the column's matter rather than a value of the ticket's: it stands where moves have it, too.
    place = {"rank": ticket.rank}
    unit.record(ticket, "created", new=snapshot(ticket), description=f"Created {ticket.key}", metadata=place)
    unit.emit("ticket_created", ticket, **_card(ticket))
    _after_create(unit, ticket, fields)
    index = ports.ticket_index()
    embedded = index.add(unit=unit, ticket=ticket, prepared=prepared) if index is not None else False
    return Created(ticket, warnings, embedded)


def created_answer(made: Created, prepared: ports.PreparedTicket | None = None) -> TicketCreated:
    ticket = made.ticket
    pending = ticket.approval_status == ApprovalStatus.PENDING
    return TicketCreated(
        message=f"{ticket.key} created" + (", waiting for review by a person." if pending else "."),
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
        workflow_id=ticket.workflow_id,
        status=ticket.status,
        approval_status=ticket.approval_status,
        warnings=made.warnings,
        embedding_created=made.embedded,
        similar_tickets=[SimilarTicket.model_validate(row) for row in prepared.similar] if prepared else [],
    )


def ticket_update(*, actor: Actor, request: UpdateTicket) -> TicketUpdated:
    """Change fields of a ticket. A value that is there already changes nothing; an omitted field never does."""
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        changed = update_in_unit(unit, ticket, request.updates)
        comment = (request.update_comment or "").strip()
        if comment:
            unit.comment(ticket, comment, "general", mentions=find_mentions(actor, unit.workflow.id, comment))
    return TicketUpdated(
        message=f"{ticket.key} updated: {', '.join(changed)}." if changed else f"{ticket.key}: nothing to change.",
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
        fields_updated=changed,
    )


def update_in_unit(unit: Unit, ticket: Ticket, updates: TicketUpdates) -> list[str]:
    """Apply updates inside an open unit; returns the names of the fields that changed."""
    given = updates.model_fields_set
    changed = [name for name in PLAIN_FIELDS if name in given and unit.set(ticket, name, getattr(updates, name))]
    if updates.ticket_type is not None and unit.set(ticket, "ticket_type", _ticket_type(unit, updates.ticket_type)):
        changed.append("ticket_type")
    if updates.priority is not None and unit.set(ticket, "priority", updates.priority):
        unit.touch(ticket, priority_rank=PRIORITY_RANK[updates.priority])
        changed.append("priority")
    if "assigned_agent_id" in given and assignee_set(unit, ticket, updates.assigned_agent_id):
        changed.append("assigned_agent_id")
    if "parent_ticket_id" in given:
        parent = _parent(unit, ticket, updates.parent_ticket_id) if updates.parent_ticket_id else None
        if unit.set(ticket, "parent_ticket_id", parent):
            changed.append("parent_ticket_id")
    changed += _update_lists(unit, ticket, updates)
    changed += _update_blocking(unit, ticket, updates)
    if changed:
        unit.emit("ticket_updated", ticket, fields=changed)
    return changed


def _update_lists(unit: Unit, ticket: Ticket, updates: TicketUpdates) -> list[str]:
    changed = []
    tags = _merged(ticket.tags, updates, "tags")
    if tags is not None:
        if len(tags) > MAX_TAGS:
            message = f"A ticket has at most {MAX_TAGS} tags; these would be {len(tags)}."
            raise Invalid(message, field="updates.tags_add")
        if unit.set(ticket, "tags", tags):
            unit.writes.add("DELETE FROM ticket_tags WHERE ticket_id = %s", [ticket.id])
            _write_tags(unit, ticket)
            changed.append("tags")
    tasks = _merged(ticket.related_task_ids, updates, "related_task_ids")
    if tasks is not None and unit.set(ticket, "related_task_ids", tasks):
        changed.append("related_task_ids")
    related = _related_after(unit, ticket, updates)
    if related is not None and unit.set(ticket, "related_ticket_ids", related):
        changed.append("related_ticket_ids")
    return changed


def _related_after(unit: Unit, ticket: Ticket, updates: TicketUpdates) -> list[str] | None:
    if updates.related_ticket_ids is not None:
        return _related(unit, ticket, updates.related_ticket_ids)
    add, remove = updates.related_ticket_ids_add, updates.related_ticket_ids_remove
    if add is None and remove is None:
        return None
    gone = _related(unit, ticket, remove or [])
    kept = [id_ for id_ in ticket.related_ticket_ids if id_ not in gone]
    return list(dict.fromkeys([*kept, *_related(unit, ticket, add or [])]))


def _update_blocking(unit: Unit, ticket: Ticket, updates: TicketUpdates) -> list[str]:
    changed = []
    add, remove = updates.blocked_by_add or [], updates.blocked_by_remove or []
    field = "updates.blocked_by_add"
    if updates.blocked_by_ticket_ids is not None:
        field = "updates.blocked_by_ticket_ids"
        add = updates.blocked_by_ticket_ids
        wanted = {t.id for t in find_tickets(unit.actor, add, workflow_id=unit.workflow.id, field=field)}
        remove = [id_ for id_ in blocking.live_blocker_ids(ticket.id) if id_ not in wanted]
    if (add or remove) and blocking.blockers_change(unit, ticket, add=add, remove=remove, field=field):
        changed.append("blocked_by_ticket_ids")
    if updates.is_blocked is not None or "blocked_reason" in updates.model_fields_set:
        blocked = ticket.is_manually_blocked if updates.is_blocked is None else updates.is_blocked
        kept = "" if "blocked_reason" in updates.model_fields_set else ticket.blocked_reason
        reason = kept if updates.blocked_reason is None else updates.blocked_reason
        if updates.blocked_reason and not blocked:
            raise Invalid("blocked_reason needs is_blocked: true.", field="updates.blocked_reason")
        if blocking.manual_block_set(unit, ticket, blocked, reason):
            changed.append("is_blocked")
    return changed


def _merged(current: list[str], updates: TicketUpdates, name: str) -> list[str] | None:
    """The list after the update, None where the update says nothing of it. Tags are equal that differ in case."""
    fold = str.casefold if name == "tags" else str
    add_form, remove_form = LIST_FORMS[name]
    whole = getattr(updates, name)
    if whole is not None:
        return list(whole)
    add, remove = getattr(updates, add_form), getattr(updates, remove_form)
    if add is None and remove is None:
        return None
    gone = {fold(value) for value in remove or []}
    kept = [value for value in current if fold(value) not in gone]
    present = {fold(value) for value in kept}
    return kept + [value for value in add or [] if fold(value) not in present]


def _write_tags(unit: Unit, ticket: Ticket) -> None:
    unit.writes.insert(
        [
            TicketTag(ticket_id=ticket.id, workflow_id=ticket.workflow_id, name=tag, folded=tag.casefold())
            for tag in ticket.tags
        ]
    )


def _ticket_type(unit: Unit, name: str) -> str:
    if name in unit.board.types:
        return name
    folded = {kind.casefold(): kind for kind in unit.board.types}
    if name.casefold() in folded:
        return folded[name.casefold()]
    raise not_one_of("ticket_type", name, unit.board.types)


def _assign_new(ticket: Ticket, unit: Unit, agent_id: str | None) -> None:
    if agent_id:
        ticket.assigned_agent_id = member_agent(unit.workflow.id, agent_id, field="assigned_agent_id").id


def _after_create(unit: Unit, ticket: Ticket, fields: CreateTicketFields) -> None:
    if fields.blocked_by_ticket_ids:
        blocking.blockers_change(unit, ticket, add=fields.blocked_by_ticket_ids, field="blocked_by_ticket_ids")
    if fields.is_blocked:
        blocking.manual_block_set(unit, ticket, True, fields.blocked_reason or "")
    elif fields.blocked_reason:
        raise Invalid("blocked_reason needs is_blocked: true.", field="blocked_reason")
    if ticket.approval_status == ApprovalStatus.PENDING:
        assert ticket.approval_expires_at is not None
        Approval.objects.create(
            ticket=ticket,
            requested_by_agent_id=unit.actor.agent_id,
            requested_at=unit.now,
            expires_at=ticket.approval_expires_at,
        )
        unit.emit("ticket_pending_review", ticket, expires_at=ticket.approval_expires_at.isoformat())
    if unit.board.category(ticket.status) == "final" and unit.board.settings.resolve_on_final:
        lifecycle.require_movable(ticket, verb="created in a final column")
        lifecycle.mark_resolved(unit, ticket)


def _parent(unit: Unit, ticket: Ticket | None, reference: str) -> str:
    parent = find_tickets(unit.actor, [reference], workflow_id=unit.workflow.id, field="parent_ticket_id")[0]
    path = [ticket.key if ticket is not None else "The new ticket"]
    above: Ticket | None = parent
    while above is not None:
        path.append(above.key)
        if ticket is not None and above.id == ticket.id:
            shown = " is part of ".join(path)
            raise Invalid(f"That would be a cycle: {shown}.", field="parent_ticket_id", extra={"cycle": path})
        if len(path) > MAX_PARENTS:
            raise Invalid(f"Tickets nest at most {MAX_PARENTS} deep.", field="parent_ticket_id")
        above = above.parent_ticket
    return parent.id


def _related(unit: Unit, ticket: Ticket | None, references: list[str]) -> list[str]:
    if not references:
        return []
    found = find_tickets(unit.actor, references, workflow_id=unit.workflow.id, field="related_ticket_ids")
    if ticket is not None and any(other.id == ticket.id for other in found):
        raise Invalid(f"{ticket.key} cannot be related to itself.", field="related_ticket_ids")
    return [other.id for other in found]


def _card(ticket: Ticket) -> dict[str, Any]:
    """What an open board needs to place a new card without asking."""
    return {
        "ticket_type": ticket.ticket_type,
        "priority": ticket.priority,
        "assigned_agent_id": ticket.assigned_agent_id,
        "tags": ticket.tags,
        "rank": ticket.rank,
    }
