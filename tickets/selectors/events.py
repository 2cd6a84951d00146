"""Reads the event log."""

from __future__ import annotations

from typing import Any

from django.db.models import Min

from tickets.access import Actor, workflow_for
from tickets.models import Event, Workflow
from tickets.schemas.base import utc_text

EVENT_FIELDS = ("seq", "type", "ticket_id", "workflow_id", "agent_id", "data", "timestamp")


def event_row(event: dict[str, Any]) -> dict[str, Any]:
    """An event (``values`` of EVENT_FIELDS) as every face sends it."""
    return {**event, "timestamp": utc_text(event["timestamp"])}


def events_since(workflow_id: str, seq: int, limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` events after ``seq``, oldest first. One indexed query; no permission is checked here."""
    rows = Event.objects.filter(workflow_id=workflow_id, seq__gt=seq).order_by("seq").values(*EVENT_FIELDS)
    return [event_row(row) for row in rows[:limit]]


def log_bounds(workflow_id: str) -> tuple[int, int]:
    """Newest and oldest sequence number kept: (0, 0) for an empty log."""
    newest = Workflow.objects.values_list("event_seq", flat=True).get(pk=workflow_id)
    oldest = Event.objects.filter(workflow_id=workflow_id).aggregate(oldest=Min("seq"))["oldest"]
    return newest, oldest or 0


def event_page(*, actor: Actor, workflow_id: str, since: int, limit: int) -> dict[str, Any]:
    """The log for those who poll: events after ``since``, oldest first."""
    workflow = workflow_for(actor, workflow_id)
    events = events_since(workflow.id, since, limit + 1)
    newest, oldest = log_bounds(workflow.id)
    return {
        "success": True,
        "events": events[:limit],
        "seq": newest,
        "oldest": oldest,
        "has_more": len(events) > limit,
    }
