"""What is searched for and what comes of it, as statistics need it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from search.models import DuplicateOutcome, DuplicateWarning, SearchClick, SearchRecord
from tickets.prepared import Microseconds

DAY_IN_MICROSECONDS = 86_400_000_000


class SearchDay(NamedTuple):
    """A day (number since 1970-01-01 UTC): searches, those that found anything, and of these those with a click."""

    day: int
    searches: int
    found: int
    opened: int


class DuplicatesTold(NamedTuple):
    """How often somebody was told of a ticket that says the same, and how often no second one was created."""

    told: int
    prevented: int


def searches_by_day(
    workflow_id: str, start: datetime, end: datetime, *, agent_id: str | None = None
) -> list[SearchDay]:
    """Searches from ``start`` until before ``end``, of one agent or of all; days without any are left out.

    One query.
    """
    rows = _of_agent(SearchRecord.objects.filter(searched_at__gte=start, searched_at__lt=end), workflow_id, agent_id)
    opened = Exists(SearchClick.objects.filter(search=OuterRef("pk")))
    days = (
        rows.annotate(day=Microseconds("searched_at") / DAY_IN_MICROSECONDS)
        .values_list("day")
        .annotate(
            searches=Count("pk"),
            found=Count("pk", filter=Q(hits__gt=0)),
            opened=Count("pk", filter=Q(hits__gt=0) & Q(opened)),
        )
        .order_by("day")
    )
    return [SearchDay(*row) for row in days]


def duplicates_told(workflow_id: str, start: datetime, end: datetime, *, agent_id: str | None = None) -> DuplicatesTold:
    """Warnings from ``start`` until before ``end``. One query.

    Whoever was shown a ticket and then created one all the same is told twice of it, which counts once: created.
    """
    warnings = DuplicateWarning.objects.filter(warned_at__gte=start, warned_at__lt=end)
    rows = _of_agent(warnings, workflow_id, agent_id).order_by("warned_at", "pk")
    return count_outcomes(rows.values_list("agent_id", "candidate_id", "outcome"))


def count_outcomes(rows: Iterable[tuple[str, str, str]]) -> DuplicatesTold:
    """``rows``: agent, ticket that says the same, outcome; in the order of time."""
    told = prevented = 0
    shown: set[tuple[str, str]] = set()
    for agent_id, candidate_id, outcome in rows:
        pair = (agent_id, candidate_id)
        if outcome == DuplicateOutcome.CREATED and pair in shown:
            shown.discard(pair)
            prevented -= 1
            continue
        told += 1
        prevented += outcome != DuplicateOutcome.CREATED
        if outcome == DuplicateOutcome.SHOWN:
            shown.add(pair)
    return DuplicatesTold(told, prevented)


def _of_agent(rows: QuerySet[Any], workflow_id: str, agent_id: str | None) -> QuerySet[Any]:
    rows = rows.filter(workflow_id=workflow_id)
    return rows.filter(agent_id=agent_id) if agent_id is not None else rows
