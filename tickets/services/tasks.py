"""Tasks of Hephaestus, and what they mean for the tickets that they are about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tickets import ports
from tickets.access import Actor, find_ticket, member_agent, workflow_for
from tickets.errors import Conflict, Forbidden, Invalid
from tickets.ids import new_id
from tickets.models import Agent, AgentKind, AgentState, Role, Task, TaskStatus, Ticket
from tickets.models.tasks import ENDED_TASKS
from tickets.schemas.tasks import CreateTask, TaskAnswer, TaskStatusUpdated, UpdateTaskStatus
from tickets.selectors.tasks import find_task, task_answer
from tickets.services.claims import leases_end_of
from tickets.services.status import resolve_in_unit
from tickets.unit import Unit, open_unit, write_transaction


@dataclass
class _Completion:
    """What finishing a task brought about."""

    resolved: str | None = None
    unblocked: list[str] = field(default_factory=list)
    terminated: bool = False


def task_create(*, actor: Actor, request: CreateTask) -> TaskAnswer:
    """Create a task, and note it on its ticket.

    The gate is the workflow's: where it tracks tickets nobody creates a task without one. Raises Invalid,
    Forbidden in an inactive workflow, Conflict for an id that is taken.
    """
    with write_transaction():
        workflow_id = request.workflow_id
        if workflow_id is None and request.ticket_id is not None:
            workflow_id = find_ticket(actor, request.ticket_id).workflow_id
        with open_unit(actor, workflow_id, tracking=False) as unit:
            _require_active(unit)
            ticket = _gate(unit, request.ticket_id)
            task = _insert(unit, request, ticket)
            if ticket is not None and unit.workflow.ticket_tracking_enabled:
                unit.set(ticket, "related_task_ids", [*ticket.related_task_ids, task.id])
                unit.emit("ticket_updated", ticket, fields=["related_task_ids"])
            if task.agent_id is not None:
                Agent.objects.filter(pk=task.agent_id).update(state=AgentState.ACTIVE)
            emit_task(unit, "task_created", task)
    return task_answer(task, f"Task {task.id} created.")


def task_update_status(*, actor: Actor, request: UpdateTaskStatus) -> TaskStatusUpdated:
    """Report on a task. The status that it has already changes nothing, whatever else the report says.

    ``done`` merges the task's worktree where there is one, resolves its ticket, unblocks what waited for it
    and ends the agent's leases, all or nothing. Raises Conflict for a merge that does not go through, Blocked
    and PendingReview for a ticket that cannot be resolved.
    """
    return task_update_status_prepare(actor=actor, request=request)()


def task_update_status_prepare(*, actor: Actor, request: UpdateTaskStatus) -> Callable[[], TaskStatusUpdated]:
    """Make the merge commit of the task's worktree, which nobody sees yet; returns what then does the rest."""
    merge = _prepare_merge(actor, request.task_id) if request.status == TaskStatus.DONE.value else None
    return functools.partial(_update_status, actor, request, merge)


def _update_status(actor: Actor, request: UpdateTaskStatus, merge: ports.PreparedMerge | None) -> TaskStatusUpdated:
    target = TaskStatus(request.status)
    done = _Completion()
    with open_task(actor, request.task_id) as (unit, task):
        if task.status == target:
            answer = task_answer(task, f"Task {task.id} is {target.value} already.")
            return TaskStatusUpdated(**dict(answer))
        if task.agent_id is None and actor.kind == AgentKind.AI:
            task.agent_id = actor.agent_id
        for name in ("summary", "failure_reason", "key_learnings"):
            value = getattr(request, name)
            setattr(task, name, getattr(task, name) if value is None else value)
        set_status(unit, task, target)
        if target == TaskStatus.DONE:
            done = _complete(unit, task, merge)
        emit_task(unit, "task_updated", task)
        if merge is not None:
            unit.flush()
            merge.publish()
    resolved = f" Ticket {done.resolved} is resolved." if done.resolved else ""
    return TaskStatusUpdated(
        **dict(task_answer(task, f"Task {task.id} is {target.value}.{resolved}")),
        ticket_resolved=done.resolved,
        merge_commit_sha=(merge.commit_sha or None) if merge else None,
        unblocked_tickets=done.unblocked,
        agent_terminated=done.terminated,
    )


@contextmanager
def open_task(actor: Actor, task_id: str) -> Iterator[tuple[Unit, Task]]:
    """``open_unit`` for the workflow of a task, with that task. Raises NotFound, and Forbidden where it is inactive."""
    with write_transaction():
        workflow_id = find_task(actor, task_id).workflow_id
        with open_unit(actor, workflow_id, tracking=False) as unit:
            _require_active(unit)
            yield unit, Task.objects.get(pk=task_id)


def set_status(unit: Unit, task: Task, status: TaskStatus) -> None:
    """Write the task with this status."""
    if task.status != status:
        task.completed_at = unit.now if status in ENDED_TASKS else None
    task.status = status
    task.updated_at = unit.now
    task.save()


def ticket_of(unit: Unit, task: Task) -> Ticket | None:
    """The task's ticket where it may be written; None where the task has none or tracking was switched off."""
    if task.ticket_id is None or not unit.workflow.ticket_tracking_enabled:
        return None
    return unit.adopt(Ticket.objects.get(pk=task.ticket_id))


def emit_task(unit: Unit, event_type: str, task: Task) -> None:
    """Tell the world of a task. ``status`` in the event is the ticket's, ``task_status`` the task's."""
    ticket = unit.adopt(Ticket.objects.get(pk=task.ticket_id)) if task.ticket_id is not None else None
    unit.emit(event_type, ticket, task_id=task.id, task_status=task.status, task_agent_id=task.agent_id)


def _require_active(unit: Unit) -> None:
    if not unit.workflow.is_active:
        raise Forbidden(f"Workflow {unit.workflow.id!r} is not active: its tasks cannot be changed.")


def _gate(unit: Unit, ticket_id: str | None) -> Ticket | None:
    if ticket_id is not None:
        return unit.ticket(ticket_id)
    if unit.workflow.ticket_tracking_enabled:
        raise Invalid("Ticket tracking enabled - ticket_id required", field="ticket_id")
    return None


def _insert(unit: Unit, request: CreateTask, ticket: Ticket | None) -> Task:
    task_id = request.task_id or new_id("task")
    agent_id = request.assigned_agent_id
    if agent_id is not None:
        member_agent(unit.workflow.id, agent_id, field="assigned_agent_id")
    task, created = Task.objects.get_or_create(
        id=task_id,
        defaults={
            "workflow_id": unit.workflow.id,
            "ticket": ticket,
            "agent_id": agent_id,
            "created_by_agent_id": unit.actor.agent_id,
            "description": request.description,
            "done_definition": request.done_definition,
            "phase": request.phase_id,
            "priority": request.priority,
            "status": TaskStatus.ASSIGNED if agent_id else TaskStatus.PENDING,
            "cwd": request.cwd,
            "created_at": unit.now,
            "updated_at": unit.now,
        },
    )
    if not created:
        raise Conflict(f"A task {task_id!r} exists already.", field="task_id")
    return task


def _prepare_merge(actor: Actor, task_id: str) -> ports.PreparedMerge | None:
    """Outside the transaction, since git may take its time."""
    worktrees = ports.worktree_merges()
    if worktrees is None:
        return None
    task = find_task(actor, task_id)
    if task.status == TaskStatus.DONE:
        return None
    workflow = workflow_for(actor, task.workflow_id, Role.MEMBER)
    return worktrees.prepare(workflow=workflow, task=task, agent_id=task.agent_id or actor.agent_id)


def _complete(unit: Unit, task: Task, merge: ports.PreparedMerge | None) -> _Completion:
    done = _Completion()
    ticket = ticket_of(unit, task)
    if ticket is not None and not ticket.is_resolved:
        # The task's own id is a mention; what its summary names is found like in any other comment.
        text = f"Task {task.id} completed" + (" and merged" if merge else "")
        text += f"\n\n{task.summary}" if task.summary else ""
        done.unblocked = resolve_in_unit(unit, ticket, text)
        done.resolved = ticket.id
    if ticket is not None and merge is not None:
        merge.link(unit=unit, ticket=ticket)
    if task.agent_id is not None:
        leases_end_of(unit, task.agent_id)
        done.terminated = _terminate(task)
    return done


def _terminate(task: Task) -> bool:
    """Mark the task's agent as terminated where it is an AI agent without another unfinished task.

    The agent's row is locked: it may finish its last two tasks, in two workflows, at the same time.
    """
    agent = Agent.objects.select_for_update(no_key=True).get(pk=task.agent_id)
    unfinished = Task.objects.filter(agent=agent).exclude(status__in=ENDED_TASKS).exclude(pk=task.pk)
    if agent.kind != AgentKind.AI or unfinished.exists():
        return False
    agent.state = AgentState.TERMINATED
    agent.save(update_fields=["state"])
    return True
