"""The statistics of a workflow."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from boards.schemas import GetStatistics, StatisticsAnswer, TicketStats
from tickets.access import Actor, workflow_for
from tickets.board_source import board_of
from tickets.models import Ticket, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.prepared import Mark, Reading
from tickets.rules import PRIORITIES, Board
from tickets.selectors.counts import UntilNextEvent

KEPT_SECONDS = 300
VELOCITY_DAYS = 7

_kept: UntilNextEvent[TicketStats] = UntilNextEvent()


def statistics_get(*, actor: Actor, request: GetStatistics) -> StatisticsAnswer:
    """A workflow's statistics. One query while nothing has happened for five minutes, else three."""
    workflow = workflow_for(actor, request.workflow_id)
    return StatisticsAnswer.model_construct(workflow_id=workflow.id, stats=workflow_statistics(workflow))


def workflow_statistics(workflow: Workflow) -> TicketStats:
    """The statistics as of the workflow's last event, kept five minutes and not beyond the UTC day."""
    today = timezone.now().astimezone(UTC).date()
    question = (today, int(time.monotonic() // KEPT_SECONDS))
    board = board_of(workflow)
    return _kept.get(workflow, question, lambda: compute_statistics(workflow, board, today))


def compute_statistics(workflow: Workflow, board: Board, today: date) -> TicketStats:
    """The counts that the workflow keeps, and two by day. Two covering queries."""
    midnight = datetime.combine(today, time_of_day(), tzinfo=UTC)
    days = {
        "midnight": midnight,
        "tomorrow": midnight + timedelta(days=1),
        "first_day": midnight - timedelta(days=VELOCITY_DAYS - 1),
    }
    counts = workflow.ticket_counts
    by_status, totals = counts.get("status", {}), counts.get("total", {})
    total = sum(by_status.values())
    # No row where there is nothing to count.
    [(_, completed_this_week, completed_today)] = _rows("completed", workflow.id, **days) or [("", 0, 0)]
    [(_, created_today)] = _rows("created", workflow.id, **days) or [("", 0)]
    return TicketStats(
        total_tickets=total,
        by_status={
            name: by_status.get(name, 0) for name in [*board.by_id, *sorted(by_status.keys() - board.by_id.keys())]
        },
        by_type=_in_order(counts.get("type", {}), board.types),
        by_priority=_in_order(counts.get("priority", {}), PRIORITIES),
        by_agent=dict(sorted(counts.get("agent", {}).items())),
        blocked_count=totals.get("blocked", 0),
        resolved_count=totals.get("resolved", 0),
        avg_comments_per_ticket=totals.get("comments", 0) / total if total else 0.0,
        avg_commits_per_ticket=totals.get("commits", 0) / total if total else 0.0,
        created_today=created_today,
        completed_today=completed_today,
        velocity_last_7_days=completed_this_week,
    )


def _rows(name: str, workflow_id: str, **values: datetime) -> list[tuple[Any, ...]]:
    return _reading(name).rows(workflow_id=workflow_id, **values)


@functools.cache
def _reading(name: str) -> Reading:
    """The statements of the statistics, each compiled once."""
    counted = Ticket.objects.filter(workflow_id=Mark("workflow_id"), approval_status__in=VISIBLE_APPROVALS).order_by()
    completed = counted.filter(completed_at__gte=Mark("first_day"), completed_at__lt=Mark("tomorrow"))
    created = counted.filter(created_at__gte=Mark("midnight"), created_at__lt=Mark("tomorrow"))
    queries: dict[str, QuerySet[Any, Any]] = {
        # Grouped by the one workflow: a query that is only a count cannot be compiled ahead.
        "completed": completed.values_list("workflow_id").annotate(
            week=Count("*"), today=Count("completed_at", filter=Q(completed_at__gte=Mark("midnight")))
        ),
        "created": created.values_list("workflow_id").annotate(total=Count("*")),
    }
    return Reading(queries[name], convert=False)


def _in_order(counts: Mapping[str, int], order: Iterable[str]) -> dict[str, int]:
    """Counts in the order given, without zeros; what is not in it comes last."""
    names = [*order, *sorted(counts.keys() - set(order))]
    return {name: counts[name] for name in names if name in counts}
