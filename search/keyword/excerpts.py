"""Cuts the telling part out of a text, with what matched in it marked safely."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate

# About so many characters, of which some stand before the first match.
LENGTH, LEAD = 200, 40
# Of a text with more matches the first ones are looked at.
MAX_SPANS = 200
_SPACE = re.compile(r"\s+")
# Stand around a match until the text is escaped. No stored text has a NUL.
_START, _END = "\0(", "\0)"


@dataclass(frozen=True, slots=True)
class Marked:
    """A text and where in it something matched: (start, end), in order, without overlap."""

    text: str
    spans: Sequence[tuple[int, int]] = ()


def unmark(content: str, sign: str) -> Marked:
    """A text that has ``sign`` before and after each match, and nowhere else."""
    parts = content.split(sign)
    if len(parts) == 1:
        return Marked(content, [])
    ends = list(accumulate(map(len, parts)))
    return Marked("".join(parts), list(zip(ends[0::2], ends[1::2], strict=False)))


def excerpt(marked: Marked) -> tuple[str, str]:
    """The part with most of the matches (else the beginning): as plain text, and as HTML with ``<mark>`` alone.

    Words stay whole, ``…`` stands where something was left out, and any space is one blank. A match begins and ends
    with no space.
    """
    text = marked.text
    begin, finish = _whole_words(text, *_window(marked))
    part = " ".join(_with_signs(marked, begin, finish).split())
    before = "…" if text[:begin].strip() else ""
    after = "…" if text[finish:].strip() else ""
    return f"{before}{part.replace(_START, '').replace(_END, '')}{after}", f"{before}{_as_html(part)}{after}"


def whole(marked: Marked) -> str:
    """All of the text as HTML with ``<mark>`` alone."""
    return _as_html(_with_signs(marked, 0, len(marked.text)))


def _as_html(text: str) -> str:
    return escape(text).replace(_START, "<mark>").replace(_END, "</mark>")


def _with_signs(marked: Marked, begin: int, finish: int) -> str:
    """A part of the text with ``_START`` and ``_END`` around what matches in it."""
    pieces: list[str] = []
    at = begin
    for start, end in marked.spans:
        if end <= begin:
            continue
        if start >= finish:
            break
        first, last = max(start, begin), min(end, finish)
        pieces += (marked.text[at:first], _START, marked.text[first:last], _END)
        at = last
    pieces.append(marked.text[at:finish])
    return "".join(pieces)


def _window(marked: Marked) -> tuple[int, int]:
    """Where ``LENGTH`` characters hold the most different matches, and of those the most."""
    spans = marked.spans[:MAX_SPANS]
    words = [marked.text[start:end].lower() for start, end in spans]
    inside: dict[str, int] = {}
    best, different, most, past = 0, 0, 0, 0
    for place, (start, _) in enumerate(spans):
        begin = start - LEAD if start > LEAD else 0
        while past < len(spans) and (past <= place or spans[past][1] <= begin + LENGTH):
            inside[words[past]] = inside.get(words[past], 0) + 1
            past += 1
        if (len(inside), past - place) > (different, most):
            best, different, most = begin, len(inside), past - place
        if past == len(spans):
            break  # what begins later has no more
        inside[words[place]] -= 1
        if not inside[words[place]]:
            del inside[words[place]]
    return best, best + LENGTH


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The window without the words that it would cut; one that has no space is cut."""
    if start > 0 and not text[start - 1].isspace():
        space = _SPACE.search(text, start, start + LEAD)
        start = space.end() if space else start
    if end < len(text) and not text[end].isspace():
        head = text[start:end]
        kept = head.rstrip() if head != head.rstrip() else head[: len(head) - len(head.split()[-1])]
        end = start + len(kept) if len(kept) > LENGTH // 2 else end
    return start, min(end, len(text))
