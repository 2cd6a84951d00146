"""What a query says to the keyword index: any text whatever becomes a few quoted words and phrases.

The databases split and stem what they are given once more, as they did with the tickets, so nothing here has to
agree with them to the letter: a word that they know nothing of finds nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# More words than this make a query slower but not better (measured with halves of issues as queries).
MAX_TERMS = 24
# Of a longer query so many are looked up, and the rarest of them asked for.
MAX_CANDIDATES = 48
# A term that no more texts than these have is asked for, whatever share of all they are; others only up to a share.
_FEW, _MOST, _MOST_OF_COMMON = 200, 1 / 2, 1 / 10
# With fewer letters too many words begin (20 times as slow), and none is meant yet. Bytes: an ideograph says more.
MIN_PREFIX = 3
# What stands between two spaces is looked for as a phrase, too, up to so many words.
MAX_PHRASE = 8
# Only a short query is taken for an identifier.
MAX_IDENTIFIER_WORDS, MAX_IDENTIFIER_LENGTH = 3, 200

# In nearly every English text: not worth showing, and asked for only where few texts have them. Then they say a
# little together, which helps paraphrases (nDCG@10 67.0 without them, 68.2 with them); in many texts they only cost.
_COMMON = frozenset(
    "a an and are as at be but by for from in is it not of on or that the this to was with".split()  # noqa: SIM905 - a list
)
_WORD = re.compile(r"[^\W_]+")

_CODE_LIKE = re.compile(
    r"""
      [^\W\d_] [\w./:#-]* \d | \d [\w./:#-]* [^\W\d_]   # letters with digits: ERR-1042, 0x80070005, utf8
    | \w _ \w | \b _ [^\W_]                             # foo_bar, __init__
    | [a-z] [A-Z]                                       # getUserName
    | \w \. [^\W_]                                      # foo.bar, 1.2.3
    | [^\W_] :: [^\W_] | [^\W_] (?: -> | \#) [^\W_]     # std::vector, a->b
    | \w \(\)                                           # close()
    | [^\W_]{2} / [^\W_]{2} | ^ / [^\W_]                # tickets/unit, /etc
    | ^ --? [^\W\d_]                                    # --no-sandbox
    | ^ [A-Z]{5,} $                                     # SIGSEGV
    """,
    re.VERBOSE,
)
_ORDINARY = re.compile(r"\d+(?:st|nd|rd|th)|e\.g\.?|i\.e\.?|and/or", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Term:
    """One word, or several that stand next to each other; with ``prefix`` the last may go on."""

    words: tuple[str, ...]
    prefix: bool = False

    @property
    def is_common(self) -> bool:
        """Whether it is an article, a preposition or the like."""
        return len(self.words) == 1 and self.words[0] in _COMMON

    def tells(self, count: int, total: int) -> bool:
        """Whether it is worth asking for beside others, where so many of all texts have it."""
        return count <= max(_FEW, total * (_MOST_OF_COMMON if self.is_common else _MOST))


def terms_of(query: str, *, prefix: bool = False) -> list[Term]:
    """What a query asks for, each once, in order, at most ``MAX_CANDIDATES``.

    What is written together (``log-in``, ``foo_bar.baz()``) is asked for as a phrase and as its words. With
    ``prefix``, a last word of ``MIN_PREFIX`` bytes that no space ends may be the beginning of a longer one.
    """
    terms: dict[tuple[str, ...], None] = {}
    last: tuple[str, ...] = ()
    for words in _written_together(query):
        if 1 < len(words) <= MAX_PHRASE:
            terms.setdefault(words)
        for word in words:
            last = (word,)
            terms.setdefault(last)
        if len(terms) >= 2 * MAX_CANDIDATES:
            break
    else:
        prefix = prefix and query[-1:].isalnum() and len("".join(last).encode()) >= MIN_PREFIX
    return [Term(words, prefix and words == last) for words in list(terms)[:MAX_CANDIDATES]]


def shown_of(terms: list[Term]) -> list[Term]:
    """Those of a query's terms whose occurrences are worth showing: all but the commonest words, if any is left."""
    return [term for term in terms if not term.is_common] or terms


def phrases_of(query: str) -> list[Term]:
    """What a query asks for to the letter: each part between spaces as a phrase, at most ``MAX_TERMS`` words."""
    phrases: dict[tuple[str, ...], None] = {}
    left = MAX_TERMS
    for words in _written_together(query):
        if left <= 0:
            break
        phrases.setdefault(words[:left])
        left -= len(words)
    return [Term(words) for words in phrases]


def is_identifier_like(query: str) -> bool:
    """Whether a query names something by how it is written: at most three words, of which one looks like code."""
    if len(query) > MAX_IDENTIFIER_LENGTH:
        return False
    parts = query.split()
    return len(parts) <= MAX_IDENTIFIER_WORDS and any(
        _CODE_LIKE.search(part) and not _ORDINARY.fullmatch(part.strip(".,;:!?()\"'")) for part in parts
    )


def _written_together(query: str) -> Iterator[tuple[str, ...]]:
    """The words between two spaces, for each of the query's parts that has any."""
    for part in unicodedata.normalize("NFC", query).lower().split():
        if words := tuple(_WORD.findall(part)):
            yield words
