"""Tickets that wait for a person, and the little that a line about one shows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q, QuerySet

from tickets.models import ApprovalStatus, Ticket, Workflow
from tickets.rules import PRIORITY_RANK

FIELDS = (
    "id", "key", "title", "ticket_type", "priority", "status", "created_at", "assigned_agent_id",
    "assigned_agent__name", "created_by_agent_id",
)  # fmt: skip


class Line(NamedTuple):
    """A ticket in a line. ``assignee`` is the name of who has it, None where nobody does."""

    id: str
    key: str
    title: str
    ticket_type: str
    priority: str
    status: str
    created_at: datetime
    assignee_id: str | None
    assignee: str | None
    creator_id: str


def lines_of(workflow: Workflow, ticket_ids: Iterable[str]) -> dict[str, Line]:
    """Ticket id → its line. One query."""
    rows = Ticket.objects.filter(workflow=workflow, pk__in=list(ticket_ids)).values_list(*FIELDS)
    return {row[0]: Line._make(row) for row in rows}


def ownerless(workflow: Workflow, now: datetime) -> QuerySet[Ticket]:
    """Tickets of high or critical priority that anybody could take and nobody has, the most urgent and oldest first.

    They are those whose card says "No owner" (``CardView.lacks_owner``) and on which nobody has a lease.
    """
    return Ticket.objects.filter(
        Q(lease_expires_at=None) | Q(lease_expires_at__lte=now),
        workflow=workflow,
        priority_rank__lte=PRIORITY_RANK["high"],
        assigned_agent=None,
        is_blocked=False,
        is_resolved=False,
        completed_at=None,
        approval_status__in=(ApprovalStatus.NONE, ApprovalStatus.APPROVED),
    ).order_by("priority_rank", "created_at", "number")
