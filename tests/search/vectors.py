"""Points for the tests of vector stores, and what brute force finds among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from typing import Any

import numpy as np

from search.filters import Filters, Payload
from search.providers.base import Vectors
from search.stores.base import Hit, Point

DIMENSIONS = 8
START = datetime(2025, 3, 1, 12, tzinfo=UTC)


def at(microseconds: int) -> datetime:
    return START + timedelta(microseconds=microseconds)


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def half(*places: int) -> Vectors:
    """A vector of length 1 with 0.5 at four places, -0.5 where the place is negative (-1 is the first).

    Products of such vectors are multiples of 0.25 in any order of addition: every engine agrees to the last bit.
    """
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    for place in places:
        vector[place if place >= 0 else -place - 1] = 0.5 if place >= 0 else -0.5
    return vector


ALL_HALVES = [
    half(*(place if sign else -place - 1 for place, sign in zip(places, signs, strict=True)))
    for places in combinations(range(DIMENSIONS), 4)
    for signs in product((True, False), repeat=4)
]
SAME = half(0, 1, 2, 3)
NEAR = half(0, 1, 2, 4)
FAR = half(0, 5, 6, 7)
OPPOSITE = -SAME


def point(ticket_id: str = "ticket-1", vector: Vectors = SAME, **changes: Any) -> Point:
    """A point; without ``changes`` it passes ``Filters(workflow_id="wf-1")``."""
    payload = Payload(
        ticket_id=ticket_id,
        workflow_id="wf-1",
        title="Login fails",
        description="It fails after an hour.",
        ticket_type="bug",
        priority="high",
        status="todo",
        tags=["Auth", "API"],
        created_at=text_of(START),
        updated_at=text_of(START),
        created_by_agent_id="agent-1",
        assigned_agent_id=None,
        comment_texts=["Seen again."],
        is_blocked=False,
        tags_folded=["auth", "api"],
        approval_status="none",
        model="test:model:8",
    )
    payload.update(changes)  # type: ignore[typeddict-item]
    return Point(vector, payload)


def random_points(count: int, dimensions: int, **changes: Any) -> list[Point]:
    generator = np.random.default_rng(count)
    vectors = generator.standard_normal((count, dimensions), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [point(f"ticket-{number}", vector, **changes) for number, vector in enumerate(vectors)]


def brute_force(
    points: Iterable[Point], vector: Vectors, filters: Filters, limit: int, floor: float = -1.0
) -> list[Hit]:
    """What a store has to find, by the definition of filters and of the cosine."""
    hits = [Hit(one.ticket_id, cosine(one.vector, vector)) for one in points if filters.match(one.payload)]
    return sorted((hit for hit in hits if hit.score >= floor), key=lambda hit: (-hit.score, hit.ticket_id))[:limit]


def cosine(one: Vectors, other: Vectors) -> float:
    return round(float(one.astype(np.float64) @ other.astype(np.float64)), 6)


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.ticket_id for hit in hits]
