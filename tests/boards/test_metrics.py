"""Figures agree with what the history says, counted the slow way, whatever was done and whenever one looks."""

from __future__ import annotations

import os
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest import mock

import numpy as np
import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boards.metrics import answer, forecast, kept, reading
from boards.metrics.answer import metrics_get
from boards.metrics.schemas import GetMetrics, MetricsAnswer
from tests.boards.metrics_reference import Reference
from tests.factories import AgentWithToken
from tests.tickets.world import World
from tickets import operations as ops
from tickets.access import Actor
from tickets.board_source import board_of
from tickets.errors import DomainError
from tickets.models import Ticket, Workflow
from tickets.operations import Operation
from tickets.selectors.counts import UntilNextEvent

BEGIN = datetime(2026, 3, 2, 21, 30, tzinfo=UTC)
COLUMNS = ("todo", "ready", "doing", "checking", "done", "wont")

KINDS = (
    "create", "move", "move", "move", "move", "move", "resolve", "reopen", "block", "wait_for", "unblock",
    "claim", "release", "assign", "comment", "update", "decide", "look",
)  # fmt: skip
WAITS = st.sampled_from([0, 0, 1, 1800, 7200, 40_000, 86_400, 400_000])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 5),
        st.integers(0, 5),
        WAITS,
    ),
    min_size=25,
    max_size=50,
)  # fmt: skip


class Watched(World):
    """A world whose clock only ``wait`` moves, and what is done in it."""

    def __init__(self, **settings: Any) -> None:
        self.now = BEGIN
        self.clock = mock.patch.object(timezone, "now", side_effect=lambda: self.now)
        self.clock.start()
        super().__init__(limits={"doing": 1, "checking": 2}, **settings)
        # The row's own default took the real time, and time never goes back within a workflow.
        Workflow.objects.filter(pk=self.workflow.pk).update(updated_at=BEGIN)
        self.human = self.person()
        self.keys: list[str] = []

    @property
    def agents(self) -> list[AgentWithToken | Actor]:
        return [self.agent, self.other, self.human]

    def step(self, kind: str, one: int, two: int, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        if kind == "look":
            self.compare(days=one + 1)
        elif kind == "create":
            self.create(one, two)
        elif self.keys:
            # Much happens to few: a long past shows more than many short ones.
            key, other = self.keys[one % min(3, len(self.keys))], self.keys[two % len(self.keys)]
            self.act(kind, key, other, two)

    def create(self, one: int, two: int) -> None:
        answer = self.attempt(
            ops.TICKET_CREATE, workflow_id=self.workflow.id, title=f"Ticket {len(self.keys)}",
            description="Long enough to be a description.", ticket_type=("task", "bug")[one % 2],
            priority=("critical", "high", "medium", "low")[two % 4], initial_status=(*COLUMNS[:4], None, "done")[one],
            story_points=two or None, tags=["validation"] if two == 3 else [],
            assigned_agent_id=(self.agent.id, self.other.id, None)[two % 3], by=self.agents[one % 3],
        )  # fmt: skip
        if answer is not None:
            self.keys.append(answer.key)

    def act(self, kind: str, key: str, other: str, number: int) -> None:
        agent = self.agents[number % 2]
        assert isinstance(agent, AgentWithToken)
        fields: dict[str, tuple[Operation[Any, Any], dict[str, Any]]] = {
            "move": (ops.TICKET_CHANGE_STATUS, {"new_status": COLUMNS[number]}),
            "resolve": (ops.TICKET_RESOLVE, {"resolution_comment": "Done as it was described."}),
            "reopen": (ops.TICKET_REOPEN, {"comment": "It has come back to us."}),
            "block": (ops.TICKET_BLOCK, {"reason": "Rain"}),
            "wait_for": (ops.TICKET_BLOCK, {"blocked_by_ticket_ids": [other]}),
            "unblock": (ops.TICKET_UNBLOCK, {"blocked_by_ticket_ids": [other]} if number % 2 else {}),
            "claim": (ops.TICKET_CLAIM, {"lease_seconds": 600}),
            "release": (ops.TICKET_RELEASE, {}),
            "assign": (ops.TICKET_ASSIGN, {"assigned_agent_id": agent.id if number < 4 else None}),
            "comment": (ops.COMMENT_ADD, {"comment_text": "Something to say."}),
            "update": (ops.TICKET_UPDATE, {"updates": {"ticket_type": "bug", "story_points": number}}),
            "decide": (ops.TICKET_APPROVE if number % 2 else ops.TICKET_REJECT, {"reason": "I looked at it."}),
        }
        operation, values = fields[kind]
        by = self.human if kind in ("decide", "unblock") else agent
        self.attempt(operation, ticket_id=key, by=by, **values)

    def attempt(self, operation: Operation[Any, Any], **fields: Any) -> Any:
        """What is refused is no part of the past."""
        try:
            return self.do(operation, **fields)
        except DomainError:
            return None

    def ask(self, **fields: Any) -> MetricsAnswer:
        # As if five minutes had passed, which the clock of this test does not tell the cache.
        answer._kept = UntilNextEvent(1)
        return metrics_get(actor=self.human, request=GetMetrics(workflow_id=self.workflow.id, **fields))

    def reference(self, asked: MetricsAnswer, agent: str | None = None, kind: str | None = None) -> Reference:
        workflow = Workflow.objects.get(pk=self.workflow.pk)
        return Reference(workflow, board_of(workflow), asked.first_day, asked.last_day, self.now, agent, kind)

    def compare(self, *, agent: str | None = None, kind: str | None = None, **days: Any) -> MetricsAnswer:
        asked = self.ask(assigned_agent_id=agent, ticket_type=kind, **days)
        assert_same(asked, self.reference(asked, agent, kind))
        return asked


def assert_same(asked: MetricsAnswer, reference: Reference) -> None:
    """Every figure, cell by cell."""
    found = {figure.id: figure.rows for figure in asked.figures}
    for figure in asked.figures:
        assert all(len(row) == len(figure.columns) for row in figure.rows)
    expected = reference.figures()
    assert set(found) == {*expected, "success"}
    for name, rows in expected.items():
        assert_rows(name, found[name], rows)
    measures = {row[1]: (row[2], row[4]) for row in found["success"]}
    for measure, value, basis in reference.success():
        assert_rows(measure, [[measures[measure][0]]], [[value]])
        assert basis in (None, measures[measure][1])
    head, bottleneck = asked.headline, reference.bottleneck()
    assert (asked.bottleneck and (asked.bottleneck.status, asked.bottleneck.grew_seconds)) == bottleneck
    finished, again = reference.reopened(reference.lives)
    assert (head.completed_ever, head.reopened) == (finished, again)
    assert head.completed == len(reference.completed)
    assert head.open == len(reference.open(reference.moment))
    assert head.blocked == len(expected["blocked"])
    assert head.in_progress == sum(reference.there(column, reference.moment) for column in reference.active)
    earlier = reference.start - timedelta(days=len(reference.days))
    done = [life.completed(reference.final) for life in reference.lives]
    assert head.completed_before == sum(1 for moment in done if moment and earlier <= moment < reference.start)
    dates = {row[0]: row[1] for row in expected["forecast"]}
    assert head.likely_done == (date.fromisoformat(dates[85]) if dates.get(85) else None)


def assert_rows(name: str, found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected), (name, found, expected)
    for row, wanted in zip(found, expected, strict=True):
        for cell, value in zip(row, wanted, strict=True):
            # Shares and means are given to two decimals, seconds to three.
            close = pytest.approx(value, abs=0.0051) if isinstance(value, float) else value
            assert cell == close, (name, row, wanted)


@pytest.mark.slow
@pytest.mark.django_db
@settings(
    max_examples=int(os.environ.get("METRICS_EXAMPLES", "25")), deadline=None, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)  # fmt: skip
@given(steps=STEPS, reviews=st.booleans(), days=st.integers(1, 40), ago=st.integers(0, 3))
def test_every_figure_agrees_with_the_history(
    steps: list[tuple[str, int, int, int]], reviews: bool, days: int, ago: int
) -> None:
    hold_against_history(steps, reviews, days, ago)


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6))
def test_long_pasts_agree_too(seed: int) -> None:
    """Hypothesis likes them short: tickets that are blocked twice over, reopened and finished again are rare there."""
    pick = random.Random(seed)
    waits = (0, 1, 1800, 7200, 40_000, 86_400)
    steps = [(pick.choice(KINDS), pick.randint(0, 5), pick.randint(0, 5), pick.choice(waits)) for _ in range(400)]
    hold_against_history(steps, reviews=seed == 2, days=40, ago=seed % 3)


def hold_against_history(steps: list[tuple[str, int, int, int]], reviews: bool, days: int, ago: int) -> None:
    """Do what the steps say, looking now and then, and compare every figure at the end."""
    with transaction.atomic():
        world = Watched(ticket_human_review=reviews)
        try:
            for step in steps:
                world.step(*step)
            today = world.now.date()
            last = today - timedelta(days=ago)
            whole = world.compare(days=days, last_day=last)
            for agent in (world.agent.id, "none"):
                world.compare(days=days, last_day=last, agent=agent)
            world.compare(first_day=last - timedelta(days=days), last_day=last, kind="bug", agent=world.other.id)
            # What was taken in step by step is what is read at once.
            reading.forget()
            assert world.ask(days=days, last_day=last) == whole
        finally:
            world.clock.stop()
            transaction.set_rollback(True)


@pytest.fixture
def world() -> Any:
    made = Watched()
    yield made
    made.clock.stop()


@pytest.mark.django_db
def test_time_in_status_is_right_across_reopenings(world: Watched) -> None:
    """Two stays in one column are one ticket's time there; the time in a final column is nobody's wait."""
    ticket = world.ticket()
    for status, hours in (("doing", 1), ("done", 2), ("doing", 5), ("done", 4), ("todo", 3)):
        world.now += timedelta(hours=hours)
        world.do(ops.TICKET_CHANGE_STATUS, ticket, new_status=status, comment="On it goes from here.")
    asked = world.compare(days=3)
    rows = {row[0]: row for figure in asked.figures if figure.id == "time_in_status" for row in figure.rows}
    assert rows["Doing"][:3] == ["Doing", 1, 6 * 3600]
    assert rows["Todo"][:3] == ["Todo", 1, 3600]
    assert asked.headline.completed == 0
    assert (asked.headline.reopened, asked.headline.completed_ever) == (1, 1)


@pytest.mark.django_db
def test_days_are_days_in_utc(world: Watched) -> None:
    world.ticket()
    world.now += timedelta(hours=2, minutes=29, seconds=59)
    world.ticket()
    world.now += timedelta(seconds=1)
    world.ticket()
    [rows] = [figure.rows for figure in world.compare(days=2).figures if figure.id == "burndown"]
    assert rows == [["2026-03-02", 2, 2, 0], ["2026-03-03", 3, 1, 0]]


@pytest.mark.django_db
def test_columns_that_are_gone_keep_their_past(world: Watched) -> None:
    from boards.operations import BOARD_UPDATE

    ticket = world.ticket()
    world.do(ops.TICKET_CHANGE_STATUS, ticket, new_status="ready", comment="On it goes from here.")
    world.now += timedelta(days=1)
    board = board_of(world.workflow).model_dump()
    board["columns"] = [column for column in board["columns"] if column["id"] != "ready"]
    world.do(BOARD_UPDATE, workflow_id=world.workflow.id, board=board, move_tickets={"ready": "todo"}, by=world.human)
    world.workflow.refresh_from_db()
    [figure] = [figure for figure in world.ask(days=2).figures if figure.id == "cumulative_flow"]
    place = [column.id for column in figure.columns].index("ready")
    assert [row[place] for row in figure.rows] == [1, 0]


@pytest.mark.parametrize(
    ("open_count", "past"),
    [(10, [0, 1, 2, 3]), (40, [0, 0, 0, 0, 5]), (1, [1]), (300, [1, 0, 1, 4, 2, 0, 7]), (25, [0] * 29 + [1])],
)
def test_a_forecast_is_as_likely_as_it_says(open_count: int, past: list[int]) -> None:
    """Against the exact distribution, by convolution: 1,000 runs err by 5 points once in a thousand."""
    runs = forecast.days_needed(open_count, np.array(past), seed=7)
    assert runs is not None
    same, other = (forecast.days_needed(open_count, np.array(past), seed=seed) for seed in (7, 8))
    assert same is not None
    assert other is not None
    assert np.array_equal(runs, same)
    assert not np.array_equal(runs, other) or len(past) == 1
    # The chance of each number of tickets done so far, all beyond the goal in its last place.
    chances = np.zeros(open_count + 1)
    chances[0] = 1.0
    for day in range(1, forecast.HORIZON + 1):
        after = np.zeros_like(chances)
        for done in past:
            for before, chance in enumerate(chances):
                after[min(open_count, before + done)] += chance / len(past)
        chances = after
        assert abs(float((runs <= day).mean()) - chances[-1]) < 0.06
        if chances[-1] > 0.999:
            return
    assert past.count(0) == 29


def test_a_forecast_that_cannot_be_made() -> None:
    nothing = np.zeros(5, dtype=np.int64)
    assert forecast.days_needed(3, nothing, 1) is None
    assert forecast.days_needed(0, nothing + 1, 1) is not None
    never = forecast.days_needed(100_000, nothing + 1, 1)
    assert never is not None
    assert forecast.likely_within(never, 5) is None


@pytest.mark.django_db
def test_a_log_on_disk_is_continued(world: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "KEEP_AFTER", 5)
    for _ in range(4):
        world.do(ops.TICKET_BLOCK, world.ticket(), reason="Rain")
        world.now += timedelta(hours=1)
    before = world.ask()
    assert kept.place_of(world.workflow.id).exists()
    reading.forget()
    log = kept.load(world.workflow.id)
    assert log is not None
    assert len(log.names["ids"].numbers) == 4
    assert world.ask() == before
    world.do(ops.TICKET_UNBLOCK, Ticket.objects.all()[0])
    reading.forget()
    assert world.compare().headline.blocked == 3


@pytest.mark.django_db
@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_a_broken_log_on_disk_is_made_anew(world: Watched, content: bytes) -> None:
    world.ticket()
    place = kept.place_of(world.workflow.id)
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)
    assert kept.load(world.workflow.id) is None
    assert world.compare().headline.open == 1


@pytest.mark.django_db
def test_another_history_than_the_one_known_is_read_anew(world: Watched) -> None:
    """As after a backup was restored under a running process."""
    world.ticket()
    world.ask()
    log = reading._followed[world.workflow.id].log
    assert log is not None
    log.last = (log.last[0], "ticket-of-another-past", log.last[2])
    world.ticket()
    assert world.compare().headline.open == 2


@pytest.mark.django_db
def test_a_failure_leaves_no_half_of_a_log(world: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ticket()
    world.ask()
    world.ticket()
    with monkeypatch.context() as broken:
        broken.setattr(reading, "_tickets", mock.Mock(side_effect=RuntimeError("the database went away")))
        with pytest.raises(RuntimeError):
            world.ask()
    assert world.compare().headline.open == 2
