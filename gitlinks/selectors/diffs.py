"""What a commit changed, as every face shows it."""

from __future__ import annotations

import tempfile
from collections.abc import Hashable
from dataclasses import dataclass
from typing import IO

from gitlinks.authors import Authors
from gitlinks.diffs import Comparison, FileChange, compare, compare_file, patch
from gitlinks.finding import Found, find_commit, reading
from gitlinks.kept import kept
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
IN_MEMORY = 1024 * 1024


@dataclass(frozen=True)
class _Read:
    """A commit that the actor may read, and what it is compared with (None: with nothing)."""

    found: Found
    commit: Commit
    base: str | None

    @property
    def key(self) -> tuple[Hashable, ...]:
        return (str(self.found.folder), self.found.sha, self.base)


def commit_diff_get(*, actor: Actor, request: GetCommitDiff) -> CommitDiff:
    """What a commit changed against its first parent, or the one that ``parent`` counts.

    It is looked for in the repositories of the workflow, without one in those of all the actor's workflows. Raises
    NotFound for a commit, and for a file, that is not there; Invalid where the digits fit several commits.
    """
    read = _read(actor, request)
    folder, sha = read.found.folder, read.found.sha
    listed = reading(
        read.found.repository,
        lambda: kept.get((*read.key, 3), lambda: compare(folder, read.base, sha)),
    )
    shown = listed
    if request.path is not None:
        shown = reading(read.found.repository, lambda: _one_file(read, listed, request.path or "", request.context))
    elif request.context != 3:
        shown = reading(
            read.found.repository,
            lambda: kept.get(
                (*read.key, request.context), lambda: compare(folder, read.base, sha, context=request.context)
            ),
        )
    return CommitDiff(
        message=read.commit.message,
        commit_sha=sha,
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
        truncated=any(file.truncated for file in shown.files) or len(listed.files) < listed.files_changed,
        files=[_file_diff(file) for file in shown.files],
    )


@dataclass(frozen=True)
class Patch:
    """A patch to be sent; ``content`` stands at its beginning and is closed by whoever reads it."""

    file_name: str
    size: int
    content: IO[bytes]


def commit_patch_get(actor: Actor, request: GetCommitPatch) -> Patch:
    """What a commit changed, for ``git apply``. Raises like ``commit_diff_get``, and TooLarge over 64 MiB."""
    read = _read(actor, request)
    content = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed with the response
    try:
        reading(read.found.repository, lambda: patch(read.found.folder, read.base, read.found.sha, content))
    except BaseException:
        content.close()
        raise
    size = content.tell()
    content.seek(0)
    return Patch(f"{read.found.repository.name}-{read.found.sha[:12]}.patch", size, content)


def _read(actor: Actor, request: OneCommit) -> _Read:
    """The commit, found anew for each request: only what it changed is kept."""
    found = find_commit(repositories_of_actor(actor, request.workflow_id), request.commit_sha)
    commit = reading(found.repository, lambda: read_head(found.folder, found.sha))
    number = request.parent or 1
    if number > max(len(commit.parents), 1):
        raise Invalid(
            f"{found.sha[:12]} has {len(commit.parents)} parents.",
            field="parent",
            allowed=range(1, len(commit.parents) + 1),
        )
    return _Read(found, commit, commit.parents[number - 1] if commit.parents else None)


def _one_file(read: _Read, listed: Comparison, path: str, context: int) -> Comparison:
    change = next((file for file in listed.files if file.shown_path == path), None)
    folder, sha = read.found.folder, read.found.sha
    if change is None and len(listed.files) < listed.files_changed:
        # Beyond what is listed: looked at by itself, it has lost its old name if it was renamed.
        beyond = compare(folder, read.base, sha, paths=[path.encode()]).files
        change = next((file for file in beyond if file.shown_path == path), None)
    if change is None:
        raise NotFound(f"{sha[:12]} changed no file {path[:200]!r}.", field="path")
    found = change
    return kept.get(
        (*read.key, context, found.path),
        lambda: Comparison([compare_file(folder, read.base, sha, found, context=context)]),
    )


def _author(actor: Actor, read: _Read) -> str | None:
    workflow_ids = read.found.repository.workflow_ids
    agent_id = Authors(workflow_ids).find(read.commit.author_name, read.commit.author_email)
    if agent_id is not None:
        return agent_id
    links = TicketCommit.objects.filter(
        commit_sha=read.found.sha, ticket__workflow__in=visible_workflows(actor).filter(pk__in=workflow_ids)
    )
    return links.order_by("linked_at", "id").values_list("agent_id", flat=True).first()


def _file_diff(file: FileChange) -> FileDiff:
    path = file.shown_path
    return FileDiff(
        path=path,
        status=STATUSES[file.status],
        insertions=file.insertions or 0,
        deletions=file.deletions or 0,
        diff=None if file.diff is None else file.diff.decode("utf-8", "replace"),
        language=language_of(path),
        old_path=None if file.old_path is None else file.old_path.decode("utf-8", "replace"),
        binary=file.is_binary,
        old_mode=file.old_mode,
        new_mode=file.new_mode,
        truncated=file.truncated,
    )
