"""Finds the commit that a sha means, in the repositories that the caller may read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from gitlinks import git
from gitlinks.repositories import Repository
from gitlinks.repository import SHA_LENGTHS, find_shas, read_head
from tickets.errors import Busy, Invalid, NotAvailable, NotFound, TooLarge

log = structlog.get_logger(__name__)

MAX_CANDIDATES = 10


@dataclass(frozen=True)
class Found:
    """A commit by its whole sha, and a repository that has it; ``folder`` was checked just now."""

    sha: str
    repository: Repository
    folder: Path


def find_commit(repositories: Sequence[Repository], digits: str, *, field: str = "commit_sha") -> Found:
    """The one commit whose sha is, or begins with, these hexadecimal digits.

    A repository that cannot be read counts as one that has no such commit. Raises NotFound, and Invalid with the
    candidates where several commits begin so.
    """
    digits = digits.lower()
    found: dict[str, Found] = {}
    unreadable = []
    for repository in repositories:
        try:
            folder = repository.checked()
            shas = find_shas(folder, digits)
        except git.RepositoryUnreadable as error:
            log.warning("repository_unreadable", repository=str(repository.path), error=str(error))
            unreadable.append(repository.name)
            continue
        for sha in shas:
            found.setdefault(sha, Found(sha, repository, folder))
        if found and len(digits) in SHA_LENGTHS:
            break
    if not found:
        raise NotFound(_unknown(digits, repositories, unreadable), field=field)
    if len(found) > 1:
        candidates = [_candidate(one) for one in list(found.values())[:MAX_CANDIDATES]]
        message = f"{len(found)} commits begin with {digits}. Use more digits."
        raise Invalid(message, field=field, extra={"candidates": candidates})
    return next(iter(found.values()))


@contextmanager
def reading(repository: Repository) -> Iterator[None]:
    """A block that reads a repository.

    Raises Busy where git took too long, TooLarge where it said too much, NotAvailable where it failed.
    """
    try:
        yield
    except git.TookTooLong as error:
        raise Busy(f"Reading {repository.name} took too long. Repeat the request.", retry_after=5) from error
    except git.TooMuchOutput as error:
        raise TooLarge(str(error)) from error
    except git.RepositoryUnreadable as error:
        complaint = getattr(error, "complaint", "")
        log.warning("repository_unreadable", repository=str(repository.path), error=str(error), complaint=complaint)
        raise NotAvailable(f"The repository {repository.name} cannot be read now.") from error


def _candidate(found: Found) -> dict[str, Any]:
    with reading(found.repository):
        commit = read_head(found.folder, found.sha)
    return {
        "commit_sha": found.sha,
        "commit_message": commit.subject[:200],
        "author_name": commit.author_name[:300],
        "repository": found.repository.name,
    }


def _unknown(digits: str, repositories: Sequence[Repository], unreadable: Sequence[str]) -> str:
    if not repositories:
        return f"No commit {digits}: there is no repository to look in. PATCH /api/workflows/{{id}} sets repositories."
    said = f"No commit {digits} in {', '.join(repository.name for repository in repositories[:MAX_CANDIDATES])}."
    return f"{said} Not readable: {', '.join(unreadable[:MAX_CANDIDATES])}." if unreadable else said
