"""How alike the texts of tickets are, on the scale of the model in use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search.embedding import from_bytes
from search.models import TicketEmbedding
from search.providers import provider
from search.providers.base import Vectors, fingerprint


def relation(score: float) -> str:
    """duplicate, related or similar, on the scale of the model in use."""
    limits = provider().thresholds
    if score >= limits.possible_duplicate:
        return "duplicate"
    return "related" if score >= limits.related else "similar"


def text_scores(vector: Vectors, ticket_ids: Sequence[str]) -> dict[str, float]:
    """Ticket id → cosine of its title and description with ``vector`` ``(dimensions,)``, 0 to 1. One query."""
    rows = TicketEmbedding.objects.filter(pk__in=ticket_ids, model=fingerprint(provider())).exclude(text_vector=b"")
    found = list(rows.values_list("pk", "text_vector"))
    if not found:
        return {}
    scores = np.stack([from_bytes(stored) for _, stored in found]) @ vector
    return {ticket_id: min(1.0, max(0.0, float(score))) for (ticket_id, _), score in zip(found, scores, strict=True)}
