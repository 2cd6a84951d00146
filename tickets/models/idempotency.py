"""Answers already given, so that a repeated request changes nothing."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from tickets.models.agents import Agent


class IdempotencyRecord(models.Model):
    """The first answer to a write, by agent and key. Written in the change's own transaction."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    key = models.CharField(max_length=200)
    operation = models.CharField(max_length=60)
    request_hash = models.CharField(max_length=64)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "idempotency_records"
        constraints = (models.UniqueConstraint(fields=("agent", "key"), name="idempotency_key_once"),)
        indexes = (models.Index(fields=("created_at",), name="idempotency_created"),)

    def __str__(self) -> str:
        return f"{self.agent_id}: {self.key}"
