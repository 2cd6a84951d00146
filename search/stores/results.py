"""What makes the stores give the same results: one precision of scores, one order, one idea of a vector."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from search.providers.base import Vectors
from search.stores.base import Hit

# The engines add float32 products up in different orders: from the seventh digit on they differ.
DIGITS = 6


def score_of(cosine: float) -> float:
    """A cosine as hits give it, so that equal vectors score alike in every store."""
    return round(cosine, DIGITS)


def best(hits: Iterable[Hit], limit: int, floor: float) -> list[Hit]:
    """Those that reach the floor, best first, ties by id; at most ``limit``."""
    return sorted((hit for hit in hits if hit.score >= floor), key=lambda hit: (-hit.score, hit.ticket_id))[:limit]


def checked(vector: Vectors, dimensions: int) -> Vectors:
    """The vector. Raises ValueError where it is not ``(dimensions,)`` finite numbers."""
    if vector.shape != (dimensions,):
        raise ValueError(f"The vector has the shape {vector.shape}; this store holds ({dimensions},).")
    if not np.isfinite(vector).all():
        raise ValueError("The vector holds numbers that are not finite.")
    return vector
