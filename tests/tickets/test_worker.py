"""The background worker: jobs come in turn, failures end nothing, approvals expire without a request."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories import make_agent, make_ticket, make_workflow
from tickets.models import Ticket
from tickets.worker import Job, Worker

ENOUGH = 30.0  # seconds


def test_a_job_that_fails_comes_again_and_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    failed, worked = threading.Semaphore(0), threading.Semaphore(0)

    def fail() -> None:
        failed.release()
        raise RuntimeError("no luck")

    worker = Worker([Job("fails", 0.01, fail), Job("works", 0.01, worked.release)])
    worker.start()
    try:
        for _ in range(3):
            assert failed.acquire(timeout=ENOUGH)
            assert worked.acquire(timeout=ENOUGH)
    finally:
        worker.stop(ENOUGH)

    assert "no luck" in caplog.text


def test_a_job_with_more_to_do_comes_again_at_once() -> None:
    left = [True, True, True, False]
    done = threading.Event()

    def batch() -> bool:
        more = left.pop(0)
        if not left:
            done.set()
        return more

    worker = Worker([Job("batches", 3600, batch)])
    worker.start()
    try:
        assert done.wait(ENOUGH)
    finally:
        worker.stop(ENOUGH)

    assert left == []


def test_stop_ends_a_worker_that_waits() -> None:
    worker = Worker([Job("seldom", 3600, lambda: None)])
    worker.start()

    worker.stop(ENOUGH)

    assert threading.current_thread() is threading.main_thread()
    assert not any(thread.name == "worker" for thread in threading.enumerate())


@pytest.mark.django_db(transaction=True)
def test_approvals_expire_without_a_request() -> None:
    columns = [{"id": name, "name": name, "order": order} for order, name in enumerate(("todo", "done"))]
    board = {
        "columns": columns,
        "ticket_types": [{"id": "task", "name": "Task"}],
        "settings": {"ticket_human_review": True},
    }
    workflow = make_workflow(board=board)
    ticket = make_ticket(make_agent(workflow).actor, workflow)
    Ticket.objects.filter(pk=ticket.pk).update(approval_expires_at=timezone.now() - timedelta(seconds=1))

    worker = Worker()
    worker.start()
    try:
        deadline = time.monotonic() + ENOUGH
        while Ticket.objects.get(pk=ticket.pk).approval_status != "expired":
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        worker.stop(ENOUGH)
