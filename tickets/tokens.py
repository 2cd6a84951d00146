"""How many tokens a text costs a language model: an estimate that is rather too high than too low.

A tokenizer's ranks are megabytes, and each model has its own. What is promised to agents is a ceiling, so it
is enough never to promise too much: tests hold the estimate against o200k_base, with prose, code and noise.
"""

from __future__ import annotations

import re

# Roughly what o200k_base's own first step cuts a text into.
_PIECES = re.compile(
    r"(?P<word>[A-Z]?[a-z]+)|(?P<upper>[A-Z]+)|(?P<digits>[0-9]+)|(?P<blanks>\s+)|(?P<marks>[!-/:-@\[-`{-~]+)|(?P<other>\S)"
)
LONGEST_WORD = 14
_UNSPEAKABLE = re.compile(r"[bcdfghjklmnpqrstvwxz]{3}")
_NOISE = re.compile(r"[bcdfghjklmnpqrstvwxz]{4}")


def estimate(text: str) -> int:
    """Tokens that the text costs at most, unless it was made to break this. Linear in its length."""
    return sum(_cost(match.lastgroup or "", match.group()) for match in _PIECES.finditer(text))


def fits(text: str, tokens: int) -> bool:
    """Whether the text costs no more than that. Quick where it plainly does: no token is less than a byte."""
    return len(text) * 4 <= tokens or (text.isascii() and len(text) <= tokens) or estimate(text) <= tokens


def _cost(kind: str, piece: str) -> int:
    length = len(piece)
    if kind == "word":
        return _word(piece, length)
    if kind == "digits":
        return (length + 2) // 3
    if kind == "blanks":
        # A single space belongs to the word after it.
        return 0 if piece == " " else 1 + (length // 3 if piece.strip(" ") else length // 64)
    if kind == "other":
        return len(piece.encode("utf-8", "replace"))
    return (2 * length + 2) // 3


def _word(piece: str, length: int) -> int:
    """A language's words are few pieces; what cannot be spoken, or is too long, is none of them."""
    if length > LONGEST_WORD or (length > 4 and _NOISE.search(piece)):
        return (3 * length + 4) // 5 + 1
    if length > 3 and _UNSPEAKABLE.search(piece):
        return (length + 1) // 2
    return (length + 2) // 3
