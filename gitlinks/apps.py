"""The gitlinks app registers what it gives the core."""

from __future__ import annotations

from django.apps import AppConfig


class GitlinksConfig(AppConfig):
    name = "gitlinks"

    def ready(self) -> None:
        from gitlinks.selectors.links import StoredCommits
        from gitlinks.services import CommitLinking
        from gitlinks.worktrees.managing import worktrees_clean_everywhere
        from gitlinks.worktrees.merging import Merges, merges_recover
        from tickets import ports, worker

        ports.register(commits=CommitLinking(), commit_source=StoredCommits(), worktrees=Merges())
        worker.register(worker.Job("recover merges", 30.0, merges_recover))
        worker.register(worker.Job("clean worktrees", 3600.0, worktrees_clean_everywhere))
