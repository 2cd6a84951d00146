"""Vectors in a matrix, each compared with the query: for machines without a wheel of the embedded Qdrant."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from search.errors import StoreDown
from search.filters import Filters, Payload
from search.providers.base import Vectors
from search.stores.base import Hit, Point
from search.stores.forks import start_afresh_in_children
from search.stores.results import DIGITS, best, checked

# Rows of an empty store's first matrix; it doubles whenever it is full.
_FIRST_ROWS = 256


class ExactStore:
    """A ``VectorStore`` in memory: 4 bytes a dimension and what filters look at, for each ticket."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._closed = False
        self._empty()
        start_afresh_in_children(self)

    def _empty(self) -> None:
        self._lock = threading.Lock()
        self._matrix = np.empty((_FIRST_ROWS, self.dimensions), dtype=np.float32)
        self._payloads: list[Payload] = []
        self._rows: dict[str, int] = {}

    after_fork = _empty

    def upsert(self, points: Sequence[Point]) -> None:
        vectors = [checked(point.vector, self.dimensions) for point in points]
        with self._lock:
            self._check_open()
            for point, vector in zip(points, vectors, strict=True):
                row = self._rows.setdefault(point.ticket_id, len(self._payloads))
                if row == len(self._payloads):
                    self._payloads.append(point.payload)
                    if row == len(self._matrix):
                        self._matrix = np.concatenate([self._matrix, np.empty_like(self._matrix)])
                self._matrix[row] = vector
                # No filter looks at texts, which may be long.
                self._payloads[row] = {**point.payload, "description": "", "comment_texts": []}

    def delete(self, ticket_ids: Sequence[str]) -> None:
        with self._lock:
            self._check_open()
            for ticket_id in ticket_ids:
                hole = self._rows.pop(ticket_id, None)
                if hole is None:
                    continue
                last = self._payloads.pop()
                if hole < len(self._payloads):
                    self._matrix[hole] = self._matrix[len(self._payloads)]
                    self._payloads[hole] = last
                    self._rows[last["ticket_id"]] = hole

    def query(self, vector: Vectors, filters: Filters, limit: int, *, floor: float = -1.0) -> list[Hit]:
        checked(vector, self.dimensions)
        if limit <= 0:
            return []
        with self._lock:
            self._check_open()
            # Row by row: a matrix product rounds equal rows differently, depending on where they stand.
            scores = np.vecdot(self._matrix[: len(self._payloads)], vector).astype(np.float64).round(DIGITS)
            rows = np.flatnonzero(scores >= floor)
            found: list[Hit] = []
            for row in rows[np.argsort(-scores[rows])]:
                score = float(scores[row])
                if len(found) >= limit and score < found[-1].score:
                    break
                if filters.match(self._payloads[row]):
                    found.append(Hit(self._payloads[row]["ticket_id"], score))
        return best(found, limit, floor)

    def count(self, workflow_id: str | None = None) -> int:
        with self._lock:
            self._check_open()
            if workflow_id is None:
                return len(self._payloads)
            return sum(payload["workflow_id"] == workflow_id for payload in self._payloads)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._matrix, self._payloads, self._rows = self._matrix[:0], [], {}

    def _check_open(self) -> None:
        if self._closed:
            raise StoreDown("The local vector store is closed.")
