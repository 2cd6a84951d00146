"""What every vector store does: numpy, the embedded Qdrant and a Qdrant server give the same results."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.filters import NOBODY, VISIBLE, Filters
from search.providers.base import Vectors
from search.stores.base import Hit, Point, VectorStore
from search.stores.edge import EdgeStore
from search.stores.exact import ExactStore
from search.stores.server import ServerStore
from tests.search.qdrant_double import qdrant_double
from tests.search.vectors import (
    ALL_HALVES,
    DIMENSIONS,
    FAR,
    NEAR,
    OPPOSITE,
    SAME,
    at,
    brute_force,
    cosine,
    ids,
    point,
    random_points,
    text_of,
)

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

WF = Filters(workflow_id="wf-1")


@contextmanager
def numpy_store(dimensions: int) -> Iterator[VectorStore]:
    with closing(ExactStore(dimensions)) as store:
        yield store


@contextmanager
def embedded_store(dimensions: int) -> Iterator[VectorStore]:
    # In memory where that is possible: a dozen indexes wait for a busy disk again and again.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=memory) as folder, closing(EdgeStore(dimensions, Path(folder))) as store:
        yield store


@contextmanager
def served_store(dimensions: int) -> Iterator[VectorStore]:
    with qdrant_double() as double, closing(ServerStore(double.url, "", dimensions, timeout=30)) as store:
        yield store


Open = Callable[[int], AbstractContextManager[VectorStore]]


@pytest.fixture(params=[numpy_store, embedded_store, served_store], ids=["exact", "edge", "server"])
def open_store(request: pytest.FixtureRequest) -> Open:
    kind: Open = request.param
    return kind


@pytest.fixture
def store(open_store: Open) -> Iterator[VectorStore]:
    with open_store(DIMENSIONS) as opened:
        yield opened


def test_an_empty_store_finds_nothing(store: VectorStore) -> None:
    assert store.query(SAME, WF, 10) == []
    assert store.count() == store.count("wf-1") == 0


def test_the_nearest_come_first_with_their_cosine(store: VectorStore) -> None:
    store.upsert(
        [point("ticket-far", FAR), point("ticket-same"), point("ticket-near", NEAR), point("ticket-not", OPPOSITE)]
    )
    assert store.query(SAME, WF, 10) == [
        Hit("ticket-same", 1.0),
        Hit("ticket-near", 0.75),
        Hit("ticket-far", 0.25),
        Hit("ticket-not", -1.0),
    ]


def test_no_more_are_found_than_asked_for(store: VectorStore) -> None:
    store.upsert([point("ticket-1", FAR), point("ticket-2", NEAR), point("ticket-3", SAME)])
    assert ids(store.query(SAME, WF, 2)) == ["ticket-3", "ticket-2"]
    assert store.query(SAME, WF, 0) == []


def test_nothing_below_the_floor_is_found(store: VectorStore) -> None:
    store.upsert([point("ticket-1", FAR), point("ticket-2", NEAR)])
    assert ids(store.query(SAME, WF, 10, floor=0.75)) == ["ticket-2"]
    assert store.query(SAME, WF, 10, floor=0.76) == []


def test_equal_scores_are_in_the_order_of_ids_also_where_the_limit_cuts_them(store: VectorStore) -> None:
    names = [f"ticket-{number:02}" for number in range(40)]
    store.upsert([point(name, NEAR) for name in reversed(names)])
    store.upsert([point("ticket-best", SAME)])
    assert ids(store.query(SAME, WF, 4)) == ["ticket-best", *names[:3]]
    assert ids(store.query(SAME, WF, 100)) == ["ticket-best", *names]


def test_a_second_upsert_replaces_vector_and_payload(store: VectorStore) -> None:
    store.upsert([point("ticket-1", SAME, status="todo")])
    store.upsert([point("ticket-1", FAR, status="done")])
    assert store.count() == 1
    assert store.query(SAME, Filters(workflow_id="wf-1", status=("todo",)), 10) == []
    assert store.query(SAME, Filters(workflow_id="wf-1", status=("done",)), 10) == [Hit("ticket-1", 0.25)]


def test_values_that_are_taken_away_are_gone(store: VectorStore) -> None:
    store.upsert([point("ticket-1", assigned_agent_id="agent-2", tags_folded=["ui"], approval_status="none")])
    store.upsert([point("ticket-1", assigned_agent_id=None, tags_folded=[], approval_status="rejected")])
    assert store.query(SAME, WF, 10) == []
    rejected = Filters(workflow_id="wf-1", approval_status=("rejected",), assigned_agent_id=NOBODY)
    assert ids(store.query(SAME, rejected, 10)) == ["ticket-1"]
    assert store.query(SAME, Filters(workflow_id="wf-1", approval_status=None, tags=("ui",)), 10) == []


def test_of_a_ticket_given_twice_at_once_the_later_counts(store: VectorStore) -> None:
    store.upsert([point("ticket-1", FAR), point("ticket-1", NEAR)])
    assert store.query(SAME, WF, 10) == [Hit("ticket-1", 0.75)]


def test_deleted_tickets_are_forgotten_and_the_rest_stays(store: VectorStore) -> None:
    store.upsert([point(f"ticket-{number}", vector) for number, vector in enumerate(ALL_HALVES[:20])])
    store.delete([f"ticket-{number}" for number in range(0, 20, 2)])
    assert store.count() == 10
    left = [point(f"ticket-{number}", ALL_HALVES[number]) for number in range(1, 20, 2)]
    assert store.query(SAME, WF, 100) == brute_force(left, SAME, WF, 100)


def test_deleting_what_is_not_there_does_no_harm(store: VectorStore) -> None:
    store.upsert([point("ticket-1")])
    store.delete(["ticket-2", f"ticket-{uuid.uuid4()}"])
    store.delete([])
    store.upsert([])
    assert store.count() == 1


def test_it_counts_all_tickets_and_those_of_a_workflow(store: VectorStore) -> None:
    store.upsert([point("ticket-1"), point("ticket-2", workflow_id="wf-2", approval_status="rejected")])
    assert (store.count(), store.count("wf-1"), store.count("wf-2"), store.count("wf-3")) == (2, 1, 1, 0)


@pytest.mark.parametrize(
    "ticket_id",
    [
        "ticket-0b5f3a52-9e0d-4f5e-8f4e-0e6f0a4f2c11",
        "ticket-0B5F3A52-9E0D-4F5E-8F4E-0E6F0A4F2C11",
        "0b5f3a52-9e0d-4f5e-8f4e-0e6f0a4f2c11",
        "ticket-0b5f3a529e0d4f5e8f4e0e6f0a4f2c11",
        "demo-7",
        "ticket-",
        "naïve / id ✓",
    ],
)
def test_any_ticket_id_comes_back_as_it_was_given(store: VectorStore, ticket_id: str) -> None:
    store.upsert([point(ticket_id), point("ticket-9f0d6c0e-7e35-4a0a-a2a0-1f6a0d7f9c55", FAR)])
    assert ids(store.query(SAME, WF, 1)) == [ticket_id]
    assert ticket_id not in ids(store.query(SAME, Filters(workflow_id="wf-1", exclude=(ticket_id,)), 10))
    store.delete([ticket_id])
    assert store.count() == 1


def test_tickets_whose_ids_differ_in_case_alone_are_two(store: VectorStore) -> None:
    store.upsert([point(f"ticket-{'aB' * 16}"), point(f"ticket-{uuid.UUID('ab' * 16)}", NEAR)])
    assert store.query(SAME, WF, 10) == [
        Hit(f"ticket-{'aB' * 16}", 1.0),
        Hit(f"ticket-{uuid.UUID('ab' * 16)}", 0.75),
    ]


def test_excluded_tickets_take_no_place_of_others(store: VectorStore) -> None:
    store.upsert([point(f"ticket-{number}") for number in range(9)])
    store.upsert([point("ticket-wanted", FAR)])
    excluded = tuple(f"ticket-{number}" for number in range(9))
    assert ids(store.query(SAME, Filters(workflow_id="wf-1", exclude=excluded), 1)) == ["ticket-wanted"]


@pytest.mark.parametrize(
    ("limits", "passes", "fails"),
    [
        ({"status": ("todo",)}, {"status": "todo"}, {"status": "to"}),
        ({"status": ("todo", "done")}, {"status": "done"}, {"status": "review"}),
        ({"ticket_type": ("bug", "task")}, {"ticket_type": "task"}, {"ticket_type": "spike"}),
        ({"priority": ("low",)}, {"priority": "low"}, {"priority": "high"}),
        ({}, {"approval_status": "pending_review"}, {"approval_status": "rejected"}),
        ({}, {"approval_status": "approved"}, {"approval_status": "expired"}),
        ({"approval_status": ("expired",)}, {"approval_status": "expired"}, {"approval_status": "none"}),
        ({"assigned_agent_id": "a"}, {"assigned_agent_id": "a"}, {"assigned_agent_id": "A"}),
        ({"assigned_agent_id": "a"}, {"assigned_agent_id": "a"}, {"assigned_agent_id": None}),
        ({"assigned_agent_id": NOBODY}, {"assigned_agent_id": None}, {"assigned_agent_id": "a"}),
        ({"tags": ("ui",)}, {"tags_folded": ["api", "ui"]}, {"tags_folded": ["u", "i"]}),
        ({"tags": ("ui", "api")}, {"tags_folded": ["api", "ui"]}, {"tags_folded": ["ui"]}),
        ({"tags": ("ui",)}, {"tags_folded": ["ui"]}, {"tags_folded": []}),
        ({"is_blocked": True}, {"is_blocked": True}, {"is_blocked": False}),
        ({"is_blocked": False}, {"is_blocked": False}, {"is_blocked": True}),
        ({"created_after": at(5)}, {"created_at": text_of(at(5))}, {"created_at": text_of(at(4))}),
        ({"created_before": at(5)}, {"created_at": text_of(at(4))}, {"created_at": text_of(at(5))}),
        ({"updated_after": at(5)}, {"updated_at": text_of(at(5))}, {"updated_at": text_of(at(4))}),
        ({"exclude": ("ticket-fails",)}, {}, {}),
        ({"model": "one"}, {"model": "one"}, {"model": "other"}),
        ({}, {"workflow_id": "wf-1"}, {"workflow_id": "wf-11"}),
    ],
)
def test_each_filter_lets_through_what_it_should(
    store: VectorStore, limits: dict[str, Any], passes: dict[str, Any], fails: dict[str, Any]
) -> None:
    store.upsert([point("ticket-passes", FAR, **passes), point("ticket-fails", SAME, **fails)])
    assert ids(store.query(SAME, Filters(workflow_id="wf-1", **limits), 10)) == ["ticket-passes"]


@pytest.mark.parametrize("field", ["status", "ticket_type", "priority", "approval_status"])
def test_no_alternative_at_all_finds_nothing(store: VectorStore, field: str) -> None:
    store.upsert([point()])
    nothing: dict[str, Any] = {field: ()}
    assert store.query(SAME, Filters(workflow_id="wf-1", **nothing), 10) == []


def test_the_filter_applies_before_the_limit(store: VectorStore) -> None:
    store.upsert([point(f"ticket-{number}", SAME, status="done") for number in range(1000)])
    store.upsert([point("ticket-wanted", OPPOSITE, status="todo")])
    assert ids(store.query(SAME, Filters(workflow_id="wf-1", status=("todo",)), 1)) == ["ticket-wanted"]


def test_tickets_of_another_workflow_are_never_found(store: VectorStore) -> None:
    store.upsert([point(f"ticket-{number}", workflow_id=f"wf-{number}") for number in range(1, 6)])
    for number in range(1, 6):
        found = store.query(SAME, Filters(workflow_id=f"wf-{number}", approval_status=None), 10)
        assert ids(found) == [f"ticket-{number}"]
    assert store.query(SAME, Filters(workflow_id="wf"), 10) == []


@pytest.mark.parametrize("bad", [np.ones(4), np.ones((1, DIMENSIONS)), np.full(DIMENSIONS, np.nan)])
def test_a_vector_that_does_not_fit_is_refused_before_anything_is_written(store: VectorStore, bad: Any) -> None:
    with pytest.raises(ValueError, match="vector"):
        store.upsert([point("ticket-1"), point("ticket-2", bad.astype(np.float32))])
    with pytest.raises(ValueError, match="vector"):
        store.query(bad.astype(np.float32), WF, 10)
    assert store.count() == 0


def test_real_vectors_score_as_brute_force_says(open_store: Open) -> None:
    points = random_points(500, 384)
    vectors = {one.ticket_id: one.vector for one in points}
    with open_store(384) as store:
        store.upsert(points)
        for one in points[:5]:
            found = store.query(one.vector, WF, 50)
            # Sums of 384 float32 products may differ in the last digit, and neighbours so close change places.
            expected = [hit.score for hit in brute_force(points, one.vector, WF, 50)]
            assert [hit.score for hit in found] == pytest.approx(expected, abs=2e-6)
            own = [cosine(vectors[hit.ticket_id], one.vector) for hit in found]
            assert [hit.score for hit in found] == pytest.approx(own, abs=2e-6)


def test_8_threads_upsert_and_query_at_once(store: VectorStore) -> None:
    def work(number: int) -> list[Point]:
        generator = np.random.default_rng(number)
        filters = Filters(workflow_id=f"wf-{number}", approval_status=None)
        own: dict[str, Point] = {}
        for _ in range(12):
            written = [
                point(
                    f"ticket-{number}-{generator.integers(9)}",
                    ALL_HALVES[generator.integers(len(ALL_HALVES))],
                    workflow_id=filters.workflow_id,
                    approval_status=str(generator.choice(["none", "rejected"])),
                )
                for _ in range(4)
            ]
            store.upsert(written)
            own |= {one.ticket_id: one for one in written}
            gone = sorted(own)[: generator.integers(3)]
            store.delete(gone)
            for ticket_id in gone:
                del own[ticket_id]
            # What this thread has written is there at once, and nothing of the others'.
            vector = ALL_HALVES[generator.integers(len(ALL_HALVES))]
            assert store.query(vector, filters, 5) == brute_force(own.values(), vector, filters, 5)
        return list(own.values())

    with ThreadPoolExecutor(8) as pool:
        left = [one for points in pool.map(work, range(8)) for one in points]
    assert store.count() == len(left)


WORKFLOWS, AGENTS, TAGS, MODELS = ["wf-1", "wf-2"], ["a", "b"], ["ui", "api", "ß"], ["one", "two"]
CHOICES = {
    "status": ["todo", "doing", "done"],
    "ticket_type": ["bug", "task"],
    "priority": ["low", "high"],
    "approval_status": ["none", "pending_review", "rejected", "expired"],
}
IDS = [f"ticket-{uuid.UUID(int=number)}" for number in range(8)] + [f"import {number}" for number in range(8)]
moments = st.integers(0, 4).map(at)
zoned = st.builds(
    lambda moment, hours: moment.astimezone(timezone(timedelta(hours=hours))), moments, st.integers(-3, 3)
)
vectors = st.sampled_from(ALL_HALVES)


@st.composite
def points_of_a_store(draw: st.DrawFn) -> list[Point]:
    return [
        point(
            ticket_id,
            draw(vectors),
            workflow_id=draw(st.sampled_from(WORKFLOWS)),
            assigned_agent_id=draw(st.sampled_from([None, *AGENTS])),
            tags_folded=draw(st.lists(st.sampled_from(TAGS), unique=True)),
            is_blocked=draw(st.booleans()),
            created_at=text_of(draw(moments)),
            updated_at=text_of(draw(moments)),
            model=draw(st.sampled_from(MODELS)),
            **{field: draw(st.sampled_from(values)) for field, values in CHOICES.items()},
        )
        for ticket_id in draw(st.lists(st.sampled_from(IDS), unique=True, max_size=12))
    ]


def some(values: list[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
    return st.none() | st.lists(st.sampled_from(values), unique=True).map(tuple)


any_filters = st.builds(
    Filters,
    workflow_id=st.sampled_from(WORKFLOWS),
    status=some(CHOICES["status"]),
    ticket_type=some(CHOICES["ticket_type"]),
    priority=some(CHOICES["priority"]),
    approval_status=st.just(VISIBLE) | some(CHOICES["approval_status"]),
    assigned_agent_id=st.sampled_from([None, NOBODY, *AGENTS]),
    tags=st.lists(st.sampled_from(TAGS), unique=True, max_size=2).map(tuple),
    is_blocked=st.sampled_from([None, True, False]),
    created_after=st.none() | zoned,
    created_before=st.none() | zoned,
    updated_after=st.none() | zoned,
    exclude=st.lists(st.sampled_from(IDS), unique=True, max_size=3).map(tuple),
    model=st.sampled_from([None, *MODELS]),
)
# Mostly one or two limits, or hardly anything would pass.
few_filters = st.builds(
    lambda filters, kept: Filters(
        workflow_id=filters.workflow_id, **{field: getattr(filters, field) for field in kept}
    ),
    any_filters,
    st.lists(st.sampled_from([name for name in Filters.__slots__ if name != "workflow_id"]), unique=True, max_size=3),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    points=points_of_a_store(),
    asked=st.lists(st.tuples(few_filters | any_filters, vectors), min_size=1, max_size=5),
    limit=st.integers(1, 6),
    floor=st.sampled_from([-1.0, 0.0, 0.25, 0.5]),
)
def test_any_filters_find_what_brute_force_finds(
    store: VectorStore, points: list[Point], asked: list[tuple[Filters, Vectors]], limit: int, floor: float
) -> None:
    store.delete(IDS)
    store.upsert(points)
    assert store.count() == len(points)
    for filters, vector in asked:
        assert store.query(vector, filters, limit, floor=floor) == brute_force(points, vector, filters, limit, floor)


def test_a_moment_counts_whatever_zone_it_is_told_in(store: VectorStore) -> None:
    store.upsert([point("ticket-1", created_at="2025-03-01T12:00:00.000001Z")])
    elsewhere = datetime(2025, 3, 1, 17, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert store.query(SAME, Filters(workflow_id="wf-1", created_before=elsewhere), 10) == []
    assert ids(store.query(SAME, Filters(workflow_id="wf-1", created_after=elsewhere), 10)) == ["ticket-1"]
