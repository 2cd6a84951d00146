"""What search keeps: the keyword index's documents, vectors, jobs that make them, and what was searched for."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tickets.models import Agent, Ticket, TicketComment, Workflow


class SearchDocument(models.Model):
    """A row of the keyword index: a ticket (``comment`` is None) or one of its comments.

    The database writes and deletes it by triggers in the transaction of the ticket or comment
    (``search.keyword``). The text itself is not repeated here, apart from the tags as words.
    """

    ticket = models.ForeignKey(Ticket, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    comment = models.ForeignKey(
        TicketComment, null=True, blank=True, on_delete=models.DO_NOTHING, related_name="+", db_index=False
    )
    tags = models.TextField(blank=True, default="")

    class Meta:
        db_table = "search_documents"
        constraints = (
            models.UniqueConstraint(fields=("ticket",), condition=Q(comment=None), name="documents_once_per_ticket"),
            models.UniqueConstraint(
                fields=("comment",), condition=Q(comment__isnull=False), name="documents_once_per_comment"
            ),
        )

    def __str__(self) -> str:
        return self.comment_id or self.ticket_id


class TicketEmbedding(models.Model):
    """The vectors of a ticket, float32 as bytes: the truth that every vector store is filled from.

    ``vector`` is what searches compare (title, tags, description, newest comments), ``text_vector`` what tells
    duplicates (title and description). Both are empty until a provider has answered. ``content_hash`` is of what
    was embedded, so that nothing is embedded twice; ``text_hash`` is of the normalised title and description.
    ``model`` is the provider's fingerprint; vectors of another are never compared. ``seq`` is the workflow's
    ``IndexState.vector_seq`` at the last change.
    """

    ticket = models.OneToOneField(Ticket, primary_key=True, on_delete=models.PROTECT, related_name="embedding")
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="+", db_index=False)
    model = models.CharField(max_length=200, blank=True, default="")
    vector = models.BinaryField(default=b"")
    text_vector = models.BinaryField(default=b"")
    content_hash = models.CharField(max_length=64, blank=True, default="")
    text_hash = models.CharField(max_length=64)
    seq = models.PositiveBigIntegerField(default=0)
    embedded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ticket_embeddings"
        indexes = (
            models.Index(fields=("workflow", "seq"), name="embeddings_changes"),
            models.Index(fields=("workflow", "text_hash"), name="embeddings_same_text"),
            models.Index(fields=("content_hash", "model"), name="embeddings_same_content"),
        )

    def __str__(self) -> str:
        return self.ticket_id


class IndexState(models.Model):
    """How far a workflow's indexes are.

    ``events_seen``: the event up to which changes were turned into jobs. ``vector_seq`` rises with each change of
    the workflow's embeddings. ``server_*``: what of both the Qdrant server has, and of which model.
    """

    workflow = models.OneToOneField(Workflow, primary_key=True, on_delete=models.PROTECT, related_name="index_state")
    events_seen = models.PositiveBigIntegerField(default=0)
    vector_seq = models.PositiveBigIntegerField(default=0)
    server_events = models.PositiveBigIntegerField(default=0)
    server_vectors = models.PositiveBigIntegerField(default=0)
    server_model = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "search_index_states"

    def __str__(self) -> str:
        return self.workflow_id


class IndexJob(models.Model):
    """A ticket whose vectors must be made anew. One row a ticket; ``revision`` rises when it changes meanwhile."""

    ticket = models.OneToOneField(Ticket, primary_key=True, on_delete=models.PROTECT, related_name="+")
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="+", db_index=False)
    revision = models.PositiveIntegerField(default=1)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    queued_at = models.DateTimeField(default=timezone.now)
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "search_index_jobs"
        indexes = (models.Index(fields=("due_at",), name="index_jobs_due"),)

    def __str__(self) -> str:
        return self.ticket_id


class SearchRecord(models.Model):
    """One search that somebody made, for the success metrics."""

    id = models.CharField(primary_key=True, max_length=43)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="+", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    query = models.CharField(max_length=500)
    mode = models.CharField(max_length=8)
    milliseconds = models.FloatField()
    hits = models.PositiveIntegerField()
    degraded = models.BooleanField(default=False)
    searched_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "search_records"
        indexes = (
            models.Index(fields=("workflow", "searched_at"), name="searches_of_workflow"),
            models.Index(fields=("agent", "searched_at"), name="searches_of_agent"),
        )

    def __str__(self) -> str:
        return self.query


class SearchClick(models.Model):
    """A result of a search that was opened, each once."""

    search = models.ForeignKey(SearchRecord, on_delete=models.CASCADE, related_name="clicks", db_index=False)
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="+", db_index=False)
    clicked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "search_clicks"
        constraints = (models.UniqueConstraint(fields=("search", "ticket"), name="clicks_once"),)

    def __str__(self) -> str:
        return f"{self.search_id} → {self.ticket_id}"


class DuplicateOutcome(models.TextChoices):
    """What became of a ticket that was to be created although one says the same."""

    REFUSED = "refused"  # ``on_duplicate: reject``
    CREATED = "created"
    SHOWN = "shown"  # the caller asked what is similar; abandoned where nothing was created after


class DuplicateWarning(models.Model):
    """Somebody was told that a ticket says the same as the one to be created."""

    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="+", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    candidate = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="+", db_index=False)
    score = models.FloatField()
    outcome = models.CharField(max_length=8, choices=DuplicateOutcome)
    warned_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "search_duplicate_warnings"
        indexes = (models.Index(fields=("workflow", "warned_at"), name="warnings_of_workflow"),)

    def __str__(self) -> str:
        return f"{self.outcome} beside {self.candidate_id}"
