"""What every vector store is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from search.filters import Filters, Payload
from search.providers.base import Vectors


@dataclass(frozen=True, slots=True)
class Point:
    """A ticket's vector, ``(dimensions,)`` float32 of length 1, with its payload."""

    vector: Vectors
    payload: Payload

    @property
    def ticket_id(self) -> str:
        return self.payload["ticket_id"]


@dataclass(frozen=True, slots=True)
class Hit:
    """A ticket and the cosine of its vector and the query's, -1 to 1."""

    ticket_id: str
    score: float


class VectorStore(Protocol):
    """Keeps one vector a ticket and finds the nearest. Safe for threads. Every method may raise StoreDown.

    All stores give the same results: exact cosines, rounded to six decimals. A vector that is not
    ``(dimensions,)`` finite numbers is a ValueError, before anything is written.
    """

    def upsert(self, points: Sequence[Point]) -> None:
        """Add tickets, or put a new vector and payload in place of the old."""

    def delete(self, ticket_ids: Sequence[str]) -> None:
        """Forget tickets; unknown ids do no harm."""

    def query(self, vector: Vectors, filters: Filters, limit: int, *, floor: float = -1.0) -> list[Hit]:
        """The nearest tickets to ``vector`` ``(dimensions,)`` that pass the filters, best first, ties by id.

        The filters apply before the limit; nothing that scores below ``floor`` is returned.
        """

    def count(self, workflow_id: str | None = None) -> int:
        """How many tickets it holds, of all workflows or of one."""

    def close(self) -> None:
        """Give back files and connections. A store of this process alone is down from then on."""
