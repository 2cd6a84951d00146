"""Reads what lies between two commits: files, statuses, counts and unified diffs, out of one git process.

``git diff-tree`` says all three in a row: a record per file and its modes, a record per file and its counts, then
the patch. It is read as it comes, kept up to the limits, and ended where nothing more is kept, so that no commit
costs more memory than its limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from gitlinks import git
from gitlinks.repository import RENAMES

KIB, MIB = 1024, 1024 * 1024
MAX_LISTED = 10_000
MAX_WITH_DIFF = 300
MAX_TOGETHER = MIB
MAX_ONE = 256 * KIB
MAX_ONE_ALONE = MIB
# What is read past a diff that was cut, to get to the next file.
MAX_SKIPPED = 32 * MIB
MAX_PATCH = 64 * MIB
# git loads larger files not at all: they count as binary.
BIG_FILE = "50m"

_EMPTY_TREES = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--ignore-submodules=none",
          "--no-relative", "--full-index")  # fmt: skip
_SETTINGS = {"core.bigFileThreshold": BIG_FILE, "core.quotePath": "true", "diff.suppressBlankEmpty": "false"}
_RAW = re.compile(rb":(\d{6}) (\d{6}) [0-9a-f]+ [0-9a-f]+ ([A-Z])\d*")
_COUNTS = re.compile(rb"(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)
_BLOCK = 64 * KIB
_MAX_RECORD = MIB
_NO_MODE = "000000"
_NEXT = b"\ndiff --git "


@dataclass(frozen=True)
class Limits:
    """How many files are listed, how many of them with a diff, and bytes of diff: of one file, of all."""

    listed: int = MAX_LISTED
    with_diff: int = MAX_WITH_DIFF
    one: int = MAX_ONE
    together: int = MAX_TOGETHER


@dataclass(slots=True)
class FileChange:
    """One file's change. ``status`` is git's letter (A M D R C T); a binary file has no counts.

    ``diff`` is None where it was left out; ``truncated`` says so, and also where it is cut.
    """

    path: bytes
    old_path: bytes | None
    status: str
    old_mode: str | None = None
    new_mode: str | None = None
    insertions: int | None = None
    deletions: int | None = None
    diff: bytes | None = None
    truncated: bool = True

    @property
    def is_binary(self) -> bool:
        return self.insertions is None

    @property
    def shown_path(self) -> str:
        """The path as answers show it, and as ``?path=`` names it."""
        return self.path.decode("utf-8", "replace")


@dataclass
class Comparison:
    """The files between two commits, in git's order. The counts are of all, the files those up to the limit."""

    files: list[FileChange] = field(default_factory=list)
    files_changed: int = 0
    insertions: int = 0
    deletions: int = 0


def compare(
    folder: Path,
    base: str | None,
    sha: str,
    *,
    context: int = 3,
    limits: Limits | None = None,
    paths: Sequence[bytes] = (),
) -> Comparison:
    """What ``sha`` changed against ``base`` (a whole sha; None: against nothing), of ``paths`` or of everything.

    Diffs have ``context`` lines around each change. One git process. Raises RepositoryUnreadable.
    """
    limits = limits or Limits()
    command = ("--raw", "--numstat", "-z", f"--unified={context}")
    with git.stream(folder, *_diff_tree(base, sha, *command, paths=paths), settings=_SETTINGS) as stream:
        output = _Output(stream)
        found = _read_list(output, limits.listed)
        _read_diffs(output, found.files, limits)
    return found


def compare_file(
    folder: Path, base: str | None, sha: str, change: FileChange, *, context: int = 3, one: int = MAX_ONE_ALONE
) -> FileChange:
    """The change of one file that ``compare`` has listed, with ``one`` bytes of its diff at most. Raises like it."""
    paths = [change.path] if change.old_path is None else [change.path, change.old_path]
    limits = Limits(with_diff=MAX_LISTED, one=one, together=one + MAX_ONE)
    for wanted in (paths, []):
        # Alone, a file can pass for the other half of another pair: then the whole is looked at once more.
        limits = limits if wanted else replace(limits, together=MAX_SKIPPED)
        files = compare(folder, base, sha, context=context, limits=limits, paths=wanted).files
        for file in files:
            if (file.path, file.old_path, file.status) == (change.path, change.old_path, change.status):
                return file
    return change


def patch(folder: Path, base: str | None, sha: str, target: IO[bytes]) -> None:
    """Write what ``git apply`` takes to ``target``: whole object names, binary files included.

    One git process. Raises RepositoryUnreadable; TooMuchOutput over 64 MiB.
    """
    written = 0
    settings = {**_SETTINGS, "core.bigFileThreshold": "512m"}
    with git.stream(folder, *_diff_tree(base, sha, "--binary"), settings=settings) as stream:
        while block := stream.read(_BLOCK):
            written += len(block)
            if written > MAX_PATCH:
                raise git.TooMuchOutput(f"The patch is over {MAX_PATCH // MIB} MiB.")
            target.write(block)


def _diff_tree(base: str | None, sha: str, *options: str, paths: Sequence[bytes] = ()) -> list[str]:
    trees = [base or _EMPTY_TREES[len(sha)], sha]
    names = [path.decode("utf-8", "surrogateescape") for path in paths]
    return [
        "--literal-pathspecs", "diff-tree", "-r", "--patch", *options, *RENAMES, *_PLAIN, "--end-of-options", *trees,
        "--", *names,
    ]  # fmt: skip


def _read_list(output: _Output, limit: int) -> Comparison:
    """The records before the patch. Both runs of records name the files in the same order."""
    found = Comparison()
    record = output.record()
    while raw := _RAW.fullmatch(record):
        old_mode, new_mode, status = (group.decode() for group in raw.groups())
        old_path = output.record() if status in "RC" else None
        path = output.record()
        if found.files_changed < limit:
            found.files.append(FileChange(path, old_path, status, _mode(old_mode), _mode(new_mode)))
        found.files_changed += 1
        record = output.record()
    place = 0
    while counts := _COUNTS.fullmatch(record):
        added, removed = (None if count == b"-" else int(count) for count in counts.groups()[:2])
        if not counts[3]:
            output.record(), output.record()
        if place < limit:
            found.files[place].insertions, found.files[place].deletions = added, removed
        found.insertions += added or 0
        found.deletions += removed or 0
        place += 1
        record = output.record()
    return found


def _mode(digits: str) -> str | None:
    return None if digits == _NO_MODE else digits


def _read_diffs(output: _Output, files: list[FileChange], limits: Limits) -> None:
    room = limits.together
    for file in files[: limits.with_diff]:
        # A file that became a link, or a submodule, is shown as deleted and added.
        wanted = min(limits.one, room)
        diff, cut = b"", False
        for _ in range(2 if file.status == "T" else 1):
            part, part_cut = output.section(wanted - len(diff))
            diff, cut = diff + part, cut or part_cut
            if output.skipped > MAX_SKIPPED:
                break
        room -= len(diff)
        file.diff, file.truncated = diff if diff or not cut else None, cut
        if room <= 0 or output.skipped > MAX_SKIPPED:
            return


class _Output:
    """git's output: records that end with NUL, then sections that begin with ``diff --git``."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._buffer = b""
        self._at = 0
        self.skipped = 0

    def record(self) -> bytes:
        """The next record; empty at the end. Raises TooMuchOutput for one longer than any name."""
        start = self._at
        while (end := self._buffer.find(b"\0", start)) < 0:
            start = len(self._buffer) - self._at
            if start > _MAX_RECORD:
                raise git.TooMuchOutput("A file's name is too long.")
            if not self._more():
                return b""
        found = self._buffer[self._at : end]
        self._at = end + 1
        return found

    def section(self, limit: int) -> tuple[bytes, bool]:
        """The next section, or as many whole lines of it as fit into ``limit`` bytes, and whether it was cut."""
        kept = bytearray()
        length = 0
        for piece in self._pieces():
            kept += piece[: max(limit - len(kept), 0)]
            length += len(piece)
            if length > limit + MAX_SKIPPED:
                break
        self.skipped += length - len(kept)
        if length <= limit:
            return bytes(kept), False
        end = kept.rfind(b"\n") + 1
        # A single line that is longer than everything is cut in its middle.
        return bytes(kept[:end] or kept), True

    def _pieces(self) -> Iterator[bytes]:
        """The section up to where the next begins."""
        while True:
            end = self._buffer.find(_NEXT, self._at)
            if end >= 0:
                piece, self._at = self._buffer[self._at : end + 1], end + 1
                yield piece
                return
            # The beginning of the next section may be split between two blocks.
            safe = max(len(self._buffer) - len(_NEXT) + 1, self._at)
            piece, self._at = self._buffer[self._at : safe], safe
            yield piece
            if not self._more():
                piece, self._at = self._buffer[self._at :], len(self._buffer)
                yield piece
                return

    def _more(self) -> bool:
        block = self._stream.read1(_BLOCK)  # type: ignore[attr-defined]
        self._buffer = self._buffer[self._at :] + block
        self._at = 0
        return bool(block)
