"""Retrieval: the candidates of both halves of a search, fused into one ranking.

Knows nothing of requests and answers, so that ``search_eval`` measures what users get.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings

from search.errors import SearchPartDown
from search.filters import Filters
from search.fusion import pin, reciprocal_rank_fusion, relative_score_fusion
from search.keyword import KeywordHit, exact_search, is_identifier_like, keyword_page, keyword_search
from search.stores.base import Hit

# How many candidates each half gives; also how many results there can be.
DEPTH = 100
# How many the exact tier puts first.
EXACT = 5


class Nearest(Protocol):
    """The semantic half."""

    def __call__(self, query: str, filters: Filters, limit: int) -> Callable[[], list[Hit]]:
        """Begins to look for the tickets nearest in meaning; what is returned waits for them, best first.

        Both raise SearchPartDown.
        """


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Tickets with their relevance (0 to 1), best first; ``degraded`` says why the semantic half is missing.

    ``total``: how many were found, of which these may be the first.
    """

    ranked: list[tuple[str, float]]
    total: int
    degraded: SearchPartDown | None = None


def retrieve(
    query: str,
    mode: str,
    filters: Filters,
    *,
    nearest: Nearest,
    floor: float,
    include_comments: bool = True,
    prefix: bool = False,
    limit: int = DEPTH,
) -> Retrieval:
    """Search in one mode: hybrid, semantic, keyword. Without the semantic half, keywords stand in for it.

    What is nearer than ``floor`` is found by its meaning alone; what lies below, only where words find it too. At
    least the first ``limit`` are given. With ``prefix`` the last word may be unfinished.
    """
    degraded = None
    semantic: list[Hit] = []
    words: list[KeywordHit] | None = None
    if mode != "keyword":
        try:
            wait = nearest(query, filters, DEPTH)
            if mode == "hybrid":
                # While the query is embedded, which takes about as long.
                words = keyword_search(query, filters, DEPTH, include_comments=include_comments, prefix=prefix)
            semantic = wait()
        except SearchPartDown as error:
            degraded = error
    if mode == "keyword" or degraded is not None:
        if words is None:
            words, total = keyword_page(
                query, filters, limit, depth=DEPTH, include_comments=include_comments, prefix=prefix
            )
        else:
            total = len(words)
        ranked = [(hit.ticket_id, hit.relevance) for hit in words]
    elif words is None:
        ranked = [(hit.ticket_id, min(1.0, max(0.0, hit.score))) for hit in semantic if hit.score >= floor]
        return Retrieval(ranked, len(ranked))
    else:
        ranked = _fused(semantic, words, floor)
        total = len(ranked)
    if is_identifier_like(query):
        exact = exact_search(query, filters, EXACT, include_comments=include_comments)
        ranked = pin([hit.ticket_id for hit in exact], ranked, at_most=EXACT)
    return Retrieval(ranked, max(total, len(ranked)), degraded)


def _fused(semantic: list[Hit], words: list[KeywordHit], floor: float) -> list[tuple[str, float]]:
    weights = (settings.SEARCH.semantic_weight, settings.SEARCH.keyword_weight)
    meaning = [(hit.ticket_id, hit.score) for hit in semantic]
    keyword = [(hit.ticket_id, hit.relevance) for hit in words]
    coverage = {hit.ticket_id: hit.coverage for hit in words}
    if settings.SEARCH.fusion == "relative":
        fused = relative_score_fusion(meaning, keyword, weights=weights, floor=floor, coverage=coverage)
    else:
        fused = reciprocal_rank_fusion(
            meaning, keyword, weights=weights, k=settings.SEARCH.rrf_k, floor=floor, coverage=coverage
        )
    return [(one.id, one.score) for one in fused]
