"""What a keyword search finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeywordHit:
    """A ticket and how well its best text (the ticket's own, or a comment) fits.

    ``score`` is 0 or more, higher is better. ``coverage`` (0 to 1) is the share of what the query says that the
    text has: near 0 where only its common words occur.
    """

    ticket_id: str
    score: float
    coverage: float = 1.0


def covered(hits: Iterable[tuple[str, float]], information: float) -> list[KeywordHit]:
    """Hits of a query whose words have this sum of inverse document frequencies, with their coverage.

    BM25 gives a word that stands once in a text of usual length its inverse document frequency, so the score
    itself tells what share of the words there is, without another look at the texts.
    """
    return [KeywordHit(one, score, min(1.0, score / information) if information > 0 else 1.0) for one, score in hits]
