"""Holds what is stored against itself: states against histories, counters against rows, numbers against gaps.

Everything is read in one snapshot, in chunks, beside a running server. A clean database yields nothing.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from django.db import connection, models, transaction
from django.db.models import Count, F, Max, Min

from tickets.board_source import board_of
from tickets.errors import NotFound
from tickets.models import (
    Agent,
    Approval,
    ApprovalStatus,
    Claim,
    Event,
    StatusPeriod,
    Task,
    Ticket,
    TicketComment,
    TicketDependency,
    TicketHistory,
    TicketTag,
    Workflow,
)
from tickets.models.triggers import missing_triggers
from tickets.rules import PRIORITY_RANK, Board
from tickets.selectors.replay import present, replay
from tickets.tally import count_anew

CHUNK = 200
MAX_GAPS = 20
SHOWN = 200  # characters of a value

RowT = TypeVar("RowT", bound=models.Model)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be."""

    what: str
    where: str
    expected: object
    found: object

    def __str__(self) -> str:
        return f"{self.what}: {self.where}: expected {_shown(self.expected)}, found {_shown(self.found)}"


@dataclass(frozen=True)
class _Surroundings:
    """What hangs on the tickets of one chunk, by ticket id, and the ids among those they name that exist."""

    history: dict[str, list[TicketHistory]]
    blockers: dict[str, list[str]]
    tags: dict[str, list[TicketTag]]
    periods: dict[str, list[StatusPeriod]]
    claims: dict[str, list[Claim]]
    approvals: dict[str, list[Approval]]
    comments: dict[str, int]
    commits: dict[str, int]
    mentions: dict[str, list[tuple[str, list[str]]]]
    known: dict[str, str]


def integrity_findings() -> Iterator[Finding]:
    """Everything that disagrees, as it is found. Memory does not grow with the number of tickets."""
    with _snapshot():
        yield from _database()
        boards: dict[str, Board] = {}
        workflows = {workflow.id: workflow for workflow in Workflow.objects.all()}
        for workflow in workflows.values():
            try:
                boards[workflow.id] = board_of(workflow)
            except NotFound:
                yield Finding("board", workflow.id, "a board", None)
            yield from _numbers(workflow)
        yield from _dependencies()
        yield from _parents()
        for tickets in _chunks():
            around = _surroundings(tickets)
            for ticket in tickets:
                yield from _ticket(ticket, workflows[ticket.workflow_id], boards.get(ticket.workflow_id), around)
        for task in Task.objects.exclude(ticket=None).exclude(ticket__workflow=F("workflow")).iterator():
            yield Finding("task's ticket", task.id, f"a ticket of {task.workflow_id}", task.ticket_id)


@contextmanager
def _snapshot() -> Iterator[None]:
    """A transaction that reads and holds no writer up; within another one, that one."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        # Not atomic(), whose BEGIN IMMEDIATE would shut the writers out.
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield


def _database() -> Iterator[Finding]:
    """The file itself, foreign keys, triggers."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA integrity_check")
            faults = [row[0] for row in cursor.fetchall() if row[0] != "ok"]
            yield from (Finding("database file", "integrity_check", "ok", fault) for fault in faults)
            cursor.execute("PRAGMA foreign_key_check")
            for table, row, parent, _ in cursor.fetchall():
                yield Finding("dangling reference", f"{table} row {row}", f"a row of {parent}", None)
    for name in missing_triggers(connection):
        yield Finding("trigger", name, "installed and enabled", None)


def _numbers(workflow: Workflow) -> Iterator[Finding]:
    """Ticket numbers and event numbers of one workflow."""
    tickets = Ticket.objects.filter(workflow=workflow).aggregate(count=Count("id"), high=Max("number"))
    # Numbers have no gaps either: lists take their count from the counter.
    expected = max(tickets["count"], tickets["high"] or 0) + 1
    if workflow.next_number != expected or tickets["count"] != (tickets["high"] or 0):
        found = f"{workflow.next_number}, with {tickets['count']} tickets up to {tickets['high']}"
        yield Finding("next ticket number", workflow.id, expected, found)
    counts = count_anew(workflow.id)
    if workflow.ticket_counts != counts:
        yield Finding("ticket counts", workflow.id, counts, workflow.ticket_counts)
    first, last = workflow.events_pruned_through + 1, workflow.event_seq
    kept = Event.objects.filter(workflow=workflow, seq__gte=first)
    log = kept.aggregate(count=Count("id"), low=Min("seq"), high=Max("seq"))
    whole = {"count": last - first + 1, "low": first, "high": last}
    if log == whole or (log["count"] == 0 and last < first):
        return
    if (log["high"] or first - 1) != last:
        yield Finding("newest event number", workflow.id, last, log["high"])
    previous = first - 1
    gaps = 0
    for seq in kept.order_by("seq").values_list("seq", flat=True).iterator():
        if seq != previous + 1 and gaps < MAX_GAPS:
            gaps += 1
            yield Finding("gap in event numbers", workflow.id, previous + 1, seq)
        previous = seq


def _dependencies() -> Iterator[Finding]:
    live = TicketDependency.objects.filter(released_at=None)
    for row in live.filter(blocker__is_resolved=True).iterator():
        yield Finding("dependency", row.ticket_id, "released, since its blocker is resolved", row.blocker_id)
    for row in TicketDependency.objects.exclude(ticket__workflow=F("blocker__workflow")).iterator():
        yield Finding("dependency", row.ticket_id, "a blocker of the same workflow", row.blocker_id)
    yield from _cycles("dependency", live.values_list("ticket_id", "blocker_id").iterator())


def _parents() -> Iterator[Finding]:
    parted = Ticket.objects.exclude(parent_ticket=None)
    for ticket in parted.exclude(parent_ticket__workflow=F("workflow")).only("key", "parent_ticket").iterator():
        yield Finding("parent", ticket.key, "a ticket of the same workflow", ticket.parent_ticket_id)
    yield from _cycles("parent", parted.values_list("id", "parent_ticket_id").iterator())


def _cycles(what: str, edges: Iterable[tuple[str, str | None]]) -> Iterator[Finding]:
    """Nodes that no order can place (Kahn's algorithm): those on a cycle or behind one."""
    targets: dict[str, list[str]] = defaultdict(list)
    waiting: dict[str, int] = defaultdict(int)
    for source, target in edges:
        if target is not None:
            targets[source].append(target)
            waiting[target] += 1
    free = [node for node in targets if not waiting[node]]
    while free:
        for target in targets.pop(free.pop(), ()):
            waiting[target] -= 1
            if not waiting[target]:
                free.append(target)
    left = sorted(node for node, count in waiting.items() if count and node in targets)
    if left:
        yield Finding(what, ", ".join(left[:10]), "no cycle", f"{len(left)} tickets on or behind one")


def _chunks() -> Iterator[list[Ticket]]:
    last = ""
    while chunk := list(Ticket.objects.filter(pk__gt=last).order_by("pk")[:CHUNK]):
        yield chunk
        last = chunk[-1].pk


def _surroundings(tickets: list[Ticket]) -> _Surroundings:
    """Some ten queries for the whole chunk."""
    ids = [ticket.id for ticket in tickets]

    def rows(model: type[RowT], *order: str) -> dict[str, list[RowT]]:
        found: dict[str, list[RowT]] = defaultdict(list)
        manager: models.Manager[RowT] = model._default_manager
        for row in manager.filter(ticket_id__in=ids).order_by(*order):
            found[row.ticket_id].append(row)  # type: ignore[attr-defined]  # all of them hang on a ticket
        return found

    blockers: dict[str, list[str]] = defaultdict(list)
    live = TicketDependency.objects.filter(ticket_id__in=ids, released_at=None).order_by("id")
    for ticket_id, blocker_id in live.values_list("ticket_id", "blocker_id"):
        blockers[ticket_id].append(blocker_id)
    comments = TicketComment.objects.filter(ticket_id__in=ids)
    mentions: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for ticket_id, comment_id, named in comments.exclude(mentions=[]).values_list("ticket_id", "id", "mentions"):
        mentions[ticket_id].append((comment_id, named))
    counts = comments.filter(deleted_at=None).order_by().values_list("ticket_id").annotate(Count("id"))
    return _Surroundings(
        history=rows(TicketHistory, "id"),
        blockers=blockers,
        tags=rows(TicketTag, "id"),
        periods=rows(StatusPeriod, "entered_at", "id"),
        claims=rows(Claim, "fencing_token"),
        approvals=rows(Approval, "requested_at", "id"),
        comments=dict(counts),
        commits=_commit_counts(ids),
        mentions=mentions,
        known=_known(tickets, mentions),
    )


def _known(tickets: list[Ticket], mentions: dict[str, list[tuple[str, list[str]]]]) -> dict[str, str]:
    """Of the ids that are named: id → workflow, "" for an agent."""
    named = {id_ for ticket in tickets for id_ in ticket.related_ticket_ids}
    named |= {id_ for found in mentions.values() for _, ids in found for id_ in ids}
    known: dict[str, str] = {}
    for part in _batches(sorted(named)):
        known |= dict(Ticket.objects.filter(pk__in=part).values_list("pk", "workflow_id"))
        known |= dict(Task.objects.filter(pk__in=part).values_list("pk", "workflow_id"))
        known |= dict.fromkeys(Agent.objects.filter(pk__in=part).values_list("pk", flat=True), "")
    return known


def _batches(values: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(values), 500):
        yield values[start : start + 500]


def _commit_counts(ids: list[str]) -> dict[str, int]:
    """Links per ticket, by the name of the table: its app stands above this one."""
    if "ticket_commits" not in connection.introspection.table_names():
        return {}
    marks = ", ".join(["%s"] * len(ids))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT ticket_id, COUNT(*) FROM ticket_commits WHERE ticket_id IN ({marks}) GROUP BY ticket_id",  # noqa: S608
            ids,
        )
        return dict(cursor.fetchall())


def _ticket(ticket: Ticket, workflow: Workflow, board: Board | None, around: _Surroundings) -> Iterator[Finding]:
    checks: tuple[Callable[[Ticket, _Surroundings], Iterator[Finding]], ...] = (
        _against_history, _derived, _tags, _references, _periods, _claims, _approvals,
    )  # fmt: skip
    for check in checks:
        yield from check(ticket, around)
    if ticket.key != f"{workflow.key_prefix}-{ticket.number}":
        yield Finding("key", ticket.id, f"{workflow.key_prefix}-{ticket.number}", ticket.key)
    if board is not None:
        yield from _on_board(ticket, board, around)


def _against_history(ticket: Ticket, around: _Surroundings) -> Iterator[Finding]:
    rows = around.history.get(ticket.id, [])
    if not rows or rows[0].change_type != "created":
        yield Finding("history", ticket.key, "created first", rows[0].change_type if rows else None)
        return
    try:
        told = replay(rows)
    except (ValueError, KeyError, TypeError) as error:
        yield Finding("history", ticket.key, "rows that replay", f"{type(error).__name__}: {error}")
        return
    stored = present(ticket, around.blockers.get(ticket.id, []))
    for name in stored:
        if told.get(name) != stored[name]:
            yield Finding(f"{name} against history", ticket.key, told.get(name), stored[name])


def _derived(ticket: Ticket, around: _Surroundings) -> Iterator[Finding]:
    blockers = len(around.blockers.get(ticket.id, []))
    expected = {
        "comment_count": around.comments.get(ticket.id, 0),
        "commit_count": around.commits.get(ticket.id, 0),
        "open_blocker_count": blockers,
        "is_blocked": ticket.is_manually_blocked or blockers > 0,
        "priority_rank": PRIORITY_RANK.get(ticket.priority),
    }
    for name, value in expected.items():
        if getattr(ticket, name) != value:
            yield Finding(name, ticket.key, value, getattr(ticket, name))


def _tags(ticket: Ticket, around: _Surroundings) -> Iterator[Finding]:
    rows = sorted((row.name, row.folded, row.workflow_id) for row in around.tags.get(ticket.id, []))
    expected = sorted((tag, tag.casefold(), ticket.workflow_id) for tag in ticket.tags)
    if rows != expected:
        yield Finding("rows of tags", ticket.key, [row[0] for row in expected], [row[0] for row in rows])


def _references(ticket: Ticket, around: _Surroundings) -> Iterator[Finding]:
    for id_ in ticket.related_ticket_ids:
        if around.known.get(id_) != ticket.workflow_id:
            yield Finding("related_ticket_ids", ticket.key, "a ticket of the same workflow", id_)
    for comment_id, named in around.mentions.get(ticket.id, []):
        for id_ in named:
            if around.known.get(id_) not in ("", ticket.workflow_id):
                yield Finding("mention", f"{comment_id} on {ticket.key}", "an agent, ticket or task", id_)


def _periods(ticket: Ticket, around: _Surroundings) -> Iterator[Finding]:
    periods = around.periods.get(ticket.id, [])
    open_ones = [period.status for period in periods if period.left_at is None]
    if open_ones != [ticket.status] or periods[-1].left_at is not None:
        yield Finding("open status period", ticket.key, [ticket.status], open_ones)
    for before, after in itertools.pairwise(periods):
        if before.left_at != after.entered_at:
            yield Finding("status period", f"{ticket.key} {before.status}", f"left {after.entered_at}", before.left_at)


def _claims(ticket: Ticket, around: _Surroundings) -> Iterator[Finding]:
    claims = around.claims.get(ticket.id, [])
    held = [(c.agent_id, c.expires_at, c.fencing_token) for c in claims if c.ended_at is None]
    lease = [(ticket.lease_agent_id, ticket.lease_expires_at, ticket.fencing_token)]
    if held != (lease if ticket.lease_agent_id is not None else []):
        yield Finding("open claim", ticket.key, lease if ticket.lease_agent_id else None, held or None)
    highest = claims[-1].fencing_token if claims else 0
    if highest != ticket.fencing_token:
        yield Finding("fencing_token", ticket.key, highest, ticket.fencing_token)
    for before, after in itertools.pairwise(claims):
        if before.ended_at is None or before.ended_at > after.claimed_at:
            yield Finding(
                "overlapping claims", f"{ticket.key} token {after.fencing_token}", after.claimed_at, before.ended_at
            )


def _approvals(ticket: Ticket, around: _Surroundings) -> Iterator[Finding]:
    approvals = around.approvals.get(ticket.id, [])
    waits = ticket.approval_status == ApprovalStatus.PENDING
    open_ones = [approval.expires_at for approval in approvals if approval.decided_at is None]
    if open_ones != ([ticket.approval_expires_at] if waits else []):
        yield Finding("open approval", ticket.key, ticket.approval_expires_at if waits else None, open_ones)
    elif not waits:
        told = approvals[-1].decision if approvals else ApprovalStatus.NONE.value
        if told != ticket.approval_status:
            yield Finding("approval_status", ticket.key, told, ticket.approval_status)


def _on_board(ticket: Ticket, board: Board, around: _Surroundings) -> Iterator[Finding]:
    if ticket.ticket_type not in board.types:
        yield Finding("ticket_type", ticket.key, list(board.types), ticket.ticket_type)
    if ticket.status not in board.by_id:
        yield Finding("status", ticket.key, list(board.by_id), ticket.status)
        return
    category = board.category(ticket.status)
    if ticket.is_resolved and category != "final":
        yield Finding("is_resolved", ticket.key, f"false in {ticket.status}", True)
    if (ticket.completed_at is not None) != (category == "final"):
        yield Finding("completed_at", ticket.key, "set" if category == "final" else None, ticket.completed_at)
    for period in around.periods.get(ticket.id, []):
        if period.left_at is None and period.category != category:
            yield Finding("category of the open status period", ticket.key, category, period.category)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
