"""Requests and answers about repositories and commits. Imports no Django: the SDK uses them too."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from tickets.schemas.base import Answer, Request, TicketAnswer, TicketWriteRequest
from tickets.schemas.details import CommitDetail
from tickets.schemas.tickets import COMMENT_MAX, CommitSha

MAX_CONTEXT = 10_000
ChangeStatus = Literal["added", "modified", "deleted", "renamed", "copied", "type_changed"]
CHANGE_STATUSES = get_args(ChangeStatus)
WorkflowId = Field(default=None, max_length=100, description="Look only there; else in all of your workflows.")


class LinkCommit(TicketWriteRequest):
    """Link a commit to a ticket. Again, it succeeds and changes nothing.

    Message, author, time and counts come from the repository. A commit that no repository of the workflow has is
    linked unverified, with its whole sha and ``commit_message``.
    """

    commit_sha: CommitSha
    commit_message: str | None = Field(
        default=None, max_length=COMMENT_MAX, description="Only for a commit of no known repository."
    )


class CommitLinked(TicketAnswer):
    """``linked`` is false where it was linked before; ``commit_sha`` is the whole sha."""

    commit_sha: str
    linked: bool
    verified: bool
    commit: CommitDetail


class OneCommit(Request):
    """Which commit, and against which of its parents."""

    commit_sha: CommitSha
    workflow_id: str | None = WorkflowId
    parent: int | None = Field(
        default=None, ge=1, le=1000, description="Of a merge: compare with this parent, 1 is the first."
    )


class GetCommitDiff(OneCommit):
    """Read what a commit changed.

    Diffs come for the first 300 files and up to 1 MB; what has none, or was cut, is ``truncated`` and comes with
    ``path``.
    """

    path: str | None = Field(default=None, min_length=1, max_length=5000, description="Only this file, up to 1 MB.")
    context: int = Field(default=3, ge=0, le=MAX_CONTEXT, description="Unchanged lines around each change.")


class GetCommitPatch(OneCommit):
    """Download what a commit changed as a patch that ``git apply`` takes, binary files included."""


class FileDiff(TypedDict):
    """A file that a commit changed. Times and counts are git's; a binary file counts no lines.

    ``diff`` is the unified diff with its header lines, null where it was left out; bytes that are no UTF-8 are
    shown as U+FFFD. ``truncated``: it is left out or cut, ``path`` asks for it alone. Modes are git's six octal
    digits: 120000 is a symbolic link, 160000 a submodule.
    """

    path: str
    status: ChangeStatus
    insertions: int
    deletions: int
    diff: str | None
    language: str
    old_path: str | None
    binary: bool
    old_mode: str | None
    new_mode: str | None
    truncated: bool


class CommitDiff(Answer):
    """What a commit changed against one of its parents; a root commit against nothing.

    ``message`` is the commit's. ``author_agent_id`` is the agent of that e-mail address or name, else the one that
    linked the commit. ``files_changed`` counts all files, also those beyond the first 10,000, which ``files`` ends
    with; ``truncated``: a file or a diff is left out or cut.
    """

    commit_sha: str
    author_agent_id: str | None
    author_name: str
    author_email: str
    timestamp: str
    repository: str
    parents: list[str]
    parent_sha: str | None
    files_changed: int
    insertions: int
    deletions: int
    truncated: bool
    files: list[FileDiff]


class ListRepositories(Request):
    """List the repositories of a workflow."""

    workflow_id: str = Field(min_length=1, max_length=100)


class RepositoryDetail(BaseModel):
    """A repository. ``readable`` says whether git can read it now; the rest is null where it cannot.

    ``branch`` is what HEAD names, null where it is detached; ``head_sha`` is null before the first commit.
    """

    name: str
    path: str
    readable: bool
    bare: bool | None
    branch: str | None
    head_sha: str | None


class RepositoryList(Answer):
    workflow_id: str
    repositories: list[RepositoryDetail]
