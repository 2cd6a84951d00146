"""A line of code as HTML: syntax colours, the words that changed, and characters that would hide what stands there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from html import escape

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES, _TokenType
from pygments.util import ClassNotFound

from gitlinks.languages import PLAIN

# Lexers take a second for some hundred kilobytes, and far longer where a line is meant to hurt them.
MAX_COLOURED = 64_000
MAX_COLOURED_LINE = 1_000
MAX_SHOWN_LINE = 4_000
MAX_COMPARED_LINE = 600
# Lines that share less are two lines, not one that changed.
ALIKE = 0.5

Span = tuple[int, int]
Token = tuple[str, str]  # class, text

# Control characters as their pictures, one for one. A parser of HTML would make line breaks of some.
_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {0x7F: 0x2421}
# What changes the order of what is shown, or cannot be seen: CVE-2021-42574.
_HIDDEN = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_WORDS = re.compile(r"\w+|\s+|.", re.DOTALL)


def plain(text: str) -> str:
    """A line as it is shown: pictures for control characters, no carriage return at its end."""
    return text.removesuffix("\r").translate(_PICTURES)


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    if language == PLAIN:
        return None
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def coloured(lines: Sequence[str], language: str) -> list[list[Token]]:
    """The tokens of lines that follow each other, each as ``plain`` has it; in one piece where there is no colour."""
    shown = [plain(line) for line in lines]
    lexer = _lexer(language)
    bare = [[("", line)] for line in shown]
    if lexer is None or sum(map(len, shown)) > MAX_COLOURED or any(len(line) > MAX_COLOURED_LINE for line in shown):
        return bare
    found: list[list[Token]] = [[]]
    for kind, value in lexer.get_tokens("\n".join(shown)):
        name = _class(kind)
        first, *rest = value.split("\n")
        if first:
            found[-1].append((name, first))
        found.extend([(name, part)] if part else [] for part in rest)
    # A lexer may drop or change characters; what a file says comes before its colours.
    return [
        tokens if "".join(text for _, text in tokens) == line else alone
        for tokens, line, alone in zip([*found, *([[]] * len(shown))], shown, bare, strict=False)
    ]


def _class(kind: _TokenType) -> str:
    known: _TokenType | None = kind
    while known is not None:
        if known in STANDARD_TYPES:
            return STANDARD_TYPES[known]
        known = known.parent
    return ""


def changed_words(old: str, new: str) -> tuple[list[Span], list[Span]]:
    """Where two lines differ, by words. Nothing where they have too little in common, or are too long to compare."""
    if old == new or max(len(old), len(new)) > MAX_COMPARED_LINE:
        return [], []
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.quick_ratio() < ALIKE:
        return [], []
    blocks = matcher.get_matching_blocks()
    common = sum(len(before[i].strip()) for block in blocks for i in range(block.a, block.a + block.size))
    if 2 * common < ALIKE * (len(old.replace(" ", "")) + len(new.replace(" ", ""))):
        return [], []
    opcodes = matcher.get_opcodes()
    return (
        _spans(before, [(a, b) for tag, a, b, _, _ in opcodes if tag != "equal"]),
        _spans(after, [(c, d) for tag, _, _, c, d in opcodes if tag != "equal"]),
    )


def _spans(words: Sequence[str], ranges: Iterable[Span]) -> list[Span]:
    """Ranges of words as ranges of characters; those that only a space parts are one."""
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word))
    found: list[Span] = []
    for first, end in ranges:
        if first == end:
            continue
        if found and not "".join(words)[found[-1][1] : starts[first]].strip():
            found[-1] = (found[-1][0], starts[end])
        else:
            found.append((starts[first], starts[end]))
    return found


def line_html(tokens: Sequence[Token], marks: Sequence[Span] = (), *, ending: bool = False) -> str:
    """A line's tokens as HTML with its changed words marked; ``ending``: its carriage return is what changed."""
    parts: list[str] = []
    at = 0
    for name, whole in tokens:
        text = whole[: max(MAX_SHOWN_LINE - at, 0)]
        for start, end, is_marked in _cut(at, at + len(text), marks):
            html = _visible(text[start - at : end - at])
            html = f'<span class="{name}">{html}</span>' if name else html
            parts.append(f"<mark>{html}</mark>" if is_marked else html)
        at += len(text)
    left = sum(len(text) for _, text in tokens) - at
    if left:
        parts.append(f'<span class="cut">… {left:,} more characters</span>')
    if ending:
        parts.append('<mark><span class="odd" title="Carriage return">CR</span></mark>')
    return "".join(parts).replace("</mark><mark>", "")


def _cut(start: int, end: int, marks: Sequence[Span]) -> list[tuple[int, int, bool]]:
    found = []
    for mark in marks:
        first, last = max(mark[0], start), min(mark[1], end)
        if first >= last:
            continue
        if first > start:
            found.append((start, first, False))
        found.append((first, last, True))
        start = last
    if start < end:
        found.append((start, end, False))
    return found


def _visible(text: str) -> str:
    return _HIDDEN.sub(_named, escape(text))


def _named(found: re.Match[str]) -> str:
    code = ord(found[0])
    name = unicodedata.name(found[0], "no name").capitalize()
    return f'<span class="odd" title="{name}">U+{code:04X}</span>'
