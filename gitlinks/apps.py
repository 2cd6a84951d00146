"""The gitlinks app registers what it gives the core."""

from __future__ import annotations

from django.apps import AppConfig


class GitlinksConfig(AppConfig):
    name = "gitlinks"

    def ready(self) -> None:
        from gitlinks.selectors import StoredCommits
        from gitlinks.services import CommitLinking
        from tickets import ports

        ports.register(commits=CommitLinking(), commit_source=StoredCommits())
