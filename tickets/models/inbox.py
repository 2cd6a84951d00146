"""How far agents have read what concerns them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from tickets.models.agents import Agent
from tickets.models.workflows import Workflow


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
