"""The statistics of a workflow."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from django.db.models import Count, IntegerField, Q, QuerySet, Sum
from django.db.models.functions import Cast
from django.utils import timezone

from boards.schemas import GetStatistics, StatisticsAnswer, TicketStats
from tickets import ports
from tickets.access import Actor, workflow_for
from tickets.models import Ticket, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.rules import PRIORITIES, Board
from tickets.selectors.counts import UntilNextEvent
from tickets.selectors.prepared import Mark, Reading

KEPT_SECONDS = 300
VELOCITY_DAYS = 7
# The first keys of the index tickets_statistics in its order, so that the grouping needs no sort. Grouping by
# assignee too would make ten times the groups, each a row to fetch; another index has the assignees.
GROUPED = ("status", "approval_status", "ticket_type", "priority")
SUMS = {
    "total": Count("*"),
    "blocked": Sum(Cast("is_blocked", IntegerField())),
    "resolved": Sum(Cast("is_resolved", IntegerField())),
    "comment_total": Sum("comment_count"),
    "commit_total": Sum("commit_count"),
}

_kept: UntilNextEvent[TicketStats] = UntilNextEvent()


def statistics_get(*, actor: Actor, request: GetStatistics) -> StatisticsAnswer:
    """A workflow's statistics. One query while nothing has happened for five minutes, else five."""
    workflow = workflow_for(actor, request.workflow_id)
    return StatisticsAnswer.model_construct(workflow_id=workflow.id, stats=workflow_statistics(workflow))


def workflow_statistics(workflow: Workflow) -> TicketStats:
    """The statistics as of the workflow's last event, kept five minutes and not beyond the UTC day."""
    today = timezone.now().astimezone(UTC).date()
    question = (today, int(time.monotonic() // KEPT_SECONDS))
    board = ports.boards().board_of(workflow)
    return _kept.get(workflow, question, lambda: compute_statistics(workflow.id, board, today))


def compute_statistics(workflow_id: str, board: Board, today: date) -> TicketStats:
    """Four covering queries: by what tickets are, by assignee, and two by day."""
    midnight = datetime.combine(today, time_of_day(), tzinfo=UTC)
    days = {
        "midnight": midnight,
        "tomorrow": midnight + timedelta(days=1),
        "first_day": midnight - timedelta(days=VELOCITY_DAYS - 1),
    }
    grouped = (dict(zip((*GROUPED, *SUMS), row, strict=True)) for row in _rows("groups", workflow_id))
    groups = [group for group in grouped if group["approval_status"] in VISIBLE_APPROVALS]
    total = _sum(groups, "total")
    # No row where there is nothing to count.
    [(_, completed_this_week, completed_today)] = _rows("completed", workflow_id, **days) or [("", 0, 0)]
    [(_, created_today)] = _rows("created", workflow_id, **days) or [("", 0)]
    return TicketStats(
        total_tickets=total,
        by_status=_in_order(_count(groups, "status"), board.by_id, empty_too=True),
        by_type=_in_order(_count(groups, "ticket_type"), board.types),
        by_priority=_in_order(_count(groups, "priority"), PRIORITIES),
        by_agent=dict(sorted(_rows("agents", workflow_id))),
        blocked_count=_sum(groups, "blocked"),
        resolved_count=_sum(groups, "resolved"),
        avg_comments_per_ticket=_sum(groups, "comment_total") / total if total else 0.0,
        avg_commits_per_ticket=_sum(groups, "commit_total") / total if total else 0.0,
        created_today=created_today,
        completed_today=completed_today,
        velocity_last_7_days=completed_this_week,
    )


def _rows(name: str, workflow_id: str, **values: datetime) -> list[tuple[Any, ...]]:
    return _reading(name).rows(workflow_id=workflow_id, **values)


@functools.cache
def _reading(name: str) -> Reading:
    """The statements of the statistics, each compiled once."""
    tickets = Ticket.objects.filter(workflow_id=Mark("workflow_id")).order_by()
    counted = tickets.filter(approval_status__in=VISIBLE_APPROVALS)
    completed = counted.filter(completed_at__gte=Mark("first_day"), completed_at__lt=Mark("tomorrow"))
    created = counted.filter(created_at__gte=Mark("midnight"), created_at__lt=Mark("tomorrow"))
    today = Count("completed_at", filter=Q(completed_at__gte=Mark("midnight")))
    queries: dict[str, QuerySet[Any, Any]] = {
        "groups": tickets.values_list(*GROUPED).annotate(**SUMS),
        "agents": counted.exclude(assigned_agent=None).values_list("assigned_agent_id").annotate(total=Count("*")),
        # Grouped by the one workflow: a query that is only a count cannot be compiled ahead.
        "completed": completed.values_list("workflow_id").annotate(week=Count("*"), today=today),
        "created": created.values_list("workflow_id").annotate(total=Count("*")),
    }
    return Reading(queries[name], convert=False)


def _count(groups: Iterable[dict[str, Any]], field: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for group in groups:
        counts[group[field]] += group["total"]
    return counts


def _sum(groups: Iterable[dict[str, Any]], field: str) -> int:
    return sum(group[field] for group in groups)


def _in_order(counts: Counter[str], order: Iterable[str], *, empty_too: bool = False) -> dict[str, int]:
    """Counts in the order given; what is not in it comes last."""
    names = [*order, *sorted(counts.keys() - set(order))]
    return {name: counts[name] for name in names if empty_too or counts[name]}
