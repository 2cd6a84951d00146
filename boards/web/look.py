"""How data becomes glyphs, words and colours: pure functions, no query."""

from __future__ import annotations

import re
import zlib
from datetime import datetime

from tickets.rules import Board, Column, TicketType

HUES = 8
MINUTE, HOUR, DAY = 60, 3600, 86_400

# Types that have a drawn glyph, with the emoji of the default board: the drawing says the same, more quietly.
DRAWN_TYPES = {"bug": "🐛", "feature": "✨", "improvement": "📈", "task": "📋", "spike": "🔬"}
_GLYPHS = {"queue": ("cat-queue", "cat-ready"), "active": ("cat-active", "cat-review"), "final": ("cat-final",) * 2}


# Marks of Markdown that only disturb where a text is cut to a line or two.
_MARKS = re.compile(r"`+|\*\*|(?<!\S)#{1,6} ")


def unmarked(text: str) -> str:
    """A piece of Markdown without its code, bold and heading marks. What was escaped stays so."""
    return _MARKS.sub("", text)


def initials(name: str) -> str:
    """Two characters that stand for a name: I2 for impl-2, DO for Dana Okafor, AD for ada."""
    words = "".join(character if character.isalnum() else " " for character in name).split()
    if not words:
        return "?"
    if len(words) == 1:
        return words[0][:2].upper()
    return (words[0][0] + words[-1][0]).upper()


def hue(name: str) -> int:
    """1 to 8, the same for the same name in every process."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % HUES + 1


def age(moment: datetime, now: datetime) -> str:
    """Time since, in the largest unit that fits: 8s, 14m, 3h, 12d."""
    seconds = max(int((now - moment).total_seconds()), 0)
    if seconds < MINUTE:
        return f"{seconds}s"
    if seconds < HOUR:
        return f"{seconds // MINUTE}m"
    if seconds < DAY:
        return f"{seconds // HOUR}h"
    return f"{seconds // DAY}d"


def coarse_age(moment: datetime, now: datetime) -> str:
    """The same, but that the first minute is "now": what shows it changes once a minute at most."""
    return "now" if (now - moment).total_seconds() < MINUTE else age(moment, now)


def duration(minutes: int) -> str:
    """An estimate as people say it: 45m, 3h, 2h 15m."""
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{rest}m"
    return f"{hours}h {rest}m" if rest else f"{hours}h"


def column_glyph(board: Board, column: Column) -> str:
    """The icon of a column: by its category, the first of a category told from the others."""
    first, later = _GLYPHS[column.category]
    return first if board.statuses(column.category)[:1] == [column.id] else later


def is_drawn(kind: TicketType) -> bool:
    """Whether the type is drawn: a known one whose emoji, if any, nobody has chosen."""
    return kind.icon in ("", DRAWN_TYPES.get(kind.id))


def type_glyph(kind: TicketType) -> str:
    return f"type-{kind.id}" if kind.id in DRAWN_TYPES else "tag"
