"""Keeps a log of each workflow in step with its history."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import starmap
from typing import Any

from django.db.models import Case, F, TextField, When
from django.db.models.fields.json import KT

from boards.metrics import kept
from boards.metrics.facts import Facts
from boards.metrics.log import Change, Log, TicketNow
from tickets.models import Ticket, TicketHistory, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.prepared import Mark, Microseconds, Reading, marks, numbered

# Rows in memory at once, while a log is made from nothing.
CHUNK = 20_000
# A process that starts reads at most about as many.
KEEP_AFTER = 5_000
# More changed tickets than this are read with all others.
FEW_TICKETS = 20
FIELDS = (
    "id", "status", "ticket_type", "priority_rank", "assigned_agent_id", "created_by_agent_id", "approval_status",
    "story_points", "commit_count", "is_resolved",
)  # fmt: skip
MAX_LOGS = 32


class _Followed:
    """A log and the lock under which it is brought up to date."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.log: Log | None = None
        self.facts: Facts | None = None
        self.unsaved = 0


_lock = threading.Lock()
_followed: OrderedDict[str, _Followed] = OrderedDict()


def facts_of(workflow: Workflow) -> Facts:
    """A workflow's past up to now. One query where nothing has happened since the last call, else two.

    The first call in a process also reads what is kept on disk; the very first reads the whole history.
    """
    with _lock:
        followed = _followed.setdefault(workflow.id, _Followed())
        _followed.move_to_end(workflow.id)
        if len(_followed) > MAX_LOGS:
            _followed.popitem(last=False)
    with followed.lock:
        return _up_to_date(workflow.id, followed)


def forget() -> None:
    """Let go of all logs in memory."""
    with _lock:
        _followed.clear()


def _up_to_date(workflow_id: str, followed: _Followed) -> Facts:
    log = followed.log or kept.load(workflow_id) or Log()
    # While rows are taken in, a failure leaves no half of them behind.
    followed.log = None
    changed, rows = set(), 0
    for chunk in _changes(workflow_id, log):
        if chunk is None:
            # Another history than the one that was read: a backup was restored.
            log, followed.facts = Log(), None
            continue
        changed |= log.fold(chunk)
        rows += len(chunk)
    if changed:
        log.describe(_tickets(workflow_id, changed))
    if changed or followed.facts is None:
        followed.facts = log.facts()
    followed.unsaved += rows
    if followed.unsaved >= KEEP_AFTER:
        kept.save(workflow_id, log)
        followed.unsaved = 0
    followed.log = log
    return followed.facts


def _changes(workflow_id: str, log: Log) -> Iterator[list[Change] | None]:
    """What came after the log's last row, in parts; None first, where the database does not know that row."""
    after = log.last[0]
    found = _read(workflow_id, after)
    if after and (not found or (found[0].id, found[0].ticket_id, found[0].at) != log.last):
        yield None
        found = _read(workflow_id, 0)
    elif after:
        found = found[1:]
    while found:
        yield found
        found = _read(workflow_id, found[-1].id + 1) if len(found) >= CHUNK - 1 else []


def _read(workflow_id: str, first: int) -> list[Change]:
    """At most ``CHUNK`` rows from this id on."""
    return list(starmap(Change, _history().run({"workflow_id": workflow_id, "first": first}, limit=CHUNK)))


@functools.cache
def _history() -> Reading:
    """By id, in which history is written: within a workflow nothing is added before what is there."""
    told = ("status_changed", "blocked", "unblocked")
    rows = TicketHistory.objects.filter(workflow_id=Mark("workflow_id"), id__gte=Mark("first")).order_by("id")
    # Values are read only where figures need them: those of a new ticket hold its whole description.
    columns = rows.annotate(
        at=Microseconds("changed_at"),
        before=Case(When(change_type__in=("status_changed", "released"), then=F("old_value"))),
        after=Case(
            When(change_type__in=told, then=F("new_value")),
            When(change_type="released", then=KT("metadata__reason")),
            output_field=TextField(),
        ),
    )
    return Reading(
        columns.values_list("id", "ticket_id", "agent_id", "at", "change_type", "field_name", "before", "after"),
        convert=False,
    )


def _tickets(workflow_id: str, changed: set[str]) -> Iterator[TicketNow]:
    if len(changed) <= FEW_TICKETS:
        ids = sorted(changed)
        found: Iterable[tuple[Any, ...]] = _few_tickets().rows(
            **numbered("id", ids + ids[:1] * (FEW_TICKETS - len(ids)))
        )
    else:
        found = Ticket.objects.filter(workflow_id=workflow_id).order_by().values_list(*FIELDS).iterator(CHUNK)
    for id_, status, kind, priority, assignee, creator, approval, points, commits, resolved in found:
        visible = approval in VISIBLE_APPROVALS
        yield TicketNow(id_, status, kind, priority, assignee, creator, visible, points, commits, resolved)


@functools.cache
def _few_tickets() -> Reading:
    return Reading(Ticket.objects.filter(pk__in=marks("id", FEW_TICKETS)).order_by().values_list(*FIELDS))
