"""What concerns agents, and how far they have read it."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from tickets.models.agents import Agent
from tickets.models.workflows import Workflow


class InboxEntry(models.Model):
    """An event that concerns somebody else than who caused it. Goes with its event when that is pruned.

    ``recipient`` is the id of an agent, or of a ticket or task that a comment mentions: no agent reads those.
    """

    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="+", db_index=False)
    recipient = models.CharField(max_length=100)
    seq = models.PositiveBigIntegerField()

    class Meta:
        db_table = "inbox_entries"
        constraints = (models.UniqueConstraint(fields=("workflow", "recipient", "seq"), name="inbox_entries_once"),)
        # Pruning goes by the event.
        indexes = (models.Index(fields=("workflow", "seq"), name="inbox_entries_by_seq"),)

    def __str__(self) -> str:
        return f"{self.workflow_id}#{self.seq} for {self.recipient}"


class InboxPosition(models.Model):
    """The last event of a workflow that an agent has acknowledged, with all before it."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="+", db_index=False)
    seq = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "inbox_positions"
        constraints = (models.UniqueConstraint(fields=("agent", "workflow"), name="inbox_positions_once"),)

    def __str__(self) -> str:
        return f"{self.agent_id} in {self.workflow_id} up to {self.seq}"
