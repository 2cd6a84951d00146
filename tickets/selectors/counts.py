"""Counts and other answers that stay true until a workflow's next event.

Each change of what a list, a board or the statistics show raises ``Workflow.event_seq`` in its own
transaction, and each request reads the workflow's row anyway. An answer kept under the sequence number that
was read *before* it was computed can therefore be newer than its number, never older: a change by any
process drops it at once.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.db.models import Count

from tickets.models import ApprovalStatus, Ticket, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.prepared import Mark, Reading, marks, numbered

ValueT = TypeVar("ValueT")
# The revision of the board is random, so that a number which comes again (a restored backup, a workflow
# made anew) does not bring back what was kept under it.
State = tuple[int, str]

HIDDEN_APPROVALS = (ApprovalStatus.REJECTED, ApprovalStatus.EXPIRED)
MAX_WORKFLOWS = 256
MAX_ANSWERS = 256


@dataclass
class _Kept(Generic[ValueT]):
    state: State
    answers: dict[Hashable, ValueT] = field(default_factory=dict)


class UntilNextEvent(Generic[ValueT]):
    """Answers per workflow, kept in this process until the workflow's next event.

    While one thread computes an answer, others that need the same one wait for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workflows: OrderedDict[str, _Kept[ValueT]] = OrderedDict()
        self._running: dict[tuple[str, State, Hashable], Future[ValueT]] = {}

    def get(self, workflow: Workflow, question: Hashable, compute: Callable[[], ValueT]) -> ValueT:
        """The answer kept for this state of the workflow, else ``compute()``."""
        state = (workflow.event_seq, workflow.board_revision)
        key = (workflow.id, state, question)
        with self._lock:
            kept = self._workflows.get(workflow.id)
            if kept is not None and kept.state == state and question in kept.answers:
                return kept.answers[question]
            running = self._running.get(key)
            if running is None:
                self._running[key] = Future()
        return running.result() if running is not None else self._run(key, compute)

    def _run(self, key: tuple[str, State, Hashable], compute: Callable[[], ValueT]) -> ValueT:
        """Compute what ``_running`` promises, and keep it."""
        try:
            value = compute()
        except BaseException as error:
            with self._lock:
                promise = self._running.pop(key)
            promise.set_exception(error)
            raise
        with self._lock:
            self._keep(*key, value)
            promise = self._running.pop(key)
        promise.set_result(value)
        return value

    def _keep(self, workflow_id: str, state: State, question: Hashable, value: ValueT) -> None:
        kept = self._workflows.get(workflow_id)
        if kept is None or kept.state != state or len(kept.answers) >= MAX_ANSWERS:
            kept = self._workflows[workflow_id] = _Kept(state)
            self._workflows.move_to_end(workflow_id)
            if len(self._workflows) > MAX_WORKFLOWS:
                self._workflows.popitem(last=False)
        kept.answers[question] = value


_by_status: UntilNextEvent[dict[str, int]] = UntilNextEvent()
_hidden: UntilNextEvent[int] = UntilNextEvent()


def status_counts(workflow: Workflow) -> dict[str, int]:
    """Column → number of tickets on the board (rejected and expired ones are not).

    One covering query, none while nothing has happened in the workflow.
    """
    return _by_status.get(workflow, None, lambda: _count_by_status(workflow.id))


def _count_by_status(workflow_id: str) -> dict[str, int]:
    rows = Ticket.objects.filter(workflow_id=workflow_id, approval_status__in=VISIBLE_APPROVALS)
    return dict(rows.order_by().values_list("status").annotate(total=Count("*")))


def visible_count(workflow: Workflow, statuses: Sequence[str]) -> int:
    """How many tickets a list shows that asks for nothing more. ``statuses`` are the board's columns.

    Numbers rise by one with each ticket and nothing deletes any, so the workflow's counter knows how many
    there are; the rejected and expired among them are few and found by an index. At most one covering query.
    """
    total = workflow.next_number - 1
    return total - _hidden.get(workflow, None, lambda: _count_hidden(workflow.id, statuses))


def _count_hidden(workflow_id: str, statuses: Sequence[str]) -> int:
    found = _hidden_reading(len(statuses)).rows(workflow_id=workflow_id, **numbered("status", statuses))
    return sum(count for _, count in found)


@functools.cache
def _hidden_reading(columns: int) -> Reading:
    rows = Ticket.objects.filter(
        workflow_id=Mark("workflow_id"), status__in=marks("status", columns), approval_status__in=HIDDEN_APPROVALS
    )
    return Reading(rows.order_by().values_list("status").annotate(total=Count("*")), convert=False)
