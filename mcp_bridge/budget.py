"""Keeps answers below what an agent can read: at most 8,000 tokens in both forms together, and it says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tickets.tokens import fits

CEILING = 8000
# The estimate is a little low for texts that are nothing but hexadecimal digits.
_MARGIN = 200
# Lists whose newest entry is the last one.
_NEWEST_LAST = frozenset({"comments", "history", "commits"})
# An id that is cut is of no use.
_WHOLE = ("_id", "_ids", "_tickets", "_sha")
# Tried in this order: characters of a text, entries of a list.
_STEPS = ((20_000, 200), (8000, 100), (4000, 50), (2000, 30), (1000, 20), (500, 10), (250, 8), (120, 5), (60, 2))

Data = dict[str, Any]
TextOf = Callable[[Data], str]


@dataclass(frozen=True)
class Reply:
    """An answer in both its forms. The text is complete on its own: clients drop one or the other."""

    data: Data
    text: str


def reply(data: Data, text_of: TextOf, *, tokens: int = CEILING, narrow: str = "") -> Reply:
    """The answer, cut down until it costs no more than ``tokens``; ``narrow`` says how to get the rest."""
    whole = Reply(data, text_of(data))
    if _small_enough(whole, tokens):
        return whole
    hint = " ".join(part for part in ("Long texts and lists are cut.", narrow) if part)
    for characters, entries in _STEPS:
        cut = _shrink(data, characters, entries)
        cut |= {"truncated": True, "hint": hint}
        shorter = Reply(cut, text_of(cut))
        if _small_enough(shorter, tokens):
            return shorter
    least: Data = {name: data[name] for name in ("success", "ticket_id", "key") if name in data}
    least |= {"truncated": True, "hint": hint}
    return Reply(least, json.dumps(least, ensure_ascii=False))


def clip(text: str, length: int) -> str:
    """The text's beginning, with an ellipsis where something is missing."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _small_enough(answer: Reply, tokens: int) -> bool:
    both = json.dumps(answer.data, ensure_ascii=False, separators=(",", ":")) + answer.text
    return fits(both, tokens - _MARGIN)


def _shrink(value: Any, characters: int, entries: int, name: str = "") -> Any:
    if isinstance(value, str):
        return value if name.endswith(_WHOLE) and len(value) <= 100 else clip(value, characters)
    if isinstance(value, list):
        kept = value[-entries:] if name in _NEWEST_LAST else value[:entries]
        return [_shrink(item, characters, entries, name) for item in kept]
    if isinstance(value, Mapping):
        pairs = list(value.items())
        return {key: _shrink(item, characters, entries, key) for key, item in pairs[: max(entries, 60)]}
    return value
