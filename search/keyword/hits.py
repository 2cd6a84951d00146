"""What a keyword search finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeywordHit:
    """A ticket and how well its best text (the ticket's own, or a comment) fits: 0 or more, higher is better."""

    ticket_id: str
    score: float
