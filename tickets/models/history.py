"""The append-only logs: history of tickets and of what surrounds them, and events (what the world is told)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tickets.models.agents import Agent
from tickets.models.tickets import Ticket
from tickets.models.workflows import Workflow

CHANGE_TYPES = (
    "created", "status_changed", "assigned", "commented", "field_updated", "commit_linked", "reopened", "blocked",
    "unblocked", "resolved", "unassigned", "claimed", "released", "approved", "rejected", "expired",
    "comment_edited", "comment_deleted",
)  # fmt: skip

WORKFLOW_CHANGE_TYPES = (
    "member_added", "member_changed", "member_removed", "token_issued", "token_revoked", "settings_changed",
)  # fmt: skip

EVENT_TYPES = (
    "ticket_created", "ticket_updated", "status_changed", "comment_added", "commit_linked", "ticket_assigned",
    "ticket_resolved", "ticket_reopened", "ticket_blocked", "ticket_unblocked", "comment_edited", "comment_deleted",
    "ticket_claimed", "ticket_released", "ticket_pending_review", "ticket_approved", "ticket_rejected",
    "ticket_expired", "board_updated", "task_created", "task_updated",
)  # fmt: skip


class TicketHistory(models.Model):
    """One changed field of one ticket. Never updated, never deleted: triggers refuse it.

    ``old_value`` and ``new_value`` hold text as it is and everything else as JSON; None is absent.
    ``metadata`` holds what the change brought with it. The rows of a ticket replay to its present state
    (``tickets.selectors.replay``).
    """

    id = models.BigAutoField(primary_key=True)
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="history", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="+", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    via_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    change_type = models.CharField(max_length=50)
    field_name = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001 - the design's null
    old_value = models.TextField(null=True, blank=True)  # noqa: DJ001 - absent and empty differ
    new_value = models.TextField(null=True, blank=True)  # noqa: DJ001 - absent and empty differ
    change_description = models.TextField(blank=True, default="")
    metadata = models.JSONField(default=dict, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "ticket_history"
        constraints = (models.CheckConstraint(condition=Q(change_type__in=CHANGE_TYPES), name="history_type_known"),)
        indexes = (
            models.Index(fields=("ticket", "id"), name="history_of_ticket"),
            models.Index(fields=("workflow", "changed_at"), name="history_of_workflow"),
            models.Index(fields=("workflow", "change_type", "changed_at"), name="history_by_type"),
            models.Index(fields=("agent", "changed_at"), name="history_of_agent"),
        )

    def __str__(self) -> str:
        return f"{self.change_type} {self.ticket_id}"


class WorkflowHistory(models.Model):
    """One change of a workflow's members, of their tokens, or of one of its settings. Written once, as a ticket's.

    A token opens all workflows of its agent (``subject_agent``), so each of them tells of it; without a workflow
    stands that of an agent who belongs to none. All who may read a workflow read this, so nothing here says more of
    a token than its id, what it may do and until when: not its label, and not how it begins.
    """

    id = models.BigAutoField(primary_key=True)
    workflow = models.ForeignKey(
        Workflow, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    via_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    subject_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    change_type = models.CharField(max_length=20)
    field_name = models.CharField(max_length=100)
    old_value = models.TextField(null=True, blank=True)  # noqa: DJ001 - absent and empty differ
    new_value = models.TextField(null=True, blank=True)  # noqa: DJ001 - absent and empty differ
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "workflow_history"
        constraints = (
            models.CheckConstraint(
                condition=Q(change_type__in=WORKFLOW_CHANGE_TYPES), name="workflow_history_type_known"
            ),
        )
        indexes = (models.Index(fields=("workflow", "changed_at"), name="workflow_history_in_time"),)

    def __str__(self) -> str:
        return f"{self.change_type} {self.subject_agent_id or self.field_name}"


class Event(models.Model):
    """What happened, numbered per workflow without gaps in the order of commit.

    Never updated; deleted only up to ``Workflow.events_pruned_through``.
    """

    id = models.BigAutoField(primary_key=True)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="events", db_index=False)
    seq = models.PositiveBigIntegerField()
    type = models.CharField(max_length=32)
    ticket = models.ForeignKey(
        Ticket, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    data = models.JSONField(default=dict)
    timestamp = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "events"
        constraints = (
            models.UniqueConstraint(fields=("workflow", "seq"), name="events_seq_once"),
            models.CheckConstraint(condition=Q(type__in=EVENT_TYPES), name="events_type_known"),
        )

    def __str__(self) -> str:
        return f"{self.workflow_id}#{self.seq} {self.type}"
