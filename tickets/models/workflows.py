"""Workflows: what a board, its tickets and its members belong to."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Workflow(models.Model):
    """A piece of work that a fleet shares. Its row is the lock under which its tickets change.

    ``next_number`` and ``event_seq`` are the counters behind keys and event numbers;
    ``board_revision`` is new with each change of the board, which drops every cached copy of its rules.
    """

    id = models.CharField(primary_key=True, max_length=100)
    name = models.CharField(max_length=200)
    key_prefix = models.CharField(max_length=10, unique=True)
    is_active = models.BooleanField(default=True)
    ticket_tracking_enabled = models.BooleanField(default=True)
    repositories = models.JSONField(default=list, blank=True)
    phases = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    next_number = models.PositiveIntegerField(default=1, editable=False)
    event_seq = models.PositiveBigIntegerField(default=0, editable=False)
    # Retention raises this before it deletes: the trigger lets go only of events up to here.
    events_pruned_through = models.PositiveBigIntegerField(default=0, editable=False)
    # How many tickets there are, by what they are (tickets.tally).
    ticket_counts = models.JSONField(default=dict, editable=False)
    board_revision = models.CharField(max_length=32, default="", editable=False)

    class Meta:
        db_table = "workflows"
        ordering = ("name", "id")
        constraints = (
            models.CheckConstraint(condition=Q(next_number__gte=1), name="workflows_next_number_positive"),
            models.CheckConstraint(
                condition=Q(events_pruned_through__lte=F("event_seq")), name="workflows_pruned_within_log"
            ),
        )

    def __str__(self) -> str:
        return self.name
