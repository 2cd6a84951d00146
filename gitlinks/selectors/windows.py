"""What a window on a commit shows: one file's whole diff, a page of it, and the lines around."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from gitlinks import git
from gitlinks.diffs import MIB, FileChange, compare_file
from gitlinks.finding import reading
from gitlinks.hunks import Line, Page, pages_of, read_page
from gitlinks.kept import Kept
from gitlinks.schemas import FileDiff, OneCommit
from gitlinks.selectors.diffs import CONTEXT, ReadCommit, file_row, read_for
from tickets.access import Actor
from tickets.errors import NotFound

# A file's diff is read up to here: 200,000 lines of ordinary code are 8 MB.
MAX_DIFF = 16 * MIB
MAX_CONTENT = 16 * MIB
SUBMODULE = "160000"
_SETTING = "hephaestus.commitUrl"
_FIELD = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True)
class WholeDiff:
    """A file's diff in pages; "truncated" over 16 MiB or 500,000 lines."""

    row: FileDiff
    text: str
    pages: list[Page]

    @property
    def size(self) -> int:
        return 1000 + 2 * len(self.text) + 300 * len(self.pages)

    def lines(self, page: int) -> list[Line]:
        """Raises NotFound."""
        if not 0 <= page < len(self.pages):
            raise NotFound(f"{self.row['path'][:200]!r} has {len(self.pages)} pages.", field="page")
        return read_page(self.text, self.pages[page])


@dataclass(frozen=True)
class Content:
    """A file as a commit has it; None where it is too large, or nothing that has lines."""

    text: str | None

    @property
    def size(self) -> int:
        return 500 + 2 * len(self.text or "")

    @cached_property
    def lines(self) -> list[str]:
        lines = (self.text or "").split("\n")
        return lines[:-1] if lines[-1] == "" else lines


_diffs = Kept[WholeDiff](64 * MIB)
_contents = Kept[Content](32 * MIB)


@dataclass(frozen=True)
class FileWindow:
    """A file of a commit that the actor may read: the ``index``-th, in the order of the commit's listing."""

    read: ReadCommit
    change: FileChange

    @property
    def diff(self) -> WholeDiff:
        """Raises Busy, TooLarge, NotAvailable."""
        folder, base, sha = self.read.found.folder, self.read.base, self.read.found.sha

        def read() -> WholeDiff:
            change = compare_file(folder, base, sha, self.change, context=CONTEXT, one=MAX_DIFF)
            text = (change.diff or b"").decode("utf-8", "replace")
            change.diff = None
            pages, whole = pages_of(text)
            row = file_row(change)
            row["truncated"] = row["truncated"] or not whole
            return WholeDiff(row, text, pages)

        with reading(self.read.found.repository):
            return _diffs.get((folder, base, sha, self.change.path, self.change.old_path), read)

    def content(self, *, old: bool = False, at_most: int = MAX_CONTENT) -> Content:
        """The file as the commit has it, or had it before; of a file that is not there, nothing."""
        sha, mode = (self.read.base, self.change.old_mode) if old else (self.read.found.sha, self.change.new_mode)
        path = (self.change.old_path or self.change.path) if old else self.change.path
        if sha is None or mode in (None, SUBMODULE):
            return Content(None)
        folder = self.read.found.folder

        def blob() -> Content:
            name = f"{sha}:{path.decode('utf-8', 'surrogateescape')}"
            try:
                found = git.run(folder, "cat-file", "blob", name, max_output=at_most)
            except git.TooMuchOutput:
                return Content(None)
            return Content(found.decode("utf-8", "replace"))

        with reading(self.read.found.repository):
            return _contents.get((folder, sha, path, at_most), blob)


def file_window(actor: Actor, request: OneCommit, index: int) -> FileWindow:
    """Raises like ``commit_diff_get``, and NotFound for a number beyond the files that are listed."""
    read = read_for(actor, request)
    with reading(read.found.repository):
        files = read.listing(CONTEXT).files
    if not 0 <= index < len(files):
        raise NotFound(f"{read.found.sha[:12]} lists {len(files)} files.", field="file")
    return FileWindow(read, files[index])


def forge_address(actor: Actor, request: OneCommit) -> str:
    """Where a forge shows the commit: what ``git config hephaestus.commitUrl`` says in its repository.

    An https address with ``{sha}`` in it; "" where there is none, or another kind.
    """
    found = read_for(actor, request).found
    with reading(found.repository):
        try:
            said = git.run(found.folder, "config", "--local", "--no-includes", "--get", _SETTING, max_output=4096)
        except git.GitFailed:
            return ""
    template = said.decode("utf-8", "replace").strip()
    if _FIELD.findall(template) != ["sha"] or any(character.isspace() for character in template):
        return ""
    try:
        parts = urlsplit(template)
        plain = parts.scheme == "https" and bool(parts.hostname) and "{" not in parts.netloc
    except ValueError:
        return ""
    return template.replace("{sha}", found.sha) if plain else ""
