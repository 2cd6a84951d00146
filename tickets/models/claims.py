"""Claims (leases on tickets) and approvals."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tickets.models.agents import Agent
from tickets.models.tickets import Ticket


class ClaimEnd(models.TextChoices):
    RELEASED = "released"
    EXPIRED = "expired"
    RESOLVED = "resolved"
    TASK_DONE = "task_done"


class Claim(models.Model):
    """One holding of one ticket. The live one is repeated in the ticket's lease fields.

    ``fencing_token`` rises with each claim of the ticket: a write that carries an older one is refused.
    """

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="claims", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="claims", db_index=False)
    fencing_token = models.PositiveBigIntegerField()
    claimed_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=12, blank=True, default="")

    class Meta:
        db_table = "claims"
        constraints = (
            models.UniqueConstraint(fields=("ticket",), condition=Q(ended_at=None), name="claims_one_open"),
            models.UniqueConstraint(fields=("ticket", "fencing_token"), name="claims_token_once"),
        )
        indexes = (models.Index(fields=("agent", "ended_at"), name="claims_of_agent"),)

    def __str__(self) -> str:
        return f"{self.agent_id} holds {self.ticket_id}"


class ApprovalDecision(models.TextChoices):
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Approval(models.Model):
    """A request that a person decide on a ticket, and the decision. Nothing is deleted."""

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="approvals", db_index=False)
    requested_by_agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    requested_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=ApprovalDecision, blank=True, default="")
    decided_by_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, default="")

    class Meta:
        db_table = "approvals"
        constraints = (
            models.UniqueConstraint(fields=("ticket",), condition=Q(decided_at=None), name="approvals_one_open"),
        )
        indexes = (models.Index(fields=("ticket", "requested_at"), name="approvals_of_ticket"),)

    def __str__(self) -> str:
        return f"{self.ticket_id}: {self.decision or 'open'}"
