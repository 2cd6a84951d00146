"""Keeps a provider that is dead, slow or hanging from holding up what can do without it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from search.breaker import Breaker
from search.errors import ProviderDown
from search.providers.base import EmbeddingProvider, Thresholds, Vectors


class Guarded:
    """A provider behind a circuit breaker, with a deadline for who cannot wait and a memory for queries.

    Safe for threads. Every way of asking counts for the breaker, and none asks while it is open.
    """

    def __init__(
        self,
        provider: EmbeddingProvider,
        *,
        breaker: Breaker | None = None,
        calls: int = 8,
        remembered: int = 256,
    ) -> None:
        """``calls``: how many with a deadline may run at once; ``remembered``: how many queries' vectors are kept."""
        self._provider = provider
        self._breaker = breaker or Breaker("embedding provider", ProviderDown)
        self._slots = threading.BoundedSemaphore(calls)
        self._remembered = remembered
        self._queries: OrderedDict[str, Vectors] = OrderedDict()
        self._queries_lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def model(self) -> str:
        return self._provider.model

    @property
    def dimensions(self) -> int:
        return self._provider.dimensions

    @property
    def thresholds(self) -> Thresholds:
        return self._provider.thresholds

    @property
    def problem(self) -> str | None:
        """Why the provider is not asked at present; None while it is."""
        return self._breaker.reason

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """``(len(texts), dimensions)``, however long it takes. Raises ProviderDown."""
        return self._now(texts, query=False)

    def embed_query(self, text: str) -> Vectors:
        """``(1, dimensions)``, read-only, however long it takes. Raises ProviderDown."""
        known = self._recall(text)
        return self._now([text], query=True) if known is None else known

    def embed_within(self, texts: Sequence[str], seconds: float, *, query: bool = False) -> Vectors:
        """``(len(texts), dimensions)`` in time, or ProviderDown; with ``query`` of the one text as a query."""
        return self.begin(texts, seconds, query=query)()

    def begin(self, texts: Sequence[str], seconds: float, *, query: bool = False) -> Callable[[], Vectors]:
        """The same, begun now; what is returned waits for it, and raises what it raises.

        A provider that is late is not interrupted: its answer still closes the breaker, which its lateness may
        have opened, and is remembered.
        """
        if query and (known := self._recall(texts[0])) is not None:
            return lambda: known
        self._breaker.admit()
        end = time.monotonic() + seconds
        if not self._slots.acquire(timeout=seconds):
            raise ProviderDown(f"The embedding provider {self.name} is busy.")
        answer: Future[Vectors] = Future()
        # Not a pool's thread: one that hangs would hold up the end of the process.
        thread = threading.Thread(target=self._answer, args=(answer, texts, query), name="embedding", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._slots.release()
            raise ProviderDown(f"No thread can be started to embed: {error}.") from error
        return partial(self._await, answer, end, seconds)

    def _await(self, answer: Future[Vectors], end: float, seconds: float) -> Vectors:
        try:
            return answer.result(max(0.0, end - time.monotonic()))
        except TimeoutError:
            if not answer.cancel():
                return answer.result()
        failure = ProviderDown(f"The embedding provider {self.name} did not answer within {seconds:g} s.")
        self._breaker.failed(str(failure))
        raise failure

    def _now(self, texts: Sequence[str], *, query: bool) -> Vectors:
        self._breaker.admit()
        try:
            return self._ask(texts, query=query)
        except Exception as error:
            self._breaker.failed(str(error))
            raise

    def _answer(self, answer: Future[Vectors], texts: Sequence[str], query: bool) -> None:
        """Work of a thread. A future that was cancelled has been counted as a failure by who waited for it."""
        try:
            vectors = self._ask(texts, query=query)
        except Exception as error:  # noqa: BLE001 - raised by who waits
            if answer.set_running_or_notify_cancel():
                self._breaker.failed(str(error))
                answer.set_exception(error)
        else:
            if answer.set_running_or_notify_cancel():
                answer.set_result(vectors)
        finally:
            self._slots.release()

    def _ask(self, texts: Sequence[str], *, query: bool) -> Vectors:
        vectors = self._provider.embed_query(texts[0]) if query else self._provider.embed_documents(texts)
        self._breaker.succeeded()
        if query:
            # Whoever asks the same again gets this very array.
            vectors.flags.writeable = False
            with self._queries_lock:
                self._queries[texts[0]] = vectors
                if len(self._queries) > self._remembered:
                    self._queries.popitem(last=False)
        return vectors

    def _recall(self, text: str) -> Vectors | None:
        with self._queries_lock:
            if text in self._queries:
                self._queries.move_to_end(text)
            return self._queries.get(text)
