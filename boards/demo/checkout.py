"""The commits of the checkout that the demo's tickets are linked to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from boards.demo.content import CommitRule
from gitlinks.git import RepositoryUnreadable
from gitlinks.repository import Commit, lies_within, read_commits

NEWEST = 300
PER_TICKET = 10


def checkout() -> Path | None:
    """The project's own repository; None where there is none, or where it lies outside the allowed root."""
    folder: Path = settings.BASE_DIR
    return folder if (folder / ".git").exists() and lies_within(folder, settings.REPOSITORY_ROOT) else None


def checkout_commits() -> list[Commit]:
    """The newest commits, oldest first; none where they cannot be read."""
    folder = checkout()
    if folder is None:
        return []
    try:
        return read_commits(folder, limit=NEWEST)[::-1]
    except RepositoryUnreadable:
        return []


def commits_of(rule: CommitRule, commits: Iterable[Commit]) -> list[Commit]:
    """The newest ten that the rule means, oldest first."""
    return [commit for commit in commits if _belongs(rule, commit)][-PER_TICKET:]


def _belongs(rule: CommitRule, commit: Commit) -> bool:
    touched = any(file.startswith(path) for path in rule.paths for file in commit.files)
    return touched or any(word in commit.subject for word in rule.words)
