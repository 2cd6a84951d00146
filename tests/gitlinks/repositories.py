"""Real git repositories for tests, with all that a commit can hold."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada Lovelace",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Lovelace",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "LC_ALL": "C.UTF-8",
}
TEN_LINES = "".join(f"line {number} of a text that is long enough to be known again\n" for number in range(10))


class Scratch:
    """A repository that tests write to with git itself."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main", *options)

    def git(self, *arguments: str, given: bytes = b"", **environment: str) -> str:
        """What git says, without white space around it."""
        return os.fsdecode(self.raw(*arguments, given=given, **environment)).strip()

    def raw(self, *arguments: str, given: bytes = b"", **environment: str) -> bytes:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            check=True,
            input=given,
            capture_output=True,
            env={**ENVIRONMENT, **environment},
        )
        return done.stdout

    def write(self, name: str | bytes, content: str | bytes) -> None:
        path = os.path.join(os.fsencode(self.folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str = "A change", **environment: str) -> str:
        """Commit everything that was written; the commit's sha."""
        self.git("add", "--all")
        self.git(
            "commit", "--quiet", "--allow-empty", "--allow-empty-message", "--no-verify", "-F", "-",
            given=message.encode(), **environment,
        )  # fmt: skip
        return self.git("rev-parse", "HEAD")

    def alike(self) -> tuple[str, str]:
        """Two commits whose shas begin with the same four digits; on no branch, as after a rebase."""
        seen: dict[str, str] = {}
        tree = self.git("rev-parse", "main^{tree}")
        for number in itertools.count():
            sha = self.git("commit-tree", "-m", str(number), tree)
            if (other := seen.setdefault(sha[:4], sha)) != sha:
                return sha, other
        raise AssertionError

    def shas(self) -> list[str]:
        """All commits, newest first."""
        return self.git("rev-list", "--all").split()

    def parent(self, sha: str, number: int = 1) -> str | None:
        parents = self.git("rev-list", "--no-walk", "--parents", sha).split()[1:]
        return parents[number - 1] if parents else None


def ordinary(folder: Path) -> Scratch:
    """Root, change, deletion, rename with and without a change, copy, merge with a conflict solved, empty."""
    repository = Scratch(folder)
    repository.write("a.py", TEN_LINES)
    repository.write("b.txt", "one\ntwo\n")
    repository.write("same.txt", TEN_LINES.upper())
    repository.commit("Begin\n\nWith a body.")
    repository.write("a.py", TEN_LINES.replace("line 3", "row 3"))
    repository.write("deep/er/c.js", "let x = 1\n")
    repository.commit("Change and add")
    repository.git("mv", "same.txt", "moved.txt")
    repository.git("mv", "a.py", "deep/a.py")
    repository.write("deep/a.py", TEN_LINES.replace("line 5", "row 5"))
    repository.commit("Rename")
    repository.write("copy.txt", TEN_LINES.upper() + "and more\n")
    repository.write("moved.txt", TEN_LINES.upper() + "changed\n")
    repository.git("rm", "--quiet", "b.txt")
    repository.commit("Copy and delete")
    repository.git("switch", "--quiet", "-c", "side", "HEAD~1")
    repository.write("b.txt", "one\nside\n")
    repository.write("side.txt", "only here\n")
    repository.commit("Beside")
    repository.git("switch", "--quiet", "main")
    repository.write("main.txt", "only there\n")
    repository.commit("Go on")
    repository.git("merge", "--quiet", "--no-commit", "--no-ff", "-s", "ours", "side")
    repository.write("side.txt", "only here\n")
    repository.write("merged.txt", "by hand\n")
    repository.commit("Merge side")
    repository.commit("Nothing at all")
    repository.commit("")
    return repository


def odd(folder: Path) -> Scratch:
    """Odd names, bytes that are no UTF-8, binary files, links, modes, submodules, no line end, CRLF, long lines."""
    repository = Scratch(folder)
    for name in (
        "a b.txt", 'quo"te.txt', "tab\there", "new\nline", "back\\slash", "-dash", "--output=x", "ünïcode/ß.py",
        ":(top)x", "diff --git a", "*.glob", " lead", "trail ", "{a => b}", "a => b",
    ):  # fmt: skip
        repository.write(name, f"in {name!r}\n")
    repository.write(b"latin-\xe9.txt", b"caf\xe9\n")
    repository.commit("Odd names")
    repository.write("a b.txt", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n")
    repository.write("no end", "no line end")
    repository.write("crlf", "a\r\nb\r\n")
    repository.write("long", "x" * 200_000 + "\n")
    repository.write("nul later", b"text\n" * 4000 + b"\0end\n")
    repository.write("binary", bytes(range(256)))
    repository.write("empty", "")
    os.symlink("a b.txt", folder / "link")
    repository.commit("Odd contents")
    repository.write(b"latin-\xe9.txt", b"caf\xe8\nth\xe9\n")
    repository.write("no end", "no line end\n")
    repository.write("binary", bytes(range(255, -1, -1)))
    (folder / "crlf").chmod(0o755)
    (folder / "link").unlink()
    os.symlink("crlf", folder / "link")
    repository.git("mv", "tab\there", "tab\tthere")
    repository.git("mv", "new\nline", "other\nline")
    repository.commit("Modes, links, bytes")
    (folder / "link").unlink()
    repository.write("link", "a file now\n")
    (folder / "empty").unlink()
    os.symlink("nowhere", folder / "empty")
    (folder / "crlf").chmod(0o644)
    (folder / "no end").unlink()
    repository.write("no end/inside", "a folder now\n")
    repository.write("bin/new", b"\0\1")
    repository.commit("Files become links, links files, a file a folder")
    return repository


def linked(folder: Path) -> Scratch:
    """Submodules that come, move on, become a file and go; two roots; three parents; a commit with odd times."""
    inner = Scratch(folder.parent / f"{folder.name}-inner")
    inner.write("x", "1\n")
    first = inner.commit()
    inner.write("x", "2\n")
    second = inner.commit()
    repository = Scratch(folder)
    repository.write("keep", TEN_LINES)

    def submodule(sha: str) -> None:
        repository.git("update-index", "--add", "--cacheinfo", f"160000,{sha},sub")

    def commit(message: str, **environment: str) -> None:
        repository.git("commit", "--quiet", "--allow-empty", "-m", message, given=b"", **environment)

    repository.git("add", "keep")
    submodule(first)
    commit("Add a submodule")
    submodule(second)
    commit("Move it on")
    repository.git("rm", "--quiet", "--cached", "sub")
    if (folder / "sub").is_dir():
        (folder / "sub").rmdir()
    repository.write("sub", "a file\n")
    repository.git("add", "sub")
    commit("A file in its place", GIT_COMMITTER_DATE="@1 +1400", GIT_AUTHOR_DATE="@4102444800 -1200")
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.git("rm", "--quiet", "-r", "--cached", ".")
    repository.write("root two", "2\n")
    repository.git("add", "root two")
    commit("Another root")
    for name in ("one", "two", "three"):
        repository.git("checkout", "--quiet", "-f", "-b", name, "main")
        repository.write(name, f"{name}\n")
        repository.git("add", name)
        commit(name)
    repository.git("merge", "--quiet", "-m", "Octopus", "one", "two")
    repository.git("merge", "--quiet", "--allow-unrelated-histories", "-m", "Two histories", "other")
    return repository


ALL = (ordinary, odd, linked)
