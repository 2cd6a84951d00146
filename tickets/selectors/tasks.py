"""Reads tasks."""

from __future__ import annotations

from django.db.models import QuerySet

from tickets.access import Actor, find_ticket, visible_workflows, workflow_for
from tickets.errors import NotFound
from tickets.models import Task
from tickets.schemas.tasks import GetTask, ListTasks, TaskAnswer, TaskDetail, TaskList, TaskRow

ROW_DESCRIPTION = 200
ROW_FIELDS = tuple(TaskRow.model_fields)


def visible_tasks(actor: Actor) -> QuerySet[Task]:
    """Tasks of the workflows that the actor may read."""
    return Task.objects.filter(workflow__in=visible_workflows(actor))


def find_task(actor: Actor, task_id: str) -> Task:
    """The task with this id. Raises NotFound, also where the actor may not know of it."""
    task = visible_tasks(actor).filter(pk=task_id).first()
    if task is None:
        raise NotFound(f"No task {task_id!r}.", field="task_id")
    return task


def task_get(*, actor: Actor, request: GetTask) -> TaskAnswer:
    """One task. One query."""
    return task_answer(find_task(actor, request.task_id))


def task_list(*, actor: Actor, request: ListTasks) -> TaskList:
    """Tasks of one workflow or of all that the actor may read, newest first. At most four queries."""
    tasks = visible_tasks(actor)
    if request.workflow_id is not None:
        tasks = tasks.filter(workflow=workflow_for(actor, request.workflow_id))
    if request.status is not None:
        tasks = tasks.filter(status=request.status)
    if request.agent is not None:
        tasks = tasks.filter(agent_id=request.agent)
    if request.ticket is not None:
        tasks = tasks.filter(ticket=find_ticket(actor, request.ticket, field="ticket"))
    total = tasks.count()
    found = tasks.order_by("-created_at", "id")[request.offset : request.offset + request.limit]
    rows = [_row(task) for task in found]
    return TaskList(tasks=rows, total_count=total, has_more=request.offset + len(rows) < total)


def task_answer(task: Task, message: str = "") -> TaskAnswer:
    detail = task_detail(task)
    return TaskAnswer(
        message=message,
        task_id=task.id,
        status=detail.status,
        ticket_id=task.ticket_id,
        assigned_agent_id=task.agent_id,
        task=detail,
    )


def task_detail(task: Task) -> TaskDetail:
    """A task as every face shows it."""
    values = {name: getattr(task, name) for name in TaskDetail.model_fields if hasattr(task, name)}
    return TaskDetail.model_validate({**values, "task_id": task.id, "phase_id": task.phase})


def _row(task: Task) -> TaskRow:
    text = task.description
    short = text if len(text) <= ROW_DESCRIPTION else text[: ROW_DESCRIPTION - 1] + "…"
    detail = task_detail(task).model_dump(include=set(ROW_FIELDS))
    return TaskRow.model_validate({**detail, "description": short})
