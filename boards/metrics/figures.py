"""The figures as tables: what the charts show, what is read out of them, what is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from boards.metrics import flow
from boards.metrics.facts import CLAIM, COMMENT, COMMIT, LOST, NONE, SECOND, Numbers
from boards.metrics.forecast import PERCENTILES, likely_within
from boards.metrics.schemas import Bottleneck, Cell, Figure, FigureColumn, Unit
from boards.metrics.study import NOBODY, Shown, Study, date_of, percent, spread
from tickets.rules import DEFAULT_COLOR, PRIORITIES

# From a month on, weeks say more than days.
MAX_DAYS_APART = 31
MEAN_OF_DAYS, MEAN_OF_WEEKS = 7, 4
MAX_BLOCKED = 50


def table(
    name: str, columns: Iterable[FigureColumn], rows: Iterable[list[Cell]], colors: list[str] | None = None
) -> Figure:
    return Figure.model_construct(id=name, columns=list(columns), rows=list(rows), colors=colors)


def column(id: str, name: str, unit: Unit = "count", color: str | None = None) -> FigureColumn:  # noqa: A002
    return FigureColumn.model_construct(id=id, name=name, unit=unit, color=color)


def by_status(study: Study) -> Figure:
    counts = _count(study.rows[study.present[1]], len(study.columns))
    rows: list[list[Cell]] = [[shown.name, count] for shown, count in zip(study.columns, counts, strict=True)]
    heads = (column("status", "Column", "text"), column("tickets", "Tickets"))
    return table("status", heads, rows, [shown.color for shown in study.columns])


def by_type(study: Study) -> Figure:
    facts, board = study.facts, study.board
    counts = _count(facts.tickets.kind[study.present[0]], len(facts.kinds))
    found = dict(zip(facts.kinds, counts, strict=True))
    names = [*board.types, *sorted(name for name in found if name not in board.types)]
    shown = [name for name in names if found.get(name)]
    rows: list[list[Cell]] = [[board.types[n].name if n in board.types else n, found[n]] for n in shown]
    colors = [board.types[n].color if n in board.types else DEFAULT_COLOR for n in shown]
    return table("type", (column("type", "Type", "text"), column("tickets", "Tickets")), rows, colors)


def by_priority(study: Study) -> Figure:
    ticket, status = study.present
    priority, row = study.facts.tickets.priority[ticket], study.rows[status]
    rows: list[list[Cell]] = [
        [name.capitalize(), *_count(row[priority == rank], len(study.columns))] for rank, name in enumerate(PRIORITIES)
    ]
    return table("priority", (column("priority", "Priority", "text"), *_of_columns(study.columns)), rows)


def workload(study: Study) -> Figure:
    """Open tickets by assignee; a blocked one is counted as that alone."""
    ticket, status = study.present
    is_open = ~study.kinds.final[status]
    ticket, active = ticket[is_open], study.kinds.active[status[is_open]]
    is_blocked = np.zeros(len(study.facts.ids), dtype=np.bool_)
    is_blocked[study.blocked[0]] = True
    part = np.where(is_blocked[ticket], 2, np.where(active, 0, 1))
    assignee = study.facts.tickets.assignee[ticket]
    rows: list[list[Cell]] = []
    for number, name in _people(study, assignee):
        counts = _count(part[assignee == number], 3)
        rows.append([name, *counts, sum(counts)])
    rows.sort(key=lambda row: (row[0] == NOBODY_WORD, -int(row[-1] or 0), str(row[0])))
    heads = (column("active", "Active"), column("queued", "Queued"), column("blocked", "Blocked"))
    return table("workload", (column("agent", "Agent", "text"), *heads, column("open", "Open")), rows)


def cumulative_flow(study: Study) -> Figure:
    days = study.occupancy.T.tolist()
    rows: list[list[Cell]] = [[day, *counts] for day, counts in zip(study.days, days, strict=True)]
    return table("cumulative_flow", (column("day", "Day", "date"), *_of_columns(study.columns)), rows)


def velocity(study: Study) -> Figure:
    """By day, from a month on by week. ``mean`` is of the last seven days or four weeks within the span."""
    facts, span = study.facts, study.span
    points = np.maximum(facts.tickets.points, 0)
    series = [study.created_by_day, study.completed_by_day, flow.per_day(study.completed_at, span, points)]
    labels, over = study.days, MEAN_OF_DAYS
    if span.days > MAX_DAYS_APART:
        # 1970-01-01 was a Thursday; weeks begin on Monday.
        weeks = (np.arange(span.first_day, span.last_day + 1) + 3) // 7
        firsts = np.flatnonzero(np.concatenate(([True], weeks[1:] != weeks[:-1])))
        series = [np.add.reduceat(values, firsts) for values in series]
        labels, over = [date_of(int(week) * 7 - 3).isoformat() for week in weeks[firsts]], MEAN_OF_WEEKS
    created, completed, done_points = series
    rows: list[list[Cell]] = [
        [*row, round(float(completed[max(0, place + 1 - over) : place + 1].mean()), 2)]
        for place, row in enumerate(
            zip(labels, created.tolist(), completed.tolist(), done_points.tolist(), strict=True)
        )
    ]
    by = "week" if span.days > MAX_DAYS_APART else "day"
    heads = (
        column(by, by.capitalize(), "date"),
        column("created", "Created"),
        column("completed", "Completed"),
        column("points", "Story points"),
        column("mean", f"Mean of {over} {by}s"),
    )
    return table("velocity", heads, rows)


def cycle_time(study: Study) -> Figure:
    started = flow.started_at(study.facts, study.kinds)
    worked = study.completed & (started != NONE) & (started <= study.completed_at)
    named = {
        "Creation to completion": study.cycle[study.completed],
        "First start to completion": (study.completed_at - started)[worked],
    }
    rows: list[list[Cell]] = [[name, *spread(lengths)] for name, lengths in named.items()]
    return table("cycle_time", (column("measure", "Measure", "text"), *SPREAD), rows)


def time_in_status(study: Study) -> Figure:
    totals = flow.time_in_status(study.facts.stays, study.span)
    shown = [one for one in study.columns if not one.is_final]
    rows: list[list[Cell]] = [[one.name, *spread(totals.length[totals.status == one.number])] for one in shown]
    return table("time_in_status", (column("status", "Column", "text"), *SPREAD), rows, [one.color for one in shown])


def burndown(study: Study) -> Figure:
    still_open = [not one.is_final for one in study.columns]
    open_by_day = study.occupancy[still_open].sum(axis=0)
    parts = (open_by_day.tolist(), study.created_by_day.tolist(), study.completed_by_day.tolist())
    rows: list[list[Cell]] = [list(row) for row in zip(study.days, *parts, strict=True)]
    heads = (column("open", "Open"), column("created", "Created"), column("completed", "Completed"))
    return table("burndown", (column("day", "Day", "date"), *heads), rows)


def forecast(study: Study) -> Figure:
    """No rows where nothing was completed, so that nothing can be said."""
    rows: list[list[Cell]] = []
    if study.simulated is not None:
        for likelihood in PERCENTILES:
            day = study.likely_done(likelihood)
            rows.append([likelihood, day.isoformat() if day else None, likely_within(study.simulated, likelihood)])
    heads = (column("likelihood", "Likelihood", "percent"), column("day", "Done by", "date"), column("days", "Days"))
    return table("forecast", heads, rows)


def blocked(study: Study, described: Mapping[str, tuple[str, str]]) -> Figure:
    """The longest first. ``described``: key and title by id, of the first ``MAX_BLOCKED``."""
    numbers, since = (part[:MAX_BLOCKED].tolist() for part in study.blocked)
    status = dict(zip(*(part.tolist() for part in study.present), strict=True))
    rows: list[list[Cell]] = []
    for number, start in zip(numbers, since, strict=True):
        key, title = described[study.facts.ids[number]]
        assignee = int(study.facts.tickets.assignee[number])
        holder = study.facts.agents[assignee] if assignee != NONE else NOBODY_WORD
        place = int(study.rows[status[number]])
        name = study.columns[place].name if place != NONE else ""
        rows.append([key, title, name, holder, (study.moment - start) // SECOND])
    heads = (("key", "Ticket"), ("title", "Title"), ("status", "Column"), ("agent", "Assigned to"))
    return table("blocked", (*(column(*head, "text") for head in heads), column("blocked", "Blocked", "seconds")), rows)


def agents(study: Study) -> Figure:
    """Whoever has tickets or did anything within the days."""
    tickets = study.facts.tickets
    open_now = tickets.assignee[study.present[0][~study.kinds.final[study.present[1]]]]
    claims, lost = study.acts_of(CLAIM).agent, study.acts_of(LOST).agent
    finished, again = study.reopened
    rows: list[list[Cell]] = []
    everyone = np.concatenate((open_now, tickets.assignee[study.completed | finished], claims, lost))
    for number, name in _people(study, everyone[everyone != NONE]):
        own = tickets.assignee == number
        cycle = spread(study.cycle[own & study.completed])
        times, came_back = int((own & finished).sum()), int((own & again).sum())
        claimed, gone = int((claims == number).sum()), int((lost == number).sum())
        rows.append(
            [
                name, int((open_now == number).sum()), cycle.number, cycle.median, cycle.p85,
                came_back, percent(came_back, times), claimed, gone, percent(gone, claimed),
            ]
        )  # fmt: skip
    rows.sort(key=lambda row: (-int(row[2] or 0), str(row[0])))
    heads: tuple[tuple[str, str, Unit], ...] = (
        ("agent", "Agent", "text"), ("open", "Open", "count"), ("completed", "Completed", "count"),
        ("cycle_median", "Cycle time, median", "seconds"), ("cycle_p85", "85th percentile", "seconds"),
        ("reopened", "Reopened", "count"), ("reopened_share", "Reopening rate", "percent"),
        ("claims", "Claims", "count"), ("lost", "Lost claims", "count"), ("lost_share", "Lost-claim rate", "percent"),
    )  # fmt: skip
    return table("agents", (column(*head) for head in heads), rows)


def wip(study: Study) -> Figure:
    """All tickets count, whatever was chosen."""
    stays = study.everything.stays
    status = stays.status[(stays.entered <= study.moment) & (stays.left > study.moment)]
    limits = study.within_limits
    rows: list[list[Cell]] = [
        [one.name, int((status == one.number).sum()), one.limit, percent(within, whole)]
        for one, within, whole in limits
    ]
    colors = [one.color for one, *_ in limits]
    heads = (column("tickets", "Tickets"), column("limit", "Limit"), column("within", "Time within limit", "percent"))
    return table("wip", (column("status", "Column", "text"), *heads), rows, colors)


def waiting(study: Study) -> Figure:
    rows: list[list[Cell]] = []
    colors = []
    for one, found in zip(study.columns, study.waiting, strict=True):
        if not one.is_final:
            mean = round(found.waited / found.there / SECOND, 3) if found.there else None
            grew = round(found.grew / SECOND, 3)
            rows.append([one.name, found.arrived, found.departed, found.there, mean, grew, found.days])
            colors.append(one.color)
    heads: tuple[tuple[str, str, Unit], ...] = (
        ("status", "Column", "text"), ("arrived", "Came", "count"), ("departed", "Left", "count"),
        ("tickets", "There", "count"), ("waiting", "Mean wait so far", "seconds"),
        ("grew", "Waiting grew by", "seconds"), ("days", "Days of growth", "count"),
    )  # fmt: skip
    return table("waiting", (column(*head) for head in heads), rows, colors)


def bottleneck(study: Study) -> Bottleneck | None:
    """The column where waiting grew most, if it grew in any. What nobody has started yet waits in the first column."""
    first = study.board.initial_status
    grown = [
        (found, one)
        for one, found in zip(study.columns, study.waiting, strict=True)
        if found.grew > 0 and found.there and not one.is_final and one.id != first
    ]
    if not grown:
        return None
    found, one = max(grown, key=lambda pair: pair[0].grew)
    return Bottleneck(
        status=one.id,
        name=one.name,
        tickets=found.there,
        days=found.days,
        waiting_seconds=found.waited // found.there // SECOND,
        grew_seconds=found.grew // SECOND,
    )


def activity(study: Study, searches: Mapping[int, int]) -> Figure:
    """``searches`` by day."""
    span = study.span
    by_day = [flow.per_day(study.acts_of(kind).at, span).tolist() for kind in (COMMENT, COMMIT)]
    searched = [searches.get(day, 0) for day in range(span.first_day, span.last_day + 1)]
    parts = (study.created_by_day.tolist(), *by_day, searched)
    rows: list[list[Cell]] = [list(row) for row in zip(study.days, *parts, strict=True)]
    heads = (
        column("created", "Tickets created"),
        column("comments", "Comments"),
        column("commits", "Commits linked"),
        column("searches", "Searches"),
    )
    return table("activity", (column("day", "Day", "date"), *heads), rows)


FIGURES: tuple[Callable[[Study], Figure], ...] = (
    cumulative_flow, workload, time_in_status, velocity, burndown, forecast, by_status, by_type, by_priority,
    cycle_time, waiting, wip, agents,
)  # fmt: skip
NOBODY_WORD = "Nobody"
SPREAD = (
    column("tickets", "Tickets"),
    column("mean", "Mean", "seconds"),
    column("median", "Median", "seconds"),
    column("p85", "85th percentile", "seconds"),
    column("p95", "95th percentile", "seconds"),
)


def _of_columns(columns: Iterable[Shown]) -> list[FigureColumn]:
    return [column(one.id, one.name, color=one.color) for one in columns]


def _count(places: Numbers, length: int) -> list[int]:
    counted: list[int] = np.bincount(places[places >= 0], minlength=length).tolist()
    return counted


def _people(study: Study, numbers: Numbers) -> list[tuple[int, str]]:
    """The agents among these numbers; of one agent's figures, that one alone."""
    found = [(n, study.facts.agents[n] if n != NONE else NOBODY_WORD) for n in np.unique(numbers).tolist()]
    return [(n, name) for n, name in found if study.agent in (None, NOBODY, name) or n == NONE]
