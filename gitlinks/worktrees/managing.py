"""Make, merge and remove worktrees."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.db.models import Q
from django.utils import timezone

from gitlinks.git import GitFailed, RepositoryUnreadable
from gitlinks.models import LinkMethod, Worktree
from gitlinks.repositories import repositories_of
from gitlinks.worktrees import plumbing
from gitlinks.worktrees.merging import Merge, prepare_merge, recover_at, uncommitted
from gitlinks.worktrees.places import named, one_at_a_time, place_of, worktrees_folder
from gitlinks.worktrees.plumbing import BRANCHES, Checkout, Place
from gitlinks.worktrees.schemas import (
    CleanWorktrees,
    CreateWorktree,
    Kept,
    MergeWorktree,
    RemoveWorktree,
    WorktreeAnswer,
    WorktreeMerged,
    WorktreesCleaned,
)
from gitlinks.worktrees.selectors import find_worktree, worktree_detail
from tickets.access import Actor, member_agent, workflow_for
from tickets.errors import Conflict, Forbidden, Invalid
from tickets.ids import new_id
from tickets.models import AgentState, Role, Task, Workflow
from tickets.models.tasks import ENDED_TASKS
from tickets.selectors.tasks import find_task
from tickets.services.tasks import ticket_of
from tickets.unit import open_unit, write_transaction

log = structlog.get_logger(__name__)

PREFIX = "hephaestus/"
# Housekeeping leaves what has just ended to those who may still look at it.
KEPT_FOR = timedelta(hours=24)


def worktree_create(*, actor: Actor, request: CreateWorktree) -> WorktreeAnswer:
    """Make a worktree for a task and an agent, once: there is one for both, which every repetition answers.

    Raises Invalid for a repository or a base branch that does not exist, Conflict for an ended task.
    """
    return worktree_create_prepare(actor=actor, request=request)()


def worktree_create_prepare(*, actor: Actor, request: CreateWorktree) -> Callable[[], WorktreeAnswer]:
    """Copy the files out, which takes its time; returns what then answers.

    The row comes before the folder. Who dies in between leaves a row whose folder the next call makes.
    """
    task = find_task(actor, request.task_id)
    workflow = workflow_for(actor, task.workflow_id, Role.MEMBER)
    if not workflow.is_active:
        raise Forbidden(f"Workflow {workflow.id!r} is not active: nobody works in it.")
    if task.status in ENDED_TASKS:
        raise Conflict(f"Task {task.id} is {task.status}: there is nothing left to do in a worktree.")
    agent_id = request.for_agent_id or task.agent_id or actor.agent_id
    member_agent(workflow.id, agent_id, field="for_agent_id")
    repository = _chosen(workflow, request.repository)
    place = place_of(repository)
    try:
        with one_at_a_time(repository):
            worktree, is_new = _row(actor, task, agent_id, place, request)
            _fill(place_of(worktree.repository), worktree, is_new=is_new)
    except RepositoryUnreadable as error:
        raise _failed(place, error) from error

    def answer() -> WorktreeAnswer:
        what = "made" if is_new else "is there already"
        return WorktreeAnswer(message=f"Worktree {worktree.branch} {what}.", worktree=worktree_detail(worktree))

    return answer


def worktree_merge(*, actor: Actor, request: MergeWorktree) -> WorktreeMerged:
    """Merge a worktree's branch into its base branch; link its commits and the merge to the task's ticket.

    Where there is nothing to merge that succeeds and changes nothing. Raises Conflict as ``prepare_merge`` does.
    """
    return worktree_merge_prepare(actor=actor, request=request)()


def worktree_merge_prepare(*, actor: Actor, request: MergeWorktree) -> Callable[[], WorktreeMerged]:
    """Make the merge commit, which nobody sees yet; returns what then does the rest."""
    worktree = find_worktree(actor, request.worktree_id)
    if worktree.removed_at is not None:
        raise Conflict(f"The worktree {worktree.branch} was removed.")
    merge = prepare_merge(worktree, LinkMethod.WORKTREE)

    def run() -> WorktreeMerged:
        linked = _publish(actor, worktree, merge) if merge is not None else []
        worktree.refresh_from_db()
        what = f"is merged into {worktree.base_branch}" if merge is not None else "holds nothing to merge"
        return WorktreeMerged(
            message=f"{worktree.branch} {what}.",
            worktree=worktree_detail(worktree),
            merge_commit_sha=(merge.commit_sha or None) if merge is not None else None,
            linked_commits=linked,
        )

    return run


def worktree_remove(*, actor: Actor, request: RemoveWorktree) -> WorktreeAnswer:
    """Remove a worktree's folder, and its branch where that is merged. Once; again changes nothing.

    Raises Conflict for work that is not committed, unless it is to be discarded.
    """
    return worktree_remove_prepare(actor=actor, request=request)()


def worktree_remove_prepare(*, actor: Actor, request: RemoveWorktree) -> Callable[[], WorktreeAnswer]:
    """Delete the folder; returns what then writes it down."""
    worktree = find_worktree(actor, request.worktree_id)
    branch_stays = worktree.removed_at is None and _delete(worktree, discard=request.discard)

    def run() -> WorktreeAnswer:
        _mark_removed([worktree])
        stays = f" Its branch {worktree.branch} stays: it is not merged." if branch_stays else ""
        return WorktreeAnswer(message=f"Worktree removed.{stays}", worktree=worktree_detail(worktree))

    return run


def worktrees_clean(*, actor: Actor, request: CleanWorktrees) -> WorktreesCleaned:
    """Remove a workflow's worktrees that nobody needs; work that is not committed keeps one."""
    return worktrees_clean_prepare(actor=actor, request=request)()


def worktrees_clean_prepare(*, actor: Actor, request: CleanWorktrees) -> Callable[[], WorktreesCleaned]:
    """Delete the folders; returns what then writes it down."""
    workflow = workflow_for(actor, request.workflow_id, Role.MEMBER)
    gone, kept = _delete_stale(ended_before=timezone.now(), workflow=workflow)

    def run() -> WorktreesCleaned:
        _mark_removed(gone)
        return WorktreesCleaned(
            message=f"{len(gone)} removed, {len(kept)} kept.", removed=[worktree.id for worktree in gone], kept=kept
        )

    return run


def worktrees_clean_everywhere() -> None:
    """Housekeeping: remove what nobody has needed for a day."""
    gone, kept = _delete_stale(ended_before=timezone.now() - KEPT_FOR)
    with write_transaction():
        _mark_removed(gone)
    for each in kept:
        log.info("worktree_kept", worktree=each.worktree_id, reason=each.reason)


def _chosen(workflow: Workflow, wanted: str | None) -> str:
    known = repositories_of(workflow)
    if not known:
        raise Invalid(f"Workflow {workflow.id!r} has no repository. A maintainer sets one.", field="repository")
    names = [repository.name for repository in known]
    found = [each for each in known if wanted in (None, str(each.path), each.name)]
    if len(found) != 1:
        why = "is no repository of the workflow" if wanted and not found else "could be several"
        raise Invalid(f"{wanted or 'The repository'} {why}. Say which.", field="repository", allowed=names)
    return str(found[0].path)


def _row(actor: Actor, task: Task, agent_id: str, place: Place, request: CreateWorktree) -> tuple[Worktree, bool]:
    """The worktree's row, and whether it is new."""
    worktree = _existing(task, agent_id)
    if worktree is not None:
        return worktree, False
    base, sha = _start(place, request.base_branch)
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", task.id)[:60].strip("-")
    branch = _free_branch(place, slug)
    with open_unit(actor, task.workflow_id, tracking=False) as unit:
        # Under the workflow's lock: another machine may have made it meanwhile.
        worktree = _existing(task, agent_id)
        if worktree is not None:
            return worktree, False
        worktree = Worktree.objects.create(
            id=new_id("worktree"),
            workflow_id=task.workflow_id,
            task=task,
            agent_id=agent_id,
            repository=str(place.folder),
            path=str(worktrees_folder() / f"{slug}-{secrets.token_hex(4)}"),
            branch=branch,
            base_branch=base,
            base_sha=sha,
            created_at=unit.now,
        )
    return worktree, True


def _existing(task: Task, agent_id: str) -> Worktree | None:
    return Worktree.objects.filter(task=task, agent_id=agent_id, removed_at=None).first()


def _start(place: Place, base_branch: str | None) -> tuple[str, str]:
    """The base branch and the commit that it is at."""
    ref = BRANCHES + base_branch if base_branch else plumbing.head_branch(place)
    if ref is None:
        raise Invalid("The repository's HEAD is on no branch. Name the base branch.", field="base_branch")
    known = plumbing.refs(place, BRANCHES)
    if ref not in known:
        allowed = [name.removeprefix(BRANCHES) for name in known if not name.startswith(BRANCHES + PREFIX)]
        raise Invalid(
            f"The repository has no branch {ref.removeprefix(BRANCHES)!r} with a commit on it.",
            field="base_branch",
            allowed=allowed[:50],
        )
    return ref.removeprefix(BRANCHES), known[ref]


def _free_branch(place: Place, slug: str) -> str:
    taken = {name.removeprefix(BRANCHES) for name in plumbing.refs(place, BRANCHES + PREFIX.rstrip("/"))}
    taken |= set(
        Worktree.objects.filter(repository=str(place.folder), removed_at=None).values_list("branch", flat=True)
    )
    names = (f"{PREFIX}{slug}" + (f"-{number}" if number > 1 else "") for number in range(1, 10_000))
    return next(name for name in names if name not in taken)


def _fill(place: Place, worktree: Worktree, *, is_new: bool) -> None:
    """Make the folder where it is not complete: its index is written when all files are. Raises Conflict."""
    path = Path(worktree.path)
    folder = plumbing.worktree_folder(place, path)
    if folder is not None and (folder / "index").exists() and path.is_dir():
        return
    if folder is None and path.is_dir() and any(path.iterdir()):
        raise Conflict(
            f"The repository knows nothing of the folder {path}. Save what is in it, then remove the worktree."
        )
    ref = BRANCHES + worktree.branch
    try:
        plumbing.worktree_forget(place, path)
        tip = plumbing.refs(place, ref).get(ref)
        plumbing.worktree_add(place, path, worktree.branch, None if tip else worktree.base_sha)
        folder = plumbing.worktree_folder(place, path)
        assert folder is not None
        plumbing.check_out(place, path, folder / "index", tip or worktree.base_sha)
    except (RepositoryUnreadable, OSError) as error:
        if is_new:
            plumbing.worktree_forget(place, path)
            Worktree.objects.filter(pk=worktree.pk).delete()
        raise _failed(place, error) from error


def _publish(actor: Actor, worktree: Worktree, merge: Merge) -> list[str]:
    """Link and publish a merge, in one transaction. Returns the commits that were linked."""
    with open_unit(actor, worktree.workflow_id, tracking=False) as unit:
        ticket = ticket_of(unit, worktree.task)
        linked = merge.link(unit=unit, ticket=ticket) if ticket is not None else []
        unit.flush()
        merge.publish()
    return linked


def _delete(worktree: Worktree, *, discard: bool) -> bool:
    """Delete folder and merged branch. Whether an unmerged branch stays. Raises Conflict."""
    place, path = place_of(worktree.repository), Path(worktree.path)
    if not path.is_relative_to(worktrees_folder()):
        raise Conflict("The worktree belongs to another installation. Remove it there.")
    try:
        recover_at(place)
        with one_at_a_time(worktree.repository):
            checkout = next((each for each in plumbing.checkouts(place) if each.path == path), None)
            if path.is_dir() and not path.is_symlink() and not discard:
                _require_saved(place, path, checkout)
            # The commits of a worktree that left its branch are on no other.
            kept = checkout.head if checkout is not None and checkout.branch is None else None
            plumbing.worktree_forget(place, path)
            return _delete_branch(place, worktree, kept)
    except (RepositoryUnreadable, OSError) as error:
        raise _failed(place, error) from error


def _require_saved(place: Place, path: Path, checkout: Checkout | None) -> None:
    """Raise Conflict where the folder may hold what no commit does."""
    if checkout is None:
        raise Conflict(f"The repository knows nothing of the folder {path}. Look into it, then remove with discard.")
    files = uncommitted(place, path, checkout.head)
    if files:
        raise Conflict(
            f"The worktree holds work that is not committed: {named(files)}. Commit it, or remove with discard.",
            extra={"files": files},
        )


def _delete_branch(place: Place, worktree: Worktree, detached: str | None) -> bool:
    """Delete the branch where the base branch holds all of it. Whether it stays."""
    ref, base = BRANCHES + worktree.branch, BRANCHES + worktree.base_branch
    found = plumbing.refs(place, ref, base)
    if ref not in found:
        return False
    if detached is not None and not plumbing.contains(place, found[ref], detached):
        plumbing.move_refs(place, "keep", [f"create {ref}-detached {detached}"])
    if base not in found or not plumbing.contains(place, found[base], found[ref]):
        return True
    plumbing.move_refs(place, "merged", [f"delete {ref} {found[ref]}"])
    return False


def _delete_stale(*, ended_before: datetime, workflow: Workflow | None = None) -> tuple[list[Worktree], list[Kept]]:
    """Delete what has ended by then, and what has lost its folder."""
    rows = Worktree.objects.select_related("workflow", "task", "agent").filter(removed_at=None)
    rows = rows.filter(path__startswith=f"{worktrees_folder()}/")
    if workflow is not None:
        rows = rows.filter(workflow=workflow)
    over = Q(task__status__in=ENDED_TASKS) | Q(agent__state=AgentState.TERMINATED)
    ended = set(rows.filter(over, task__updated_at__lte=ended_before).values_list("pk", flat=True))
    gone, kept = [], []
    for worktree in rows.order_by("created_at"):
        if worktree.pk not in ended and Path(worktree.path).is_dir():
            continue
        try:
            _delete(worktree, discard=False)
            gone.append(worktree)
        except Conflict as error:
            kept.append(Kept(worktree_id=worktree.id, reason=error.message))
    return gone, kept


def _mark_removed(worktrees: list[Worktree]) -> None:
    now = timezone.now()
    for worktree in worktrees:
        if worktree.removed_at is None:
            worktree.removed_at = now
            worktree.save(update_fields=["removed_at"])


def _failed(place: Place, error: Exception) -> Conflict:
    detail = error.complaint if isinstance(error, GitFailed) else ""
    log.warning("worktree_failed", repository=str(place.folder), reason=str(error), detail=detail)
    return Conflict(f"git could not do it in {place.folder.name}. The server's log says why.")
