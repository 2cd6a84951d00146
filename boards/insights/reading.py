"""Fetches the facts. The number of queries does not depend on how much there is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import (
    BooleanField,
    Case,
    Count,
    ExpressionWrapper,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Q,
    Subquery,
    When,
)
from django.db.models.functions import Coalesce

from boards.insights.facts import AgentFacts, Facts, TicketFacts
from boards.selectors.fleet import open_leases
from tickets.board_source import board_of
from tickets.models import (
    Agent,
    Membership,
    Role,
    StatusPeriod,
    Task,
    Ticket,
    TicketDependency,
    TicketHistory,
    Workflow,
)
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.rules import Board

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
# Newest past stays that thresholds are made of.
MAX_STAYS = 2000
TICKET_FIELDS = (
    "id", "key", "number", "status", "priority", "priority_rank", "rank", "assigned_agent_id", "created_by_agent_id",
    "version", "is_blocked", "is_manually_blocked", "blocked_reason", "approval_status", "approval_expires_at",
    "is_completed", "entered_at", "lease_agent_id", "lease_expires_at", "changed_at", "estimate_minutes",
)  # fmt: skip


def read_facts(workflow: Workflow, now: datetime, *, only_tied: bool = False) -> Facts:
    """A workflow as it is at ``now``. Seven queries, and one for the board where this process does not know it.

    They are: tickets, dependencies, leases, agents, completed tickets, past stays, blocks by hand. ``only_tied``:
    of tickets, those that wait or are waited for, and without the last three.
    """
    board = board_of(workflow)
    tickets = {ticket.id: ticket for ticket in _tickets(workflow, board, only_tied=only_tied)}
    edges: dict[str, list[str]] = {}
    since: dict[str, datetime] = {}
    for ticket_id, blocker_id, created_at in _dependencies(workflow):
        # What was rejected waits for nothing any more.
        if ticket_id in tickets and blocker_id in tickets:
            edges.setdefault(ticket_id, []).append(blocker_id)
            edges.setdefault(blocker_id, [])
            since.setdefault(ticket_id, created_at)
    leases = open_leases(workflow)
    named = {t.assignee for t in tickets.values()} | {t.lease_agent for t in tickets.values()}
    return Facts(
        now=now,
        board=board,
        tickets=tickets,
        waits={node: edges[node] for node in sorted(edges, key=lambda node: tickets[node].number)},
        waiting_since=since,
        blocked_by_hand_since={} if only_tied else dict(_blocked_by_hand(workflow)),
        agents={agent.id: agent for agent in _agents(workflow, {name for name in named if name is not None})},
        completed={} if only_tied else {agent: (day, week) for agent, day, week in _completed(workflow, now)},
        stays={} if only_tied else _stays(workflow),
        leases=leases,
    )


def _tickets(workflow: Workflow, board: Board, *, only_tied: bool) -> Iterable[TicketFacts]:
    """Open tickets, and completed ones that others still wait for (a board may complete without resolving)."""
    live = TicketDependency.objects.filter(ticket__workflow=workflow, released_at=None)
    rows = (
        Ticket.objects.filter(workflow=workflow, approval_status__in=VISIBLE_APPROVALS, is_resolved=False)
        .filter(Q(completed_at=None) | Q(pk__in=live.values("blocker_id")))
        .annotate(
            stay=FilteredRelation("periods", condition=Q(periods__left_at=None)),
            is_completed=ExpressionWrapper(Q(completed_at__isnull=False), output_field=BooleanField()),
            entered_at=Coalesce("stay__entered_at", "updated_at"),
            changed_at=Case(When(lease_agent__isnull=False, then=F("updated_at"))),
        )
        .order_by("number")
    )
    if only_tied:
        rows = rows.filter(Q(pk__in=live.values("ticket_id")) | Q(pk__in=live.values("blocker_id")))
    category = {column.id: column.category for column in board.columns}
    for row in rows.values_list(*TICKET_FIELDS):
        yield TicketFacts._make((*row, category.get(row[3], "active")))


def _dependencies(workflow: Workflow) -> Iterable[tuple[str, str, datetime]]:
    """Ticket, what it waits for, since when; oldest first."""
    live = TicketDependency.objects.filter(ticket__workflow=workflow, released_at=None).order_by("id")
    return live.values_list("ticket_id", "blocker_id", "created_at")


def _agents(workflow: Workflow, named: set[str]) -> Iterable[AgentFacts]:
    """Members, and whoever has tickets. Their last acts come from the index of each agent's history."""
    membership = Membership.objects.filter(workflow=workflow, agent=OuterRef("pk"))
    last_change = TicketHistory.objects.filter(agent=OuterRef("pk")).order_by("-changed_at").values("changed_at")
    last_task = Task.objects.filter(agent=OuterRef("pk")).order_by("-updated_at").values("updated_at")
    members = Membership.objects.filter(workflow=workflow).values("agent_id")
    rows = Agent.objects.filter(Q(pk__in=members) | Q(pk__in=sorted(named))).annotate(
        role=Subquery(membership.values("role")[:1]),
        joined_at=Subquery(membership.values("created_at")[:1]),
        last_change=Subquery(last_change[:1]),
        last_task=Subquery(last_task[:1]),
    )
    fields = (
        "id", "kind", "state", "role", "user__is_superuser", "created_at", "last_seen_at", "joined_at", "last_change",
        "last_task",
    )  # fmt: skip
    for agent_id, kind, state, role, is_superuser, created_at, *signs in rows.order_by("id").values_list(*fields):
        acts = [act for act in signs[-2:] if act is not None]
        yield AgentFacts(
            id=agent_id,
            kind=kind,
            state=state,
            role=Role.MAINTAINER if is_superuser else role,
            last_act=max(acts, default=None),
            last_sign=max(sign for sign in (created_at, *signs) if sign is not None),
        )


def _completed(workflow: Workflow, now: datetime) -> Iterable[tuple[str, int, int]]:
    """Assignee, tickets completed in 24 hours, in 7 days."""
    done = Ticket.objects.filter(
        workflow=workflow,
        completed_at__gt=now - WEEK,
        completed_at__lte=now,
        approval_status__in=VISIBLE_APPROVALS,
        assigned_agent__isnull=False,
    ).order_by()
    return done.values_list("assigned_agent_id").annotate(
        day=Count("pk", filter=Q(completed_at__gt=now - DAY)), week=Count("pk")
    )


def _stays(workflow: Workflow) -> dict[str, list[float]]:
    """Column → lengths in seconds of its newest past stays."""
    past = StatusPeriod.objects.filter(ticket__workflow=workflow, left_at__isnull=False).order_by("-id")
    found: dict[str, list[float]] = {}
    for status, entered, left in past.values_list("status", "entered_at", "left_at")[:MAX_STAYS]:
        assert left is not None
        found.setdefault(status, []).append((left - entered).total_seconds())
    return found


def _blocked_by_hand(workflow: Workflow) -> Iterable[tuple[str, datetime]]:
    """Ticket, when it was last blocked by hand, of those that are."""
    # From the tickets to their histories: the other way SQLite would read every block that ever was.
    blocked = Ticket.objects.filter(workflow=workflow, is_blocked=True, is_manually_blocked=True, completed_at=None)
    rows = TicketHistory.objects.filter(
        ticket__in=blocked.values("pk"), change_type="blocked", field_name="is_blocked"
    ).order_by()
    return rows.values_list("ticket_id").annotate(since=Max("changed_at"))
