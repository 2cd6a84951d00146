"""The success metrics of usage, flow, quality and the system, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from boards.metrics import flow
from boards.metrics.facts import COMMENT, NONE
from boards.metrics.figures import column, table
from boards.metrics.schemas import Cell, Figure, Unit
from boards.metrics.study import Study, percent, spread
from search.selectors.usage import DuplicatesTold, SearchDay

VALIDATION_TAG = "validation"


class Outside(NamedTuple):
    """What history does not tell: searches, warnings of duplicates, and the tickets that validators made (ids)."""

    searches: Sequence[SearchDay]
    duplicates: DuplicatesTold
    validations: Sequence[str]


def success(study: Study, outside: Outside) -> Figure:
    """Rows: group, measure, value (None where there is nothing to judge by), its unit, what it is made of."""
    heads: tuple[tuple[str, str, Unit], ...] = (
        ("group", "Group", "text"), ("measure", "Measure", "text"), ("value", "Value", "count"),
        ("unit", "Unit", "text"), ("basis", "Of", "text"),
    )  # fmt: skip
    rows = [*_usage(study, outside), *_flow(study), *_quality(study, outside), *_system(outside)]
    return table("success", (column(*head) for head in heads), rows)


def _usage(study: Study, outside: Outside) -> list[list[Cell]]:
    created = int(study.created.sum())
    creators = len(np.unique(study.facts.tickets.creator[study.created]))
    comments = len(study.acts_of(COMMENT).at)
    there = len(study.present[0])
    searches = sum(day.searches for day in outside.searches)
    days = study.span.days
    return [
        ["Usage", "Tickets created", created, "count", f"in {days} days"],
        ["Usage", "Tickets per agent", _ratio(created, creators), "count", f"by {creators} who created any"],
        ["Usage", "Tickets created a day", _ratio(created, days), "count", f"{created} in {days} days"],
        ["Usage", "Comments per ticket", _ratio(comments, there), "count", f"{comments} on {there} tickets"],
        ["Usage", "Searches a day", _ratio(searches, days), "count", f"{searches} in {days} days"],
    ]


def _flow(study: Study) -> list[list[Cell]]:
    cycle = spread(study.cycle[study.completed])
    blocked = spread(flow.blocked_lengths(study.facts.blocks, study.span))
    limits = study.within_limits
    within, whole = sum(time for _, time, _ in limits), sum(time for *_, time in limits)
    finished, again = (int(mask.sum()) for mask in study.reopened)
    return [
        ["Flow", "Cycle time, median", cycle.median, "seconds", f"of {cycle.number} completed"],
        ["Flow", "Blocked ticket resolution, median", blocked.median, "seconds", f"of {blocked.number} blocks lifted"],
        ["Flow", "WIP limit adherence", percent(within, whole), "percent", f"of the time, {len(limits)} limits"],
        ["Flow", "Reopening rate", percent(again, finished), "percent", f"{again} of {finished} completed"],
    ]


def _quality(study: Study, outside: Outside) -> list[list[Cell]]:
    told, prevented = outside.duplicates
    tickets = study.facts.tickets
    done = int(study.completed.sum())
    linked = int((study.completed & (tickets.commits > 0)).sum())
    found = sum(day.found for day in outside.searches)
    opened = sum(day.opened for day in outside.searches)
    numbers = {ticket_id: number for number, ticket_id in enumerate(study.facts.ids)} if outside.validations else {}
    validations = [numbers[id_] for id_ in outside.validations if id_ in numbers and study.created[numbers[id_]]]
    settled = sum(1 for number in validations if study.completed_at[number] != NONE)
    return [
        ["Quality", "Duplicates prevented", percent(prevented, told), "percent", f"{prevented} of {told} warnings"],
        ["Quality", "Completed with a commit", percent(linked, done), "percent", f"{linked} of {done} completed"],
        ["Quality", "Searches whose result was opened", percent(opened, found), "percent", f"{opened} of {found}"],
        ["Quality", "Validation tickets completed", percent(settled, len(validations)), "percent",
         f"{settled} of {len(validations)} created"],
    ]  # fmt: skip


def _system(outside: Outside) -> list[list[Cell]]:
    searches = sum(day.searches for day in outside.searches)
    mean = _ratio(sum(day.milliseconds for day in outside.searches), searches)
    basis = f"of {searches} searches"
    if searches:
        basis += f", the longest {max(day.longest for day in outside.searches):.0f} ms"
    return [["System", "Search latency, mean", mean, "milliseconds", basis]]


def _ratio(part: float, whole: int) -> float | None:
    return round(part / whole, 2) if whole else None
