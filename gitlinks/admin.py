"""Links to commits in the admin."""

from __future__ import annotations

from django.contrib import admin

from gitlinks.models import TicketCommit
from tickets.admin.base import ReadOnlyAdmin, TicketWorkflowFilter


@admin.register(TicketCommit)
class TicketCommitAdmin(ReadOnlyAdmin):
    list_display = (
        "short_sha", "ticket", "agent", "author_name", "commit_timestamp", "files_changed", "insertions", "deletions",
        "link_method", "linked_at",
    )  # fmt: skip
    list_filter = (TicketWorkflowFilter, "link_method")
    list_related = ("ticket", "agent")
    list_defer = ("files_list",)
    search_fields = ("commit_sha__startswith", "=ticket__key", "=agent__id", "author_name")
    ordering = ("-linked_at", "id")

    @admin.display(description="commit", ordering="commit_sha")
    def short_sha(self, commit: TicketCommit) -> str:
        return commit.commit_sha[:12]
