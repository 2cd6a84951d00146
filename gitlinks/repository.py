"""Reads commits of a local repository without letting it run a program.

A repository's own configuration can name programs (file system monitor, external diff, pager, signature
check, transports of a partial clone). Each is switched off for every call; a call has a time limit, an
output cap and an environment of its own.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

TIMEOUT = 20  # seconds
MAX_OUTPUT = 64 * 1024 * 1024
MAX_FILES = 300

_OVERRIDES = (
    "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.pager=cat", "core.attributesFile=/dev/null",
    "diff.external=", "log.showSignature=false", "gpg.program=false", "protocol.allow=never",
)  # fmt: skip
# Each field ends with NUL, which no part of a commit can hold.
_FIELDS = ("%H", "%an", "%ae", "%ct", "%B")
_FORMAT = "".join(f"{field}%x00" for field in _FIELDS)
_COUNTS = re.compile(r"\n?(\d+|-)\t(\d+|-)\t(.+)", re.DOTALL)


class RepositoryUnreadable(Exception):
    """The folder holds no repository that git can read here; the message says why."""


@dataclass(frozen=True)
class Commit:
    """A commit as it stands in the repository. Counts leave binary files out, as git does."""

    sha: str
    author_name: str
    author_email: str
    committed_at: datetime
    message: str
    insertions: int
    deletions: int
    files: tuple[str, ...]

    @property
    def subject(self) -> str:
        return self.message.split("\n", 1)[0]


def lies_within(folder: Path, root: Path) -> bool:
    """Whether a checkout and the repository behind it (of a worktree: elsewhere) lie below ``root``."""
    if not folder.resolve().is_relative_to(root):
        return False
    try:
        said = _git(folder, "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir")
    except RepositoryUnreadable:
        return False
    return all(Path(line).resolve().is_relative_to(root) for line in os.fsdecode(said).splitlines())


def read_commits(folder: Path, *, limit: int) -> list[Commit]:
    """The newest commits reachable from HEAD, newest first, merges without files.

    One git process. Raises RepositoryUnreadable.
    """
    output = _git(
        folder, "log", f"--max-count={limit}", f"--format={_FORMAT}", "--numstat", "-z", "--no-renames",
        "--no-ext-diff", "--no-textconv", "--no-show-signature", "--no-color", "--encoding=UTF-8",
        "--end-of-options", "HEAD", "--",
    )  # fmt: skip
    return list(_parse(output.decode("utf-8", "replace")))


def _parse(text: str) -> Iterator[Commit]:
    """After a commit's fields come its files, one to a NUL, each with its counts in front."""
    parts = iter(text.split("\x00"))
    part = next(parts)
    while part:
        sha, (name, email, seconds, message) = part, itertools.islice(parts, len(_FIELDS) - 1)
        files = []
        # Between a commit and its files, and after them, git may put a NUL more.
        part = next(parts, "") or next(parts, "")
        while counts := _COUNTS.fullmatch(part):
            files.append(counts.groups())
            part = next(parts, "")
        part = part or next(parts, "")
        yield Commit(
            sha=sha.strip(),
            author_name=name,
            author_email=email,
            committed_at=datetime.fromtimestamp(int(seconds), UTC),
            message=message.strip("\n"),
            insertions=sum(int(added) for added, _, _ in files if added != "-"),
            deletions=sum(int(removed) for _, removed, _ in files if removed != "-"),
            files=tuple(path for _, _, path in files),
        )


def _git(folder: Path, *arguments: str) -> bytes:
    options = [part for override in _OVERRIDES for part in ("-c", override)]
    # A checkout may belong to another user than the server's (a mounted folder, say). Git then refuses
    # for fear of what its configuration runs, and none of that is run here.
    options += ["-c", f"safe.directory={folder}"]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "",
    }
    command = ["git", "--no-pager", *options, "-C", str(folder), *arguments]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as process:
            return _output(process)
    except OSError as error:
        raise RepositoryUnreadable(f"git cannot be run: {error.strerror}.") from error


def _output(process: subprocess.Popen[bytes]) -> bytes:
    """What the process says, up to the cap and within the time limit."""
    assert process.stdout is not None
    killer = threading.Timer(TIMEOUT, process.kill)
    killer.start()
    try:
        output = process.stdout.read(MAX_OUTPUT + 1)
        if len(output) > MAX_OUTPUT:
            process.kill()
            raise RepositoryUnreadable(f"git said more than {MAX_OUTPUT} bytes.")
        if process.wait() != 0:
            raise RepositoryUnreadable("git cannot read this repository.")
        return output
    finally:
        killer.cancel()
