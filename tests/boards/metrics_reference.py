"""The figures of a workflow the slow way: whole history rows, ticket by ticket, from what the figures mean."""

from __future__ import annotations

import functools
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from boards.metrics import forecast
from tickets.models import Ticket, TicketHistory, Workflow
from tickets.rules import PRIORITIES, Board

Rows = list[list[Any]]
DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


@dataclass
class Life:
    """A ticket as it is, and what its history says: (column, from, until), (blocked since, until), other rows."""

    ticket: Ticket
    created: datetime
    stays: list[tuple[str, datetime, datetime | None]] = field(default_factory=list)
    blocks: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    rows: list[TicketHistory] = field(default_factory=list)

    def column_at(self, moment: datetime) -> str | None:
        return self._columns(moment)

    def __post_init__(self) -> None:
        # The same moments are asked for again and again.
        self._columns = functools.cache(self._column_at)

    def _column_at(self, moment: datetime) -> str | None:
        here = [column for column, entered, left in self.stays if entered <= moment and (left is None or left > moment)]
        assert len(here) <= 1
        return here[0] if here else None

    def blocked_since(self, moment: datetime) -> datetime | None:
        here = [since for since, until in self.blocks if since <= moment and (until is None or until > moment)]
        return here[0] if here else None

    def turns(self, final: set[str], *, done: bool) -> list[datetime]:
        """When it was completed (``done``) or reopened, oldest first."""
        turns, before = [], False
        for column, entered, _ in self.stays:
            if (column in final) != before and (column in final) == done:
                turns.append(entered)
            before = column in final
        return turns

    def completed(self, final: set[str]) -> datetime | None:
        turns = self.turns(final, done=True)
        return turns[-1] if turns and self.stays[-1][0] in final else None


def lives_of(workflow: Workflow) -> list[Life]:
    """Tickets by number, without those that were rejected or have expired."""
    visible = Ticket.objects.filter(workflow=workflow, approval_status__in=("none", "pending_review", "approved"))
    return [_life(ticket) for ticket in visible.order_by("number")]


def _life(ticket: Ticket) -> Life:
    rows = list(TicketHistory.objects.filter(ticket=ticket).order_by("id"))
    life = Life(ticket, rows[0].changed_at, rows=rows)
    status, entered = json.loads(rows[0].new_value or "")["status"], rows[0].changed_at
    by_hand, by_tickets, since = False, False, None
    for row in rows:
        if row.change_type == "status_changed":
            assert row.old_value == status
            life.stays.append((status, entered, row.changed_at))
            status, entered = row.new_value, row.changed_at
        elif row.field_name == "is_blocked":
            by_hand = json.loads(row.new_value or "false")
        elif row.field_name == "blocked_by_ticket_ids":
            by_tickets = bool(json.loads(row.new_value or "[]"))
        if (by_hand or by_tickets) and since is None:
            since = row.changed_at
        elif not (by_hand or by_tickets) and since is not None:
            life.blocks.append((since, row.changed_at))
            since = None
    life.stays.append((status, entered, None))
    if since is not None:
        life.blocks.append((since, None))
    return life


def spread(lengths: Iterable[timedelta]) -> list[Any]:
    """Number, mean, median, 85th and 95th percentile in seconds."""
    seconds = sorted(length.total_seconds() for length in lengths)
    if not seconds:
        return [0, None, None, None, None]
    hundredths = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
    return [len(seconds), statistics.fmean(seconds), statistics.median(seconds), hundredths[84], hundredths[94]]


def share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


@dataclass
class Reference:
    """Everything that is asked of a workflow over days, for an agent (``none``: nobody) and a type."""

    workflow: Workflow
    board: Board
    first: date
    last: date
    now: datetime
    agent: str | None = None
    kind: str | None = None

    def __post_init__(self) -> None:
        self.all = lives_of(self.workflow)
        of_kind = [life for life in self.all if self.kind in (None, life.ticket.ticket_type)]
        self.of_kind = of_kind
        wanted = None if self.agent == "none" else self.agent
        self.lives = [life for life in of_kind if self.agent is None or life.ticket.assigned_agent_id == wanted]
        self.final = {column.id for column in self.board.columns if column.category == "final"}
        self.active = {column.id for column in self.board.columns if column.category == "active"}
        self.start = datetime.combine(self.first, time(), tzinfo=UTC)
        self.end = min(datetime.combine(self.last, time(), tzinfo=UTC) + DAY, self.now + INSTANT)
        self.moment = self.end - INSTANT
        self.days = [self.first + n * DAY for n in range((self.last - self.first).days + 1)]

    def within(self, moment: datetime | None) -> bool:
        return moment is not None and self.start <= moment < self.end

    def end_of(self, day: date) -> datetime:
        return min(datetime.combine(day, time(), tzinfo=UTC) + DAY - INSTANT, self.now)

    def on(self, day: date, moments: Iterable[datetime | None]) -> int:
        return sum(1 for moment in moments if self.within(moment) and moment and moment.date() == day)

    @property
    def completed(self) -> list[Life]:
        return [life for life in self.lives if self.within(life.completed(self.final))]

    def cycle(self, life: Life) -> timedelta:
        done = life.completed(self.final)
        assert done
        return done - life.created

    def there(self, column: str, moment: datetime, lives: list[Life] | None = None) -> int:
        return sum(life.column_at(moment) == column for life in (self.lives if lives is None else lives))

    def open(self, moment: datetime) -> list[Life]:
        return [life for life in self.lives if (life.column_at(moment) or "done") not in self.final]

    def reopened(self, lives: Iterable[Life]) -> tuple[int, int]:
        """Tickets completed within the days, and those of them that came back after."""
        finished = again = 0
        for life in lives:
            turns = [turn for turn in life.turns(self.final, done=True) if self.within(turn)]
            if turns:
                finished += 1
                # A reopening at the very moment of the completion follows it.
                place = life.turns(self.final, done=True).index(turns[0])
                again += len(life.turns(self.final, done=False)) > place
        return finished, again

    def figures(self) -> dict[str, Rows]:
        columns = self.board.columns
        opened = [column for column in columns if column.id not in self.final]
        done = [life.completed(self.final) for life in self.lives]
        created = [life.created for life in self.lives]
        return {
            "status": [[c.name, self.there(c.id, self.moment)] for c in columns],
            "type": self._types(),
            "priority": [
                [
                    name.capitalize(),
                    *(self.there(c.id, self.moment, [x for x in self.lives if x.ticket.priority == name])
                      for c in columns),
                ]
                for name in PRIORITIES
            ],
            "workload": self._workload(),
            "cumulative_flow": [
                [day.isoformat(), *(self.there(c.id, self.end_of(day)) for c in columns)] for day in self.days
            ],
            "burndown": [
                [day.isoformat(), len(self.open(self.end_of(day))), self.on(day, created), self.on(day, done)]
                for day in self.days
            ],
            "velocity": self._velocity(),
            "cycle_time": self._cycle_times(),
            "time_in_status": [[c.name, *spread(self._stayed(c.id))] for c in opened],
            "waiting": [self._waiting(c.id, c.name) for c in opened],
            "wip": [self._wip(c.id, c.name, c.wip_limit) for c in columns if c.wip_limit is not None],
            "agents": self._agents(),
            "blocked": self._blocked(),
            "activity": [
                [day.isoformat(), self.on(day, created), self.on(day, self._acts("commented")),
                 self.on(day, self._acts("commit_linked")), 0]
                for day in self.days
            ],
            "forecast": self._forecast(),
        }  # fmt: skip

    def _types(self) -> Rows:
        here = [life.ticket.ticket_type for life in self.lives if life.column_at(self.moment)]
        return [[kind.name, here.count(kind.id)] for kind in self.board.ticket_types if kind.id in here]

    def _workload(self) -> Rows:
        rows: dict[str, list[int]] = {}
        for life in self.open(self.moment):
            counts = rows.setdefault(life.ticket.assigned_agent_id or "Nobody", [0, 0, 0])
            if life.blocked_since(self.moment):
                counts[2] += 1
            else:
                counts[life.column_at(self.moment) not in self.active] += 1
        found = [[name, *counts, sum(counts)] for name, counts in rows.items()]
        return sorted(found, key=lambda row: (row[0] == "Nobody", -row[4], row[0]))

    def _velocity(self) -> Rows:
        weekly = len(self.days) > 31
        buckets: dict[date, list[int]] = {}
        for day in self.days:
            bucket = buckets.setdefault(day - timedelta(days=day.weekday()) if weekly else day, [0, 0, 0])
            bucket[0] += self.on(day, [life.created for life in self.lives])
            for life in self.lives:
                if self.on(day, [life.completed(self.final)]):
                    bucket[1] += 1
                    bucket[2] += life.ticket.story_points or 0
        rows: Rows = [[day.isoformat(), *counts] for day, counts in buckets.items()]
        over = 4 if weekly else 7
        return [
            [*row, statistics.fmean(other[2] for other in rows[max(0, place + 1 - over) : place + 1])]
            for place, row in enumerate(rows)
        ]

    def _cycle_times(self) -> Rows:
        worked = []
        for life in self.completed:
            done = life.completed(self.final)
            starts = [entered for column, entered, _ in life.stays if column in self.active]
            if starts and done and starts[0] <= done:
                worked.append(done - starts[0])
        whole = [self.cycle(life) for life in self.completed]
        return [["Creation to completion", *spread(whole)], ["First start to completion", *spread(worked)]]

    def _stayed(self, status: str) -> list[timedelta]:
        """By ticket, its stays in the column that ended within the days, together."""
        found = []
        for life in self.lives:
            stays = [left - entered for column, entered, left in life.stays
                     if column == status and left is not None and self.within(left)]  # fmt: skip
            if stays:
                found.append(sum(stays, timedelta()))
        return found

    def waited(self, status: str, moment: datetime) -> timedelta:
        """How long the tickets there have been, together."""
        total = timedelta()
        for life in self.lives:
            for column, entered, left in life.stays:
                if column == status and entered <= moment and (left is None or left > moment):
                    total += moment - entered
        return total

    def _waiting(self, status: str, name: str) -> list[Any]:
        stays = [stay for life in self.lives for stay in life.stays if stay[0] == status]
        here, waited = self.there(status, self.moment), self.waited(status, self.moment)
        counts = [self.there(status, self.end_of(day)) for day in self.days]
        # From the last day back to where it fell; then on to where it rose first.
        begin = len(counts) - 1
        while begin and counts[begin] >= counts[begin - 1]:
            begin -= 1
        rises = [place for place in range(begin + 1, len(counts)) if counts[place] > counts[place - 1]]
        return [
            name, sum(self.within(entered) for _, entered, _ in stays), sum(self.within(left) for _, _, left in stays),
            here, waited.total_seconds() / here if here else None,
            (waited - self.waited(status, self.start - INSTANT)).total_seconds(),
            len(counts) - rises[0] if rises else 0,
        ]  # fmt: skip

    def bottleneck(self) -> tuple[str, int] | None:
        """Column and growth of its waiting, in whole seconds."""
        grown = []
        for column in self.board.columns:
            grew = self.waited(column.id, self.moment) - self.waited(column.id, self.start - INSTANT)
            if column.id not in self.final and column.id != self.board.initial_status:
                grown.append((grew, column.id))
        best = max(grown, key=lambda pair: pair[0])
        return (best[1], int(best[0].total_seconds())) if best[0] > timedelta() else None

    def _wip(self, status: str, name: str, limit: int) -> list[Any]:
        begun = min((entered for life in self.all for _, entered, _ in life.stays), default=self.end)
        start = max(self.start, begun)
        if start >= self.end:
            return [name, self.there(status, self.moment, self.all), limit, None]
        moments = {start, self.end}
        for life in self.all:
            moments |= {t for _, entered, left in life.stays for t in (entered, left) if t and self.within(t)}
        ordered = sorted(moments)
        kept = sum(
            (after - before for before, after in pairwise(ordered)
             if self.there(status, before, self.all) <= limit), timedelta(),
        )  # fmt: skip
        return [name, self.there(status, self.moment, self.all), limit, 100 * (kept / (self.end - start))]

    def _acts(self, change: str, *, by: str | None = None) -> list[datetime]:
        """When such rows were written: the agent's own on any ticket of the type, or anybody's on these tickets."""
        doer = by or (self.agent if self.agent != "none" else None)
        lives = self.of_kind if doer else self.lives
        return [row.changed_at for life in lives for row in life.rows
                if row.change_type == change and doer in (None, row.agent_id)]  # fmt: skip

    def _lost(self, agent_id: str) -> list[datetime]:
        lives = self.lives if self.agent == "none" else self.of_kind
        return [row.changed_at for life in lives for row in life.rows
                if row.change_type == "released" and row.old_value == agent_id
                and row.metadata["reason"] == "expired"]  # fmt: skip

    def _claimed(self, agent_id: str) -> list[datetime]:
        lives = self.lives if self.agent == "none" else self.of_kind
        return [row.changed_at for life in lives for row in life.rows
                if row.change_type == "claimed" and row.agent_id == agent_id]  # fmt: skip

    def _agents(self) -> Rows:
        rows: Rows = []
        for agent_id in sorted({row.agent_id for life in self.all for row in life.rows} | {
            life.ticket.assigned_agent_id for life in self.all if life.ticket.assigned_agent_id
        }):  # fmt: skip
            if self.agent not in (None, "none", agent_id):
                continue
            own = [life for life in self.lives if life.ticket.assigned_agent_id == agent_id]
            done = [life for life in self.completed if life in own]
            opened = [life for life in self.open(self.moment) if life in own]
            finished, again = self.reopened(own)
            claims = sum(map(self.within, self._claimed(agent_id)))
            lost = sum(map(self.within, self._lost(agent_id)))
            if done or opened or finished or claims or lost:
                number, _, median, p85, _ = spread(self.cycle(life) for life in done)
                rows.append([agent_id, len(opened), number, median, p85, again, share(again, finished), claims, lost,
                             share(lost, claims)])  # fmt: skip
        return sorted(rows, key=lambda row: (-row[2], row[0]))

    def _blocked(self) -> Rows:
        found = []
        for life in self.open(self.moment):
            since = life.blocked_since(self.moment)
            if since is not None:
                name = self.board.by_id[life.column_at(self.moment) or ""].name
                length = int((self.moment - since).total_seconds())
                found.append((since, [life.ticket.key, life.ticket.title, name,
                                      life.ticket.assigned_agent_id or "Nobody", length]))  # fmt: skip
        return [row for _, row in sorted(found, key=lambda pair: (pair[0], pair[1]))]

    def _forecast(self) -> Rows:
        """The runs are the product's (see the test of the forecast itself); what they start from and say is not."""
        begun = max(self.first, min((life.created.date() for life in self.all), default=self.first))
        done = [life.completed(self.final) for life in self.lives]
        past = [self.on(day, done) for day in self.days if day >= begun]
        if self.end < datetime.combine(self.last, time(), tzinfo=UTC) + DAY and len(past) > 1:
            past = past[:-1]
        if not sum(past):
            return []
        seed = forecast.seed_of(self.workflow.id, (self.last - date(1970, 1, 1)).days)
        runs = forecast.days_needed(len(self.open(self.moment)), np.array(past, dtype=np.int64), seed)
        assert runs is not None
        ordered: Sequence[int] = sorted(runs.tolist())
        rows: Rows = []
        for likelihood in range(5, 100, 5):
            needed = likelihood * len(ordered) / 100
            days = next(day for place, day in enumerate(ordered, 1) if place >= needed)
            known = days <= forecast.HORIZON
            rows.append([likelihood, (self.last + days * DAY).isoformat() if known else None, days if known else None])
        return rows

    def success(self) -> list[tuple[str, Any, str | None]]:
        """Measure, value and what it is made of, where nothing is searched, linked or warned of."""
        made = [life for life in self.lives if self.within(life.created)]
        creators = {life.ticket.created_by_agent_id for life in made}
        comments = sum(map(self.within, self._acts("commented")))
        there = sum(1 for life in self.lives if life.column_at(self.moment))
        ended = [until - since for life in self.lives for since, until in life.blocks if until and self.within(until)]
        each = (self._wip(c.id, c.name, c.wip_limit)[3] for c in self.board.columns if c.wip_limit is not None)
        limits = [kept for kept in each if kept is not None]
        finished, again = self.reopened(self.lives)
        tagged = [life for life in made if "validation" in life.ticket.tags]
        settled = [life for life in tagged if life.completed(self.final)]
        days = len(self.days)
        return [
            ("Tickets created", len(made), None),
            ("Tickets per agent", len(made) / len(creators) if creators else None, None),
            ("Tickets created a day", len(made) / days, None),
            ("Comments per ticket", comments / there if there else None, f"{comments} on {there} tickets"),
            ("Cycle time, median", spread(self.cycle(life) for life in self.completed)[2], None),
            ("Blocked ticket resolution, median", spread(ended)[2], None),
            ("WIP limit adherence", statistics.fmean(limits) if limits else None, None),
            ("Reopening rate", share(again, finished), f"{again} of {finished} completed"),
            ("Validation tickets completed", share(len(settled), len(tagged)), None),
        ]
