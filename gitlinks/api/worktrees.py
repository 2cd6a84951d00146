"""Addresses of worktrees, below /api/."""

from __future__ import annotations

from django.urls import URLPattern, path

from gitlinks.worktrees import operations as op
from tickets.api.views import operation_view

worktree_urls: list[URLPattern] = [
    path("worktrees", operation_view(get=op.WORKTREE_LIST, post=op.WORKTREE_CREATE)),
    path("worktrees/clean", operation_view(post=op.WORKTREES_CLEAN)),
    path("worktrees/<str:worktree_id>/merge", operation_view(post=op.WORKTREE_MERGE)),
    path("worktrees/<str:worktree_id>/remove", operation_view(post=op.WORKTREE_REMOVE)),
]
