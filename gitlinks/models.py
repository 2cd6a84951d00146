"""Links from tickets to commits."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from gitlinks.working_models import CommitScan, Worktree
from tickets.models import Agent, Ticket

__all__ = ["CommitScan", "LinkMethod", "TicketCommit", "Worktree"]


class LinkMethod(models.TextChoices):
    MANUAL = "manual"
    AUTO_DETECTED = "auto_detected"
    WORKTREE = "worktree"
    AUTO_TASK_COMPLETION = "auto_task_completion"


class TicketCommit(models.Model):
    """A commit that belongs to a ticket. The same commit links once per ticket.

    ``verified``: a repository of the workflow held it when it was linked. Of others there is only what the caller said.
    """

    id = models.CharField(primary_key=True, max_length=60)
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="commits", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    commit_sha = models.CharField(max_length=64)
    commit_message = models.TextField()
    commit_timestamp = models.DateTimeField()
    author_name = models.CharField(max_length=300, blank=True, default="")
    files_changed = models.PositiveIntegerField(null=True, blank=True)
    insertions = models.PositiveIntegerField(null=True, blank=True)
    deletions = models.PositiveIntegerField(null=True, blank=True)
    files_list = models.JSONField(default=list, blank=True)
    linked_at = models.DateTimeField(default=timezone.now)
    link_method = models.CharField(max_length=50, choices=LinkMethod, default=LinkMethod.MANUAL)
    verified = models.BooleanField(default=True)

    class Meta:
        db_table = "ticket_commits"
        constraints = (
            models.UniqueConstraint(fields=("ticket", "commit_sha"), name="commits_once_per_ticket"),
            models.CheckConstraint(condition=models.Q(link_method__in=LinkMethod.values), name="commits_method_known"),
        )
        indexes = (
            models.Index(fields=("ticket", "linked_at"), name="commits_of_ticket"),
            models.Index(fields=("commit_sha",), name="commits_by_sha"),
        )

    def __str__(self) -> str:
        return self.commit_sha[:12]
