"""Keeps how far agents have read what concerns them."""

from __future__ import annotations

from django.utils import timezone

from tickets.access import Actor, workflow_for
from tickets.errors import Invalid
from tickets.models import InboxPosition
from tickets.schemas.inbox import AcknowledgeInbox, InboxAcknowledged
from tickets.unit import write_transaction


def inbox_acknowledge(*, actor: Actor, request: AcknowledgeInbox) -> InboxAcknowledged:
    """Remember that everything up to the cursor is done; never goes back. Raises Invalid past the log's end.

    Readers have an inbox too, so it takes no more than the right to read, and no event tells of it.
    """
    with write_transaction():
        workflow = workflow_for(actor, request.workflow_id, lock=True)
        if request.cursor > workflow.event_seq:
            raise Invalid(
                f"The log of {workflow.id!r} ends at {workflow.event_seq}: acknowledge next_cursor.", field="cursor"
            )
        position, _ = InboxPosition.objects.get_or_create(agent_id=actor.agent_id, workflow=workflow)
        if request.cursor > position.seq:
            position.seq, position.updated_at = request.cursor, timezone.now()
            position.save(update_fields=["seq", "updated_at"])
    return InboxAcknowledged(
        message=f"Everything up to {position.seq} is done.", workflow_id=workflow.id, acknowledged=position.seq
    )
