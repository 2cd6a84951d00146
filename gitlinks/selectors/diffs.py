"""What a commit changed, as every face shows it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gitlinks.authors import Authors
from gitlinks.diffs import MIB, FileChange, compare, compare_file, patch
from gitlinks.finding import Found, find_commit, reading
from gitlinks.kept import Kept
from gitlinks.languages import language_of
from gitlinks.models import TicketCommit
from gitlinks.repositories import repositories_of_actor
from gitlinks.repository import Commit, read_head
from gitlinks.schemas import ChangeStatus, CommitDiff, FileDiff, GetCommitDiff, GetCommitPatch, OneCommit
from tickets.access import Actor, visible_workflows
from tickets.errors import Invalid, NotFound
from tickets.schemas.base import utc_text

STATUSES: dict[str, ChangeStatus] = {
    "A": "added",
    "M": "modified",
    "D": "deleted",
    "R": "renamed",
    "C": "copied",
    "T": "type_changed",
}
# A patch up to this size waits in memory to be sent, a larger one on the disk.
IN_MEMORY = MIB


CONTEXT = 3


@dataclass(frozen=True)
class _Shown:
    """Files as they are shown, beside what git calls them, and counts of all."""

    rows: list[FileDiff]
    files: list[FileChange]
    files_changed: int
    insertions: int
    deletions: int
    size: int

    @property
    def truncated(self) -> bool:
        return len(self.rows) < self.files_changed or any(row["truncated"] for row in self.rows)


_kept = Kept[_Shown](32 * MIB)


@dataclass(frozen=True)
class ReadCommit:
    """A commit that the actor may read, and what it is compared with (None: with nothing)."""

    found: Found
    commit: Commit
    base: str | None

    def listing(self, context: int) -> _Shown:
        """All files."""
        folder, sha = self.found.folder, self.found.sha
        return _kept.get((folder, sha, self.base, context), lambda: _read_listing(folder, self.base, sha, context))

    def file(self, path: str, context: int) -> _Shown:
        """One of them. Raises NotFound."""
        folder, sha = self.found.folder, self.found.sha
        change = self._change(path)
        key = (folder, sha, self.base, context, change.path, change.old_path)
        return _kept.get(key, lambda: _shown([compare_file(folder, self.base, sha, change, context=context)]))

    def _change(self, path: str) -> FileChange:
        listed = self.listing(CONTEXT)
        files = listed.files
        if len(files) < listed.files_changed and not any(file.shown_path == path for file in files):
            # Beyond what is listed: looked at by itself, it has lost its old name if it was renamed.
            files = compare(self.found.folder, self.base, self.found.sha, paths=[path.encode()]).files
        for file in files:
            if file.shown_path == path:
                return file
        raise NotFound(f"{self.found.sha[:12]} changed no file {path[:200]!r}.", field="path")


def commit_diff_get(*, actor: Actor, request: GetCommitDiff) -> CommitDiff:
    """What a commit changed against its first parent, or the one that ``parent`` counts.

    It is looked for in the repositories of the workflow, without one in those of all the actor's workflows. Raises
    NotFound for a commit, and for a file, that is not there; Invalid where the digits fit several commits.
    """
    read = read_for(actor, request)
    path, context = request.path, request.context
    with reading(read.found.repository):
        listed = read.listing(CONTEXT if path is not None else context)
        shown = listed if path is None else read.file(path, context)
    return CommitDiff(
        message=read.commit.message,
        commit_sha=read.found.sha,
        author_agent_id=_author(actor, read),
        author_name=read.commit.author_name[:300],
        author_email=read.commit.author_email[:300],
        timestamp=utc_text(read.commit.committed_at),
        repository=read.found.repository.name,
        parents=list(read.commit.parents),
        parent_sha=read.base,
        files_changed=listed.files_changed,
        insertions=listed.insertions,
        deletions=listed.deletions,
        truncated=shown.truncated,
        files=shown.rows,
    )


@dataclass(frozen=True)
class Patch:
    """A patch to be sent; ``content`` stands at its beginning and is closed by whoever reads it."""

    file_name: str
    size: int
    content: IO[bytes]


def commit_patch_get(actor: Actor, request: GetCommitPatch) -> Patch:
    """What a commit changed, for ``git apply``. Raises like ``commit_diff_get``, and TooLarge over 64 MiB."""
    read = read_for(actor, request)
    content = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed with the response
    try:
        with reading(read.found.repository):
            patch(read.found.folder, read.base, read.found.sha, content)
    except BaseException:
        content.close()
        raise
    size = content.tell()
    content.seek(0)
    return Patch(f"{read.found.repository.name}-{read.found.sha[:12]}.patch", size, content)


def read_for(actor: Actor, request: OneCommit) -> ReadCommit:
    """The commit, found anew for each request: only what it changed is kept. Raises NotFound, Invalid."""
    found = find_commit(repositories_of_actor(actor, request.workflow_id), request.commit_sha)
    with reading(found.repository):
        commit = read_head(found.folder, found.sha)
    number = request.parent or 1
    if number > max(len(commit.parents), 1):
        raise Invalid(
            f"{found.sha[:12]} has {len(commit.parents)} parents.",
            field="parent",
            allowed=range(1, len(commit.parents) + 1),
        )
    return ReadCommit(found, commit, commit.parents[number - 1] if commit.parents else None)


def _author(actor: Actor, read: ReadCommit) -> str | None:
    workflow_ids = read.found.repository.workflow_ids
    agent_id = Authors(workflow_ids).find(read.commit.author_name, read.commit.author_email)
    if agent_id is not None:
        return agent_id
    links = TicketCommit.objects.filter(
        commit_sha=read.found.sha, ticket__workflow__in=visible_workflows(actor).filter(pk__in=workflow_ids)
    )
    return links.order_by("linked_at", "id").values_list("agent_id", flat=True).first()


def _read_listing(folder: Path, base: str | None, sha: str, context: int) -> _Shown:
    found = compare(folder, base, sha, context=context)
    return _shown(found.files, (found.files_changed, found.insertions, found.deletions))


def _shown(files: list[FileChange], counts: tuple[int, int, int] | None = None) -> _Shown:
    rows = [file_row(file) for file in files]
    for file in files:
        # The rows have them.
        file.diff = None
    changed, added, removed = counts or (len(files), 0, 0)
    size = sum(1000 + 4 * len(row["path"]) + 2 * len(row["diff"] or "") for row in rows)
    return _Shown(rows, files, changed, added, removed, size)


def file_row(file: FileChange) -> FileDiff:
    """A file as answers show it."""
    path = file.shown_path
    return {
        "path": path,
        "status": STATUSES[file.status],
        "insertions": file.insertions or 0,
        "deletions": file.deletions or 0,
        "diff": None if file.diff is None else file.diff.decode("utf-8", "replace"),
        "language": language_of(path),
        "old_path": None if file.old_path is None else file.old_path.decode("utf-8", "replace"),
        "binary": file.is_binary,
        "old_mode": file.old_mode,
        "new_mode": file.new_mode,
        "truncated": file.truncated,
    }
