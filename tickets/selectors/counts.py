"""Counts and other answers that stay true until a workflow's next event.

Each change of what a list, a board or the statistics show raises ``Workflow.event_seq`` in its own
transaction, and each request reads the workflow's row anyway. An answer kept under the sequence number that
was read *before* it was computed can therefore be newer than its number, never older: a change by any
process drops it at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tickets.models import Workflow

ValueT = TypeVar("ValueT")
# The revision of the board is random, so that a number which comes again (a restored backup, a workflow
# made anew) does not bring back what was kept under it.
State = tuple[int, str]

MAX_WORKFLOWS = 256
MAX_ANSWERS = 256


@dataclass
class _Kept(Generic[ValueT]):
    state: State
    answers: dict[Hashable, ValueT] = field(default_factory=dict)


class UntilNextEvent(Generic[ValueT]):
    """Answers per workflow, kept in this process until the workflow's next event.

    While one thread computes an answer, others that need the same one wait for it. At most ``answers`` are kept
    of each workflow.
    """

    def __init__(self, answers: int = MAX_ANSWERS) -> None:
        self._answers = answers
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
        if kept is None or kept.state != state or len(kept.answers) >= self._answers:
            kept = self._workflows[workflow_id] = _Kept(state)
            self._workflows.move_to_end(workflow_id)
            if len(self._workflows) > MAX_WORKFLOWS:
                self._workflows.popitem(last=False)
        kept.answers[question] = value


def status_counts(workflow: Workflow) -> dict[str, int]:
    """Column → number of tickets on the board (rejected and expired ones are not), the empty ones left out."""
    counts: dict[str, int] = workflow.ticket_counts.get("status", {})
    return counts


def visible_count(workflow: Workflow) -> int:
    """How many tickets a list shows that asks for nothing more."""
    return sum(status_counts(workflow).values())
