"""A Qdrant server that is down, slow, broken, empty, another one, or back again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from search import stores
from search.breaker import Breaker
from search.errors import StoreDown
from search.filters import Filters
from search.stores import server, server_store
from search.stores.server import COLLECTION, ServerStore
from tests.search.qdrant_double import QdrantDouble, qdrant_double
from tests.search.vectors import DIMENSIONS, SAME, ids, point

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

WF = Filters(workflow_id="wf-1")
KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def double() -> Iterator[QdrantDouble]:
    with qdrant_double() as running:
        yield running


@pytest.fixture
def store(double: QdrantDouble) -> Iterator[ServerStore]:
    made = ServerStore(double.url, "", DIMENSIONS, timeout=30)
    yield made
    made.close()


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_server_is_not_asked_before_it_is_needed(double: QdrantDouble) -> None:
    double.stop()
    ServerStore(double.url, "", DIMENSIONS).close()
    assert double.requests == []


def test_the_first_write_makes_collection_and_indexes(double: QdrantDouble, store: ServerStore) -> None:
    store.upsert([point()])
    indexes = double.indexes()
    assert indexes["workflow_id"] == {"type": "keyword", "is_tenant": True}
    limits = set(Filters.__slots__) - {"exclude", "created_after", "created_before", "updated_after", "tags"}
    assert set(indexes) == limits | {"tags_folded", "created_at", "updated_at"}
    assert {field for field, schema in indexes.items() if schema["type"] == "datetime"} == {"created_at", "updated_at"}
    assert indexes["is_blocked"]["type"] == "bool"


def test_later_writes_ask_for_nothing_but_the_write(double: QdrantDouble, store: ServerStore) -> None:
    store.upsert([point()])
    double.requests.clear()
    store.upsert([point()])
    assert double.requests == [f"PUT /collections/{COLLECTION}/points"]


def test_the_server_gets_the_whole_payload_of_the_design(double: QdrantDouble, store: ServerStore) -> None:
    one = point("ticket-0b5f3a52-9e0d-4f5e-8f4e-0e6f0a4f2c11")
    store.upsert([one])
    [held] = double.held()
    assert held.payload == one.payload
    assert held.id == "0b5f3a52-9e0d-4f5e-8f4e-0e6f0a4f2c11"
    assert held.vector == one.vector.tolist()


def test_an_index_that_is_missing_is_added(double: QdrantDouble, store: ServerStore) -> None:
    store.upsert([point()])
    del double._indexes[COLLECTION]["priority"]
    ServerStore(double.url, "", DIMENSIONS, timeout=30).upsert([point("ticket-2")])
    assert "priority" in double.indexes()
    assert len(double.held()) == 2


def test_a_write_makes_a_collection_of_other_dimensions_anew(double: QdrantDouble, store: ServerStore) -> None:
    store.upsert([point()])
    other = ServerStore(double.url, "", 4, timeout=30)
    vector = np.array([1, 0, 0, 0], dtype=np.float32)
    other.upsert([point("ticket-2", vector)])
    assert ids(other.query(vector, WF, 10)) == ["ticket-2"]
    assert "workflow_id" in double.indexes()


def test_a_search_never_touches_a_collection_of_other_dimensions(double: QdrantDouble, store: ServerStore) -> None:
    store.upsert([point()])
    with pytest.raises(StoreDown, match="answered 400"):
        ServerStore(double.url, "", 4, timeout=30).query(np.array([1, 0, 0, 0], dtype=np.float32), WF, 10)
    assert ids(store.query(SAME, WF, 10)) == ["ticket-1"]


def test_a_search_makes_no_collection(double: QdrantDouble, store: ServerStore) -> None:
    assert store.query(SAME, WF, 10) == []
    assert store.count("wf-1") == 0
    assert not any(request.startswith(("PUT", "DELETE")) for request in double.requests)


def test_a_collection_that_was_lost_is_made_again(double: QdrantDouble, store: ServerStore) -> None:
    store.upsert([point()])
    double.drop()
    assert store.count() == 0
    with pytest.raises(StoreDown, match="answered 404"):
        store.upsert([point()])
    store.upsert([point()])
    assert ids(store.query(SAME, WF, 10)) == ["ticket-1"]
    assert "workflow_id" in double.indexes()


def test_any_other_server_at_the_address_is_no_empty_store(double: QdrantDouble) -> None:
    elsewhere = ServerStore(f"{double.url}/elsewhere", "", DIMENSIONS, timeout=30)
    with pytest.raises(StoreDown, match="answered 404"):
        elsewhere.query(SAME, WF, 10)
    with pytest.raises(StoreDown, match="answered 404"):
        elsewhere.upsert([point()])


def test_processes_that_start_at_once_lose_nothing(double: QdrantDouble) -> None:
    def start(number: int) -> None:
        ServerStore(double.url, "", DIMENSIONS, timeout=30).upsert([point(f"ticket-{number}")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(8)))
    assert len(double.held()) == 8


def test_many_points_are_written_in_several_requests(
    double: QdrantDouble, store: ServerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BATCH_BYTES", 1000)
    store.upsert([point(f"ticket-{number}", description="x" * 100) for number in range(10)])
    assert store.count() == 10
    assert double.requests.count(f"PUT /collections/{COLLECTION}/points") == 10


def test_a_server_that_is_down_is_named_and_found_again_when_it_is_back(double: QdrantDouble) -> None:
    clock = Clock()
    store = ServerStore(double.url, "", DIMENSIONS, timeout=30, breaker=Breaker("store", StoreDown, clock=clock))
    store.upsert([point()])
    double.stop()
    for ask in (lambda: store.query(SAME, WF, 10), store.count, lambda: store.upsert([point()])):
        with pytest.raises(StoreDown, match=r"at 127\.0\.0\.1:\d+ cannot be reached"):
            ask()
    double.start()
    clock.now += 60
    assert ids(store.query(SAME, WF, 10)) == ["ticket-1"]


def test_a_search_does_not_wait_for_a_slow_server_but_a_write_does(double: QdrantDouble) -> None:
    store = ServerStore(double.url, "", DIMENSIONS, timeout=0.2, write_timeout=60)
    store.upsert([point()])
    double.trouble = "slow"
    with ThreadPoolExecutor(1) as pool:
        write = pool.submit(store.upsert, [point("ticket-2")])
        with pytest.raises(StoreDown, match="did not answer in time"):
            store.query(SAME, WF, 10)
        with pytest.raises(StoreDown, match="did not answer in time"):
            store.count()
        assert not write.done()
        double.release.set()
        write.result()
    assert ids(store.query(SAME, WF, 10)) == ["ticket-1", "ticket-2"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"<html>It works!</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"result": null, "status": "ok", "time": 0}',
        b'{"result": {"points": [{"id": "x"}]}, "status": "ok", "time": 0}',
        b'{"result": {"points": [{"id": 1, "version": 0, "score": 1.0}]}, "status": "ok", "time": 0}',
        b'{"result": {"points": [{"id": 1, "version": 0, "score": "high", "payload": {"ticket_id": "a"}}]}}',
        b"\xff\xfe\x00",
    ],
)
def test_garbage_for_an_answer_is_a_store_that_is_down(
    double: QdrantDouble, store: ServerStore, garbage: bytes
) -> None:
    double.trouble, double.garbage = "garbage", garbage
    with pytest.raises(StoreDown, match="cannot be read"):
        store.query(SAME, WF, 10)
    with pytest.raises(StoreDown, match="cannot be read"):
        store.upsert([point()])


def test_a_fault_of_the_server_is_a_store_that_is_down(double: QdrantDouble, store: ServerStore) -> None:
    double.trouble = "error"
    for ask in (lambda: store.query(SAME, WF, 10), store.count, lambda: store.delete(["ticket-1"])):
        with pytest.raises(StoreDown, match="answered 500"):
            ask()


def test_a_dead_server_is_not_asked_by_every_request(double: QdrantDouble) -> None:
    clock = Clock()
    breaker = Breaker("store", StoreDown, failures=3, first_pause=2, clock=clock)
    store = ServerStore(double.url, "", DIMENSIONS, timeout=30, breaker=breaker)
    double.trouble = "error"

    def fail() -> None:
        with pytest.raises(StoreDown, match="answered 500"):
            store.query(SAME, WF, 10)

    for _ in range(20):
        fail()
    assert len(double.requests) == 3
    clock.now += 2
    fail()
    fail()
    assert len(double.requests) == 4
    double.trouble = None
    clock.now += 4
    assert store.query(SAME, WF, 10) == []
    assert store.query(SAME, WF, 10) == []
    assert len(double.requests) == 6


def test_a_request_that_is_refused_does_not_stop_the_others(double: QdrantDouble, store: ServerStore) -> None:
    store.upsert([point()])
    wrong = ServerStore(double.url, "", 4, timeout=30, breaker=store._breaker)
    for _ in range(5):
        with pytest.raises(StoreDown, match="answered 400"):
            wrong.query(np.array([1, 0, 0, 0], dtype=np.float32), WF, 10)
    assert ids(store.query(SAME, WF, 10)) == ["ticket-1"]


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_no_secret_is_told_with_a_failure() -> None:
    with qdrant_double(api_key="another") as double, capture_logs() as logs:
        address = double.url.replace("//", "//user:password@")
        store = ServerStore(address, KEY, DIMENSIONS, timeout=30)
        with pytest.raises(StoreDown, match=r"at 127\.0\.0\.1:\d+ refused QDRANT_API_KEY \(401\)") as refused:
            store.query(SAME, WF, 10)
        double.stop()
        with pytest.raises(StoreDown) as down:
            store.query(SAME, WF, 10)
    told = f"{refused.value} {down.value} {logs}"
    assert KEY not in told
    assert "password" not in told


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_the_key_opens_the_server() -> None:
    with qdrant_double(api_key=KEY) as double:
        store = ServerStore(double.url, KEY, DIMENSIONS, timeout=30)
        store.upsert([point()])
        assert store.count() == 1


@pytest.mark.parametrize("url", ["ftp://localhost", "http://localhost:port"])
def test_an_address_that_is_none_is_said_to_be_none(url: str) -> None:
    with pytest.raises(StoreDown, match="QDRANT_URL"):
        ServerStore(url, "", DIMENSIONS).count()


def test_a_child_process_connects_for_itself(double: QdrantDouble, store: ServerStore) -> None:
    store.upsert([point()])
    child = os.fork()
    if child == 0:
        # No test goes on in here, whatever happens.
        os._exit(0 if store._client is None and store.count() == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.count() == 1


def test_there_is_no_server_without_an_address(settings: Any) -> None:
    settings.QDRANT_URL = ""
    assert server_store(DIMENSIONS) is None


def test_all_callers_share_one_store_and_its_breaker(double: QdrantDouble, settings: Any) -> None:
    settings.QDRANT_URL, settings.QDRANT_API_KEY = double.url, ""
    try:
        store = server_store(DIMENSIONS)
        assert store is server_store(DIMENSIONS)
        assert store is not server_store(4)
    finally:
        stores._server_store.cache_clear()
