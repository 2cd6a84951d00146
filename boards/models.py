"""The stored configuration of a board."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from tickets.models import Agent, Workflow


class BoardConfig(models.Model):
    """A workflow's board as the design's table has it. ``tickets.rules.Board`` is its meaning.

    ``columns`` and ``ticket_types`` are lists of objects in the form of ``rules.Column`` and
    ``rules.TicketType``; ``settings`` holds ``rules.BoardSettings``.
    """

    id = models.CharField(primary_key=True, max_length=60)
    workflow = models.OneToOneField(Workflow, on_delete=models.PROTECT, related_name="board_config")
    name = models.CharField(max_length=200)
    columns = models.JSONField()
    ticket_types = models.JSONField()
    default_ticket_type = models.CharField(max_length=50)
    initial_status = models.CharField(max_length=50)
    resolved_status = models.CharField(max_length=50)
    transitions = models.JSONField(null=True, blank=True)
    settings = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "board_configs"

    def __str__(self) -> str:
        return self.name


class SavedView(models.Model):
    """A board's arrangement under a name: filters, order and lanes, as the query of the page's address."""

    id = models.CharField(primary_key=True, max_length=60)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="saved_views", db_index=False)
    owner_agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="saved_views", db_index=False)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000, blank=True)
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "saved_views"
        constraints = (
            models.UniqueConstraint(fields=("workflow", "owner_agent", "name"), name="saved_views_name_once"),
        )

    def __str__(self) -> str:
        return self.name
