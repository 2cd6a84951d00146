"""The tool that reads a commit: as many diffs as an agent can read at once, the rest file by file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitlinks.operations import COMMIT_DIFF_GET
from mcp_bridge import text
from mcp_bridge.budget import Data, Reply, reply
from mcp_bridge.definitions import Call
from tickets.operations import execute

# Characters of all diffs together: they stand in both forms of the answer.
MAX_DIFFS = 9000
_NARROW = "path shows one file."
_PLAIN_FILE = {"old_path": None, "binary": False, "truncated": False, "insertions": 0, "deletions": 0}


def get_commit_diff(call: Call) -> Reply:
    """What a commit changed. A file whose diff does not fit any more is ``truncated``."""
    answer: Data = execute(COMMIT_DIFF_GET, call.actor, call.data).model_dump(mode="json")
    answer["commit_message"] = answer.pop("message")
    files = answer.pop("files")
    shown = [_cut(file, room) for file, room in zip(files, _shares(files), strict=True)]
    answer["truncated"] |= any(file["truncated"] for file in shown)
    answer |= {
        "files": [_filled(file) for file in shown],
        "untrusted": ["commit_message", "author_name", "path", "old_path", "diff"],
    }
    if answer["truncated"]:
        answer["hint"] = _NARROW
    return reply(answer, _commit, narrow=_NARROW)


def _shares(files: list[dict[str, Any]]) -> list[int]:
    """Characters for each file's diff: small ones are whole, large ones share what is left."""
    lengths = [len(file["diff"] or "") for file in files]
    shares, room = [0] * len(files), MAX_DIFFS
    for done, place in enumerate(sorted(range(len(files)), key=lengths.__getitem__)):
        shares[place] = min(lengths[place], room // (len(files) - done))
        room -= shares[place]
    return shares


def _cut(file: Mapping[str, Any], room: int) -> dict[str, Any]:
    """The file with as many whole lines of its diff as fit."""
    diff = file["diff"]
    if diff is None or len(diff) <= room:
        return dict(file)
    kept = diff[: diff.rfind("\n", 0, room) + 1]
    # Header lines alone say nothing that the file's line does not say.
    return {**file, "diff": kept if "\n@@" in kept else None, "truncated": True}


def _filled(file: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is as usual."""
    shown = {name: value for name, value in file.items() if value != _PLAIN_FILE.get(name, "")}
    if shown.get("old_mode") in (None, shown.get("new_mode")) and shown.get("new_mode") in (None, "100644", "100755"):
        del shown["old_mode"], shown["new_mode"]
    return shown


def _commit(data: Data) -> str:
    files = data.get("files", [])
    lines = [
        f"commit {data['commit_sha']} of {data['repository']} at {data['timestamp']} by {_author(data)}",
        text.DATA_NOTICE,
        text.fenced(data.get("commit_message", ""), "commit_message"),
        f"{data['files_changed']} files, +{data['insertions']} -{data['deletions']}"
        + (f", against parent {data['parent_sha']}" if data.get("parent_sha") else ""),
    ]
    lines += [_file(file) for file in files]
    if data.get("truncated"):
        lines.append(f"Not all is shown. {data.get('hint') or _NARROW}")
    return "\n".join(lines)


def _author(data: Data) -> str:
    agent = f" @{data['author_agent_id']}" if data.get("author_agent_id") else ""
    return text.quoted(data["author_name"]) + agent


def _file(file: Mapping[str, Any]) -> str:
    old = f" from {text.quoted(file['old_path'])}" if file.get("old_path") else ""
    marks = "".join(f" {mark}" for mark in ("binary", "truncated") if file.get(mark))
    head = (
        f"{file['status']} {text.quoted(file['path'], 500)}{old}"
        f" +{file.get('insertions', 0)} -{file.get('deletions', 0)}{marks}"
    )
    return f"{head}\n{text.fenced(file['diff'], 'diff')}" if file.get("diff") else head
