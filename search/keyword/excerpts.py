"""Cuts the telling part out of a text, with what matched in it marked safely."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

# About so many characters, of which some stand before the first match.
LENGTH, LEAD = 200, 40
# Of a text with more matches the first ones are looked at.
MAX_SPANS = 200
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Marked:
    """A text and where in it something matched: (start, end), in order, without overlap."""

    text: str
    spans: Sequence[tuple[int, int]] = ()


def unmark(content: str, start: str, end: str) -> Marked:
    """A text whose matches stand between the marks ``start`` and ``end``, which must not occur in it otherwise."""
    first, *rest = content.split(start)
    parts, spans, length = [first], [], len(first)
    for part in rest:
        match, _, after = part.partition(end)
        spans.append((length, length + len(match)))
        parts += (match, after)
        length += len(match) + len(after)
    return Marked("".join(parts), spans)


def excerpt(marked: Marked) -> tuple[str, str]:
    """The part with most of the matches (else the beginning): as plain text, and as HTML with ``<mark>`` alone.

    Words stay whole, ``…`` stands where something was left out, and any space is one blank.
    """
    text = marked.text
    start, end = _window(marked)
    begin, finish = _whole_words(text, start, end)
    pieces = _squeezed(_pieces(marked, begin, finish))
    before = "…" if text[:begin].strip() else ""
    after = "…" if text[finish:].strip() else ""
    plain = "".join(piece for piece, _ in pieces)
    html = _as_html(pieces)
    return f"{before}{plain}{after}", f"{before}{html}{after}"


def whole(marked: Marked) -> str:
    """All of the text as HTML with ``<mark>`` alone."""
    return _as_html(_pieces(marked, 0, len(marked.text)))


def _as_html(pieces: Iterable[tuple[str, bool]]) -> str:
    return "".join(f"<mark>{escape(piece)}</mark>" if matched else escape(piece) for piece, matched in pieces if piece)


def _squeezed(pieces: Iterable[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """The pieces with one blank for any space, none at the ends, and none of them empty."""
    squeezed: list[tuple[str, bool]] = []
    after_blank = True
    for content, matched in pieces:
        piece = _SPACE.sub(" ", content)
        if after_blank:
            piece = piece.removeprefix(" ")
        if piece:
            squeezed.append((piece, matched))
            after_blank = piece.endswith(" ")
    if squeezed and after_blank:
        piece, matched = squeezed.pop()
        if piece != " ":
            squeezed.append((piece.removesuffix(" "), matched))
    return squeezed


def _window(marked: Marked) -> tuple[int, int]:
    """Where ``LENGTH`` characters hold the most different matches, and of those the most."""
    spans = marked.spans[:MAX_SPANS]
    if not spans:
        return 0, LENGTH
    found = [marked.text[start:end].lower() for start, end in spans]
    ends = [end for _, end in spans]
    best, most = 0, (0, 0)
    for place, (start, _) in enumerate(spans):
        past = bisect.bisect_right(ends, max(0, start - LEAD) + LENGTH)
        inside = found[place : max(past, place + 1)]
        if (len(set(inside)), len(inside)) > most:
            best, most = max(0, start - LEAD), (len(set(inside)), len(inside))
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


def _pieces(marked: Marked, begin: int, finish: int) -> Iterator[tuple[str, bool]]:
    at = begin
    for start, end in marked.spans:
        if end <= begin:
            continue
        if start >= finish:
            break
        yield marked.text[at : max(start, begin)], False
        at = min(end, finish)
        yield marked.text[max(start, begin) : at], True
    yield marked.text[at:finish], False
