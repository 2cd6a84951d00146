"""What every embedding provider is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search.errors import ProviderDown

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Cosine similarities between which a model's judgements lie; each model has its own scale.

    Below ``floor`` a hit of a search means nothing. From ``related`` on two tickets are about the same
    thing, from ``possible_duplicate`` on they may say the same, from ``duplicate`` on they do.
    """

    floor: float
    related: float
    possible_duplicate: float
    duplicate: float


class EmbeddingProvider(Protocol):
    """Turns text into vectors: ``(n, dimensions)`` float32, each row of length 1. Safe for threads.

    Any string will do, also an empty one. Making a provider is cheap and asks nobody: models are loaded
    and connections opened by the first text.
    """

    @property
    def name(self) -> str:
        """``local``, ``openai`` or ``voyage``."""

    @property
    def model(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    @property
    def thresholds(self) -> Thresholds: ...

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """``(len(texts), dimensions)``, in order. Long texts are cut by tokens. Raises ProviderDown."""

    def embed_query(self, text: str) -> Vectors:
        """``(1, dimensions)``. Raises ProviderDown."""


def fingerprint(provider: EmbeddingProvider) -> str:
    """What tells vectors apart that cannot be compared: provider, model and dimensions."""
    return f"{provider.name}:{provider.model}:{provider.dimensions}"


def unit_rows(rows: ArrayLike, shape: tuple[int, int]) -> Vectors:
    """The rows as float32, each divided by its length.

    Raises ProviderDown where they are not numbers, not of that ``(count, dimensions)``, not finite, or
    where one has no direction.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            vectors = np.asarray(rows, dtype=np.float32)
        except (TypeError, ValueError):
            raise ProviderDown("The embedding provider's answer holds no vectors of one length.") from None
        if vectors.shape != shape:
            raise ProviderDown(
                f"The embedding provider's answer has the shape {vectors.shape}, expected was {shape} (texts, "
                "dimensions): check EMBEDDING_MODEL and EMBEDDING_DIMENSIONS."
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ProviderDown("The embedding provider's answer holds a vector that is not finite or has no direction.")
    units: Vectors = vectors / lengths
    return units
