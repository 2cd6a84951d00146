"""What is searched for and what comes of it, as statistics need it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, Count, Exists, Func, Max, OuterRef, Q, QuerySet, Sum

from search.models import DuplicateOutcome, DuplicateWarning, SearchClick, SearchRecord
from tickets.prepared import Mark, Microseconds, Reading


class _Day(Func):
    """Microseconds since 1970 as a number of days; a parameter would be divided by as a fraction on PostgreSQL."""

    arity = 1
    template = "(%(expressions)s / 86400000000)"
    output_field = BigIntegerField()


class SearchDay(NamedTuple):
    """A day (number since 1970-01-01 UTC): searches, those that found anything, and of these those with a click.

    ``milliseconds`` is what all of them took together, ``longest`` what one did.
    """

    day: int
    searches: int
    found: int
    opened: int
    milliseconds: float
    longest: float


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
    rows = _searches(agent_id is not None).rows(workflow_id=workflow_id, start=start, end=end, agent_id=agent_id)
    return [SearchDay(*row) for row in rows]


def duplicates_told(workflow_id: str, start: datetime, end: datetime, *, agent_id: str | None = None) -> DuplicatesTold:
    """Warnings from ``start`` until before ``end``. One query.

    Whoever was shown a ticket and then created one all the same is told twice of it, which counts once: created.
    """
    rows = _warnings(agent_id is not None).rows(workflow_id=workflow_id, start=start, end=end, agent_id=agent_id)
    return count_outcomes((agent, candidate, outcome) for agent, candidate, outcome in rows)


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


@functools.cache
def _searches(of_one: bool) -> Reading:
    opened = Exists(SearchClick.objects.filter(search=OuterRef("pk")))
    rows = SearchRecord.objects.filter(searched_at__gte=Mark("start"), searched_at__lt=Mark("end"))
    days = (
        _of_workflow(rows, of_one)
        .annotate(day=_Day(Microseconds("searched_at")))
        .values_list("day")
        .annotate(
            searches=Count("pk"),
            found=Count("pk", filter=Q(hits__gt=0)),
            opened=Count("pk", filter=Q(hits__gt=0) & Q(opened)),
            together=Sum("milliseconds"),
            longest=Max("milliseconds"),
        )
    )
    return Reading(days.order_by("day"), convert=False)


@functools.cache
def _warnings(of_one: bool) -> Reading:
    rows = DuplicateWarning.objects.filter(warned_at__gte=Mark("start"), warned_at__lt=Mark("end"))
    told = _of_workflow(rows, of_one).order_by("warned_at", "pk")
    return Reading(told.values_list("agent_id", "candidate_id", "outcome"), convert=False)


def _of_workflow(rows: QuerySet[Any], of_one: bool) -> QuerySet[Any]:
    rows = rows.filter(workflow_id=Mark("workflow_id"))
    return rows.filter(agent_id=Mark("agent_id")) if of_one else rows
