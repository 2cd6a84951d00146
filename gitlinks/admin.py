"""Links to commits in the admin."""

from __future__ import annotations

from django.contrib import admin

from gitlinks.models import CommitScan, TicketCommit, Worktree
from tickets.admin.base import ReadOnlyAdmin, TicketWorkflowFilter


@admin.register(TicketCommit)
class TicketCommitAdmin(ReadOnlyAdmin):
    list_display = (
        "short_sha", "ticket", "agent", "author_name", "commit_timestamp", "files_changed", "insertions", "deletions",
        "link_method", "verified", "linked_at",
    )  # fmt: skip
    list_filter = (TicketWorkflowFilter, "link_method", "verified")
    list_related = ("ticket", "agent")
    list_defer = ("files_list",)
    search_fields = ("commit_sha__startswith", "=ticket__key", "=agent__id", "author_name")
    ordering = ("-linked_at", "id")

    @admin.display(description="commit", ordering="commit_sha")
    def short_sha(self, commit: TicketCommit) -> str:
        return commit.commit_sha[:12]


@admin.register(Worktree)
class WorktreeAdmin(ReadOnlyAdmin):
    list_display = (
        "branch", "workflow", "task", "agent", "base_branch", "state", "created_at", "merged_at", "removed_at",
    )  # fmt: skip
    list_filter = ("workflow",)
    list_related = ("workflow", "task", "agent")
    search_fields = ("=id", "=task__id", "=agent__id", "branch__startswith", "merge_commit_sha__startswith")
    ordering = ("-created_at", "id")


@admin.register(CommitScan)
class CommitScanAdmin(ReadOnlyAdmin):
    list_display = ("repository", "workflow", "scanned_at")
    list_filter = ("workflow",)
    list_related = ("workflow",)
    list_defer = ("heads",)
    search_fields = ("repository",)
    ordering = ("repository", "workflow")
