"""Tickets and what hangs directly on them: dependencies, tags, time in status."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from tickets.models.agents import Agent
from tickets.models.workflows import Workflow
from tickets.rules import PRIORITY_RANK


class ApprovalStatus(models.TextChoices):
    NONE = "none"
    PENDING = "pending_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


# Rejected and expired tickets leave boards and lists unless asked for.
VISIBLE_APPROVALS = (ApprovalStatus.NONE, ApprovalStatus.PENDING, ApprovalStatus.APPROVED)


class Ticket(models.Model):
    """A unit of work on a board.

    Counters (comments, commits, open blockers) and the lease are kept in the row, so that a list
    reads one table. ``priority_rank`` is 0 for critical to 3 for low. ``rank`` is a fractional key:
    ascending, it is the order within a column.
    """

    id = models.CharField(primary_key=True, max_length=43)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="tickets", db_index=False)
    number = models.PositiveIntegerField()
    key = models.CharField(max_length=21, unique=True)
    created_by_agent = models.ForeignKey(
        Agent, on_delete=models.PROTECT, related_name="created_tickets", db_index=False
    )
    assigned_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="assigned_tickets", db_index=False
    )

    title = models.CharField(max_length=500)
    description = models.TextField()
    ticket_type = models.CharField(max_length=50)
    priority = models.CharField(max_length=20)
    priority_rank = models.PositiveSmallIntegerField(editable=False)
    status = models.CharField(max_length=50)
    rank = models.CharField(max_length=255, editable=False)
    tags = models.JSONField(default=list, blank=True)
    parent_ticket = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="sub_tickets", db_index=False
    )
    related_task_ids = models.JSONField(default=list, blank=True)
    related_ticket_ids = models.JSONField(default=list, blank=True)
    story_points = models.PositiveIntegerField(null=True, blank=True)
    estimate_minutes = models.PositiveIntegerField(null=True, blank=True)

    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    is_resolved = models.BooleanField(default=False)

    is_manually_blocked = models.BooleanField(default=False)
    blocked_reason = models.CharField(max_length=1000, blank=True, default="")
    open_blocker_count = models.PositiveIntegerField(default=0, editable=False)
    is_blocked = models.BooleanField(default=False, editable=False)

    approval_status = models.CharField(max_length=16, choices=ApprovalStatus, default=ApprovalStatus.NONE)
    approval_expires_at = models.DateTimeField(null=True, blank=True)

    lease_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="leased_tickets", db_index=False
    )
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    fencing_token = models.PositiveBigIntegerField(default=0, editable=False)

    comment_count = models.PositiveIntegerField(default=0, editable=False)
    commit_count = models.PositiveIntegerField(default=0, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    source = models.CharField(max_length=50, blank=True, default="", editable=False)
    source_id = models.CharField(max_length=300, blank=True, default="", editable=False)

    class Meta:
        db_table = "tickets"
        constraints = (
            models.UniqueConstraint(fields=("workflow", "number"), name="tickets_number_once"),
            models.UniqueConstraint(
                fields=("workflow", "source", "source_id"), condition=~Q(source=""), name="tickets_source_once"
            ),
            models.CheckConstraint(condition=Q(priority__in=tuple(PRIORITY_RANK)), name="tickets_priority_known"),
            models.CheckConstraint(
                condition=Q(approval_status__in=ApprovalStatus.values), name="tickets_approval_known"
            ),
            models.CheckConstraint(
                condition=Q(is_resolved=False, resolved_at=None) | Q(is_resolved=True, resolved_at__isnull=False),
                name="tickets_resolved_has_time",
            ),
            models.CheckConstraint(
                condition=Q(is_resolved=False) | Q(completed_at__isnull=False), name="tickets_resolved_is_complete"
            ),
            models.CheckConstraint(
                condition=Q(started_at=None) | Q(completed_at=None) | Q(started_at__lte=F("completed_at")),
                name="tickets_started_before_completed",
            ),
            models.CheckConstraint(
                condition=Q(is_blocked=True, is_manually_blocked=True)
                | Q(is_blocked=True, open_blocker_count__gt=0)
                | Q(is_blocked=False, is_manually_blocked=False, open_blocker_count=0),
                name="tickets_blocked_has_cause",
            ),
            models.CheckConstraint(
                condition=Q(lease_agent=None, lease_expires_at=None)
                | Q(lease_agent__isnull=False, lease_expires_at__isnull=False),
                name="tickets_lease_complete",
            ),
            models.CheckConstraint(condition=~Q(parent_ticket=F("id")), name="tickets_parent_is_other"),
        )
        indexes = (
            # Board columns: read in rank order without a sort.
            models.Index(fields=("workflow", "status", "rank", "number"), name="tickets_column"),
            # Without the open tickets, whose empty time would look as rare as any one time to the planner.
            models.Index(
                fields=("workflow", "status", "-completed_at", "-number"),
                condition=Q(completed_at__isnull=False),
                name="tickets_final_column",
            ),
            # The list's orders, each ended by a unique key, and its usual filters in the default order.
            models.Index(fields=("workflow", "-created_at", "-number", "approval_status"), name="tickets_created"),
            models.Index(fields=("workflow", "-updated_at", "-number"), name="tickets_updated"),
            models.Index(fields=("workflow", "priority_rank", "-number"), name="tickets_by_priority"),
            models.Index(fields=("workflow", "status", "-created_at", "-number"), name="tickets_by_status"),
            models.Index(
                fields=("workflow", "assigned_agent", "-created_at", "-number", "approval_status"),
                name="tickets_assigned",
            ),
            models.Index(
                fields=("workflow", "-created_at", "-number"), condition=Q(completed_at=None), name="tickets_open"
            ),
            models.Index(
                fields=("workflow", "-created_at", "-number"), condition=Q(is_blocked=True), name="tickets_blocked"
            ),
            # The best ready ticket is the first of this index that fits.
            models.Index(
                fields=("workflow", "priority_rank", "rank", "created_at", "number"),
                condition=Q(is_blocked=False, is_resolved=False),
                name="tickets_ready",
            ),
            # Counts and statistics: one grouping over this index alone.
            models.Index(
                fields=(
                    "workflow", "status", "approval_status", "ticket_type", "priority", "assigned_agent",
                    "is_blocked", "is_resolved", "comment_count", "commit_count",
                ),
                name="tickets_statistics",
            ),
            models.Index(
                fields=("workflow", "completed_at", "approval_status"),
                condition=Q(completed_at__isnull=False),
                name="tickets_completed",
            ),
            models.Index(fields=("parent_ticket",), condition=Q(parent_ticket__isnull=False), name="tickets_parent"),
            models.Index(
                fields=("approval_expires_at",), condition=Q(approval_status="pending_review"), name="tickets_pending"
            ),
            models.Index(fields=("lease_agent",), condition=Q(lease_agent__isnull=False), name="tickets_leased"),
            models.Index(fields=("created_by_agent",), name="tickets_creator"),
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.key} {self.title}"


class TicketDependency(models.Model):
    """``ticket`` waits for ``blocker`` until ``released_at``. Rows stay as the record of what was."""

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="dependencies", db_index=False)
    blocker = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="dependants", db_index=False)
    created_by_agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField(default=timezone.now)
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ticket_dependencies"
        constraints = (
            models.UniqueConstraint(
                fields=("ticket", "blocker"), condition=Q(released_at=None), name="dependencies_live_once"
            ),
            models.CheckConstraint(condition=~Q(ticket=F("blocker")), name="dependencies_not_itself"),
        )
        indexes = (
            models.Index(fields=("ticket", "blocker"), name="dependencies_of_ticket"),
            models.Index(fields=("blocker", "released_at"), name="dependencies_of_blocker"),
        )

    def __str__(self) -> str:
        return f"{self.ticket_id} waits for {self.blocker_id}"


class TicketTag(models.Model):
    """One tag of one ticket, for filtering; the ticket's ``tags`` list holds the same in order.

    ``folded`` is the case-folded form by which tags are equal.
    """

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="tag_rows", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="+", db_index=False)
    name = models.CharField(max_length=50)
    folded = models.CharField(max_length=150)

    class Meta:
        db_table = "ticket_tags"
        constraints = (models.UniqueConstraint(fields=("ticket", "folded"), name="tags_once_per_ticket"),)
        indexes = (models.Index(fields=("workflow", "folded", "ticket"), name="tags_of_workflow"),)

    def __str__(self) -> str:
        return self.name


class StatusPeriod(models.Model):
    """A stay of a ticket in a column: from ``entered_at`` to ``left_at`` (None: it is there now)."""

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="periods", db_index=False)
    status = models.CharField(max_length=50)
    category = models.CharField(max_length=6)
    entered_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ticket_status_periods"
        constraints = (
            models.UniqueConstraint(fields=("ticket",), condition=Q(left_at=None), name="periods_one_open"),
            models.CheckConstraint(condition=Q(left_at=None) | Q(left_at__gte=F("entered_at")), name="periods_forward"),
        )
        indexes = (models.Index(fields=("ticket", "entered_at"), name="periods_of_ticket"),)

    def __str__(self) -> str:
        return f"{self.ticket_id} in {self.status}"
