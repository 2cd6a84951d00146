"""Reads worktrees."""

from __future__ import annotations

from gitlinks.models import Worktree
from gitlinks.worktrees.schemas import ListWorktrees, WorktreeDetail, WorktreeList
from tickets.access import Actor, visible_workflows, workflow_for
from tickets.errors import NotFound
from tickets.models import Role


def find_worktree(actor: Actor, worktree_id: str) -> Worktree:
    """A worktree that the actor may change, with its workflow, task and agent. Raises NotFound, Forbidden."""
    rows = Worktree.objects.select_related("workflow", "task", "agent")
    found = rows.filter(pk=worktree_id, workflow__in=visible_workflows(actor)).first()
    if found is None:
        raise NotFound(f"No worktree {worktree_id!r}.", field="worktree_id")
    workflow_for(actor, found.workflow_id, Role.MEMBER)
    return found


def worktree_list(*, actor: Actor, request: ListWorktrees) -> WorktreeList:
    """Worktrees of one workflow or of all that the actor may read. At most three queries."""
    rows = Worktree.objects.filter(workflow__in=visible_workflows(actor))
    if request.workflow_id is not None:
        rows = rows.filter(workflow=workflow_for(actor, request.workflow_id))
    if request.task is not None:
        rows = rows.filter(task_id=request.task)
    if request.agent is not None:
        rows = rows.filter(agent_id=request.agent)
    rows = rows.filter(removed_at__isnull=request.state != "removed")
    if request.state == "open":
        rows = rows.filter(merge_commit_sha="")
    elif request.state == "merged":
        rows = rows.exclude(merge_commit_sha="")
    total = rows.count()
    found = rows.order_by("-created_at", "id")[request.offset : request.offset + request.limit]
    details = [worktree_detail(row) for row in found]
    return WorktreeList(worktrees=details, total_count=total, has_more=request.offset + len(details) < total)


def worktree_detail(worktree: Worktree) -> WorktreeDetail:
    """A worktree as every face shows it."""
    values = {name: getattr(worktree, name) for name in WorktreeDetail.model_fields if hasattr(worktree, name)}
    return WorktreeDetail.model_validate(
        {**values, "worktree_id": worktree.id, "merge_commit_sha": worktree.merge_commit_sha or None}
    )
