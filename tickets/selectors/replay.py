"""History replayed: the state of a ticket as its rows tell it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tickets.models import Ticket, TicketHistory

# Fields whose history rows say what they became. Text is stored as it is, everything else as JSON.
TEXT_FIELDS = frozenset(
    {
        "title", "description", "ticket_type", "priority", "status", "assigned_agent_id", "parent_ticket_id",
        "blocked_reason", "approval_status", "lease_agent_id",
    }
)  # fmt: skip
JSON_FIELDS = frozenset(
    {
        "tags", "related_task_ids", "related_ticket_ids", "story_points", "estimate_minutes", "is_resolved",
        "is_blocked", "blocked_by_ticket_ids",
    }
)  # fmt: skip


def snapshot(ticket: Ticket) -> dict[str, Any]:
    """The initial values of a new ticket, as its ``created`` row carries them.

    ``is_blocked`` is the block by hand. Blockers, blocks by hand and a resolution at birth have rows of their own.
    """
    return {
        "key": ticket.key,
        "title": ticket.title,
        "description": ticket.description,
        "ticket_type": ticket.ticket_type,
        "priority": ticket.priority,
        "status": ticket.status,
        "assigned_agent_id": ticket.assigned_agent_id,
        "parent_ticket_id": ticket.parent_ticket_id,
        "tags": ticket.tags,
        "related_task_ids": ticket.related_task_ids,
        "related_ticket_ids": ticket.related_ticket_ids,
        "story_points": ticket.story_points,
        "estimate_minutes": ticket.estimate_minutes,
        "approval_status": ticket.approval_status,
        "is_resolved": False,
        "is_blocked": False,
        "blocked_reason": "",
        "blocked_by_ticket_ids": [],
        "lease_agent_id": None,
        "comment_count": 0,
        "commit_count": 0,
    }


def replay(rows: Iterable[TicketHistory]) -> dict[str, Any]:
    """State after these rows of one ticket, oldest first, in the form of ``snapshot``."""
    state: dict[str, Any] = {}
    for row in rows:
        if row.change_type == "created":
            state = json.loads(row.new_value or "{}")
        elif row.change_type == "commented":
            state["comment_count"] += 1
        elif row.change_type == "comment_deleted":
            state["comment_count"] -= 1
        elif row.change_type == "commit_linked":
            state["commit_count"] += 1
        elif row.field_name in TEXT_FIELDS:
            state[row.field_name] = row.new_value
        elif row.field_name in JSON_FIELDS:
            state[row.field_name] = json.loads(row.new_value) if row.new_value is not None else None
    return state


def present(ticket: Ticket, blocked_by: list[str]) -> dict[str, Any]:
    """The stored state in the same form, to hold against ``replay``. ``blocked_by``: live blockers in order."""
    return {
        **snapshot(ticket),
        "is_resolved": ticket.is_resolved,
        "is_blocked": ticket.is_manually_blocked,
        "blocked_reason": ticket.blocked_reason,
        "blocked_by_ticket_ids": blocked_by,
        "lease_agent_id": ticket.lease_agent_id,
        "comment_count": ticket.comment_count,
        "commit_count": ticket.commit_count,
    }
