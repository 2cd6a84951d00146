"""Finds the repository, the folder and the task that a worktree is of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from django.conf import settings
from django.db import connection

from gitlinks.git import RepositoryUnreadable
from gitlinks.models import Worktree
from gitlinks.repositories import Repository
from gitlinks.worktrees.plumbing import Place, open_place
from tickets.errors import Conflict

MAX_NAMED = 20


def worktrees_folder() -> Path:
    """Where all worktrees of this installation are."""
    return Path(settings.DATA_DIR) / "worktrees"


def place_of(repository: str) -> Place:
    """The repository at this path, where it still lies under the allowed root. Two git processes. Raises Conflict."""
    try:
        return open_place(Repository(Path(repository), ()).checked())
    except RepositoryUnreadable as error:
        name = Path(repository).name
        raise Conflict(f"The repository {name} cannot be used: {error} Ask a maintainer of the workflow.") from error


def worktrees_of_task(task_id: str) -> list[Worktree]:
    """Those that exist, oldest first."""
    return list(Worktree.objects.filter(task_id=task_id, removed_at=None).order_by("created_at", "id"))


def named(files: list[str]) -> str:
    """Files for a message, the first of them where there are many."""
    more = f" and {len(files) - MAX_NAMED} more" if len(files) > MAX_NAMED else ""
    return ", ".join(files[:MAX_NAMED]) + more


@contextmanager
def one_at_a_time(repository: str) -> Iterator[None]:
    """Make and remove worktrees of a repository one after the other, on this machine. Not within a transaction."""
    folder = worktrees_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / f".{_digest(repository).hex()[:16]}.lock").open("a") as file:
        flock(file, LOCK_EX)
        yield


def lock_until_commit(repository: str) -> None:
    """Let nobody else move the repository's branches before the transaction ends, on whatever machine they are.

    On SQLite whoever writes is alone anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            number = int.from_bytes(_digest(repository)[:8], signed=True)
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _digest(repository: str) -> bytes:
    return hashlib.sha256(f"repository {repository}".encode("utf-8", "surrogateescape")).digest()
