"""No provider: ``EMBEDDING_PROVIDER=none`` leaves search to keywords."""

from __future__ import annotations

from collections.abc import Sequence

from search.errors import ProviderDown
from search.providers.base import Thresholds, Vectors

SWITCHED_OFF = "Embeddings are switched off (EMBEDDING_PROVIDER=none)."


class NoProvider:
    """Answers every question with the reason why there is no answer."""

    name = "none"
    model = "none"
    dimensions = 1
    # Equal text is still the same ticket.
    thresholds = Thresholds(floor=1.0, related=1.0, possible_duplicate=1.0, duplicate=1.0)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Raises ProviderDown."""
        raise ProviderDown(SWITCHED_OFF)

    def embed_query(self, text: str) -> Vectors:
        """Raises ProviderDown."""
        raise ProviderDown(SWITCHED_OFF)
