"""Validators judge tasks; what they find becomes tickets."""

from __future__ import annotations

import hashlib

from tickets.access import Actor
from tickets.errors import DomainError
from tickets.models import Task, TaskStatus, Ticket
from tickets.rules import PRIORITY_RANK
from tickets.schemas.tasks import GiveValidationReview, ValidationIssue, ValidationReviewed
from tickets.schemas.tickets import CreateTicketFields
from tickets.selectors.tasks import task_answer
from tickets.services.mentions import find_mentions
from tickets.services.tasks import emit_task, open_task, set_status, ticket_of
from tickets.services.tickets import create_in_unit
from tickets.unit import Unit, require_tracking

TAG_LENGTH = 50


def validation_review_give(*, actor: Actor, request: GiveValidationReview) -> ValidationReviewed:
    """Judge a task: a ticket for each issue, the feedback as a comment on its ticket, in one transaction.

    A task that fails needs work; one that passes is under review until it is reported done, and a done one
    stays done. Raises Forbidden for issues in a workflow without tracking, Invalid for an issue's fault
    with its place in ``field``.
    """
    comment_id = None
    with open_task(actor, request.task_id) as (unit, task):
        if request.issues:
            require_tracking(unit.workflow)
        created = [_create(unit, task, place, issue) for place, issue in enumerate(request.issues)]
        ticket = ticket_of(unit, task)
        if ticket is not None:
            text = _comment_text(task, request, created)
            mentions = find_mentions(actor, unit.workflow.id, text)
            comment_id = unit.comment(ticket, text, "general", mentions=mentions).id
        task.validation_passed = request.validation_passed
        set_status(unit, task, _status_after(task, request.validation_passed))
        emit_task(unit, "task_updated", task)
    verdict = "passed" if request.validation_passed else "needs work"
    return ValidationReviewed(
        **dict(task_answer(task, f"Task {task.id} {verdict}; {len(created)} tickets created.")),
        validation_passed=request.validation_passed,
        comment_id=comment_id,
        created_tickets=[ticket.id for ticket in created],
    )


def task_tag(task_id: str) -> str:
    """The tag of a task's issues: ``task-{id}``, cut and made unique again where it is too long for a tag."""
    tag = f"task-{task_id}"
    if len(tag) <= TAG_LENGTH:
        return tag
    digest = hashlib.sha256(task_id.encode()).hexdigest()[:8]
    return f"{tag[: TAG_LENGTH - 9]}-{digest}"


def _status_after(task: Task, passed: bool) -> TaskStatus:
    if not passed:
        return TaskStatus.NEEDS_WORK
    return TaskStatus.DONE if task.status == TaskStatus.DONE else TaskStatus.UNDER_REVIEW


def _create(unit: Unit, task: Task, place: int, issue: ValidationIssue) -> Ticket:
    severity = issue.severity.strip().lower()
    fields = CreateTicketFields(
        title=f"Validation Issue: {issue.title}",
        description=issue.description,
        ticket_type=issue.ticket_type or ("bug" if "bug" in unit.board.types else None),
        priority=severity if severity in PRIORITY_RANK else "medium",
        tags=["validation", task_tag(task.id)],
        related_task_ids=[task.id],
    )
    try:
        return create_in_unit(unit, fields).ticket
    except DomainError as error:
        error.field = f"issues.{place}.{error.field or ''}".rstrip(".")
        raise


def _comment_text(task: Task, request: GiveValidationReview, created: list[Ticket]) -> str:
    parts = [f"Validation of task {task.id} {'passed' if request.validation_passed else 'failed'}: {request.feedback}"]
    for heading, lines in (
        ("Evidence", request.evidence),
        ("Recommendations", request.recommendations),
        ("Issues", [f"#{ticket.key} {ticket.title}" for ticket in created]),
    ):
        if lines:
            parts.append("\n".join([f"{heading}:", *(f"- {line}" for line in lines)]))
    return "\n\n".join(parts)
