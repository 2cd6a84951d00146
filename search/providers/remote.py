"""What the providers behind a network share: what they are sent, and what of their answers is believed."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

import numpy as np
from django.core.exceptions import ImproperlyConfigured

from search.errors import ProviderDown, ProviderRefused
from search.providers.base import Thresholds, Vectors, unit_rows

# These services' tokens are made of bytes, so that no text has more tokens than bytes: within this, no text has more
# than the 8,191 tokens that the smallest of the models takes. Counting exactly needs tables that must be fetched over
# a network. English has four bytes a token; one bug report in thirty is longer than this.
MAX_BYTES = 8191
# Of one request, where OpenAI takes 300,000 tokens and 2,048 texts, Voyage 120,000 and 1,000.
REQUEST_BYTES = 100_000
REQUEST_TEXTS = 256

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 20.0
ATTEMPTS = 3
# A service that asks for a longer pause is down for now: a job comes again later, a search does without.
LONGEST_PAUSE = 8.0

# Below 500, what may go better the next time. The openai client tries the same ones again.
RETRIED = (408, 409, 429)

ClientT = TypeVar("ClientT")


@dataclass(frozen=True, slots=True)
class Model:
    """``dimensions`` is the length of its vectors, ``others`` are those it makes when asked to."""

    dimensions: int
    thresholds: Thresholds
    others: range | tuple[int, ...] = ()


class RemoteProvider(ABC, Generic[ClientT]):
    """An embedding service. The first text opens its client, one for each process."""

    name: ClassVar[str]
    title: ClassVar[str]
    models: ClassVar[Mapping[str, Model]]
    default_model: ClassVar[str]
    # For a model that is not among ``models``.
    other_thresholds: ClassVar[Thresholds]

    def __init__(
        self,
        model: str | None = None,
        dimensions: int | None = None,
        *,
        api_key: str = "",
        base_url: str | None = None,
    ) -> None:
        """None means the service's default model, the model's own dimensions, the service's own address.

        Raises ImproperlyConfigured for a key, an address or dimensions that cannot be.
        """
        self.model = model or self.default_model
        known = self.models.get(self.model)
        self.dimensions = dimensions or (known.dimensions if known else 0)
        self.thresholds = known.thresholds if known else self.other_thresholds
        # What the model makes unasked is not asked for: some compatible servers refuse the parameter.
        self.shortened = known is not None and self.dimensions != known.dimensions
        if not self.dimensions:
            raise ImproperlyConfigured(
                f"EMBEDDING_MODEL={self.model} needs EMBEDDING_DIMENSIONS, the length of its vectors "
                f"(known are those of: {', '.join(self.models)})."
            )
        if known and self.shortened and self.dimensions not in known.others:
            fewer = "fewer" if isinstance(known.others, range) else "one of " + ", ".join(map(str, known.others))
            raise ImproperlyConfigured(
                f"EMBEDDING_DIMENSIONS is {self.dimensions}, but {self.model} has {known.dimensions}"
                + (f", or {fewer}." if known.others else ".")
            )
        self._key = api_key.strip()
        if not re.fullmatch(r"[!-~]*", self._key):
            raise ImproperlyConfigured(f"{self.name.upper()}_API_KEY holds a character that no key has.")
        self._base_url = base_url
        self._who = self.title
        if base_url is not None:
            address = urlsplit(base_url)
            if address.scheme not in ("http", "https") or not address.hostname:
                raise ImproperlyConfigured(f"{self.name.upper()}_BASE_URL must begin with http:// or https://.")
            self._who += f" at {address.hostname}"
        self._lock = threading.Lock()
        self._opened: tuple[int, ClientT] | None = None

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        parts = [self._vectors(batch, query=False) for batch in _batches(texts)]
        return np.concatenate([np.empty((0, self.dimensions), np.float32), *parts])

    def embed_query(self, text: str) -> Vectors:
        return self._vectors([_sendable(text)], query=True)

    @abstractmethod
    def _open(self) -> ClientT:
        """A client that is safe for threads. Asks nobody yet."""

    @abstractmethod
    def _ask(self, texts: list[str], *, query: bool) -> bytes:
        """The body of the service's answer. Raises ProviderDown."""

    def _vectors(self, texts: list[str], *, query: bool) -> Vectors:
        return unit_rows(_rows(self._ask(texts, query=query), len(texts)), (len(texts), self.dimensions))

    @property
    def _client(self) -> ClientT:
        with self._lock:
            # Two processes that share a connection read each other's answers.
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = (os.getpid(), self._open())
            return self._opened[1]

    def _unreachable(self, error: BaseException) -> ProviderDown:
        return ProviderDown(f"{self._who} cannot be reached: {self._without_key(str(error)) or type(error).__name__}")

    def _late(self) -> ProviderDown:
        return ProviderDown(f"{self._who} did not answer within {ANSWER_SECONDS:.0f} s.")

    def _failed(self, status: int, body: bytes) -> ProviderDown:
        """What an answer with an error's status means."""
        prefix = self.name.upper()
        if status in (401, 403):
            # What it says of the key may show some of it.
            return ProviderRefused(f"{self._who} refused the key ({status}): check {prefix}_API_KEY.")
        if status == 404:
            return ProviderRefused(
                f"{self._who} does not know the model {self.model} or this address (404): "
                f"check EMBEDDING_MODEL and {prefix}_BASE_URL."
            )
        if status == 429:
            return ProviderDown(f"{self._who} takes no more for now (429): a rate limit or the quota is reached.")
        if status >= 500 or status in RETRIED or status < 400:
            return ProviderDown(f"{self._who} failed ({status}).")
        reason = self._without_key(_message(body)) or "it does not say why"
        return ProviderRefused(f"{self._who} refused the request ({status}): {reason}")

    def _without_key(self, text: str) -> str:
        return (text.replace(self._key, "…") if self._key else text)[:200]


def asked_pause(retry_after: str | None) -> float:
    """Seconds for which a service asks not to be asked; infinite where that is no plain number, such as a date."""
    if retry_after is None:
        return 0.0
    try:
        seconds = float(retry_after)
    except ValueError:
        return math.inf
    return seconds if seconds >= 0 else math.inf


def _sendable(text: str) -> str:
    """The text as far as it is sent. Neither service takes an empty one, or a lone surrogate."""
    kept = text.encode("utf-8", "replace")[:MAX_BYTES].decode("utf-8", "ignore")
    return kept if kept.strip() else "."


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in map(_sendable, texts):
        length = len(text.encode())
        if batch and (size + length > REQUEST_BYTES or len(batch) == REQUEST_TEXTS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch


def _rows(body: bytes, count: int) -> list[Any]:
    """The embeddings of ``{"data": [{"index", "embedding"}, …]}`` by index, which both services answer."""
    try:
        data = sorted(json.loads(body)["data"], key=lambda item: item["index"])
        if [item["index"] for item in data] != list(range(count)):
            raise ProviderDown(f"The embedding provider answered with {len(data)} vectors for {count} texts.")
        return [_numbers(item["embedding"]) for item in data]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ProviderDown("The embedding provider's answer is not what an embedding service answers.") from None


def _numbers(embedding: Any) -> Any:
    if isinstance(embedding, str):
        # The base64 of float32, which the openai client asks for because it is a quarter of the size.
        return np.frombuffer(base64.b64decode(embedding), dtype="<f4")
    return embedding


def _message(body: bytes) -> str:
    """What ``{"error": {"message"}}``, ``{"error"}`` or ``{"detail"}`` says, on one line."""
    try:
        answer = json.loads(body)
        said = answer.get("error") or answer.get("detail") or ""
        return " ".join(str(said.get("message", "") if isinstance(said, dict) else said).split())
    except (AttributeError, ValueError, RecursionError):
        return ""
