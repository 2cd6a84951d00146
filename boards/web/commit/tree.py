"""The folders of a commit's files, as the page draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe

from gitlinks.schemas import ChangeStatus, FileDiff

LETTERS: dict[ChangeStatus, str] = {
    "added": "A", "modified": "M", "deleted": "D", "renamed": "R", "copied": "C", "type_changed": "T",
}  # fmt: skip
# Deeper ones are drawn in one: somebody can commit a path of a thousand folders.
MAX_DEPTH = 12


@dataclass
class Folder:
    """What is in a folder: folders, and files by their number in the commit. In git's order, as the files are shown."""

    entries: dict[str, Folder | tuple[int, FileDiff]] = field(default_factory=dict)

    def folder(self, name: str) -> Folder:
        # A name that is a file's, too, where a folder took the place of a file: its slash tells them apart.
        found = self.entries.setdefault(f"{name}/", Folder())
        assert isinstance(found, Folder)
        return found


def glyph(name: str) -> str:
    """An icon, silent for ears."""
    return f'<svg class="icon" aria-hidden="true"><use href="{static("icons.svg")}#i-{name}"/></svg>'


def tree_html(files: Sequence[FileDiff]) -> SafeString:
    """The tree: a list of lists, with a link to each file's place on the page."""
    root = Folder()
    for index, file in enumerate(files):
        *names, name = file["path"].split("/", MAX_DEPTH)
        folder = root
        for part in names:
            folder = folder.folder(part)
        # Names that differ only in bytes that are no UTF-8 look the same: each has a line.
        folder.entries[f"{name}\0{index}"] = (index, file)
    parts: list[str] = []
    _draw(root, parts, glyph("folder"))
    return mark_safe("".join(parts))  # noqa: S308 - built of escaped parts


def _draw(folder: Folder, parts: list[str], icon: str) -> None:
    parts.append("<ul>")
    for key, entry in folder.entries.items():
        if isinstance(entry, Folder):
            name, below = key, entry
            # A folder with nothing but a folder in it is one line.
            while len(below.entries) == 1 and isinstance(only := next(iter(below.entries.values())), Folder):
                name, below = name + next(iter(below.entries)), only
            parts.append(
                f'<li><details open><summary class="tree-item">{icon}<bdi class="tree-name">{escape(name[:-1])}</bdi>'
                "</summary>"
            )
            _draw(below, parts, icon)
            parts.append("</details></li>")
            continue
        index, file = entry
        status = file["status"]
        parts.append(
            f'<li><a class="tree-item" href="#f{index}" data-path="{escape(file["path"])}">'
            f'<span class="st st-{LETTERS[status]}" title="{status.replace("_", " ")}">{LETTERS[status]}</span>'
            f'<bdi class="tree-name">{escape(key.partition(chr(0))[0])}</bdi>{counts_html(file)}</a></li>'
        )
    parts.append("</ul>")


def counts_html(file: FileDiff) -> str:
    """What was added and removed; a binary file counts no lines."""
    if file["binary"]:
        return '<span class="file-kind">bin</span>'
    added, removed = file["insertions"], file["deletions"]
    plus = f'<span class="plus">+{added:,}</span>' if added else ""
    minus = f'<span class="minus">\N{MINUS SIGN}{removed:,}</span>' if removed else ""
    return plus + minus
