"""What every embedding provider is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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
    """Turns text into vectors: ``(n, dimensions)`` float32, each row of length 1. Safe for threads."""

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
