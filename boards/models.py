"""The stored configuration of a board, its past ones, and saved views."""

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


class BoardRevision(models.Model):
    """A board as one change left it: in force from ``changed_at`` until the next revision. Written once.

    ``board`` is ``rules.Board.as_json()``; the change before it is the revision of the version before.
    ``event_seq`` numbers the change's ``board_updated`` event; 0 is the workflow's creation, which has none.
    ``moved_tickets``: column → column that took its tickets, where that is another one.
    """

    id = models.BigAutoField(primary_key=True)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="board_revisions", db_index=False)
    version = models.PositiveIntegerField()
    event_seq = models.PositiveBigIntegerField(default=0)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    via_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    changed_at = models.DateTimeField(default=timezone.now)
    board = models.JSONField()
    moved_tickets = models.JSONField(default=dict, blank=True)

    class Meta:
        db_table = "board_revisions"
        constraints = (models.UniqueConstraint(fields=("workflow", "version"), name="board_revisions_version_once"),)
        indexes = (models.Index(fields=("workflow", "changed_at"), name="board_revisions_in_time"),)

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.version}"


class SavedView(models.Model):
    """What a page of a workflow shows, under a name: the query of that page's address.

    ``kind`` names the page: ``board`` (filters, order and lanes) or ``search``; a query means something else to each.
    """

    id = models.CharField(primary_key=True, max_length=60)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="saved_views", db_index=False)
    owner_agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="saved_views", db_index=False)
    kind = models.CharField(max_length=10, default="board")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000, blank=True)
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "saved_views"
        constraints = (
            models.UniqueConstraint(fields=("workflow", "owner_agent", "kind", "name"), name="saved_views_name_once"),
        )

    def __str__(self) -> str:
        return self.name
