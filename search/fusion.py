"""Puts the rankings of the two halves of a search together.

Ranks and scores do not tell a hit from chance, so both fusions look at two more things:

- **Coverage** of a keyword hit: the share of the query's information (sum of the terms' idf) that the document
  holds. Up to half of it is as good as chance, and a hit counts the more the further it goes beyond. With every
  hit counted alike, what shares a word with a paraphrase pushes what is meant out of sight.
- The **floor** of similarity: nothing enters by a lower one. But where a keyword let a document in, its place by
  similarity still counts, the less the further it lies below the floor.

Everything is pure. Equal scores share a rank, so the order in which they are given does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Ranked = Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Fused:
    """A document with its score, 0 to 1, and its rank in each half, from 1; None where it is not in a half."""

    id: str
    score: float
    semantic_rank: int | None
    keyword_rank: int | None


def reciprocal_rank_fusion(
    semantic: Ranked,
    keyword: Ranked,
    *,
    weights: tuple[float, float],
    k: float = 60,
    floor: float = 0.0,
    coverage: Mapping[str, float] | None = None,
) -> list[Fused]:
    """Best first: the sum over the halves of weight / (k + rank), as a share of what first in both would get.

    ``semantic`` are ids with cosines (-1 to 1), also those below ``floor``; ``keyword`` ids with scores;
    ``weights`` are of both in that order, and a half with none takes no part. ``coverage`` (0 to 1) is of the
    keyword hits, 1 where it is not given. Raises ValueError for weights that are negative or all zero.

    Cormack, Clarke, Büttcher: Reciprocal rank fusion outperforms Condorcet and individual rank learning
    methods. SIGIR 2009. Weights, floor and coverage are additions.
    """
    semantic, keyword = _with_weight(semantic, keyword, weights)
    semantic_rank, keyword_rank = _ranks(semantic), _ranks(keyword)
    by_meaning = {
        one: (min(1.0, max(0.0, cosine) / floor) if floor > 0 else 1.0) * (k + 1) / (k + semantic_rank[one])
        for one, cosine in semantic
        if cosine >= floor or one in keyword_rank
    }
    by_words = {one: _evidence(coverage, one) * (k + 1) / (k + rank) for one, rank in keyword_rank.items()}
    return _sums(weights, by_meaning, by_words, semantic_rank, keyword_rank)


def relative_score_fusion(
    semantic: Ranked,
    keyword: Ranked,
    *,
    weights: tuple[float, float],
    floor: float = 0.0,
    coverage: Mapping[str, float] | None = None,
) -> list[Fused]:
    """Best first: the weighed sum of each half's score as a share of its best. For the rest as above.

    The lowest score counts as what it is instead of as zero, so that it does not depend on how many candidates
    were asked for. Bruch, Gai, Ingber: An analysis of fusion functions for hybrid retrieval. ACM TOIS 42(1), 2023.
    """
    semantic, keyword = _with_weight(semantic, keyword, weights)
    semantic_rank, keyword_rank = _ranks(semantic), _ranks(keyword)
    entered = [(one, cosine) for one, cosine in semantic if cosine >= floor or one in keyword_rank]
    # Where nothing reaches the floor, the best is no full match either.
    by_meaning = _shares_of_best(entered, at_least=floor)
    by_words = {one: _evidence(coverage, one) * share for one, share in _shares_of_best(keyword).items()}
    return _sums(weights, by_meaning, by_words, semantic_rank, keyword_rank)


def pin(exact_ids: Sequence[str], ranked: Ranked, *, at_most: int = 5) -> list[tuple[str, float]]:
    """The first ``at_most`` of the exact hits, in their order and with the full score, then the rest as ranked."""
    pinned = dict.fromkeys(list(dict.fromkeys(exact_ids))[:at_most], 1.0)
    return [*pinned.items(), *((one, score) for one, score in ranked if one not in pinned)]


def _with_weight(semantic: Ranked, keyword: Ranked, weights: tuple[float, float]) -> tuple[Ranked, Ranked]:
    if min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"Weights must not be negative, and one must be positive: {weights}")
    return semantic if weights[0] else (), keyword if weights[1] else ()


def _ranks(ranked: Ranked) -> dict[str, int]:
    """Ids to ranks from 1; equal scores share the first of theirs."""
    ranks: dict[str, int] = {}
    rank, before = 0, None
    for place, (one, score) in enumerate(sorted(ranked, key=lambda pair: -pair[1]), start=1):
        rank, before = (rank if score == before else place), score
        ranks[one] = rank
    return ranks


def _shares_of_best(ranked: Ranked, at_least: float = 0.0) -> dict[str, float]:
    best = max([at_least, *(score for _, score in ranked)])
    return {one: max(0.0, score) / best if best > 0 else 0.0 for one, score in ranked}


def _evidence(coverage: Mapping[str, float] | None, one: str) -> float:
    covered = 1.0 if coverage is None else coverage.get(one, 1.0)
    return min(1.0, max(0.0, 2 * covered - 1))


def _sums(
    weights: tuple[float, float],
    by_meaning: Mapping[str, float],
    by_words: Mapping[str, float],
    semantic_rank: Mapping[str, int],
    keyword_rank: Mapping[str, int],
) -> list[Fused]:
    """The weighed mean of what both halves give (0 to 1 each). Equal ones are in the order of ranks, then of ids."""
    found = []
    for one in by_meaning.keys() | by_words.keys():
        total = weights[0] * by_meaning.get(one, 0.0) + weights[1] * by_words.get(one, 0.0)
        # Rounding may carry it beyond.
        score = min(1.0, total / sum(weights))
        found.append(Fused(one, score, semantic_rank.get(one), keyword_rank.get(one)))
    nowhere = len(semantic_rank) + len(keyword_rank) + 1
    return sorted(
        found, key=lambda one: (-one.score, one.semantic_rank or nowhere, one.keyword_rank or nowhere, one.id)
    )
