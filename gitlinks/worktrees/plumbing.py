"""What git does for worktrees, without anything that the repository's configuration says.

A configuration can name programs: filters, merge drivers, file system monitors. Whatever merges or looks at
files therefore runs on a git folder made for the call, empty but for the repository's objects: the configuration
is never read, so that no key can be overlooked or slipped in. Only refs and the list of worktrees go through the
repository's own git folder. That runs nothing but hooks, and ``gitlinks.git`` switches those off.

The price: files are checked out as they are stored. Git LFS leaves its pointers, until ``git lfs pull``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gitlinks import git
from gitlinks.git import GitFailed

# Copying out a large tree takes its time; the rest is quick or wrong.
CHECKOUT_TIMEOUT = 300.0
BRANCHES = "refs/heads/"
_CONFIGURATION = "[core]\nrepositoryFormatVersion = 1\n[extensions]\nobjectFormat = {}\n"
ADMINISTRATION = {"GIT_COMMITTER_NAME": "Hephaestus Tickets", "GIT_COMMITTER_EMAIL": "hephaestus-tickets@localhost"}


class DoesNotMerge(Exception):
    """The trees contradict each other. ``files`` are the paths in conflict."""

    def __init__(self, files: list[str]) -> None:
        super().__init__(f"{len(files)} files in conflict")
        self.files = files


@dataclass(frozen=True)
class Place:
    """A repository: the folder that is named, the git folder that all its worktrees share, and its kind of hash."""

    folder: Path
    common: Path
    hashed_by: str


@dataclass(frozen=True)
class Checkout:
    """A working tree as the repository lists it. ``branch`` is a full ref, None for a detached HEAD."""

    path: Path
    head: str
    branch: str | None


def open_place(folder: Path) -> Place:
    """The repository in a folder that was checked. One git process. Raises RepositoryUnreadable."""
    said = git.run(folder, "rev-parse", "--path-format=absolute", "--show-object-format", "--git-common-dir")
    hashed_by, _, common = os.fsdecode(said).removesuffix("\n").partition("\n")
    return Place(folder, Path(common), hashed_by)


def refs(place: Place, *names: str) -> dict[str, str]:
    """Full names of refs that exist, with their commits; a name stands for what lies below it, too."""
    said = git.run(place.folder, "for-each-ref", "--format=%(objectname) %(refname)", "--end-of-options", *names)
    lines = (line.split(" ", 1) for line in said.decode("utf-8", "surrogateescape").splitlines())
    return {name: sha for sha, name in lines}


def head_branch(place: Place) -> str | None:
    """The full ref of the branch that HEAD names, None where it is detached."""
    try:
        return git.run(place.folder, "symbolic-ref", "--quiet", "HEAD").decode("utf-8", "surrogateescape").strip()
    except GitFailed as error:
        if error.code == 1:
            return None
        raise


def move_refs(place: Place, reason: str, *transactions: Iterable[str]) -> None:
    """Change refs, one transaction after the other, in lines as ``git update-ref --stdin`` takes them.

    Raises GitFailed where a ref is not what a line expects; what came before is done then.
    """
    lines = [line for lines in transactions for line in ("start", *lines, "prepare", "commit")]
    script = "".join(f"{line}\n" for line in lines).encode()
    git.run(place.folder, "update-ref", "-m", reason, "--stdin", given=script, environment=ADMINISTRATION)


def checkouts(place: Place) -> list[Checkout]:
    """All working trees of the repository; a bare one has none of its own."""
    said = os.fsdecode(git.run(place.folder, "worktree", "list", "--porcelain", "-z"))
    found = []
    for block in said.split("\0\0"):
        fields = dict(line.partition(" ")[::2] for line in block.strip("\0").split("\0"))
        if "HEAD" in fields:
            found.append(Checkout(Path(fields["worktree"]), fields["HEAD"], fields.get("branch")))
    return found


def worktree_add(place: Place, path: Path, branch: str, start: str | None) -> None:
    """Register a working tree without files. With ``start`` the branch is made there, else it exists."""
    how = ("-b", branch, str(path), start) if start else (str(path), branch)
    git.run(place.folder, "worktree", "add", "--quiet", "--no-checkout", *how, environment=ADMINISTRATION)


def worktree_forget(place: Place, path: Path) -> None:
    """Delete a working tree and what the repository knows of it. Raises OSError, RepositoryUnreadable.

    The folder is not git's to delete: where it was made a link, git would empty what the link points at.
    """
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    if worktree_folder(place, path) is not None:
        git.run(place.folder, "worktree", "remove", "--force", "--force", str(path))


def worktree_folder(place: Place, path: Path) -> Path | None:
    """The git folder of a working tree: the shared one for the main tree, None where it is not registered.

    It is looked up from the repository's side. The ``.git`` file in the tree belongs to whoever works there.
    """
    for entry in (place.common / "worktrees").glob("*/gitdir"):
        if Path(os.fsdecode(entry.read_bytes()).removesuffix("\n")) == path / ".git":
            return entry.parent
    return None


def check_out(place: Place, path: Path, index: Path, *trees: str) -> None:
    """Fill a working tree with a commit's files, or take it from the first commit to the second.

    Files that were changed are never overwritten. Raises GitFailed then.
    """
    _apart(place, "read-tree", "-m", "-u", *trees, tree=path, index=index, timeout=CHECKOUT_TIMEOUT)


def changed_files(place: Place, path: Path, index: Path, commit: str, *, untracked: bool = True) -> list[str]:
    """Files in a working tree that differ from the commit, and those that git does not ignore but does not know.

    At most two git processes.
    """
    # A submodule counts by its commit: to look inside would read its configuration.
    changed = _apart(
        place, "diff", "--name-only", "-z", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty",
        "--no-renames", commit, "--", tree=path, index=index,
    )  # fmt: skip
    if untracked:
        exclude = place.common / "info" / "exclude"
        own = [f"--exclude-from={exclude}"] if exclude.is_file() else []
        changed += _apart(
            place, "ls-files", "--others", "--exclude-standard", *own, "-z", tree=path, index=index
        )  # fmt: skip
    return sorted({name for name in changed.decode("utf-8", "replace").split("\0") if name})


def index_holds(place: Place, index: Path, commit: str) -> bool:
    """Whether an index holds the commit's files, and nothing else."""
    try:
        _apart(place, "diff-index", "--cached", "--quiet", commit, index=index)
    except GitFailed as error:
        if error.code == 1:
            return False
        raise
    return True


def merge(place: Place, ours: str, theirs: str) -> str:
    """The tree in which both commits are merged. Raises DoesNotMerge, and GitFailed for unrelated histories."""
    try:
        said = _apart(place, "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs)
    except GitFailed as error:
        if error.code != 1:
            raise
        _tree, *files = error.output.decode("utf-8", "replace").split("\0")
        raise DoesNotMerge(sorted({name for name in files if name})) from error
    return said.decode().strip("\0\n")


def commit(place: Place, tree: str, parents: Iterable[str], message: str, author: tuple[str, str]) -> str:
    """A new commit that no ref points at. ``author`` is a name and an address."""
    parts = [part for parent in parents for part in ("-p", parent)]
    who = {"GIT_AUTHOR_NAME": author[0], "GIT_AUTHOR_EMAIL": author[1], **ADMINISTRATION}
    return _apart(place, "commit-tree", tree, *parts, given=message.encode(), environment=who).decode().strip()


def contains(place: Place, commit: str, ancestor: str) -> bool:
    """Whether ``ancestor`` is reached from ``commit``, or is it."""
    try:
        _apart(place, "merge-base", "--is-ancestor", ancestor, commit)
    except GitFailed as error:
        if error.code == 1:
            return False
        raise
    return True


def first_parent(place: Place, commit: str) -> str:
    """The parent that a merge was made onto."""
    return _apart(place, "rev-parse", "--verify", "--quiet", f"{commit}^1").decode().strip()


def _apart(
    place: Place,
    *arguments: str,
    tree: Path | None = None,
    index: Path | None = None,
    given: bytes = b"",
    timeout: float = git.TIMEOUT,
    environment: dict[str, str] | None = None,
) -> bytes:
    """Run git on the repository's objects alone, away from its configuration."""
    with tempfile.TemporaryDirectory(prefix="hephaestus-git-") as made:
        folder = Path(made)
        for name in ("objects", "refs"):
            (folder / name).mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
        (folder / "config").write_text(_CONFIGURATION.format(place.hashed_by), encoding="ascii")
        where = {"GIT_DIR": str(folder), "GIT_OBJECT_DIRECTORY": str(place.common / "objects")}
        if (place.common / "shallow").is_file():
            where["GIT_SHALLOW_FILE"] = str(place.common / "shallow")
        if tree is not None:
            where["GIT_WORK_TREE"] = str(tree)
        if index is not None:
            where["GIT_INDEX_FILE"] = str(index)
        return git.run(
            tree or folder, *arguments, given=given, timeout=timeout, environment={**where, **(environment or {})}
        )
