"""Many tickets at once: create in one transaction, update each with its own result."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import connection

from tickets import ports
from tickets.access import Actor, find_ticket
from tickets.errors import DomainError, Invalid
from tickets.models import Ticket, Workflow
from tickets.schemas.tickets import (
    BatchTicket,
    BulkChanges,
    BulkResult,
    BulkUpdateTickets,
    ChangeTicketStatus,
    CreateTickets,
    TicketCreated,
    TicketsCreated,
    TicketsUpdated,
    TicketUpdates,
    UpdateTicket,
)
from tickets.services import lifecycle
from tickets.services.blocking import blockers_change
from tickets.services.status import ticket_change_status
from tickets.services.tickets import (
    Created,
    create_in_unit,
    created_answer,
    prepare_tickets,
    ticket_update,
    update_in_unit,
)
from tickets.unit import Unit, open_unit, write_transaction

_POSITION = re.compile(r"^#(\d{1,3})$")


class _DryRun(Exception):
    """Rolls the transaction back after everything was checked."""


def tickets_create(*, actor: Actor, request: CreateTickets) -> TicketsCreated:
    """Create up to 50 tickets in one transaction, all or none.

    ``#0`` … in a ticket's references mean tickets of the batch; blockers may stand after their dependants.
    An error names the ticket at fault by ``tickets.N.field``.
    """
    return tickets_create_prepare(actor=actor, request=request)()


def tickets_create_prepare(*, actor: Actor, request: CreateTickets) -> Callable[[], TicketsCreated]:
    """Look for what is similar; returns what then creates the tickets."""
    prepared = prepare_tickets(actor, request.workflow_id, request.tickets)

    def create() -> TicketsCreated:
        created: list[TicketCreated] = []
        try:
            with open_unit(actor, request.workflow_id) as unit:
                made = _create_all(unit, request.tickets, prepared)
                unit.flush()
                created = [created_answer(one, known) for one, known in zip(made, prepared, strict=True)]
                if request.dry_run:
                    raise _DryRun
        except _DryRun:
            message = f"{len(created)} tickets would be created; nothing was kept."
            return TicketsCreated(message=message, tickets=created, dry_run=True)
        return TicketsCreated(message=f"{len(created)} tickets created.", tickets=created)

    return create


def tickets_update(*, actor: Actor, request: BulkUpdateTickets) -> TicketsUpdated:
    """Change up to 50 tickets; one that is refused does not stop the others."""
    results = []
    with write_transaction():
        _lock_workflows(actor, request.ticket_ids)
        for reference in request.ticket_ids:
            try:
                with write_transaction():
                    results.append(_update_one(actor, reference, request))
            except DomainError as error:
                results.append(BulkResult(ticket_id=reference, success=False, error=error.as_dict()["error"]))
    updated = sum(result.success for result in results)
    return TicketsUpdated(
        success=updated > 0,
        message=f"{updated} of {len(results)} tickets updated.",
        results=results,
        updated=updated,
        failed=len(results) - updated,
    )


def _create_all(unit: Unit, batch: list[BatchTicket], prepared: list[ports.PreparedTicket | None]) -> list[Created]:
    """Two passes: first the tickets, then what refers to tickets of the batch."""
    made: list[Created] = []
    for place, (fields, known) in enumerate(zip(batch, prepared, strict=True)):
        inside = {"blocked_by_ticket_ids", "related_ticket_ids", "parent_ticket_id"}
        outside = fields.model_copy(update={name: _without_positions(getattr(fields, name)) for name in inside})
        with _at(place):
            made.append(create_in_unit(unit, outside, prepared=known))
    ids = [one.ticket.id for one in made]
    for place, fields in enumerate(batch):
        ticket = made[place].ticket
        with _at(place):
            blockers = _positions(fields.blocked_by_ticket_ids, ids, "blocked_by_ticket_ids")
            if blockers:
                blockers_change(unit, ticket, add=blockers, field="blocked_by_ticket_ids")
                if ticket.is_resolved:
                    lifecycle.require_movable(ticket, verb="created in a final column")
            _relate(unit, ticket, fields, ids)
    return made


def _relate(unit: Unit, ticket: Ticket, fields: BatchTicket, ids: list[str]) -> None:
    updates: dict[str, Any] = {}
    related = _positions(fields.related_ticket_ids, ids, "related_ticket_ids")
    if related:
        updates["related_ticket_ids_add"] = related
    parent = _positions([fields.parent_ticket_id] if fields.parent_ticket_id else [], ids, "parent_ticket_id")
    if parent:
        updates["parent_ticket_id"] = parent[0]
    if updates:
        update_in_unit(unit, ticket, TicketUpdates.model_validate(updates))


def _lock_workflows(actor: Actor, references: list[str]) -> None:
    """Take the locks of all workflows concerned in one order, so that two bulk updates never wait for each other."""
    if not connection.features.has_select_for_update:
        return
    ids = set()
    for reference in references:
        # What is wrong with a reference is its own result's business.
        with suppress(DomainError):
            ids.add(find_ticket(actor, reference).workflow_id)
    list(Workflow.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True))


def _update_one(actor: Actor, reference: str, request: BulkUpdateTickets) -> BulkResult:
    ticket_id = find_ticket(actor, reference, field="ticket_ids").id
    changes: BulkChanges = request.updates
    given = changes.model_fields_set - {"status"}
    fields: list[str] = []
    version = None
    if given:
        updates = TicketUpdates.model_validate({name: getattr(changes, name) for name in given})
        answer = ticket_update(actor=actor, request=UpdateTicket(ticket_id=ticket_id, updates=updates))
        fields, version = answer.fields_updated, answer.version
    if changes.status is not None:
        moved = ticket_change_status(
            actor=actor,
            request=ChangeTicketStatus(ticket_id=ticket_id, new_status=changes.status, comment=request.comment),
        )
        version = moved.version
        if moved.old_status != moved.new_status:
            fields = [*fields, "status"]
    return BulkResult(ticket_id=ticket_id, success=True, version=version, fields_updated=fields)


class _at:  # noqa: N801 - reads as a preposition
    """Names the ticket of the batch in an error's field."""

    def __init__(self, place: int) -> None:
        self.place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DomainError):
            error.field = f"tickets.{self.place}.{error.field or ''}".rstrip(".")


def _without_positions(value: list[str] | str | None) -> list[str] | str | None:
    if isinstance(value, list):
        return [item for item in value if not _POSITION.match(item)]
    return None if value is not None and _POSITION.match(value) else value


def _positions(references: list[str] | None, ids: list[str], field: str) -> list[str]:
    found = []
    for reference in references or []:
        match = _POSITION.match(reference)
        if match is None:
            continue
        place = int(match[1])
        if place >= len(ids):
            raise Invalid(f"{reference} is no ticket of this batch; it has #0 to #{len(ids) - 1}.", field=field)
        found.append(ids[place])
    return found
