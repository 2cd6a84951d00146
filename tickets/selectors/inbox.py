"""What concerns an agent, read from the event log."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from tickets.access import Actor, workflow_for
from tickets.models import Event, InboxEntry, InboxPosition, Ticket
from tickets.schemas.base import utc_text
from tickets.schemas.inbox import GetInbox, Inbox, InboxItem

DECISIONS = ("ticket_approved", "ticket_rejected", "ticket_expired")
_FIELDS = ("seq", "type", "ticket_id", "agent_id", "data", "timestamp")
# Whatever else concerns an agent is what a review said.
_KINDS = {
    "comment_added": "mention",
    "ticket_created": "assignment",
    "ticket_assigned": "assignment",
    "task_created": "assignment",
    "ticket_unblocked": "unblocked",
}


def inbox_get(*, actor: Actor, request: GetInbox) -> Inbox:
    """What others did that concerns the actor, oldest first. At most four queries.

    Mentions of it, tickets given to it, its tickets that can go on, and what reviews said of what it made.
    """
    workflow = workflow_for(actor, request.workflow_id)
    since = request.since if request.since is not None else acknowledged(actor.agent_id, workflow.id)
    events = list(_concerning(workflow.id, actor.agent_id, since).order_by("seq").values(*_FIELDS)[: request.limit + 1])
    has_more = len(events) > request.limit
    events = events[: request.limit]
    # Not the log's newest number of now: an event may have come since the workflow was read.
    end = events[-1]["seq"] if has_more else max(since, workflow.event_seq, *(event["seq"] for event in events))
    tickets = Ticket.objects.in_bulk({event["ticket_id"] for event in events if event["ticket_id"]})
    items = [_item(event, tickets.get(event["ticket_id"])) for event in events if _concerns(event, actor.agent_id)]
    return Inbox.model_construct(workflow_id=workflow.id, since=since, items=items, next_cursor=end, has_more=has_more)


def acknowledged(agent_id: str, workflow_id: str) -> int:
    """Number of the last event that the agent has acknowledged, 0 before the first. One query."""
    found = InboxPosition.objects.filter(agent_id=agent_id, workflow_id=workflow_id)
    return found.values_list("seq", flat=True).first() or 0


def _concerning(workflow_id: str, agent_id: str, since: int) -> QuerySet[Event]:
    """Events after ``since`` that concern the agent, found by its entries; of mentions some more."""
    entries = InboxEntry.objects.filter(workflow_id=workflow_id, recipient=agent_id, seq__gt=since)
    created = Q(ticket__created_by_agent_id=agent_id)
    goes_on = Q(ticket__assigned_agent_id=agent_id) | (created & Q(ticket__assigned_agent_id=None))
    return (
        Event.objects.filter(workflow_id=workflow_id, seq__in=entries.values("seq"))
        .exclude(agent_id=agent_id)
        .filter(
            Q(type="comment_added")
            | Q(type__in=("ticket_created", "ticket_assigned"), data__assigned_agent_id=agent_id)
            | (Q(type="ticket_unblocked") & goes_on)
            | (Q(type__in=DECISIONS) & created)
            | Q(type__in=("task_created", "task_updated"), data__task_agent_id=agent_id)
        )
    )


def _concerns(event: dict[str, Any], agent_id: str) -> bool:
    return event["type"] != "comment_added" or agent_id in event["data"].get("mentions", ())


def _item(event: dict[str, Any], ticket: Ticket | None) -> InboxItem:
    data = event["data"]
    kind: Any = _KINDS.get(event["type"], "review")
    detail = data.get("task_status") or ""
    if event["type"] in DECISIONS:
        detail = event["type"].removeprefix("ticket_")
    return InboxItem(
        seq=event["seq"],
        kind=kind,
        type=event["type"],
        timestamp=utc_text(event["timestamp"]),
        agent_id=event["agent_id"],
        ticket_id=event["ticket_id"],
        key=ticket.key if ticket else None,
        title=ticket.title if ticket else None,
        status=ticket.status if ticket else None,
        is_blocked=bool(ticket and ticket.is_blocked),
        is_resolved=bool(ticket and ticket.is_resolved),
        comment_id=data.get("comment_id"),
        task_id=data.get("task_id"),
        detail=detail,
        preview=(data.get("preview") or data.get("reason") or "")[:200],
    )
