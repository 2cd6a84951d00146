"""Where agents work in repositories, and up to where repositories were scanned."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from tickets.models import Agent, Task, Workflow


class Worktree(models.Model):
    """A folder with a branch of its own, in which one agent does one task.

    The row outlives the folder: it says where the work went. ``base_sha`` is the commit that the branch began at.
    """

    id = models.CharField(primary_key=True, max_length=60)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="worktrees", db_index=False)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="worktrees", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    repository = models.CharField(max_length=1000)
    path = models.CharField(max_length=1000)
    branch = models.CharField(max_length=200)
    base_branch = models.CharField(max_length=200)
    base_sha = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    merge_commit_sha = models.CharField(max_length=64, blank=True, default="")
    merged_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "worktrees"
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("task", "agent"), condition=models.Q(removed_at=None), name="worktrees_one_per_task_and_agent"
            ),
        )
        indexes = (
            models.Index(fields=("workflow", "-created_at"), name="worktrees_of_workflow"),
            models.Index(fields=("repository",), condition=models.Q(removed_at=None), name="worktrees_of_repository"),
        )

    def __str__(self) -> str:
        return self.branch

    @property
    def state(self) -> str:
        """``open``, ``merged`` or ``removed``."""
        if self.removed_at is not None:
            return "removed"
        return "merged" if self.merge_commit_sha else "open"


class CommitScan(models.Model):
    """Up to where a repository's commits were looked through for tickets of a workflow.

    ``heads`` are the commits that its refs pointed at: what they reach is done.
    """

    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="+", db_index=False)
    repository = models.CharField(max_length=1000)
    heads = models.JSONField(default=list, blank=True)
    scanned_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "commit_scans"
        constraints = (
            models.UniqueConstraint(fields=("workflow", "repository"), name="commit_scans_once_per_repository"),
        )

    def __str__(self) -> str:
        return f"{self.repository} for {self.workflow_id}"
