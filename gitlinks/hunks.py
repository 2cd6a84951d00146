"""Reads the lines of a unified diff as git writes it, a page at a time.

Counts of hunks say where content ends, so that no line of a file can pass for a header; a diff that was cut is read
as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from itertools import islice
from typing import Literal

Kind = Literal["hunk", "same", "del", "add", "note"]
PAGE = 250  # lines
# A browser has no room for a million lines under each other.
MAX_PAGES = 2000
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_KINDS: dict[str, Kind] = {" ": "same", "-": "del", "+": "add"}


@dataclass(slots=True)
class Line:
    """A line of a diff, without its sign. ``old`` and ``new`` count from 1, None where that side has none.

    ``change`` numbers the changes of a file from 1: lines removed and added in a row are one; 0 is none. Of a "hunk",
    ``old`` and ``new`` are the lines it begins with, ``text`` is what git takes for its heading, and ``gap`` the first
    new line since the hunk before. A "note" is what git says about the line above.
    """

    kind: Kind
    old: int | None
    new: int | None
    text: str
    change: int = 0
    gap: int = 1


@dataclass(slots=True)
class _Reader:
    """Where in a diff reading stands: an offset, the next lines' numbers, what the hunk still holds."""

    at: int = 0
    old: int = 1
    new: int = 1
    left_old: int = 0
    left_new: int = 0
    change: int = 0
    in_change: bool = False

    def lines(self, text: str) -> Iterator[Line]:
        end = len(text)
        while self.at < end:
            stop = text.find("\n", self.at)
            stop = end if stop < 0 else stop
            raw = text[self.at : stop]
            self.at = stop + 1
            kind = _KINDS.get(raw[:1]) if self.left_old or self.left_new else None
            line = self._header(raw) if kind is None else self._content(kind, raw)
            if line is not None:
                yield line

    def _content(self, kind: Kind, raw: str) -> Line:
        old = new = None
        if kind != "add":
            old = self.old
            self.old, self.left_old = old + 1, self.left_old - 1
        if kind != "del":
            new = self.new
            self.new, self.left_new = new + 1, self.left_new - 1
        if kind == "same":
            self.in_change = False
            return Line(kind, old, new, raw[1:])
        if not self.in_change:
            self.in_change = True
            self.change += 1
        return Line(kind, old, new, raw[1:], self.change)

    def _header(self, raw: str) -> Line | None:
        if raw.startswith("\\ "):
            return Line("note", None, None, raw[2:])
        found = _HUNK.match(raw)
        if not found:
            if raw.startswith("diff --git "):
                # A file that became a link is two files in one: the second begins anew.
                self.old = self.new = 1
            return None
        gap, self.in_change = self.new, False
        self.left_old, self.left_new = (1 if count is None else int(count) for count in (found[2], found[4]))
        # Of an empty side, git names the line before.
        self.old, self.new = int(found[1]) + (not self.left_old), int(found[3]) + (not self.left_new)
        return Line("hunk", self.old, self.new, found[5], gap=gap)


@dataclass(frozen=True, slots=True)
class Page:
    """Up to ``PAGE`` lines from a place on. ``first`` and ``last`` number its changes; without any, last < first."""

    start: _Reader
    lines: int
    first: int
    last: int


def pages_of(text: str, size: int = PAGE, at_most: int = MAX_PAGES) -> tuple[list[Page], bool]:
    """Where the pages of a diff begin, and whether they reach its end. A diff without lines has none."""
    found: list[Page] = []
    reader = _Reader()
    lines = reader.lines(text)
    while len(found) < at_most:
        start = copy(reader)
        page = list(islice(lines, size))
        if not page:
            return found, True
        changes = [line.change for line in page if line.change]
        first, last = (changes[0], changes[-1]) if changes else (start.change + 1, start.change)
        found.append(Page(start, len(page), first, last))
    return found, next(lines, None) is None


def read_page(text: str, page: Page) -> list[Line]:
    """The lines of one of its pages."""
    return list(islice(copy(page.start).lines(text), page.lines))
