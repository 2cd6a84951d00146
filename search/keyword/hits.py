"""What a keyword search finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# The score of BM25 that counts as half relevant: it has no upper end.
HALF_RELEVANT = 5.0


@dataclass(frozen=True, slots=True)
class KeywordHit:
    """A ticket and how well its best text (the ticket's own, or a comment) fits.

    ``score`` is 0 or more, higher is better. ``coverage`` (0 to 1) is the share of what the query says that the
    text has: near 0 where only its common words occur. A hit that is ``complete`` has all words that are asked for,
    and comes before those that are not, whatever the scores.
    """

    ticket_id: str
    score: float
    coverage: float = 1.0
    complete: bool = True

    @property
    def relevance(self) -> float:
        """0 to 1, in the order of the hits."""
        return (self.complete + self.score / (self.score + HALF_RELEVANT)) / 2


def covered(hits: Iterable[tuple[str, float]], information: float, *, complete: bool) -> list[KeywordHit]:
    """Hits of a query whose words have this sum of inverse document frequencies, with their coverage.

    BM25 gives a word that stands once in a text of usual length its inverse document frequency, so the score
    itself tells what share of the words there is, without another look at the texts.
    """
    return [
        KeywordHit(one, score, min(1.0, score / information) if information > 0 else 1.0, complete)
        for one, score in hits
    ]


def tickets_of(
    texts: Sequence[tuple[str, float, bool]], asked_for: int | None, limit: int
) -> list[tuple[str, float]] | None:
    """The best tickets by the best texts, best first, ties by id; None where more texts would have to be looked at.

    A text is its ticket, its score, and whether the filters let it pass. ``asked_for`` is how many there are at most,
    None where these are all: a text beyond them may score as much as the last.
    """
    certain = min(score for _, score, _ in texts) if len(texts) == asked_for else -1.0
    best: dict[str, float] = {}
    for ticket_id, score, passes in texts:
        if passes and score > certain:
            best[ticket_id] = max(score, best.get(ticket_id, 0.0))
    if len(best) < limit and len(texts) == asked_for:
        return None
    return sorted(best.items(), key=lambda item: (-item[1], item[0]))[:limit]
