"""The git hook that looks through new commits as they are made."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Sequence
from pathlib import Path

from gitlinks import git
from gitlinks.git import GitFailed

BEGIN, END = "# >>> hephaestus tickets >>>", "# <<< hephaestus tickets <<<"
_BLOCK = re.compile(rf"{re.escape(BEGIN)}\n.*?{re.escape(END)}\n", re.DOTALL)


class ForeignHook(Exception):
    """There is a hook that we did not write, or one elsewhere. ``path`` is where, ``block`` what to add there."""

    def __init__(self, path: Path, block: str) -> None:
        super().__init__(str(path))
        self.path = path
        self.block = block


def hook_block(command: Sequence[str], environment: dict[str, str]) -> str:
    """Lines for a hook, in POSIX shell, that run a command in the background and fail never.

    Neither output nor a hang-up nor the variables that git sets for hooks reach the command.
    """
    words = " ".join(shlex.quote(word) for word in command)
    settings = "".join(f"{name}={shlex.quote(value)} " for name, value in sorted(environment.items()))
    return (
        f"{BEGIN}\n"
        "# Looks through new commits for tickets. Written by `manage.py install_git_hook`; never fails a commit.\n"
        "(\n"
        "    trap '' HUP\n"
        "    unset $(git rev-parse --local-env-vars)\n"
        f"    {settings}exec {words}\n"
        ") </dev/null >/dev/null 2>&1 &\n"
        f"{END}\n"
    )


def hook_install(folder: Path, block: str) -> Path:
    """Write the block into the repository's ``post-receive`` (bare) or ``post-commit`` hook. Where it is.

    An older block of ours is replaced and lines around it stay. Three git processes. Raises ForeignHook and changes
    nothing where a hook is not ours, RepositoryUnreadable, OSError.
    """
    is_bare = git.run(folder, "rev-parse", "--is-bare-repository").strip() == b"true"
    name = "post-receive" if is_bare else "post-commit"
    elsewhere = _hooks_path(folder)
    if elsewhere is not None:
        raise ForeignHook(Path(elsewhere) / name, block)
    common = git.run(folder, "rev-parse", "--path-format=absolute", "--git-common-dir")
    hooks = Path(os.fsdecode(common).removesuffix("\n")) / "hooks"
    path = hooks / name
    if hooks.is_symlink() or path.is_symlink():
        # What it points at may be anybody's.
        raise ForeignHook(path, block)
    text = f"#!/bin/sh\n{block}"
    if path.exists():
        present = path.read_text(encoding="utf-8", errors="surrogateescape")
        if not _BLOCK.search(present):
            raise ForeignHook(path, block)
        text = _BLOCK.sub(lambda _: block, present, count=1)
    _write(path, text)
    return path


def _hooks_path(folder: Path) -> str | None:
    """``core.hooksPath`` as the repository sets it."""
    try:
        said = git.run(folder, "config", "--local", "--includes", "--get", "core.hooksPath")
    except GitFailed as error:
        if error.code == 1:
            return None
        raise
    return os.fsdecode(said).strip()


def _write(path: Path, text: str) -> None:
    """Replace the file in one step: a commit may run it at this moment."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8", errors="surrogateescape")
    mode = path.stat().st_mode if path.exists() else draft.stat().st_mode
    draft.chmod(mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    draft.replace(path)
