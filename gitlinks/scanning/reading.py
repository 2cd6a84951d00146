"""Reads which commits a repository has gained, and of those that may name a ticket what they say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitlinks import git
from gitlinks.repository import split_at_nul

# A first scan walks all of history.
WALK_TIMEOUT = 1800.0  # seconds
MAX_MESSAGE = 100_000
_FIELDS = ("%H", "%an", "%ae", "%B")
_FORMAT = "%x00".join(_FIELDS)


@dataclass
class Walked:
    """How many commits were looked at so far."""

    commits: int = 0


@dataclass(frozen=True)
class Message:
    """A commit's message and its author."""

    sha: str
    author_name: str
    author_email: str
    text: str


def read_heads(folder: Path) -> list[str]:
    """The commits that branches point at, here and on remotes, sorted. One git process. Raises RepositoryUnreadable."""
    asked = ("--format=%(objecttype) %(objectname)", "refs/heads", "refs/remotes")
    lines = git.run(folder, "for-each-ref", *asked).decode().splitlines()
    return sorted({line.removeprefix("commit ") for line in lines if line.startswith("commit ")})


def known_commits(folder: Path, shas: Iterable[str]) -> list[str]:
    """Those that the repository still has: what was rewritten is thrown away some day. One git process."""
    given = "".join(f"{sha}\n" for sha in shas).encode()
    lines = git.run(folder, "cat-file", "--batch-check=%(objecttype) %(objectname)", "--buffer", given=given)
    return [line.removeprefix("commit ") for line in lines.decode().splitlines() if line.startswith("commit ")]


def walk(
    folder: Path,
    heads: Iterable[str],
    seen: Iterable[str],
    *,
    hint: re.Pattern[bytes],
    walked: Walked,
    since: str | None,
) -> Iterator[Message]:
    """The messages, oldest first, that the hint finds among the commits reached from ``heads`` and not from ``seen``.

    Merges are among them. ``since`` is a date as ``git log`` reads it. One git process. Raises RepositoryUnreadable.
    """
    given = "".join([*(f"{sha}\n" for sha in heads), *(f"^{sha}\n" for sha in seen)]).encode()
    limits = [f"--since={since}"] if since else []
    with git.stream(
        folder, "log", "--stdin", "--reverse", *limits, "-z", f"--format={_FORMAT}", "--no-patch",
        "--no-show-signature", "--no-color", "--encoding=UTF-8", given=given, timeout=WALK_TIMEOUT,
    ) as output:  # fmt: skip
        fields = split_at_nul(output)
        for sha, name, email, text in zip(fields, fields, fields, fields, strict=False):
            walked.commits += 1
            if hint.search(text):
                yield Message(
                    sha.decode(), _text(name), _text(email), _text(text[:MAX_MESSAGE])
                )  # fmt: skip


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
