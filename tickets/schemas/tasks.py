"""Requests and answers about tasks.

Hephaestus's own clients send ``task_description``, ``ai_agent_id``, ``validator_agent_id`` and ``phase_id``; see
``_Aliased``. There, ``ai_agent_id`` and ``validator_agent_id`` are the agent that asks ("your agent ID", the same
as its ``X-Agent-ID`` header), not the one that the task is for. So both mean ``agent_id`` and are held against the
credential. Whom a task is for is ``assigned_agent_id``; without one, the AI agent that first reports on it has it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tickets.errors import Invalid
from tickets.schemas.base import Answer, Priority, Request, Timestamp, WriteRequest
from tickets.schemas.tickets import MAX_BATCH, AgentId, Description, Slug, trimmed
from tickets.schemas.workflows import ChosenId

TaskStatusName = Literal[
    "pending", "assigned", "in_progress", "under_review", "needs_work", "blocked", "done", "failed"
]  # fmt: skip
MAX_PAGE = 200


def _as_text(value: Any) -> Any:
    """A number as text: Hephaestus counts its phases, and its client sends them as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_lines(value: Any) -> Any:
    """One text becomes a list of it, an object within the list its JSON: agents send all of these."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, list):
        return [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in value]
    return value


Phase = Annotated[str, BeforeValidator(_as_text), trimmed(0, 100)]
LongText = Annotated[str, trimmed(0, 20_000)]
Lines = Annotated[list[Annotated[str, trimmed(1, 2000)]], BeforeValidator(_as_lines), Field(max_length=20)]
TaskId = Annotated[str, Field(min_length=1, max_length=100)]


class _Aliased(BaseModel):
    """Takes a field also by the name that Hephaestus's clients use. Both names with two values are an error."""

    ALIASES: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        given = dict(data)
        for alias, name in cls.ALIASES.items():
            value = given.pop(alias, None)
            if value is None:
                continue
            if given.get(name, value) not in (value, None):
                raise Invalid(f"{alias} and {name} mean the same, and they differ.", field=alias)
            given[name] = value
        return given


class CreateTask(_Aliased, WriteRequest):
    """Create a task. Where the workflow tracks tickets, it needs the ticket that it is about.

    ``task_description`` is taken for ``description`` and ``ai_agent_id`` for ``agent_id``.
    """

    ALIASES = {"task_description": "description", "ai_agent_id": "agent_id", "phase": "phase_id"}

    task_id: ChosenId | None = None
    workflow_id: str | None = Field(default=None, max_length=100, description="Implied by the ticket.")
    description: Annotated[str, trimmed(1, 100_000)]
    done_definition: LongText = ""
    ticket_id: str | None = Field(default=None, min_length=1, max_length=100)
    assigned_agent_id: AgentId | None = Field(default=None, description="Whom the task is for.")
    phase_id: Phase = ""
    priority: Priority = "medium"
    cwd: str = Field(default="", max_length=1000)


class UpdateTaskStatus(_Aliased, WriteRequest):
    """Report on a task. ``done`` resolves its ticket and unblocks what waited for it, all or nothing."""

    ALIASES = {"ai_agent_id": "agent_id"}

    task_id: TaskId
    status: TaskStatusName
    summary: LongText | None = None
    failure_reason: LongText | None = None
    key_learnings: Lines | None = None


class ValidationIssue(BaseModel):
    """A fault that a validator found. An unknown severity counts as medium."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, trimmed(1, 480)]
    description: Description
    severity: str = Field(default="medium", max_length=100)
    ticket_type: Slug | None = Field(default=None, description="Default: bug where the board has it.")


class GiveValidationReview(_Aliased, WriteRequest):
    """Judge a task. Each issue becomes a ticket, and the feedback a comment on the task's ticket.

    ``validator_agent_id`` is taken for ``agent_id``.
    """

    ALIASES = {"validator_agent_id": "agent_id"}

    task_id: TaskId
    validation_passed: bool
    feedback: Annotated[str, trimmed(1, 20_000)]
    evidence: Lines = Field(default_factory=list)
    recommendations: Lines = Field(default_factory=list)
    issues: list[ValidationIssue] = Field(default_factory=list, max_length=MAX_BATCH)


class GetTask(Request):
    """Read a task."""

    task_id: TaskId


class ListTasks(Request):
    """List tasks, newest first."""

    workflow_id: str | None = Field(default=None, max_length=100)
    status: TaskStatusName | None = None
    agent: str | None = Field(default=None, max_length=100, description="Id of the agent that has the task.")
    ticket: str | None = Field(default=None, max_length=100, description="Id, key or prefix of the id of a ticket.")
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    offset: int = Field(default=0, ge=0, le=2**31 - 1)


class TaskDetail(BaseModel):
    task_id: str
    workflow_id: str
    ticket_id: str | None
    agent_id: str | None
    created_by_agent_id: str
    description: str
    done_definition: str
    phase_id: str
    priority: str
    status: TaskStatusName
    cwd: str
    summary: str
    failure_reason: str
    key_learnings: list[str]
    validation_passed: bool | None
    created_at: Timestamp
    updated_at: Timestamp
    completed_at: Timestamp | None


class TaskRow(BaseModel):
    """A task in a list; its description is cut at 200 characters."""

    task_id: str
    workflow_id: str
    ticket_id: str | None
    agent_id: str | None
    description: str
    phase_id: str
    priority: str
    status: TaskStatusName
    created_at: Timestamp
    updated_at: Timestamp
    completed_at: Timestamp | None


class TaskAnswer(Answer):
    """A task as it is now; what Hephaestus's clients read of it also stands on top."""

    task_id: str
    status: TaskStatusName
    ticket_id: str | None
    assigned_agent_id: str | None
    task: TaskDetail


class TaskStatusUpdated(TaskAnswer):
    """``ticket_resolved`` is the ticket that this resolved, ``unblocked_tickets`` what has no blocker left."""

    ticket_resolved: str | None = None
    merge_commit_sha: str | None = None
    unblocked_tickets: list[str] = Field(default_factory=list)
    agent_terminated: bool = False


class ValidationReviewed(TaskAnswer):
    """``created_tickets`` are the ids of the issues' tickets, in their order."""

    validation_passed: bool
    comment_id: str | None = None
    created_tickets: list[str] = Field(default_factory=list)


class TaskList(Answer):
    tasks: list[TaskRow]
    total_count: int
    has_more: bool
