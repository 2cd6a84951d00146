"""How alike the texts of tickets are, on the scale of the model in use."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from search.embedding import from_bytes
from search.models import TicketEmbedding
from search.providers import provider
from search.providers.base import Vectors, fingerprint
from tickets.prepared import Mark, Reading, marks, numbered


def relation(score: float) -> str:
    """duplicate, related or similar, on the scale of the model in use."""
    limits = provider().thresholds
    if score >= limits.possible_duplicate:
        return "duplicate"
    return "related" if score >= limits.related else "similar"


def text_scores(vector: Vectors, ticket_ids: Sequence[str]) -> dict[str, float]:
    """Ticket id → cosine of its title and description with ``vector`` ``(dimensions,)``, 0 to 1. One query."""
    if not ticket_ids:
        return {}
    # Few sizes, so that few statements are compiled.
    padded = [*ticket_ids, *[ticket_ids[-1]] * (-len(ticket_ids) % 10)]
    rows = _text_vectors(len(padded)).rows(model=fingerprint(provider()), **numbered("id", padded))
    found = [(ticket_id, stored) for ticket_id, stored in rows if stored]
    if not found:
        return {}
    scores = np.stack([from_bytes(stored) for _, stored in found]) @ vector
    return {ticket_id: min(1.0, max(0.0, float(score))) for (ticket_id, _), score in zip(found, scores, strict=True)}


@functools.cache
def _text_vectors(count: int) -> Reading:
    ids: Any = marks("id", count)
    rows = TicketEmbedding.objects.filter(ticket__id__in=ids, model=Mark("model"))
    return Reading(rows.values_list("pk", "text_vector"))
