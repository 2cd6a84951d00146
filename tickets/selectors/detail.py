"""One ticket in full."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from django.db.models import Min, Q, QuerySet
from django.utils import timezone

from tickets import ports
from tickets.access import Actor, find_ticket
from tickets.models import StatusPeriod, Task, Ticket, TicketDependency, TicketHistory
from tickets.prepared import Mark, Reading, read_together
from tickets.schemas.details import (
    GetTicket,
    ListRelated,
    PersonInfo,
    RelatedPage,
    RelatedTaskInfo,
    RelatedTicketInfo,
    StatusTime,
    TicketFullDetail,
    TicketState,
)
from tickets.schemas.lists import ROW_NAMES, TicketRow
from tickets.schemas.tickets import SimilarTicket
from tickets.selectors.tickets import row_reading, rows_of, ticket_rows, time_text
from tickets.selectors.timeline import (
    changes_of,
    comments_of,
    commits_of,
    newest_comments,
    newest_history,
    people_of,
    reactions_on_ticket,
)

MAX_ENTRIES = 1000
MAX_TIES = 200
MAX_SUGGESTED = 5
RELATED_FIELDS = (
    "ticket_id", "key", "title", "status", "priority", "ticket_type", "is_resolved", "is_blocked",
    "assigned_agent_id",
)  # fmt: skip
TASK_FIELDS = ("id", "description", "status", "phase", "agent_id", "created_at", "completed_at")
Relation = Literal["parent", "sub_ticket", "blocked_by", "blocks", "related"]


def ticket_get(*, actor: Actor, request: GetTicket) -> TicketFullDetail:
    """A ticket with everything tied to it.

    At most fourteen queries, however much there is: ticket; comments and their reactions; history; commits;
    dependencies; contributors where the history is longer than shown; time in columns; parts and tied tickets, each
    with their blockers; tasks, its own and those it names. Those that any ticket has are read together.
    """
    ticket = find_ticket(actor, request.ticket_id)
    index = ports.ticket_index()
    if request.search_id is not None and index is not None:
        index.opened(actor=actor, search_id=request.search_id, ticket=ticket)
    now = timezone.now()
    comments, reactions, history, parts, edges, periods, tasks = read_together(
        newest_comments(MAX_ENTRIES + 1),
        reactions_on_ticket(),
        newest_history(MAX_ENTRIES + 1),
        _parts(),
        *(_reading(name) for name in ("dependencies", "periods", "tasks")),
        ticket_id=ticket.id,
        workflow_id=ticket.workflow_id,
        now=now,
    )
    commits = commits_of(ticket.id, limit=MAX_ENTRIES + 1, newest_first=True) if ticket.commit_count else []
    blocked_by, blocks = _dependencies(ticket, edges)
    people = people_of(reversed(history)) if len(history) <= MAX_ENTRIES else _contributors(ticket)
    tied = _tied(ticket, blocked_by, blocks)
    lists: dict[str, Sequence[Any]] = {"comments": comments, "history": history, "commits": commits}
    state = ticket_state(
        ticket, now, blocked_by=blocked_by, blocks=blocks, people=people, periods=_time_in_status(periods, now)
    )
    return TicketFullDetail.model_construct(
        **state,
        ticket=state,
        comments=comments_of(comments[:MAX_ENTRIES][::-1], reactions),
        history=changes_of(history[:MAX_ENTRIES][::-1]),
        commits=commits[:MAX_ENTRIES][::-1],
        related_tickets=_infos(ticket.related_ticket_ids, tied, "related"),
        related_tasks=_tasks(ticket, tasks),
        parent_ticket=tied.get(ticket.parent_ticket_id or ""),
        sub_tickets=rows_of(parts[:MAX_TIES]),
        blocked_by=_infos(blocked_by, tied, "blocked_by"),
        blocks=_infos(blocks, tied, "blocks"),
        agents=people,
        truncated=[
            *(name for name, part in lists.items() if len(part) > MAX_ENTRIES),
            *(["sub_tickets"] if len(parts) > MAX_TIES else []),
        ],
    )


def ticket_state(
    ticket: Ticket,
    now: datetime,
    *,
    blocked_by: list[str],
    blocks: list[str],
    people: list[PersonInfo],
    periods: list[StatusTime],
) -> TicketState:
    """The ticket's own fields and what is computed from what it is tied to. No query."""
    spent = sum(period["seconds"] for period in periods if period["category"] == "active") // 60
    estimate = ticket.estimate_minutes
    return TicketState(
        id=ticket.id,
        ticket_id=ticket.id,
        key=ticket.key,
        workflow_id=ticket.workflow_id,
        title=ticket.title,
        description=ticket.description,
        ticket_type=ticket.ticket_type,
        priority=ticket.priority,
        status=ticket.status,
        created_by_agent_id=ticket.created_by_agent_id,
        assigned_agent_id=ticket.assigned_agent_id,
        created_at=time_text(ticket.created_at) or "",
        updated_at=time_text(ticket.updated_at) or "",
        started_at=time_text(ticket.started_at),
        completed_at=time_text(ticket.completed_at),
        resolved_at=time_text(ticket.resolved_at),
        tags=ticket.tags,
        comment_count=ticket.comment_count,
        commit_count=ticket.commit_count,
        is_blocked=ticket.is_blocked,
        is_manually_blocked=ticket.is_manually_blocked,
        blocked_reason=ticket.blocked_reason,
        blocked_by_ticket_ids=blocked_by,
        blocks_ticket_ids=blocks,
        is_resolved=ticket.is_resolved,
        approval_status=ticket.approval_status,
        approval_expires_at=time_text(ticket.approval_expires_at),
        parent_ticket_id=ticket.parent_ticket_id,
        related_ticket_ids=ticket.related_ticket_ids,
        related_task_ids=ticket.related_task_ids,
        story_points=ticket.story_points,
        estimate_minutes=estimate,
        spent_minutes=spent,
        remaining_minutes=max(0, estimate - spent) if estimate is not None else None,
        time_in_status=periods,
        contributors=[person["agent_id"] for person in people],
        lease_agent_id=ticket.lease_agent_id,
        lease_expires_at=time_text(ticket.lease_expires_at),
        lease_is_live=ticket.lease_expires_at is not None and ticket.lease_expires_at > now,
        rank=ticket.rank,
        source=ticket.source,
        source_id=ticket.source_id,
        version=ticket.version,
    )


def related_list(*, actor: Actor, request: ListRelated) -> RelatedPage:
    """The tickets that a ticket is tied to: parent, blockers, dependants, parts, related ones.

    At most five queries: ticket, dependencies, parts, the page's tickets, tasks; with the first page those
    for what is alike.
    """
    ticket = find_ticket(actor, request.ticket_id)
    edges, tasks = read_together(
        _reading("dependencies"), _reading("tasks"), ticket_id=ticket.id, workflow_id=ticket.workflow_id
    )
    blocked_by, blocks = _dependencies(ticket, edges)
    parts = Ticket.objects.filter(parent_ticket=ticket).order_by("number").values_list("pk", flat=True)
    ties: list[tuple[Relation, str]] = [("parent", ticket.parent_ticket_id)] if ticket.parent_ticket_id else []
    ties += [("blocked_by", ticket_id) for ticket_id in blocked_by]
    ties += [("blocks", ticket_id) for ticket_id in blocks]
    ties += [("sub_ticket", ticket_id) for ticket_id in parts]
    ties += [("related", ticket_id) for ticket_id in ticket.related_ticket_ids]
    page = ties[request.offset : request.offset + request.limit]
    rows = _rows_of([ticket_id for _, ticket_id in page], RELATED_FIELDS)
    return RelatedPage.model_construct(
        ticket_id=ticket.id,
        key=ticket.key,
        related=[info_of(rows[ticket_id], relation) for relation, ticket_id in page if ticket_id in rows],
        suggested=_suggested(ticket, {ticket_id for _, ticket_id in ties}) if not request.offset else [],
        tasks=_tasks(ticket, tasks),
        total_count=len(ties),
        has_more=request.offset + len(page) < len(ties),
    )


def _suggested(ticket: Ticket, tied: set[str]) -> list[SimilarTicket]:
    index = ports.ticket_index()
    alike = index.alike(ticket=ticket, limit=MAX_SUGGESTED + len(tied)) if index is not None else []
    return [SimilarTicket.model_validate(row) for row in alike if row["ticket_id"] not in tied][:MAX_SUGGESTED]


@functools.cache
def _reading(name: str) -> Reading:
    """The statements of a detail, each compiled once. All take ``ticket_id``, that for tasks ``workflow_id`` too."""
    ticket_id = Mark("ticket_id")
    live = TicketDependency.objects.filter(Q(ticket_id=ticket_id) | Q(blocker_id=Mark("ticket_id")), released_at=None)
    acts = TicketHistory.objects.filter(ticket_id=ticket_id).values_list("agent_id", "agent__name", "agent__kind")
    periods = StatusPeriod.objects.filter(ticket_id=ticket_id).order_by("entered_at", "id")
    tasks = Task.objects.filter(ticket_id=ticket_id, workflow_id=Mark("workflow_id"))
    queries: dict[str, QuerySet[Any, Any]] = {
        "dependencies": live.order_by("id").values_list("ticket_id", "blocker_id"),
        "contributors": acts.annotate(first=Min("id")).order_by("first"),
        "periods": periods.values_list("status", "category", "entered_at", "left_at"),
        "tasks": tasks.order_by("created_at", "id").values_list(*TASK_FIELDS)[:MAX_TIES],
    }
    return Reading(queries[name])


@functools.cache
def _parts() -> Reading:
    """Parts of ``ticket_id``, one more than is shown, for ``rows_of``."""
    parts = Ticket.objects.filter(parent_ticket_id=Mark("ticket_id")).order_by("number")
    return row_reading(parts[: MAX_TIES + 1])


def _dependencies(ticket: Ticket, edges: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Ids of what the ticket waits for and of what waits for it, oldest dependency first."""
    return [blocker for waiting, blocker in edges if waiting == ticket.id], [
        waiting for waiting, _ in edges if waiting != ticket.id
    ]


def _contributors(ticket: Ticket) -> list[PersonInfo]:
    """Who did anything to the ticket, in the order of their first act. One query; every act is in the history."""
    people = _reading("contributors").rows(ticket_id=ticket.id)
    return [PersonInfo(agent_id=id_, name=name, kind=kind) for id_, name, kind, _ in people]


def _time_in_status(periods: Iterable[tuple[Any, ...]], now: datetime) -> list[StatusTime]:
    """Time in each column the ticket has been in, in the order of the first visit."""
    found: dict[str, StatusTime] = {}
    for status, category, entered, left in periods:
        # A stay may have begun a moment ahead of this process's clock.
        seconds = max(0, int(((left or now) - entered).total_seconds()))
        known = found.setdefault(status, StatusTime(status=status, category=category, seconds=0, is_current=False))
        known["seconds"] += seconds
        known["category"] = category
        known["is_current"] = left is None
    return list(found.values())


def _tied(ticket: Ticket, *groups: Sequence[str]) -> dict[str, TicketRow]:
    """Rows of the parent, of related tickets and of those in the groups."""
    ids = {*ticket.related_ticket_ids, *(ticket_id for group in groups for ticket_id in group)}
    if ticket.parent_ticket_id:
        ids.add(ticket.parent_ticket_id)
    return _rows_of(ids, ROW_NAMES)


def _rows_of(ids: Iterable[str], names: tuple[str, ...]) -> dict[str, TicketRow]:
    rows = ticket_rows(Ticket.objects.filter(pk__in=list(ids)), names) if ids else []
    return {row["ticket_id"]: row for row in rows}


def _infos(ids: Sequence[str], rows: dict[str, TicketRow], relation: Relation) -> list[RelatedTicketInfo]:
    return [info_of(rows[ticket_id], relation) for ticket_id in ids if ticket_id in rows]


def info_of(row: TicketRow, relation: Relation) -> RelatedTicketInfo:
    """A row in short, with what ties it."""
    return RelatedTicketInfo(
        ticket_id=row["ticket_id"],
        key=row["key"],
        title=row["title"],
        status=row["status"],
        priority=row["priority"],
        ticket_type=row["ticket_type"],
        is_resolved=row["is_resolved"],
        is_blocked=row["is_blocked"],
        assigned_agent_id=row["assigned_agent_id"],
        relation=relation,
    )


def _tasks(ticket: Ticket, rows: list[tuple[Any, ...]]) -> list[RelatedTaskInfo]:
    """Tasks made for the ticket (``rows``) and tasks it names, also those that only their id is known of.

    One query where it names tasks that are not its own.
    """
    listed = {row[0] for row in rows}
    named = [task_id for task_id in ticket.related_task_ids if task_id not in listed]
    if named:
        others = Task.objects.filter(pk__in=named, workflow_id=ticket.workflow_id).order_by("created_at", "id")
        rows = [*rows, *others.values_list(*TASK_FIELDS)]
    tasks = [
        RelatedTaskInfo(
            task_id=id_,
            description=description,
            status=status,
            phase=phase,
            agent_id=agent_id,
            created_at=time_text(created_at),
            completed_at=time_text(completed_at),
        )
        for id_, description, status, phase, agent_id, created_at, completed_at in rows
    ]
    known = {task["task_id"] for task in tasks}
    return tasks + [_unknown_task(task_id) for task_id in named if task_id not in known]


def _unknown_task(task_id: str) -> RelatedTaskInfo:
    return RelatedTaskInfo(
        task_id=task_id,
        description=None,
        status=None,
        phase=None,
        agent_id=None,
        created_at=None,
        completed_at=None,
    )
