"""The operations of worktrees; see ``tickets.operations``."""

from __future__ import annotations

from gitlinks.worktrees import managing, schemas
from gitlinks.worktrees.selectors import worktree_list
from tickets.operations import Operation

WORKTREE_LIST = Operation("worktree_list", schemas.ListWorktrees, schemas.WorktreeList, worktree_list)
WORKTREE_CREATE = Operation(
    "worktree_create",
    schemas.CreateWorktree,
    schemas.WorktreeAnswer,
    managing.worktree_create,
    managing.worktree_create_prepare,
)
WORKTREE_MERGE = Operation(
    "worktree_merge",
    schemas.MergeWorktree,
    schemas.WorktreeMerged,
    managing.worktree_merge,
    managing.worktree_merge_prepare,
)
WORKTREE_REMOVE = Operation(
    "worktree_remove",
    schemas.RemoveWorktree,
    schemas.WorktreeAnswer,
    managing.worktree_remove,
    managing.worktree_remove_prepare,
)
WORKTREES_CLEAN = Operation(
    "worktrees_clean",
    schemas.CleanWorktrees,
    schemas.WorktreesCleaned,
    managing.worktrees_clean,
    managing.worktrees_clean_prepare,
)
