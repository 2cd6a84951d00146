"""Requests and answers about worktrees."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tickets.schemas.base import Answer, Request, Timestamp, WriteRequest
from tickets.schemas.tasks import MAX_PAGE, TaskId

State = Literal["open", "merged", "removed"]
# What git takes for the name of a branch, less what would need quoting anywhere.
BranchName = Annotated[str, Field(pattern=r"^[^-/\s~^:?*\[\]\\\x00-\x1f\x7f][^\s~^:?*\[\]\\\x00-\x1f\x7f]{0,199}$")]
WorktreeId = Annotated[str, Field(min_length=1, max_length=60)]


class CreateWorktree(WriteRequest):
    """Make a worktree for a task: a folder with a branch of its own. Where there is one, that is the answer."""

    task_id: TaskId
    for_agent_id: str | None = Field(
        default=None, min_length=1, max_length=100, description="Default: the task's agent, else the one that asks."
    )
    repository: str | None = Field(
        default=None, min_length=1, max_length=1000, description="Path or name; needed where the workflow has several."
    )
    base_branch: BranchName | None = Field(default=None, description="Default: what the repository's HEAD is on.")


class ListWorktrees(Request):
    """List worktrees, newest first."""

    workflow_id: str | None = Field(default=None, max_length=100)
    task: str | None = Field(default=None, max_length=100, description="Id of the task.")
    agent: str | None = Field(default=None, max_length=100, description="Id of the agent.")
    state: State | None = Field(default=None, description="Default: all but the removed ones.")
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    offset: int = Field(default=0, ge=0, le=2**31 - 1)


class MergeWorktree(WriteRequest):
    """Merge a worktree's branch into its base branch, and link its commits. The task stays as it is."""

    worktree_id: WorktreeId


class RemoveWorktree(WriteRequest):
    """Remove a worktree. Its commits stay: the branch is deleted only where it is merged."""

    worktree_id: WorktreeId
    discard: bool = Field(default=False, description="Also what is not committed in it; it is lost then.")


class CleanWorktrees(WriteRequest):
    """Remove the worktrees of a workflow whose task has ended, whose agent has, or whose folder is gone."""

    workflow_id: str | None = Field(default=None, max_length=100)


class WorktreeDetail(BaseModel):
    """``path`` is a folder on the server's machine."""

    worktree_id: str
    workflow_id: str
    task_id: str
    agent_id: str
    repository: str
    path: str
    branch: str
    base_branch: str
    base_sha: str
    state: State
    merge_commit_sha: str | None
    created_at: Timestamp
    merged_at: Timestamp | None
    removed_at: Timestamp | None


class WorktreeAnswer(Answer):
    worktree: WorktreeDetail


class WorktreeMerged(WorktreeAnswer):
    """``linked_commits`` were linked to the task's ticket by this; none where there was nothing to merge."""

    merge_commit_sha: str | None
    linked_commits: list[str] = Field(default_factory=list)


class WorktreeList(Answer):
    worktrees: list[WorktreeDetail]
    total_count: int
    has_more: bool


class Kept(BaseModel):
    worktree_id: str
    reason: str


class WorktreesCleaned(Answer):
    removed: list[str]
    kept: list[Kept]
