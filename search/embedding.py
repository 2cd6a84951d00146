"""What of a ticket is embedded, and how its vectors are put together.

The design weighs the title twice, tags one and a half times, the description once. Each is embedded for
itself and the vectors are added with these weights, so that a long description cannot push the title out of
the model's window. Comments, once there are any, are one more passage.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from search.providers.base import Vectors

TITLE_WEIGHT = 2.0
TAGS_WEIGHT = 1.5
DESCRIPTION_WEIGHT = 1.0
COMMENTS_WEIGHT = 1.0
NEWEST_COMMENTS = 5

_SPACE = re.compile(r"\s+")
Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class Content:
    """What is embedded of a ticket. ``comments`` are the newest five, newest first."""

    title: str
    description: str
    tags: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()

    @property
    def content_hash(self) -> str:
        """Of all that is embedded: equal hashes, equal vectors."""
        return _digest([self.title, self.description, self.tags, self.comments])

    @functools.cached_property
    def text_hash(self) -> str:
        """Of title and description, however they are spaced and cased."""
        return _digest([normalised(self.title), normalised(self.description)])

    @property
    def text(self) -> list[tuple[float, str]]:
        """What tells duplicates: title and description, without tags, each with its weight.

        As alike as the two joined and embedded as one text (measured: correlation 0.91, the same scale), and
        they are embedded for searches anyway.
        """
        return _passages((1.0, self.title), (1.0, self.description))

    @property
    def parts(self) -> list[tuple[float, str]]:
        """What searches compare: passages with their weights."""
        return _passages(
            (TITLE_WEIGHT, self.title),
            (TAGS_WEIGHT, ", ".join(self.tags)),
            (DESCRIPTION_WEIGHT, self.description),
            (COMMENTS_WEIGHT, "\n".join(self.comments)),
        )


@dataclass(frozen=True, slots=True)
class Embedded:
    """A ticket's two vectors, ``(dimensions,)`` float32 of length 1: for searches, and for duplicates."""

    vector: Vectors
    text_vector: Vectors


def embed_contents(embed: Embed, contents: Sequence[Content]) -> list[Embedded]:
    """The vectors of tickets, by one call of ``embed`` for all their passages. Raises ProviderDown."""
    passages = dict.fromkeys(text for content in contents for _, text in (*content.parts, *content.text))
    found = dict(zip(passages, embed(list(passages)), strict=True))
    return [
        Embedded(
            vector=_weighed_sum([(weight, found[text]) for weight, text in content.parts]),
            text_vector=_weighed_sum([(weight, found[text]) for weight, text in content.text]),
        )
        for content in contents
    ]


def as_bytes(vector: Vectors) -> bytes:
    """A vector as the database keeps it: little-endian float32."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def from_bytes(stored: bytes | memoryview) -> Vectors:
    """``(dimensions,)`` float32 of what the database keeps."""
    return np.frombuffer(stored, dtype="<f4")


def normalised(text: str) -> str:
    """Text in which only what is said counts: compatibility forms folded, case and spacing evened out."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _passages(*weighed: tuple[float, str]) -> list[tuple[float, str]]:
    """Those that say anything; of a text that says nothing at all, nothing."""
    return [(weight, text) for weight, text in weighed if text.strip()] or [(1.0, "")]


def _weighed_sum(parts: list[tuple[float, Vectors]]) -> Vectors:
    total = np.sum([weight * vector for weight, vector in parts], axis=0, dtype=np.float32)
    length = float(np.linalg.norm(total))
    # Opposite vectors may cancel out; the first part is then as good as any.
    return np.asarray(total / length if length > 1e-6 else parts[0][1], dtype=np.float32)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
