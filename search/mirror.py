"""This process's own copy of the vectors, in a local store that follows the database.

Before each query two numbers tell whether anything changed, in this process or another one, and what.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate

from django.db import connections

from search.errors import StoreDown
from search.points import Seen, changed_tickets, newest, points_after, points_of
from search.stores import local_store
from search.stores.base import VectorStore
from tickets.models import Workflow

# Above this many vectors a workflow is loaded in the background: it takes longer than a request may wait.
LARGE = 5000
LOAD_WAIT = 0.7


class Mirror:
    """Vectors of one model, workflow by workflow as they are asked for. Safe for threads."""

    def __init__(self, model: str, dimensions: int, make: Callable[[int], VectorStore] = local_store) -> None:
        self.model = model
        self._store = make(dimensions)
        self._lock = threading.Lock()
        self._seen: dict[str, Seen] = {}
        self._loads: dict[str, Future[None]] = {}
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vectors")

    def current(self, workflow: Workflow) -> VectorStore:
        """The store, with all that the database has of the workflow. ``workflow`` was read just now.

        One query where nothing has changed. Raises StoreDown while a large workflow is being loaded.
        """
        now = newest(workflow)
        seen = self._seen.get(workflow.id, Seen())
        if seen.events >= now.events and seen.vectors >= now.vectors and workflow.id in self._seen:
            return self._store
        if now.vectors - seen.vectors > LARGE:
            self._load_large(workflow, now)
        else:
            self._catch_up(workflow, now)
        return self._store

    def close(self) -> None:
        self._loader.shutdown(wait=True, cancel_futures=True)
        self._store.close()

    def _catch_up(self, workflow: Workflow, now: Seen) -> None:
        with self._lock:
            known = workflow.id in self._seen
            seen = self._seen.get(workflow.id, Seen())
            changed = changed_tickets(workflow, seen) if known and seen.events < now.events else []
            after = 0 if changed is None else seen.vectors
            fresh: set[str] = set()
            for chunk in points_after(workflow.id, after, self.model):
                self._store.upsert([point for _, point in chunk])
                fresh.update(point.ticket_id for _, point in chunk)
            rest = [ticket_id for ticket_id in changed or () if ticket_id not in fresh]
            for points in points_of(workflow.id, rest, self.model):
                self._store.upsert(points)
            self._seen[workflow.id] = Seen(max(seen.events, now.events), max(seen.vectors, now.vectors))

    def _load_large(self, workflow: Workflow, now: Seen) -> None:
        with self._lock:
            load = self._loads.get(workflow.id)
            if load is None or load.done():
                load = self._loads[workflow.id] = self._loader.submit(self._load, workflow, now)
        try:
            load.result(LOAD_WAIT)
        except TooLate:
            raise StoreDown("The vectors are being loaded; ask again in a few seconds.") from None

    def _load(self, workflow: Workflow, now: Seen) -> None:
        try:
            self._catch_up(workflow, now)
        finally:
            connections.close_all()


_lock = threading.Lock()
_mirror: Mirror | None = None


def mirror(model: str, dimensions: int) -> Mirror:
    """The one of this process; made anew where the model is another."""
    global _mirror
    with _lock:
        if _mirror is None or _mirror.model != model:
            if _mirror is not None:
                _mirror.close()
            _mirror = Mirror(model, dimensions)
        return _mirror


def forget() -> None:
    """Drop this process's copy; the next query makes it anew."""
    global _mirror
    with _lock:
        if _mirror is not None:
            _mirror.close()
        _mirror = None


def _after_fork() -> None:
    # The files and threads are the parent's.
    global _mirror, _lock
    _mirror, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
