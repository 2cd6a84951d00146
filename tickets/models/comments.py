"""Comments on tickets and reactions to them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tickets.models.agents import Agent
from tickets.models.tickets import Ticket

COMMENT_TYPES = ("general", "status_change", "assignment", "blocker", "resolution")


class TicketComment(models.Model):
    """What somebody said on a ticket. A deleted comment stays as a tombstone without its text.

    ``mentions`` holds the ids of agents, tickets and tasks that the text or the caller named;
    ``attachments`` holds URLs and relative paths, which the server never opens.
    """

    id = models.CharField(primary_key=True, max_length=60)
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="comments", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="comments", db_index=False)
    via_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replies", db_index=False
    )
    comment_text = models.TextField()
    comment_type = models.CharField(max_length=50, default="general")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(null=True, blank=True)
    is_edited = models.BooleanField(default=False)
    deleted_at = models.DateTimeField(null=True, blank=True)
    mentions = models.JSONField(default=list, blank=True)
    attachments = models.JSONField(default=list, blank=True)

    class Meta:
        db_table = "ticket_comments"
        constraints = (
            models.CheckConstraint(condition=Q(comment_type__in=COMMENT_TYPES), name="comments_type_known"),
            models.CheckConstraint(
                condition=Q(deleted_at=None) | Q(comment_text=""), name="comments_tombstone_is_empty"
            ),
        )
        indexes = (
            models.Index(fields=("ticket", "created_at", "id"), name="comments_of_ticket"),
            models.Index(fields=("agent", "created_at"), name="comments_of_agent"),
            models.Index(fields=("created_at",), name="comments_created"),
            models.Index(fields=("parent",), condition=Q(parent__isnull=False), name="comments_replies"),
        )

    def __str__(self) -> str:
        return f"{self.agent_id} on {self.ticket_id}"


class CommentReaction(models.Model):
    """One agent's emoji under one comment."""

    comment = models.ForeignKey(TicketComment, on_delete=models.PROTECT, related_name="reactions", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    emoji = models.CharField(max_length=32)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "comment_reactions"
        constraints = (models.UniqueConstraint(fields=("comment", "agent", "emoji"), name="reactions_once"),)

    def __str__(self) -> str:
        return f"{self.emoji} by {self.agent_id}"
