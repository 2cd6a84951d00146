"""Which tickets a commit message means, and which of them it closes. Pure functions of text."""

from __future__ import annotations

import functools
import re
from collections.abc import Set
from dataclasses import dataclass, replace

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# Numbers as the design has them: TICKET-12, TKT:12, #12. Not org/repo#12, and not the number of a pull request.
_NUMBERED = r"(?:(?<![\w/])(?:TICKET[-:]?|TKT:?)|(?<![\w/&#])(?<!pull request )(?<!\bPR )(?<!\bMR )\#[-:]?)"
_NUMBER = r"[1-9][0-9]{0,9}"
_ENDS = r"(?![\w]|\.\d)"
_CLOSES = re.compile(
    r"(?<![\w-])(?<!not )(?<!n['\u2019]t )(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?)(?:[ \t]*:[ \t]*|[ \t]+)"
    r"(?:(?:ticket|issue|bug)s?[ \t]+)?\#?$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"[ \t]*(?:[,;&+]\s*)?(?:and[ \t]+)?\#?", re.IGNORECASE)
_LONGEST_CLOSING = 60


@dataclass(frozen=True)
class Reference:
    """A ticket that a message names: by its key or by its id. ``closes``: a closing word stands before it."""

    key: str | None = None
    ticket_id: str | None = None
    closes: bool = False

    @property
    def name(self) -> str:
        return self.key or self.ticket_id or ""


def find_references(message: str, *, prefixes: Set[str], numbers: str | None = None) -> list[Reference]:
    """The tickets that a message names, each once, in the order of their first mention.

    ``prefixes`` are the key prefixes that count, in upper case; keys are found in any case. ``numbers`` is the prefix
    that bare numbers (``#12``) stand for, None where they could mean several. A revert closes nothing.
    """
    found: dict[str, Reference] = {}
    is_revert = message.startswith(("Revert ", "revert"))
    closing, end = False, 0
    for match in _pattern(frozenset(prefixes), numbers is not None).finditer(message):
        between = message[end : match.start()]
        if not (end and closing and _GOES_ON.fullmatch(between)):
            closing = not is_revert and _CLOSES.search(between[-_LONGEST_CLOSING:]) is not None
        end = match.end()
        reference = _reference(match, numbers)
        known = found.get(reference.name, reference)
        found[reference.name] = replace(known, closes=known.closes or closing)
    return list(found.values())


def hint(prefixes: Set[str], *, numbers: bool) -> re.Pattern[bytes]:
    """Finds every message that may name a ticket, and some that do not: for bytes, before they are read as text."""
    words = [re.escape(f"{prefix}-") for prefix in sorted(prefixes)] + ["ticket", "tkt", "#"]
    return re.compile(f"(?:{'|'.join(words)})[-:]?[0-9a-f]".encode(), re.IGNORECASE)


@functools.lru_cache(maxsize=64)
def _pattern(prefixes: frozenset[str], numbers: bool) -> re.Pattern[str]:
    forms = [rf"(?:(?<![\w/])(?:TICKET|TKT)[-:]?|(?<![\w/&#])\#[-:]?)(?:ticket-)?(?P<id>{_UUID})"]
    if prefixes:
        keys = "|".join(map(re.escape, sorted(prefixes)))
        forms.append(rf"(?<!\w)(?P<key>(?:{keys})-{_NUMBER})")
    if numbers:
        forms.append(rf"{_NUMBERED}(?P<number>{_NUMBER})")
    return re.compile(rf"(?:{'|'.join(forms)}){_ENDS}", re.IGNORECASE | re.ASCII)


def _reference(match: re.Match[str], numbers: str | None) -> Reference:
    groups = match.groupdict()
    if groups["id"]:
        return Reference(ticket_id=f"ticket-{groups['id'].lower()}")
    if groups.get("key"):
        return Reference(key=groups["key"].upper())
    return Reference(key=f"{numbers}-{groups['number']}")
