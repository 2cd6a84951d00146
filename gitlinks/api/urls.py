"""Addresses of commits and repositories. ``ticket_urls`` stands beside the core's under /api/tickets/ and /tickets/."""

from __future__ import annotations

from django.urls import URLPattern, path

from gitlinks import operations as op
from gitlinks.api.patches import CommitPatch
from tickets.api.views import operation_view

ticket_urls: list[URLPattern] = [
    path("link-commit", operation_view(post=op.COMMIT_LINK)),
    path("commit-diff/<str:commit_sha>", operation_view(get=op.COMMIT_DIFF_GET)),
    path("commit-diff/<str:commit_sha>/patch", CommitPatch.as_view()),
]

api_urls: list[URLPattern] = [
    path("workflows/<str:workflow_id>/repositories", operation_view(get=op.REPOSITORY_LIST)),
]
