"""The statistics of a workflow."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from boards.schemas import GetStatistics, StatisticsAnswer, TicketStats
from tickets.access import Actor, workflow_for
from tickets.board_source import board_of
from tickets.models import Ticket, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.prepared import Mark, Reading, marks, numbered
from tickets.rules import PRIORITIES, Board
from tickets.selectors.counts import HIDDEN_APPROVALS, UntilNextEvent

KEPT_SECONDS = 300
VELOCITY_DAYS = 7
# The first keys of the index tickets_statistics in its order, so that the grouping needs no sort. Grouping by
# assignee too would make ten times the groups, each a row to fetch; another index has the assignees.
GROUPED = ("status", "approval_status", "ticket_type", "priority")

_kept: UntilNextEvent[TicketStats] = UntilNextEvent()


def statistics_get(*, actor: Actor, request: GetStatistics) -> StatisticsAnswer:
    """A workflow's statistics. One query while nothing has happened for five minutes, else six."""
    workflow = workflow_for(actor, request.workflow_id)
    return StatisticsAnswer.model_construct(workflow_id=workflow.id, stats=workflow_statistics(workflow))


def workflow_statistics(workflow: Workflow) -> TicketStats:
    """The statistics as of the workflow's last event, kept five minutes and not beyond the UTC day."""
    today = timezone.now().astimezone(UTC).date()
    question = (today, int(time.monotonic() // KEPT_SECONDS))
    board = board_of(workflow)
    return _kept.get(workflow, question, lambda: compute_statistics(workflow.id, board, today))


def compute_statistics(workflow_id: str, board: Board, today: date) -> TicketStats:
    """Five covering queries: by what tickets are, by assignee (with those not to be counted), and two by day."""
    midnight = datetime.combine(today, time_of_day(), tzinfo=UTC)
    days = {
        "midnight": midnight,
        "tomorrow": midnight + timedelta(days=1),
        "first_day": midnight - timedelta(days=VELOCITY_DAYS - 1),
    }
    by_status, by_type, by_priority = Counter[str](), Counter[str](), Counter[str]()
    blocked = resolved = comments = commits = 0
    for status, approval, kind, priority, *counts in _rows("groups", workflow_id):
        if approval in VISIBLE_APPROVALS:
            by_status[status] += counts[0]
            by_type[kind] += counts[0]
            by_priority[priority] += counts[0]
            blocked += counts[1]
            resolved += counts[2]
            comments += counts[3]
            commits += counts[4]
    total = by_status.total()
    # No row where there is nothing to count.
    [(_, completed_this_week, completed_today)] = _rows("completed", workflow_id, **days) or [("", 0, 0)]
    [(_, created_today)] = _rows("created", workflow_id, **days) or [("", 0)]
    return TicketStats(
        total_tickets=total,
        by_status={name: by_status[name] for name in [*board.by_id, *sorted(by_status.keys() - board.by_id.keys())]},
        by_type=_in_order(by_type, board.types),
        by_priority=_in_order(by_priority, PRIORITIES),
        by_agent=_by_agent(workflow_id, board),
        blocked_count=blocked,
        resolved_count=resolved,
        avg_comments_per_ticket=comments / total if total else 0.0,
        avg_commits_per_ticket=commits / total if total else 0.0,
        created_today=created_today,
        completed_today=completed_today,
        velocity_last_7_days=completed_this_week,
    )


def _by_agent(workflow_id: str, board: Board) -> dict[str, int]:
    """Tickets by assignee: all of them less those not to be counted, which are few and found by their index."""
    counts = Counter(dict(_rows("agents", workflow_id)))
    columns = numbered("status", list(board.by_id))
    counts.subtract(agent_id for (agent_id,) in _hidden(len(board.by_id)).rows(workflow_id=workflow_id, **columns))
    del counts[None]
    return {agent_id: count for agent_id, count in sorted(counts.items()) if count}


def _rows(name: str, workflow_id: str, **values: datetime) -> list[tuple[Any, ...]]:
    return _reading(name).rows(workflow_id=workflow_id, **values)


@functools.cache
def _reading(name: str) -> Reading:
    """The statements of the statistics, each compiled once."""
    tickets = Ticket.objects.filter(workflow_id=Mark("workflow_id")).order_by()
    counted = tickets.filter(approval_status__in=VISIBLE_APPROVALS)
    completed = counted.filter(completed_at__gte=Mark("first_day"), completed_at__lt=Mark("tomorrow"))
    created = counted.filter(created_at__gte=Mark("midnight"), created_at__lt=Mark("tomorrow"))
    queries: dict[str, QuerySet[Any, Any]] = {
        "groups": tickets.values_list(*GROUPED).annotate(
            total=Count("*"),
            blocked=Count("status", filter=Q(is_blocked=True)),
            resolved=Count("status", filter=Q(is_resolved=True)),
            comment_total=Sum("comment_count"),
            commit_total=Sum("commit_count"),
        ),
        "agents": tickets.filter(assigned_agent__isnull=False)
        .values_list("assigned_agent_id")
        .annotate(total=Count("*")),
        # Grouped by the one workflow: a query that is only a count cannot be compiled ahead.
        "completed": completed.values_list("workflow_id").annotate(
            week=Count("*"), today=Count("completed_at", filter=Q(completed_at__gte=Mark("midnight")))
        ),
        "created": created.values_list("workflow_id").annotate(total=Count("*")),
    }
    return Reading(queries[name], convert=False)


@functools.cache
def _hidden(columns: int) -> Reading:
    """Assignees of the tickets not to be counted, row by row: a grouping would tempt SQLite off their index."""
    tickets = Ticket.objects.filter(workflow_id=Mark("workflow_id"), status__in=marks("status", columns))
    return Reading(
        tickets.filter(approval_status__in=HIDDEN_APPROVALS).order_by().values_list("assigned_agent_id"), convert=False
    )


def _in_order(counts: Counter[str], order: Iterable[str]) -> dict[str, int]:
    """Counts in the order given, without zeros; what is not in it comes last."""
    names = [*order, *sorted(counts.keys() - set(order))]
    return {name: counts[name] for name in names if counts[name]}
