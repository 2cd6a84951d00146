"""Vectors in an embedded Qdrant, in a temporary folder of this process.

What is known of ``qdrant-edge-py`` 0.9, by its source and by trying: it never works in the background
(optimising is a call, which is not made here: all points stay in one plain segment and every search is exact);
each call holds the interpreter's lock, so threads take turns in it; a shard's threads do not survive a fork;
it does not match booleans, which are kept as words; converting the payload is most of an upsert, reading it a
quarter of a query, so it holds nothing but what filters look at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, assert_never

import structlog
from django.conf import settings
from qdrant_edge import (
    CountRequest,
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeVectorParams,
    FieldCondition,
    Filter,
    KeywordIndexParams,
    MatchAny,
    MatchValue,
    PayloadSchemaType,
    Query,
    QueryRequest,
    RangeDateTime,
    SearchParams,
    UpdateOperation,
)
from qdrant_edge import Point as EdgePoint

from search.errors import StoreDown
from search.filters import VISIBLE, Filters, Payload
from search.providers.base import Vectors
from search.stores.base import Hit, Point
from search.stores.folders import PrivateFolder
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
    ticket_id_of,
)
from search.stores.results import checked, score_of

log = structlog.get_logger(__name__)
T = TypeVar("T")

# Threads wait while a batch is written: 200 points take about 20 ms.
BATCH = 200
# The workflow, of tickets that nobody has hidden: what nearly every search asks for, as one condition. A second
# one costs about 0.2 ms for each 1,000 points that meet the first.
_VISIBLE_IN = "visible_in"
_TENANT = KeywordIndexParams(is_tenant=True)
_INDEXES: dict[str, Any] = {
    "workflow_id": _TENANT,
    _VISIBLE_IN: _TENANT,
    **dict.fromkeys((*KEYWORD_FIELDS, "is_blocked"), PayloadSchemaType.Keyword),
    **dict.fromkeys(TIME_FIELDS, PayloadSchemaType.Datetime),
}


class EdgeStore:
    """A ``VectorStore`` of this process alone, opened at first use; after a fork the child's is empty.

    ``parent`` is where its folder is made, by default ``vectors`` in the data folder. The folder is deleted by
    ``close`` and at exit; those of killed processes are deleted when one is made.
    """

    def __init__(self, dimensions: int, parent: Path | None = None) -> None:
        self.dimensions = dimensions
        self._parent = parent or Path(settings.DATA_DIR) / "vectors"
        self._closed = False
        self._forget()
        start_afresh_in_children(self)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._shard: EdgeShard | None = None
        self._folder: PrivateFolder | None = None
        # Ids of tickets that have no UUID of their own, by that of their point.
        self._names: dict[str, str] = {}
        self._models: set[str] = set()

    def after_fork(self) -> None:
        if self._shard is not None and self._folder is not None:
            # Were it closed or collected here, it would write to its parent's files.
            _of_parents.append(self._shard)
            self._folder.leave()
        self._forget()

    def upsert(self, points: Sequence[Point]) -> None:
        for point in points:
            checked(point.vector, self.dimensions)
        for first in range(0, len(points), BATCH):
            self._call(partial(self._upsert, points[first : first + BATCH]))

    def delete(self, ticket_ids: Sequence[str]) -> None:
        ids = [point_id(ticket_id) for ticket_id in ticket_ids]
        self._call(lambda shard: shard.update(UpdateOperation.delete_points([*ids])))

    def query(self, vector: Vectors, filters: Filters, limit: int, *, floor: float = -1.0) -> list[Hit]:
        query = Query.Nearest(checked(vector, self.dimensions).tolist())

        def ask(shard: EdgeShard, number: int) -> list[Hit]:
            request = QueryRequest(
                query=query,
                filter=_filter(self._needed(filters)),
                limit=number + len(filters.exclude),
                # Scores are rounded after this.
                score_threshold=floor - 1e-6,
                params=SearchParams(exact=True),
            )
            hits = (Hit(self._name(str(point.id)), score_of(point.score)) for point in shard.query(request))
            # Cheaper than a condition, and the limit allows for it.
            return [hit for hit in hits if hit.ticket_id not in filters.exclude]

        return nearest(lambda number: self._call(lambda shard: ask(shard, number)), limit, floor)

    def count(self, workflow_id: str | None = None) -> int:
        only = None if workflow_id is None else Filter(must=[_condition(Equals("workflow_id", workflow_id))])
        return self._call(lambda shard: shard.count(CountRequest(exact=True, filter=only)))

    def close(self) -> None:
        with self._lock:
            shard, folder = self._shard, self._folder
            self._closed, self._shard, self._folder = True, None, None
            if folder is not None:
                folder.remove()
            if shard is not None:
                shard.close()

    def _call(self, work: Callable[[EdgeShard], T]) -> T:
        with self._lock:
            if self._closed:
                raise StoreDown("The local vector store is closed.")
            if self._shard is None:
                self._shard = self._open()
            try:
                return work(self._shard)
            except Exception as error:  # the binding raises nothing more precise
                log.exception("the local vector store failed")
                raise StoreDown("The local vector store failed; the log says how.") from error

    def _open(self) -> EdgeShard:
        try:
            folder = PrivateFolder(self._parent)
        except OSError as error:
            raise StoreDown(f"The local vector store cannot make its folder: {error.strerror}.") from error
        config = EdgeConfig(
            vectors=EdgeVectorParams(size=self.dimensions, distance=Distance.Cosine),
            # All points are in one segment, which one thread searches.
            max_search_threads=1,
            # Nothing is read back after a crash.
            wal_enabled=False,
        )
        try:
            shard = EdgeShard.create(str(folder.path), config)
            for field, schema in _INDEXES.items():
                shard.update(UpdateOperation.create_field_index(field, schema))
        except Exception as error:  # the binding raises nothing more precise
            folder.remove()
            log.exception("the local vector store cannot be opened")
            raise StoreDown("The local vector store cannot be opened; the log says why.") from error
        self._folder = folder
        return shard

    def _upsert(self, points: Sequence[Point], shard: EdgeShard) -> None:
        made = []
        for point in points:
            own = point_id(point.ticket_id)
            if ticket_id_of(own) != point.ticket_id:
                self._names[str(own)] = point.ticket_id
            self._models.add(point.payload["model"])
            made.append(EdgePoint(own, point.vector.tolist(), _kept(point.payload)))
        shard.update(UpdateOperation.upsert_points(made))

    def _name(self, point: str) -> str:
        return self._names.get(point) or ticket_id_of(point)

    def _needed(self, filters: Filters) -> Filters:
        """The filters without a condition that all points meet anyway."""
        return replace(filters, model=None) if self._models == {filters.model} else filters


# Shards of a parent process, kept from being collected.
_of_parents: list[EdgeShard] = []


def _kept(payload: Payload) -> dict[str, Any]:
    """What filters look at; no titles, descriptions, tags as written, creators and comments."""
    kept: dict[str, Any] = {
        "workflow_id": payload["workflow_id"],
        "status": payload["status"],
        "ticket_type": payload["ticket_type"],
        "priority": payload["priority"],
        "approval_status": payload["approval_status"],
        "tags_folded": payload["tags_folded"],
        "is_blocked": _word(payload["is_blocked"]),
        "created_at": payload["created_at"],
        "updated_at": payload["updated_at"],
        "model": payload["model"],
    }
    if payload["assigned_agent_id"] is not None:
        kept["assigned_agent_id"] = payload["assigned_agent_id"]
    if payload["approval_status"] in VISIBLE:
        kept[_VISIBLE_IN] = payload["workflow_id"]
    return kept


def _filter(filters: Filters) -> Filter:
    wanted = conditions(filters)
    if filters.approval_status == VISIBLE:
        rest = [condition for condition in wanted if condition.field not in ("workflow_id", "approval_status")]
        wanted = [Equals(_VISIBLE_IN, filters.workflow_id), *rest]
    return Filter(must=[_condition(condition) for condition in wanted])


def _condition(condition: Condition) -> FieldCondition:
    match condition:
        case Equals(field, value):
            return FieldCondition(field, match=MatchValue(_word(value) if isinstance(value, bool) else value))
        case OneOf(field, values):
            return FieldCondition(field, match=MatchAny(list(values)))
        case Within(field, start, end):
            return FieldCondition(field, range=RangeDateTime(gte=_text(start), lt=_text(end)))
        case Absent(field):
            return FieldCondition(field, is_empty=True)
        case _:
            assert_never(condition)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _word(flag: bool) -> str:
    return "true" if flag else "false"
