"""What waits for what in a workflow, as the database has it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from django.db.models import F, Q, QuerySet

from tickets.models import ApprovalStatus, Ticket, TicketDependency, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS

PART_FIELDS = (
    "id", "key", "number", "estimate_minutes", "is_manually_blocked", "approval_status", "is_resolved", "completed_at",
)  # fmt: skip
NODE_FIELDS = (
    "id", "key", "number", "title", "status", "ticket_type", "priority", "is_blocked", "is_manually_blocked",
    "approval_status", "is_resolved", "estimate_minutes", "assigned_agent__name", "assigned_agent__kind",
)  # fmt: skip


class Part(NamedTuple):
    """A ticket as far as the shape of the graph depends on it. ``estimate`` in minutes."""

    id: str
    key: str
    number: int
    estimate: int | None
    is_held: bool
    is_resolved: bool
    is_completed: bool


class Node(NamedTuple):
    """A ticket as it is drawn."""

    id: str
    key: str
    number: int
    title: str
    status: str
    ticket_type: str
    priority: str
    is_blocked: bool
    is_manually_blocked: bool
    approval_status: str
    is_resolved: bool
    estimate: int | None
    agent_name: str | None
    agent_kind: str | None


@dataclass(frozen=True)
class Dependencies:
    """Tickets in the order of their numbers; ``live`` and ``past`` hold (ticket, what it waits or waited for)."""

    parts: dict[str, Part]
    live: list[tuple[str, str]]
    past: list[tuple[str, str]]


def dependencies_of(workflow: Workflow, *, with_past: bool) -> Dependencies:
    """Everything that is tied to something. Two queries.

    Past dependencies are those that ended because the blocker was resolved and has not been reopened since; what was
    taken away by hand is in neither. Rejected and expired tickets wait for nothing and hold nothing up.
    """
    rows = TicketDependency.objects.filter(ticket__workflow=workflow, blocker__approval_status__in=VISIBLE_APPROVALS)
    rows = rows.filter(ticket__approval_status__in=VISIBLE_APPROVALS)
    counted = Q(released_at=None)
    if with_past:
        counted |= Q(released_at=F("blocker__resolved_at"))
    rows = rows.filter(counted)
    live: list[tuple[str, str]] = []
    past: dict[tuple[str, str], None] = {}
    for ticket_id, blocker_id, released_at in rows.order_by("id").values_list("ticket_id", "blocker_id", "released_at"):
        if released_at is None:
            live.append((ticket_id, blocker_id))
        else:
            past[ticket_id, blocker_id] = None
    tied = Ticket.objects.filter(workflow=workflow).filter(
        Q(pk__in=rows.values("ticket_id")) | Q(pk__in=rows.values("blocker_id"))
    )
    return Dependencies({part.id: part for part in _parts(tied)}, live, list(past))


def visible_tickets(workflow: Workflow) -> QuerySet[Ticket]:
    """All but the rejected and expired ones."""
    return Ticket.objects.filter(workflow=workflow, approval_status__in=VISIBLE_APPROVALS)


def loose_tickets(rows: QuerySet[Ticket], tied: Collection[str], *, with_past: bool, limit: int) -> list[str]:
    """Ids of those of the tickets that are not among the tied ones, by number. One query."""
    rows = rows if with_past else rows.filter(completed_at=None)
    ids = rows.order_by("number").values_list("id", flat=True)
    return list(islice((ticket_id for ticket_id in ids.iterator() if ticket_id not in tied), limit))


def estimates_of(workflow: Workflow) -> list[int]:
    """The estimates of open tickets that have one, in minutes. One query."""
    rows = visible_tickets(workflow).filter(completed_at=None, estimate_minutes__gt=0)
    return [minutes for minutes in rows.values_list("estimate_minutes", flat=True) if minutes]


def nodes_of(workflow: Workflow, ticket_ids: Iterable[str]) -> list[Node]:
    """What is drawn of these tickets. One query."""
    rows = Ticket.objects.filter(workflow=workflow, pk__in=list(ticket_ids))
    return [Node._make(row) for row in rows.values_list(*NODE_FIELDS)]


def _parts(rows: QuerySet[Ticket]) -> Iterable[Part]:
    for ticket_id, key, number, estimate, by_hand, approval, is_resolved, completed_at in (
        rows.order_by("number").values_list(*PART_FIELDS)
    ):  # fmt: skip
        held = by_hand or approval == ApprovalStatus.PENDING
        yield Part(ticket_id, key, number, estimate, held, is_resolved, completed_at is not None)
