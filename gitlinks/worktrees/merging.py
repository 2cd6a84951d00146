"""Merges the branch of a worktree into the branch that it began at (``tickets.ports.WorktreeMerges``).

A merge is a commit that nobody sees until its branch is moved, which is the last step before the database
commits. Between the two stands an intent: a ref ``refs/hephaestus/merging/<worktree>`` on the merge commit, whose
first parent is where the branch was. Whoever dies in between leaves it, and ``recover`` reads from it what to do.
Intents are made and read under the repository's lock, so one that is found under it was left.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from gitlinks import git
from gitlinks.git import GitFailed, RepositoryUnreadable
from gitlinks.models import LinkMethod, Worktree
from gitlinks.repository import Commit, read_commits_between, read_head
from gitlinks.services import commit_link
from gitlinks.worktrees import plumbing
from gitlinks.worktrees.places import lock_until_commit, named, place_of, worktrees_folder, worktrees_of_task
from gitlinks.worktrees.plumbing import BRANCHES, Checkout, DoesNotMerge, Place
from tickets.errors import Conflict
from tickets.models import Agent, Task, Ticket, Workflow
from tickets.unit import Unit, write_transaction

log = structlog.get_logger(__name__)

INTENTS = "refs/hephaestus/merging/"
# More of a branch's commits than this are found by scan_commits where they name the ticket.
MAX_LINKED = 200


@dataclass(frozen=True)
class _Tips:
    """Where both branches are."""

    base: str
    head: str


class Merges:
    """Merges the worktrees of tasks that are done."""

    def prepare(self, *, workflow: Workflow, task: Task, agent_id: str) -> Merge | None:
        worktrees = worktrees_of_task(task.id)
        own = [worktree for worktree in worktrees if worktree.agent_id == agent_id] or worktrees
        if len(own) > 1:
            names = ", ".join(f"{worktree.branch} of {worktree.agent_id}" for worktree in own)
            raise Conflict(
                f"Task {task.id} has {len(own)} worktrees ({names}), none of them of {agent_id}. "
                "Merge one and remove the others, then repeat."
            )
        return prepare_merge(own[0], LinkMethod.AUTO_TASK_COMPLETION) if own else None


def prepare_merge(worktree: Worktree, method: LinkMethod) -> Merge | None:
    """Make the merge commit; None where there is nothing to merge and never was.

    About ten git processes, outside any transaction. Raises Conflict for work that is not committed, for files in
    conflict, and where the base branch cannot be moved.
    """
    if worktree.repository not in worktree.workflow.repositories:
        raise Conflict(
            f"{Path(worktree.repository).name} is no repository of workflow {worktree.workflow_id} any more."
        )
    place = place_of(worktree.repository)
    try:
        # What a dead process left would look like changes of somebody's in the checkout.
        recover_at(place)
        _require_committed(place, worktree)
        merge = Merge(worktree, place, method)
        return merge if merge.commit_sha else None
    except RepositoryUnreadable as error:
        raise _unreadable(place, error) from error


class Merge:
    """A merge that is made but that nobody sees yet (``tickets.ports.PreparedMerge``)."""

    def __init__(self, worktree: Worktree, place: Place, method: LinkMethod) -> None:
        self._worktree = worktree
        self._place = place
        self._method = method
        self._base, self._branch = BRANCHES + worktree.base_branch, BRANCHES + worktree.branch
        self._intent = INTENTS + worktree.id
        self._held = False
        self._make(self._tips())

    def link(self, *, unit: Unit, ticket: Ticket) -> list[str]:
        """Link the branch's commits (``worktree``) and the merge commit (its method). Returns those that were not."""
        self._hold()
        methods = {self.commit_sha: self._method}
        return [
            commit.sha
            for commit in reversed(self._commits)
            if commit_link(unit, ticket, commit, method=methods.get(commit.sha, LinkMethod.WORKTREE))
        ]

    def publish(self) -> None:
        """Move the base branch, and the clean working tree in which it is checked out. The intent comes first."""
        self._hold()
        if self._is_published:
            return
        Worktree.objects.filter(pk=self._worktree.pk).update(merge_commit_sha=self.commit_sha, merged_at=timezone.now())
        old, new = self._found.base, self.commit_sha
        try:
            tree = _base_tree(self._place, self._base, old)
            plumbing.move_refs(self._place, "intent", [f"update {self._intent} {new}"])
            if tree is not None:
                _bring_along(self._place, tree, old, new)
            reason = f"merge {self._worktree.branch}: task {self._worktree.task_id}"
            # Only while the intent stands: git may outlive this process, and come after whoever recovers from that.
            plumbing.move_refs(
                self._place, reason, [f"verify {self._intent} {new}", f"update {self._base} {new} {old}"]
            )
        except Conflict:
            self._take_back()
            raise
        except RepositoryUnreadable as error:
            self._take_back()
            raise Conflict(
                f"The branch {self._worktree.base_branch} could not be moved to the merge: someone else changes it at "
                "this moment. Repeat the request."
            ) from error
        transaction.on_commit(lambda: _forget(self._place, self._intent, new), robust=True)

    def _take_back(self) -> None:
        try:
            if self._intent in plumbing.refs(self._place, self._intent):
                _undo(self._place, self._worktree, self.commit_sha)
        except (Conflict, RepositoryUnreadable) as error:
            # The intent stays, and whoever merges next tries again.
            log.warning("merge_not_undone", worktree=self._worktree.id, reason=str(error))

    def _hold(self) -> None:
        """Be alone with the repository until the transaction ends; merge anew what moved since."""
        if self._held:
            return
        self._held = True
        try:
            lock_until_commit(self._worktree.repository)
            recover(self._place)
            self._worktree.refresh_from_db(fields=("merge_commit_sha",))
            tips = self._tips()
            if tips != self._found:
                self._make(tips)
        except RepositoryUnreadable as error:
            raise _unreadable(self._place, error) from error

    def _tips(self) -> _Tips:
        found = plumbing.refs(self._place, self._base, self._branch)
        for ref in (self._base, self._branch):
            if ref not in found:
                raise Conflict(f"The branch {ref.removeprefix(BRANCHES)} is gone. Restore it, or remove the worktree.")
        return _Tips(found[self._base], found[self._branch])

    def _make(self, tips: _Tips) -> None:
        worktree, place = self._worktree, self._place
        self._found = tips
        self._is_published = plumbing.contains(place, tips.base, tips.head)
        if self._is_published:
            self._take_merged(tips)
            return
        _base_tree(place, self._base, tips.base)
        try:
            tree = plumbing.merge(place, tips.base, tips.head)
        except DoesNotMerge as error:
            raise Conflict(
                f"{worktree.branch} does not merge into {worktree.base_branch}; in conflict: {named(error.files)}. "
                f"Merge {worktree.base_branch} into {worktree.branch} in the worktree, resolve, commit, repeat.",
                extra={"files": error.files},
            ) from error
        message = _message(worktree)
        self.commit_sha = plumbing.commit(place, tree, (tips.base, tips.head), message, _author(worktree.agent))
        self._commits = _read(place, tips.base, self.commit_sha)

    def _take_merged(self, tips: _Tips) -> None:
        """Of what is in the base branch already, what was merged before is linked; else there is nothing."""
        sha = self._worktree.merge_commit_sha
        self.commit_sha = sha if sha and plumbing.contains(self._place, tips.base, sha) else ""
        base = plumbing.first_parent(self._place, sha) if self.commit_sha else ""
        self._commits = _read(self._place, base, sha) if base else []


def merges_recover() -> None:
    """Bring to an end what processes left that died between merging and the database's commit."""
    rows = Worktree.objects.filter(removed_at=None).order_by("repository")
    for repository in rows.values_list("repository", flat=True).distinct():
        try:
            recover_at(place_of(repository))
        except (Conflict, RepositoryUnreadable) as error:
            log.warning("merges_not_recovered", repository=repository, reason=str(error))


def recover_at(place: Place) -> None:
    """``recover`` in a transaction of its own, where there is anything to recover."""
    if plumbing.refs(place, INTENTS):
        with write_transaction():
            lock_until_commit(str(place.folder))
            recover(place)


def recover(place: Place) -> None:
    """Undo, or write down, the merges whose intents were left. Within a transaction that holds the repository.

    Raises Conflict where a working tree stands in the way, RepositoryUnreadable.
    """
    for intent, sha in plumbing.refs(place, INTENTS).items():
        worktree = Worktree.objects.filter(pk=intent.removeprefix(INTENTS)).first()
        # One of another installation on the same repository is not ours to judge.
        if worktree is None:
            continue
        if worktree.merge_commit_sha == sha:
            _forget(place, intent, sha)
        else:
            _undo(place, worktree, sha)


def _undo(place: Place, worktree: Worktree, sha: str) -> None:
    """Take a merge back that no database records, with its intent. Where others have built on it, record it."""
    base, intent = BRANCHES + worktree.base_branch, INTENTS + worktree.id
    tip, old = plumbing.refs(place, base).get(base), plumbing.first_parent(place, sha)
    if tip is not None and tip not in (old, sha) and plumbing.contains(place, tip, sha):
        # The task's next report links it.
        Worktree.objects.filter(pk=worktree.pk).update(merge_commit_sha=sha, merged_at=timezone.now())
        log.warning("merge_recorded", worktree=worktree.id, commit=sha, branch=worktree.base_branch)
        _forget(place, intent, sha)
        return
    tree = _tree_of(place, base)
    if tree is not None and _came_along(place, tree[1], old, sha, moved=tip not in (old, sha)):
        _bring_along(place, tree, sha, old)
    lines = {sha: [f"update {base} {old} {sha}"], old: [f"verify {base} {old}"]}.get(tip or "", [])
    plumbing.move_refs(place, "undo a merge that was not recorded", [f"delete {intent} {sha}", *lines])
    log.warning("merge_undone", worktree=worktree.id, commit=sha, branch=worktree.base_branch)


def _came_along(place: Place, index: Path, old: str, new: str, *, moved: bool) -> bool:
    """Whether a checkout holds the merge: all of it, or where nobody moved the branch since, more than before."""
    return plumbing.index_holds(place, index, new) if moved else not plumbing.index_holds(place, index, old)


def _forget(place: Place, intent: str, sha: str) -> None:
    """Delete an intent. One that is gone is gone."""
    try:
        plumbing.move_refs(place, "intent", [f"delete {intent} {sha}"])
    except RepositoryUnreadable:
        log.info("intent_stays", intent=intent)


def _require_committed(place: Place, worktree: Worktree) -> None:
    """Raise Conflict where merging the branch would leave work behind in the worktree."""
    path = Path(worktree.path)
    checkout = next((each for each in plumbing.checkouts(place) if each.path == path), None)
    if checkout is None or not path.is_dir() or path.is_symlink():
        return
    if checkout.branch != BRANCHES + worktree.branch:
        where = checkout.branch.removeprefix(BRANCHES) if checkout.branch else f"commit {checkout.head[:12]}"
        raise Conflict(f"The worktree is on {where}, not on {worktree.branch}. Switch to it with your commits on it.")
    files = uncommitted(place, path, checkout.head)
    if files:
        raise Conflict(
            f"The worktree holds work that is not committed: {named(files)}. Commit it or take it out, then repeat.",
            extra={"files": files},
        )


def uncommitted(place: Place, path: Path, head: str) -> list[str]:
    """Files in a worktree that no commit holds. Raises RepositoryUnreadable."""
    folder = plumbing.worktree_folder(place, path)
    return plumbing.changed_files(place, path, folder / "index", head) if folder else []


def _base_tree(place: Place, base: str, tip: str) -> tuple[Path, Path] | None:
    """Working tree (and its index) in which the base branch is checked out, None where it is in none.

    Raises Conflict where it holds changes, or lies where nothing may be written.
    """
    tree = _tree_of(place, base)
    if tree is None:
        return None
    files = plumbing.changed_files(place, *tree, tip, untracked=False)
    if files:
        raise Conflict(
            f"{base.removeprefix(BRANCHES)} is checked out in the repository with changes that are not committed: "
            f"{named(files)}. Commit or stash them there, or check out another branch.",
            extra={"files": files},
        )
    return tree


def _tree_of(place: Place, base: str) -> tuple[Path, Path] | None:
    checkout = next((each for each in plumbing.checkouts(place) if each.branch == base), None)
    return _checked_tree(place, checkout) if checkout else None


def _checked_tree(place: Place, checkout: Checkout) -> tuple[Path, Path]:
    """The configuration, or whoever works there, may have made it any folder of the machine."""
    path = checkout.path
    folder = place.common if path / ".git" == place.common else plumbing.worktree_folder(place, path)
    allowed = any(
        path.resolve().is_relative_to(root.resolve()) for root in (settings.REPOSITORY_ROOT, worktrees_folder())
    )
    if folder is None or not allowed or not path.is_dir() or not _points_at(path / ".git", folder):
        branch = (checkout.branch or "").removeprefix(BRANCHES)
        raise Conflict(f"{branch} is checked out where the server does not write. Check out another branch there.")
    return path, folder / "index"


def _points_at(entry: Path, folder: Path) -> bool:
    """Whether the ``.git`` of a working tree is that git folder, or names it."""
    if entry.is_dir():
        return entry.resolve() == folder.resolve()
    return entry.is_file() and entry.read_bytes().strip() == b"gitdir: " + str(folder).encode(
        "utf-8", "surrogateescape"
    )


def _bring_along(place: Place, tree: tuple[Path, Path], old: str, new: str) -> None:
    try:
        plumbing.check_out(place, *tree, old, new)
    except GitFailed as error:
        raise Conflict(
            "The folder in which the branch is checked out holds files that the merge would overwrite, or git works "
            "there at this moment. Move them out of the way, then repeat the request."
        ) from error


def _read(place: Place, since: str, until: str) -> list[Commit]:
    try:
        return read_commits_between(place.folder, since, until, limit=MAX_LINKED)
    except git.TookTooLong:
        # A merge too large to count in time is linked without counts.
        return [read_head(place.folder, until)]


def _message(worktree: Worktree) -> str:
    ticket = worktree.task.ticket
    about = f"\n\n{ticket.key}: {ticket.title}" if ticket else ""
    return f"Merge branch '{worktree.branch}' into {worktree.base_branch}{about}\n\nTask: {worktree.task_id}\n"


def _author(agent: Agent) -> tuple[str, str]:
    """Name and address as git takes them: it drops angle brackets, and refuses what is empty without them."""
    name = agent.name if any(letter.isalnum() for letter in agent.name) else agent.id
    return name, agent.email or f"{agent.id}@agents.invalid"


def _unreadable(place: Place, error: RepositoryUnreadable) -> Conflict:
    detail = error.complaint if isinstance(error, GitFailed) else ""
    log.warning("git_failed", repository=str(place.folder), reason=str(error), detail=detail)
    return Conflict(f"git could not merge in {place.folder.name}: {error}")
