"""A provider that is dead, slow or hanging costs callers little, and comes back by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured

from hephaestus_site.config import Embedding, FileConfig, embedding
from search.breaker import Breaker
from search.errors import ProviderDown
from search.providers import make, provider, use
from search.providers.base import Thresholds, Vectors, fingerprint
from search.providers.guard import Guarded
from tests.search.embedding_double import make_vectors

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

SOON = 0.02  # seconds; nothing here takes that long unless it hangs
ENOUGH = 30.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Provider:
    """Counts its calls; fails while ``error`` is set, waits while it is ``held``."""

    name, model, dimensions = "local", "a-double", 8
    thresholds = Thresholds(0.1, 0.2, 0.3, 0.4)

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.error: Exception | None = None
        self.go = threading.Event()
        self.go.set()
        self.begun = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(list(texts))
        self.begun.release()
        try:
            assert self.go.wait(ENOUGH)
            if self.error is not None:
                raise self.error
            return make_vectors(texts, self.dimensions)
        finally:
            self.ended.release()

    def embed_query(self, text: str) -> Vectors:
        return self.embed_documents([text])


@pytest.fixture
def inner() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.go.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guarded(inner: Provider, clock: Clock) -> Guarded:
    return Guarded(inner, breaker=Breaker("provider", ProviderDown, clock=clock), calls=2)


def fail(guarded: Guarded, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ProviderDown):
            guarded.embed_documents(["a text"])


def eventually(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(3000):
        if holds():
            return
        pause.wait(0.01)
    pytest.fail("it never came about")


def test_a_guarded_provider_answers_as_the_provider_does(guarded: Guarded, inner: Provider) -> None:
    expected = make_vectors(["one", "two"], 8)

    np.testing.assert_array_equal(guarded.embed_documents(["one", "two"]), expected)
    np.testing.assert_array_equal(guarded.embed_within(["one", "two"], ENOUGH), expected)
    np.testing.assert_array_equal(guarded.embed_query("one"), expected[:1])
    assert fingerprint(guarded) == fingerprint(inner)
    assert guarded.thresholds is inner.thresholds
    assert guarded.problem is None


def test_after_three_failures_in_a_row_nobody_is_asked(guarded: Guarded, inner: Provider) -> None:
    inner.error = ProviderDown("It is down.")
    fail(guarded, 3)
    assert guarded.problem == "It is down."

    ways: list[Callable[[], Vectors]] = [
        lambda: guarded.embed_documents(["a text"]),
        lambda: guarded.embed_query("a text"),
        lambda: guarded.embed_within(["a text"], ENOUGH),
    ]
    for ask in ways:
        with pytest.raises(ProviderDown, match=r"It is down\. It is asked again in 2 s\."):
            ask()
    assert len(inner.calls) == 3


def test_failures_between_which_it_answered_do_not_count(guarded: Guarded, inner: Provider) -> None:
    for _ in range(3):
        inner.error = ProviderDown("It is down.")
        fail(guarded, 2)
        inner.error = None
        guarded.embed_documents(["a text"])

    assert guarded.problem is None
    assert len(inner.calls) == 9


def test_pauses_double_up_to_a_minute_and_end_with_one_call(guarded: Guarded, inner: Provider, clock: Clock) -> None:
    inner.error = ProviderDown("It is down.")
    fail(guarded, 3)
    for pause in (2, 4, 8, 16, 32, 60, 60):
        calls = len(inner.calls)
        clock.now += pause - 0.1
        fail(guarded, 2)
        assert len(inner.calls) == calls
        clock.now += 0.1
        fail(guarded, 3)
        assert len(inner.calls) == calls + 1


def test_one_success_closes_the_breaker_and_shortens_the_next_pause(
    guarded: Guarded, inner: Provider, clock: Clock
) -> None:
    inner.error = ProviderDown("It is down.")
    fail(guarded, 3)
    clock.now += 2
    fail(guarded, 1)
    clock.now += 4
    inner.error = None
    guarded.embed_documents(["a text"])
    assert guarded.problem is None

    inner.error = ProviderDown("It is down again.")
    fail(guarded, 3)
    with pytest.raises(ProviderDown, match=r"It is down again\. It is asked again in 2 s\."):
        guarded.embed_documents(["a text"])


def test_while_one_call_probes_the_others_do_without(guarded: Guarded, inner: Provider, clock: Clock) -> None:
    inner.error = ProviderDown("It is down.")
    fail(guarded, 3)
    inner.error = None
    clock.now += 2
    inner.go.clear()
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(guarded.embed_documents, ["probe"])
        for _ in range(4):
            assert inner.begun.acquire(timeout=ENOUGH)
        fail(guarded, 5)
        inner.go.set()
        assert probe.result(ENOUGH).shape == (1, 8)

    assert inner.calls[3:] == [["probe"]]
    assert guarded.problem is None


def test_a_probe_that_never_ends_does_not_keep_the_provider_down(
    guarded: Guarded, inner: Provider, clock: Clock
) -> None:
    inner.error = ProviderDown("It is down.")
    fail(guarded, 3)
    inner.error = None
    clock.now += 2
    inner.go.clear()
    with pytest.raises(ProviderDown, match="did not answer"):
        guarded.embed_within(["probe"], SOON)
    clock.now += 4
    inner.begun = threading.Semaphore(0)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(guarded.embed_within, ["second probe"], ENOUGH)
        assert inner.begun.acquire(timeout=ENOUGH)
        inner.go.set()
        second.result(ENOUGH)

    assert guarded.problem is None


def test_who_cannot_wait_does_not(guarded: Guarded, inner: Provider) -> None:
    inner.go.clear()

    with pytest.raises(ProviderDown, match=r"did not answer within 0\.02 s"):
        guarded.embed_within(["a text"], SOON)
    assert not inner.ended.acquire(blocking=False)


def test_an_error_reaches_who_waits_for_it(guarded: Guarded, inner: Provider) -> None:
    inner.error = ProviderDown("It is down.")

    for _ in range(3):
        with pytest.raises(ProviderDown, match=r"^It is down\.$"):
            guarded.embed_within(["a text"], ENOUGH)
    assert guarded.problem == "It is down."


def test_late_answers_open_the_breaker_and_their_arrival_closes_it(inner: Provider, clock: Clock) -> None:
    guarded = Guarded(inner, breaker=Breaker("provider", ProviderDown, clock=clock), calls=3)
    inner.go.clear()
    for _ in range(3):
        with pytest.raises(ProviderDown, match="did not answer"):
            guarded.embed_within(["a text"], SOON)
    with pytest.raises(ProviderDown, match=r"[^.]\. It is asked again"):
        guarded.embed_within(["a text"], ENOUGH)
    assert len(inner.calls) == 3

    inner.go.set()

    eventually(lambda: guarded.problem is None)
    assert guarded.embed_within(["a text"], ENOUGH).shape == (1, 8)


def test_a_call_that_is_late_and_then_fails_counts_once(guarded: Guarded, inner: Provider) -> None:
    inner.go.clear()
    for _ in range(2):
        with pytest.raises(ProviderDown, match="did not answer"):
            guarded.embed_within(["a text"], SOON)
    inner.error = ProviderDown("It is down.")
    inner.go.set()
    eventually(lambda: not any(thread.name == "embedding" for thread in threading.enumerate()))

    assert guarded.problem is None
    assert len(inner.calls) == 2


def test_hanging_calls_do_not_pile_up(inner: Provider) -> None:
    guarded = Guarded(inner, breaker=Breaker("provider", ProviderDown, failures=100), calls=2)
    inner.go.clear()
    for _ in range(2):
        with pytest.raises(ProviderDown, match="did not answer"):
            guarded.embed_within(["a text"], SOON)

    for _ in range(5):
        with pytest.raises(ProviderDown, match="busy"):
            guarded.embed_within(["a text"], SOON)
    assert len(inner.calls) == 2

    inner.go.set()
    assert guarded.embed_within(["a text"], ENOUGH).shape == (1, 8)


def test_a_thread_that_cannot_be_started_takes_no_place(inner: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = Guarded(inner, calls=1)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ProviderDown, match="can't start new thread"):
            guarded.embed_within(["a text"], SOON)

    assert guarded.embed_within(["a text"], ENOUGH).shape == (1, 8)


def test_more_callers_than_places_take_turns(inner: Provider) -> None:
    guarded = Guarded(inner, calls=2)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: guarded.embed_within([f"text {n}"], ENOUGH), range(40)))

    np.testing.assert_array_equal(np.concatenate(found), make_vectors([f"text {n}" for n in range(40)], 8))


def test_a_query_that_was_asked_before_asks_nobody(guarded: Guarded, inner: Provider) -> None:
    first = guarded.embed_within(["a query"], ENOUGH, query=True)
    inner.error = ProviderDown("It is down.")
    fail(guarded, 3)

    np.testing.assert_array_equal(guarded.embed_within(["a query"], ENOUGH, query=True), first)
    np.testing.assert_array_equal(guarded.embed_query("a query"), first)
    assert inner.calls.count(["a query"]) == 1


def test_what_was_remembered_cannot_be_changed(guarded: Guarded) -> None:
    vectors = guarded.embed_query("a query")

    with pytest.raises(ValueError, match="read-only"):
        vectors[0, 0] = 5.0


def test_documents_are_not_taken_for_queries(guarded: Guarded, inner: Provider) -> None:
    guarded.embed_within(["a text"], ENOUGH)
    guarded.embed_within(["a text"], ENOUGH, query=True)
    guarded.embed_within(["a text"], ENOUGH)

    assert len(inner.calls) == 3


def test_the_queries_that_were_asked_last_are_remembered(inner: Provider) -> None:
    guarded = Guarded(inner, remembered=2)
    for text in ("one", "two", "one", "three", "one", "two"):
        guarded.embed_query(text)

    assert inner.calls == [["one"], ["two"], ["three"], ["two"]]


def test_a_late_query_is_remembered(guarded: Guarded, inner: Provider) -> None:
    inner.go.clear()
    with pytest.raises(ProviderDown, match="did not answer"):
        guarded.embed_within(["a query"], SOON, query=True)
    inner.go.set()
    assert inner.ended.acquire(timeout=ENOUGH)
    eventually(lambda: bool(guarded._queries))

    guarded.embed_within(["a query"], ENOUGH, query=True)

    assert len(inner.calls) == 1


def test_the_process_has_one_provider_and_a_test_may_put_another_in_its_place(inner: Provider) -> None:
    usual = provider()
    assert provider() is usual
    with use(inner) as guarded:
        assert provider() is guarded
        assert provider().model == "a-double"
    assert provider() is usual


def test_without_configuration_the_local_model_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBEDDING_PROVIDER", raising=False)

    assert fingerprint(make(embedding(FileConfig()))) == "local:all-MiniLM-L6-v2:384"


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        (Embedding("openai", None, None, "key", None), "openai:text-embedding-3-large:3072"),
        (Embedding("openai", "text-embedding-3-small", None, "key", None), "openai:text-embedding-3-small:1536"),
        (Embedding("openai", "of-another-maker", 768, "", "http://localhost/v1"), "openai:of-another-maker:768"),
        (Embedding("voyage", None, None, "key", None), "voyage:voyage-4:1024"),
        (Embedding("voyage", "voyage-large-2", 1536, "key", None), "voyage:voyage-large-2:1536"),
    ],
)
def test_the_configured_provider_is_made(configuration: Embedding, expected: str) -> None:
    assert fingerprint(make(configuration)) == expected


def test_another_local_model_than_the_one_there_is_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="all-MiniLM-L6-v2 with 384"):
        make(Embedding("local", "text-embedding-3-large", 3072, "", None))
