"""Notes down what is searched, opened and refused, for the success metrics.

Searching must not wait for the write lock, so notes are gathered and written together, a second later at most
or when the process ends. A process that is killed loses its last second of them: they are metrics, not tickets.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence

import structlog
from django.db import DatabaseError, connections
from django.db.models import Model

from search.models import DuplicateWarning, SearchClick, SearchRecord
from tickets.unit import write_transaction

log = structlog.get_logger(__name__)

DELAY = 1.0
MAX_KEPT = 10_000


class Notes:
    """Rows that wait to be written, ``delay`` seconds at most; None: until ``write`` is called. Safe for threads."""

    def __init__(self, delay: float | None = DELAY) -> None:
        self.delay = delay
        self._lock = threading.Lock()
        self._rows: list[Model] = []
        self._timer: threading.Timer | None = None
        self._at_exit = False

    def add(self, row: Model) -> None:
        with self._lock:
            if len(self._rows) >= MAX_KEPT:
                return  # the database has been away for long
            self._rows.append(row)
            if self._timer is None and self.delay is not None:
                self._timer = threading.Timer(self.delay, self._write_in_thread)
                self._timer.daemon = True
                self._timer.start()
                if not self._at_exit:
                    self._at_exit = True
                    atexit.register(self.write)

    def write(self) -> None:
        """Write what waits, in the calling thread."""
        with self._lock:
            rows, self._rows = self._rows, []
            self._timer = None
        if not rows:
            return
        try:
            with write_transaction():
                _insert(rows)
        except DatabaseError as error:
            log.warning("searches were not noted down", rows=len(rows), error=str(error))

    def _write_in_thread(self) -> None:
        try:
            self.write()
        finally:
            connections.close_all()


notes = Notes()


def _insert(rows: Sequence[Model]) -> None:
    searches = [row for row in rows if isinstance(row, SearchRecord)]
    clicks = [row for row in rows if isinstance(row, SearchClick)]
    SearchRecord.objects.bulk_create(searches)
    DuplicateWarning.objects.bulk_create([row for row in rows if isinstance(row, DuplicateWarning)])
    # A click names any search; what is none, or somebody else's workflow's, is no click.
    known = dict(SearchRecord.objects.filter(pk__in={c.search_id for c in clicks}).values_list("pk", "workflow_id"))
    real = [click for click in clicks if known.get(click.search_id) == click.ticket.workflow_id]
    SearchClick.objects.bulk_create(real, ignore_conflicts=True)
