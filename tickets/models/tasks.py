"""Tasks of Hephaestus: phase objectives, each tied to a ticket where tracking is on."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from tickets.models.agents import Agent
from tickets.models.tickets import Ticket
from tickets.models.workflows import Workflow


class TaskStatus(models.TextChoices):
    PENDING = "pending"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    UNDER_REVIEW = "under_review"
    NEEDS_WORK = "needs_work"
    BLOCKED = "blocked"
    DONE = "done"
    FAILED = "failed"


ENDED_TASKS = (TaskStatus.DONE, TaskStatus.FAILED)


class Task(models.Model):
    """A phase's objective, given to an agent."""

    id = models.CharField(primary_key=True, max_length=100)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="tasks", db_index=False)
    ticket = models.ForeignKey(
        Ticket, null=True, blank=True, on_delete=models.PROTECT, related_name="tasks", db_index=False
    )
    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="tasks", db_index=False
    )
    created_by_agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    description = models.TextField()
    done_definition = models.TextField(blank=True, default="")
    phase = models.CharField(max_length=100, blank=True, default="")
    priority = models.CharField(max_length=20, default="medium")
    status = models.CharField(max_length=16, choices=TaskStatus, default=TaskStatus.PENDING)
    cwd = models.CharField(max_length=1000, blank=True, default="")
    summary = models.TextField(blank=True, default="")
    failure_reason = models.TextField(blank=True, default="")
    key_learnings = models.JSONField(default=list, blank=True)
    validation_passed = models.BooleanField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "tasks"
        ordering = ("-created_at", "id")
        constraints = (
            models.CheckConstraint(condition=models.Q(status__in=TaskStatus.values), name="tasks_status_known"),
        )
        indexes = (
            models.Index(fields=("workflow", "status", "-created_at"), name="tasks_of_workflow"),
            models.Index(fields=("ticket",), condition=models.Q(ticket__isnull=False), name="tasks_of_ticket"),
            models.Index(fields=("agent", "status"), name="tasks_of_agent"),
        )

    def __str__(self) -> str:
        return self.id
