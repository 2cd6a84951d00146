"""Housekeeping in the background: periodic jobs on one thread. Several workers at once do no harm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from django.db import close_old_connections, connections

from tickets.services.approvals import approvals_expire
from tickets.services.idempotency import prune as idempotency_prune

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Job:
    """``run`` is called every ``seconds``, again at once while it returns true (more of a batch is left)."""

    name: str
    seconds: float
    run: Callable[[], object]


_jobs: list[Job] = [
    Job("expire approvals", 1.0, approvals_expire),
    Job("prune idempotency records", 600.0, idempotency_prune),
]


def register(job: Job) -> None:
    """Add a job; called from ``AppConfig.ready``."""
    _jobs.append(job)


class Worker:
    """Runs jobs, by default the registered ones, until it is stopped. One that fails is logged and comes again."""

    def __init__(self, jobs: Sequence[Job] | None = None) -> None:
        self._jobs = _jobs if jobs is None else jobs
        self._stopped = threading.Event()
        # A daemon, so that a job that hangs does not hold up the end of the process.
        self._thread = threading.Thread(target=self.run, name="worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """End after the present job. Waits up to ``timeout`` seconds for the thread, if there is one."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def run(self) -> None:
        """Work in the calling thread."""
        due = dict.fromkeys(self._jobs, time.monotonic())
        while due:
            job = min(due, key=lambda each: due[each])
            if self._stopped.wait(max(0.0, due[job] - time.monotonic())):
                break
            more = self._do(job)
            due[job] = time.monotonic() + (0 if more else job.seconds)
        connections.close_all()

    @staticmethod
    def _do(job: Job) -> bool:
        close_old_connections()
        try:
            return bool(job.run())
        except Exception:  # one failure must not end the others
            log.exception("a job failed", job=job.name)
            return False
        finally:
            close_old_connections()
