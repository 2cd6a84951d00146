"""Reads commits of a local repository: which there are, who made them, what they touch."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from gitlinks import git

MAX_FILES = 300
MAX_ALTERNATES = 10_000  # bytes
SHA_LENGTHS = (40, 64)
_BLOCK = 1024 * 1024  # bytes

# Each field ends with NUL, which no part of a commit can hold.
_FIELDS = ("%H", "%P", "%an", "%ae", "%ct", "%B")
_FORMAT = "".join(f"{field}%x00" for field in _FIELDS)
_COUNTS = re.compile(r"\n?(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)
_NEVER = datetime.fromtimestamp(0, UTC)
# What a commit's changes are counted by, wherever they are. Without the limit, thousands of new and old files are
# compared each with each.
RENAMES = ("--find-renames", "--find-copies", "-l1000")


@dataclass(frozen=True)
class Commit:
    """A commit as it stands in the repository. Counts leave binary files out, as git does.

    ``files`` are whole paths; of a renamed one the new. Of a merge, they are what it brings to its first parent.
    """

    sha: str
    author_name: str
    author_email: str
    committed_at: datetime
    message: str
    insertions: int
    deletions: int
    files: tuple[str, ...]
    parents: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return self.message.split("\n", 1)[0]


def lies_within(folder: Path, root: Path) -> bool:
    """Whether a checkout, the repository behind it (of a worktree: elsewhere) and its objects lie below ``root``."""
    if not folder.resolve().is_relative_to(root):
        return False
    asked = ("--git-dir", "--git-common-dir", "--git-path", "objects")
    try:
        said = git.run(folder, "rev-parse", "--path-format=absolute", *asked)
        git_dir, common_dir, objects = (Path(line) for line in os.fsdecode(said).splitlines())
        places = [git_dir, common_dir, common_dir / "config", *_object_folders(objects)]
        return all(place.resolve().is_relative_to(root) for place in places)
    except (git.RepositoryUnreadable, ValueError, OSError, RuntimeError):
        # ValueError: a name with a line break in it.
        return False


def _object_folders(objects: Path) -> Iterator[Path]:
    """Where git finds the objects of a repository, those that it borrows from others among them."""
    waiting, seen = [objects], set()
    while waiting:
        folder = waiting.pop()
        if folder in seen:
            continue
        seen.add(folder)
        yield from (folder, folder / "pack", folder / "info")
        borrowed = folder / "info" / "alternates"
        if borrowed.is_file():
            said = borrowed.read_bytes()
            if len(said) > MAX_ALTERNATES or b'"' in said:
                raise ValueError("alternates too long, or quoted as git alone reads them")
            waiting += [folder / line for line in os.fsdecode(said).split("\n") if line and not line.startswith("#")]


def find_shas(folder: Path, digits: str) -> list[str]:
    """Whole shas of the commits that begin with these hexadecimal digits (4 or more, in lower case), sorted.

    One git process, two for an abbreviation. A branch of such a name is not meant. Raises RepositoryUnreadable.
    """
    objects = digits
    if len(digits) not in SHA_LENGTHS:
        objects = git.run(folder, "rev-parse", f"--disambiguate={digits}").decode()
    said = git.run(
        folder, "cat-file", "--batch-check=%(objectname) %(objecttype)", "--buffer", given=f"{objects}\n".encode()
    )
    found = (line.split(" ") for line in said.decode().splitlines())
    return sorted(sha for sha, kind in found if kind == "commit")


def read_commit(folder: Path, sha: str) -> Commit:
    """The commit of that whole sha, with its files. One git process. Raises RepositoryUnreadable."""
    return _log(folder, "--no-walk", "--numstat", "--diff-merges=first-parent", at=sha)[0]


def read_head(folder: Path, sha: str) -> Commit:
    """The same without looking at what it changed: ``files`` is empty and nothing is counted."""
    return _log(folder, "--no-walk", "--no-patch", at=sha)[0]


def read_commits_between(folder: Path, since: str, until: str, *, limit: int) -> list[Commit]:
    """The newest commits that are reached from the sha ``until`` and not from ``since``, newest first, with files.

    One git process. Raises RepositoryUnreadable.
    """
    return _log(folder, f"--max-count={limit}", "--numstat", "--diff-merges=first-parent", at=f"{since}..{until}")


@dataclass(frozen=True)
class State:
    """What HEAD points at: a branch (None where it is detached) and a commit (None before the first)."""

    bare: bool
    branch: str | None
    head_sha: str | None


def read_state(folder: Path) -> State:
    """Three git processes. Raises RepositoryUnreadable."""
    bare = git.run(folder, "rev-parse", "--is-bare-repository").strip() == b"true"
    branch = _said(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    return State(bare, branch, _said(folder, "rev-parse", "--quiet", "--verify", "HEAD^{commit}"))


def _said(folder: Path, *arguments: str) -> str | None:
    """What git answers; None where it quietly has nothing to say."""
    try:
        return git.run(folder, *arguments).decode("utf-8", "replace").strip()
    except git.GitFailed as error:
        if error.code == 1:
            return None
        raise


def read_commits(folder: Path, *, limit: int) -> list[Commit]:
    """The newest commits reachable from HEAD, newest first, merges without files.

    One git process. Raises RepositoryUnreadable.
    """
    return _log(folder, f"--max-count={limit}", "--numstat", at="HEAD")


def _log(folder: Path, *options: str, at: str) -> list[Commit]:
    output = git.run(
        folder, "log", *options, f"--format={_FORMAT}", "-z", *RENAMES, "--no-ext-diff", "--no-textconv",
        "--no-show-signature", "--no-color", "--no-relative", "--encoding=UTF-8", "--end-of-options", at, "--",
    )  # fmt: skip
    return list(_parse(iter(output.decode("utf-8", "replace").split("\x00"))))


def read_many(folder: Path, shas: Sequence[str], *, timeout: float) -> Iterator[Commit]:
    """The commits of these whole shas as ``read_commit`` has them, in this order. One git process, however many.

    Raises RepositoryUnreadable.
    """
    with git.stream(
        folder, "log", "--stdin", "--no-walk=unsorted", "--numstat", "--diff-merges=first-parent",
        f"--format={_FORMAT}", "-z", *RENAMES, "--no-ext-diff", "--no-textconv", "--no-show-signature", "--no-color",
        "--no-relative", "--encoding=UTF-8", given="".join(f"{sha}\n" for sha in shas).encode(), timeout=timeout,
    ) as output:  # fmt: skip
        yield from _parse(part.decode("utf-8", "replace") for part in split_at_nul(output))


def split_at_nul(output: IO[bytes]) -> Iterator[bytes]:
    """What stands between NULs in a stream, and what comes after the last."""
    rest = b""
    while block := output.read(_BLOCK):
        *parts, rest = (rest + block).split(b"\0")
        yield from parts
    yield rest


def _parse(parts: Iterator[str]) -> Iterator[Commit]:
    """After a commit's fields come its files, one to a NUL, each with its counts in front."""
    part = next(parts)
    while part:
        sha, (parents, name, email, seconds, message) = part, itertools.islice(parts, len(_FIELDS) - 1)
        files = []
        # Between a commit and its files, and after them, git may put a NUL more.
        part = next(parts, "") or next(parts, "")
        while counts := _COUNTS.fullmatch(part):
            added, removed, path = counts.groups()
            if not path:
                # Renamed or copied: the old and the new path follow.
                _, path = next(parts), next(parts)
            files.append((added, removed, path))
            part = next(parts, "")
        part = part or next(parts, "")
        yield Commit(
            sha=sha.strip(),
            parents=tuple(parents.split()),
            author_name=name,
            author_email=email,
            committed_at=_moment(seconds),
            message=message.strip("\n"),
            insertions=sum(int(added) for added, _, _ in files if added != "-"),
            deletions=sum(int(removed) for _, removed, _ in files if removed != "-"),
            files=tuple(path for _, _, path in files),
        )


def _moment(seconds: str) -> datetime:
    """Seconds since 1970 as a commit has them: anybody can write one with none, or beyond any calendar."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return _NEVER
