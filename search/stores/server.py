"""Vectors on a Qdrant server or cluster, in the collection ``ticket_embeddings``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, assert_never
from urllib.parse import urlsplit

import httpx
import structlog
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from search.breaker import Breaker
from search.errors import StoreDown
from search.filters import Filters
from search.providers.base import Vectors
from search.stores.base import Hit, Point
from search.stores.forks import start_afresh_in_children
from search.stores.qdrant import (
    KEYWORD_FIELDS,
    TIME_FIELDS,
    Absent,
    Condition,
    Equals,
    OneOf,
    Within,
    conditions,
    nearest,
    point_id,
)
from search.stores.results import checked, score_of

log = structlog.get_logger(__name__)
T = TypeVar("T")

COLLECTION = "ticket_embeddings"
# A search waits no longer than this for an answer, in seconds.
QUERY_TIMEOUT = 0.8
WRITE_TIMEOUT = 15.0
# A server that was down is found to be back within so many seconds.
LONGEST_PAUSE = 15.0
# Of a request's body; the server refuses more than 32 MiB.
BATCH_BYTES = 8 * 1024 * 1024
_INDEXES: dict[str, Any] = {
    # The tenant: its points are stored together, and a cluster may be sharded by it.
    "workflow_id": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    **dict.fromkeys(KEYWORD_FIELDS, models.PayloadSchemaType.KEYWORD),
    **dict.fromkeys(TIME_FIELDS, models.PayloadSchemaType.DATETIME),
    "is_blocked": models.PayloadSchemaType.BOOL,
}


class ServerStore:
    """A ``VectorStore`` for all processes. Connects with the first call; a server that is down is left alone.

    The first write makes the collection and its indexes where they are missing, and makes it anew where it holds
    vectors of another length: what was in it has to be written again from the database, which has it all.
    Searches only read: a collection that is missing holds nothing.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        dimensions: int,
        *,
        timeout: float = QUERY_TIMEOUT,
        write_timeout: float = WRITE_TIMEOUT,
        breaker: Breaker | None = None,
    ) -> None:
        self.dimensions = dimensions
        # Without the name and password that may stand in it.
        host = urlsplit(url if "//" in url else f"//{url}").netloc.rpartition("@")[2]
        self._name = f"The vector store at {host}"
        self._url = url
        self._api_key = api_key
        self._timeout = timeout
        self._write_timeout = write_timeout
        self._breaker = breaker or Breaker("vector store", StoreDown, longest_pause=LONGEST_PAUSE)
        self.after_fork()
        start_afresh_in_children(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._preparing = threading.Lock()
        self._client: QdrantClient | None = None
        self._prepared = False

    def upsert(self, points: Sequence[Point]) -> None:
        for point in points:
            checked(point.vector, self.dimensions)
        for batch in _batches(points):
            with self._asking() as client:
                self._prepare(client)
                client.upsert(COLLECTION, [_made(point) for point in batch], wait=True)

    def delete(self, ticket_ids: Sequence[str]) -> None:
        if not ticket_ids:
            return
        ids: list[Any] = [str(point_id(ticket_id)) for ticket_id in ticket_ids]
        with self._asking() as client:
            self._prepare(client)
            client.delete(COLLECTION, models.PointIdsList(points=ids), wait=True)

    def query(self, vector: Vectors, filters: Filters, limit: int, *, floor: float = -1.0) -> list[Hit]:
        wanted = checked(vector, self.dimensions).tolist()

        def ask(client: QdrantClient, number: int) -> list[Hit]:
            answer = client.query_points(
                COLLECTION,
                query=wanted,
                query_filter=_filter(filters),
                limit=number,
                # Scores are rounded after this.
                score_threshold=floor - 1e-6,
                # All stores give the same results. The tenant's index leaves only its own points to compare.
                search_params=models.SearchParams(exact=True),
                with_payload=["ticket_id"],
            )
            return [Hit((point.payload or {})["ticket_id"], score_of(point.score)) for point in answer.points]

        return nearest(lambda number: self._read(lambda client: ask(client, number), []), limit, floor)

    def count(self, workflow_id: str | None = None) -> int:
        only = None if workflow_id is None else models.Filter(must=[_condition(Equals("workflow_id", workflow_id))])
        return self._read(lambda client: client.count(COLLECTION, count_filter=only, exact=True).count, 0)

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _read(self, ask: Callable[[QdrantClient], T], nothing: T) -> T:
        """The answer, or ``nothing`` where there is no collection."""
        with self._asking() as client:
            try:
                return ask(client)
            except UnexpectedResponse as error:
                if _no_collection(error):
                    return nothing
                raise

    @contextmanager
    def _asking(self) -> Iterator[QdrantClient]:
        """The client, for a block that asks the server. Whatever goes wrong in it is a StoreDown."""
        self._breaker.admit()
        client = self._connected()
        try:
            yield client
        except Exception as error:  # a broken answer makes the client raise anything
            failure, down = _failure(error)
            reason = f"{self._name} {failure}."
            if down:
                self._breaker.failed(reason)
            if isinstance(error, UnexpectedResponse):
                # The collection may be another one by now.
                self._prepared = False
            detail = error.content[:200].decode(errors="replace") if isinstance(error, UnexpectedResponse) else ""
            log.warning("the vector store failed", reason=reason, error=type(error).__name__, answer=detail)
            raise StoreDown(reason) from error
        self._breaker.succeeded()

    def _connected(self) -> QdrantClient:
        with self._lock:
            if self._client is None:
                try:
                    self._client = QdrantClient(
                        url=self._url,
                        api_key=self._api_key or None,
                        check_compatibility=False,
                        # The client itself takes whole seconds only.
                        event_hooks={"request": [self._limit_time]},
                    )
                except ValueError as error:
                    raise StoreDown("QDRANT_URL is no address of a server, such as http://localhost:6333.") from error
            return self._client

    def _limit_time(self, request: httpx.Request) -> None:
        reads = request.url.path.endswith(("/points/query", "/points/count"))
        limit = httpx.Timeout(self._timeout if reads else self._write_timeout, connect=self._timeout)
        request.extensions["timeout"] = limit.as_dict()

    def _prepare(self, client: QdrantClient) -> None:
        """Make what is missing, and the collection anew where its vectors are of another length.

        Several processes may do so at once.
        """
        with self._preparing:
            if self._prepared:
                return
            held = _collection(client)
            if held is not None and _dimensions(held) != self.dimensions:
                log.warning("the vector store is made anew", held=_dimensions(held), wanted=self.dimensions)
                client.delete_collection(COLLECTION)
                held = None
            if held is None:
                _create(client, self.dimensions)
            indexed = held.payload_schema if held is not None else {}
            for field, schema in _INDEXES.items():
                if field not in indexed:
                    client.create_payload_index(COLLECTION, field, schema, wait=True)
            self._prepared = True


def _collection(client: QdrantClient) -> models.CollectionInfo | None:
    try:
        return client.get_collection(COLLECTION)
    except UnexpectedResponse as error:
        if _no_collection(error):
            return None
        raise


def _create(client: QdrantClient, dimensions: int) -> None:
    try:
        client.create_collection(
            COLLECTION,
            vectors_config=models.VectorParams(size=dimensions, distance=models.Distance.COSINE),
            # No graph: every search is exact.
            hnsw_config=models.HnswConfigDiff(m=0),
        )
    except UnexpectedResponse as error:
        # Another process was faster.
        if error.status_code != 409:
            raise


def _dimensions(held: models.CollectionInfo) -> int | None:
    """The length of the collection's vectors; None where it has several kinds or none, as ours never has."""
    vectors = held.config.params.vectors
    return vectors.size if isinstance(vectors, models.VectorParams) else None


def _no_collection(error: UnexpectedResponse) -> bool:
    # Any other server at this address answers 404 too, in other words.
    return error.status_code == 404 and b"doesn't exist" in error.content


def _failure(error: Exception) -> tuple[str, bool]:
    """What to say of it, and whether the server is at fault, not what was asked of it."""
    cause = error.source if isinstance(error, ResponseHandlingException) else error
    match cause:
        case httpx.TimeoutException():
            return "did not answer in time", True
        case httpx.TransportError():
            return "cannot be reached", True
        case ResourceExhaustedResponse() | UnexpectedResponse(status_code=429):
            return "is overloaded (429)", True
        case UnexpectedResponse(status_code=401 | 403 as code):
            return f"refused QDRANT_API_KEY ({code})", True
        case UnexpectedResponse(status_code=code):
            return f"answered {code}", code is None or code >= 500
        case _:
            return "gave an answer that cannot be read", True


def _batches(points: Sequence[Point]) -> Iterator[list[Point]]:
    batch: list[Point] = []
    size = 0
    for point in points:
        texts = len(point.payload["description"]) + sum(map(len, point.payload["comment_texts"]))
        # At most: a number takes up to 24 bytes as JSON, a character 4.
        own = 24 * len(point.vector) + 4 * texts
        if batch and size + own > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(point)
        size += own
    if batch:
        yield batch


def _made(point: Point) -> models.PointStruct:
    return models.PointStruct(
        id=str(point_id(point.ticket_id)), vector=point.vector.tolist(), payload={**point.payload}
    )


def _filter(filters: Filters) -> models.Filter:
    excluded: list[Any] = [str(point_id(ticket_id)) for ticket_id in filters.exclude]
    return models.Filter(
        must=[_condition(condition) for condition in conditions(filters)],
        must_not=[models.HasIdCondition(has_id=excluded)] if excluded else None,
    )


def _condition(condition: Condition) -> models.Condition:
    match condition:
        case Equals(field, value):
            return models.FieldCondition(key=field, match=models.MatchValue(value=value))
        case OneOf(field, values):
            return models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))
        case Within(field, start, end):
            return models.FieldCondition(key=field, range=models.DatetimeRange(gte=start, lt=end))
        case Absent(field):
            return models.IsEmptyCondition(is_empty=models.PayloadField(key=field))
        case _:
            assert_never(condition)
