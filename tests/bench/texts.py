"""Titles and descriptions as long as those of real issues, the same in each run."""

from __future__ import annotations

import json
import random
from pathlib import Path

POOL = 1500
# Lengths in characters that real GitHub issues have: median 1070, mean 2280, a few of 25,000.
BODY_MEDIAN, BODY_SPREAD, BODY_MAX = 1070, 1.1, 25_000

_WORDS = """
    abort access account accessor adapter address agent alias allocation answer array assertion async atomic attribute
    author backend batch behaviour binary board boolean branch browser buffer build button bytes cache callback
    canvas certificate channel character checkout client clock closure cluster codec column command comment commit
    compiler component config connection console constant constraint container context controller cookie copy core
    counter crash cursor cycle daemon dashboard data database deadlock default delay dependency deploy descriptor
    device dialog diff directory driver editor element empty encoding endpoint engine entry enum environment error
    event exception export expression extension factory failure feature fence field file filter flag folder font
    fork format frame function garbage gateway generator graph group handler handshake hash header heap history host
    hydration icon identifier image import index input instance integer interface interval iterator job join key
    kernel label lambda language layer layout leak lease library limit line link list listener loader locale lock
    log loop macro mapping margin memory menu merge message method migration missing mock model module monitor mutex
    namespace network node notification null number object offset operator optimizer option order output overflow
    package padding page panel parameter parser patch path payload permission pipeline plugin pointer policy pool
    port prefix preview process profile promise property protocol proxy query queue race rank record recursion
    redirect reference regression release render replica repository request resolver response restart retry return
    role rollback route row runtime sandbox scheduler schema scope script scroll search segment selector sequence
    serializer server session shadow shell signal snapshot socket sort source stack state status storage stream
    string style subscription suffix symbol syntax table tag target task template tensor terminal test theme thread
    ticket timeout timer timestamp token tooltip trace transaction transition trigger tuple type undefined unicode
    update upload user validation value variable vector version view warning watcher widget window worker wrapper
"""
_LINKING = "a the when with after in of for is not does to from on while and should but"
WORDS, LINKING = tuple(_WORDS.split()), tuple(_LINKING.split())


class Texts:
    """A pool of (title, description) made with a seed, or read from a file of JSON lines (title, body)."""

    def __init__(self, seed: int, file: Path | None = None, *, pool: int = POOL) -> None:
        self._random = random.Random(seed)
        self._pool = _read(file) if file else [self._make() for _ in range(pool)]

    def pick(self) -> tuple[str, str]:
        return self._random.choice(self._pool)

    def sentence(self, words: int) -> str:
        chosen = [self._random.choice(LINKING if place % 3 == 2 else WORDS) for place in range(words)]
        return " ".join(chosen).capitalize()

    def _make(self) -> tuple[str, str]:
        length = min(BODY_MAX, int(self._random.lognormvariate(0, BODY_SPREAD) * BODY_MEDIAN) + 40)
        body = "### What happens\n\n"
        while len(body) < length:
            body += self.sentence(self._random.randint(6, 22)) + self._random.choice([". ", ".\n\n", ".\n- "])
        return self.sentence(self._random.randint(4, 13)), body[:length]


def _read(file: Path) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    usable = [(row["title"].strip(), row.get("body") or "") for row in rows]
    return [(title[:500], body[:250_000]) for title, body in usable if len(title) >= 3 and len(body.strip()) >= 10]
