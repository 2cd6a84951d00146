"""Reading a large commit beside git itself: ``python -m tests.bench.git``.

A server of its own is asked for commits that it has not seen; in the same moments ``git diff --numstat`` reads the
same ones. Peaks are of the server and of the git that it runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from threading import Event, Thread

from tests.bench.client import Call, Connection
from tests.bench.report import Target, show_targets
from tests.bench.server import ROOT, data_folder, serve

FIRST_LIMIT = 3.0  # times git's own time
MEMORY_LIMIT_MB = 300
MANY_FILES, MANY_LINES = 5000, 200_000


def many_files(number: int) -> Iterator[tuple[str, str]]:
    """Each of 5,000 files changes in one line of twenty."""
    for file in range(MANY_FILES):
        lines = [f"line {line} of file {file}\n" for line in range(20)]
        lines[number % 20] = f"changed the {number}th time\n"
        yield f"folder{file % 50}/file{file}.py", "".join(lines)


def moved_files(number: int) -> Iterator[tuple[str, str]]:
    """5,000 files that are in another folder each time, one line of twenty changed."""
    return ((f"{number}/{path}", text) for path, text in many_files(number))


def many_lines(number: int) -> Iterator[tuple[str, str]]:
    """A file of 200,000 lines, of which every tenth changes."""
    yield "long.txt", "".join(f"line {n} {number if n % 10 == 0 else 0} of the file\n" for n in range(MANY_LINES))


def new_file(number: int) -> Iterator[tuple[str, str]]:
    """A new file of 200,000 lines."""
    yield f"new{number}.txt", "".join(f"{number} {n} is a line of its own\n" for n in range(MANY_LINES))


KINDS: dict[str, Callable[[int], Iterator[tuple[str, str]]]] = {
    "5,000 files": many_files,
    "5,000 files moved": moved_files,
    "200,000 lines changed": many_lines,
    "200,000 lines added": new_file,
}


def generate(folder: Path, kind: Callable[[int], Iterator[tuple[str, str]]], commits: int) -> list[str]:
    """A bare repository with that many commits of the kind after its first; their shas, oldest first."""
    git = ["git", "-C", str(folder)]
    folder.mkdir()
    subprocess.run([*git, "init", "--quiet", "--bare"], check=True)
    importing = subprocess.Popen([*git, "fast-import", "--quiet"], stdin=subprocess.PIPE)
    assert importing.stdin is not None
    for number in range(commits + 1):
        head = f"commit refs/heads/main\ncommitter A <a@example.org> {1_700_000_000 + number} +0000\ndata 1\nx\n"
        importing.stdin.write(f"{head}{'deleteall' if kind is moved_files else ''}\n".encode().replace(b"\n\n", b"\n"))
        for path, text in kind(number):
            data = text.encode()
            importing.stdin.write(f"M 644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n")
    importing.stdin.close()
    if importing.wait():
        raise RuntimeError("git fast-import failed")
    said = subprocess.run([*git, "rev-list", "--reverse", "main"], check=True, stdout=subprocess.PIPE, text=True)
    return said.stdout.split()[1:]


class Watch:
    """Samples what a process and its children hold in memory together."""

    def __init__(self, pids: list[int]) -> None:
        self._pids, self._ended = pids, Event()
        self.peak = 0
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The highest sum of resident memory seen, in MB."""
        self._ended.set()
        self._thread.join()
        return self.peak / 1e6

    def _run(self) -> None:
        while not self._ended.wait(0.005):
            self.peak = max(self.peak, sum(_resident(pid) for pid in self._pids + _children(self._pids)))


def _children(pids: list[int]) -> list[int]:
    """The git processes among them. Between fork and exec a child still shares all of its parent's memory."""
    found = []
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                children = (task / "children").read_text().split()
                found += [int(child) for child in children if Path(f"/proc/{child}/comm").read_text() == "git\n"]
            except OSError:
                continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, IndexError):
        return 0


def measure(name: str, commits: int, environment: dict[str, str], root: Path) -> list[Target]:
    """First and second answers about commits of one kind, each beside git's own time for it."""
    folder = root / name.replace(" ", "-").replace(",", "")
    shas = generate(folder, KINDS[name], commits)
    workflow = f"git-{folder.name}"
    printed = _manage(environment, "create_workflow", workflow, "--name", name, "--repository", str(folder))
    printed = _manage(environment, "create_agent", f"agent-{folder.name}", "--workflow", workflow)
    headers = {"Authorization": f"Bearer {printed.splitlines()[-1]}"}
    ratios, firsts, seconds, gits = [], [], [], []
    with serve(environment) as server:
        connection = Connection(server.port, headers)
        _timed(connection, "/api/me")
        idle = server.peak_memory() / 1e6
        watch = Watch(server.pids)
        _timed(connection, f"/api/tickets/commit-diff/{shas[0]}")
        for sha in shas[1:]:
            gits.append(_git_seconds(folder, sha))
            firsts.append(_timed(connection, f"/api/tickets/commit-diff/{sha}"))
            seconds.append(_timed(connection, f"/api/tickets/commit-diff/{sha}"))
            ratios.append(firsts[-1] / gits[-1])
        peak = watch.stop()
        connection.close()
    figures = f"{median(firsts) * 1000:.0f} ms, git {median(gits) * 1000:.0f} ms"
    return [
        Target(
            f"{name}: first answer",
            f"≤ {FIRST_LIMIT} times git",
            f"{median(ratios):.2f} times ({figures})",
            median(ratios) <= FIRST_LIMIT,
        ),
        Target(
            f"{name}: second answer",
            "below the first",
            f"{median(seconds) * 1000:.0f} ms",
            median(seconds) < median(firsts),
        ),
        Target(
            f"{name}: memory with git",
            f"< {MEMORY_LIMIT_MB} MB",
            f"{peak:.0f} MB (idle {idle:.0f} MB)",
            peak < MEMORY_LIMIT_MB,
        ),
    ]


def _timed(connection: Connection, path: str) -> float:
    start = time.perf_counter()
    reply = connection.send(Call("GET", path))
    if reply.status != 200:
        raise RuntimeError(f"{path} answered {reply.status}")
    return time.perf_counter() - start


def _git_seconds(folder: Path, sha: str) -> float:
    command = ["git", "-C", str(folder), "diff", "--numstat", f"{sha}^", sha]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.git", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--commits", type=int, default=6, help="of each kind; the first warms up")
    parser.add_argument("--kinds", type=lambda text: text.split(";"), default=list(KINDS), help="; ".join(KINDS))
    arguments = parser.parse_args()
    targets: list[Target] = []
    with data_folder("sqlite") as environment:
        root = Path(environment["HEPHAESTUS_DATA_DIR"]) / "repositories"
        root.mkdir()
        environment["HEPHAESTUS_REPOSITORY_ROOT"] = str(root)
        _manage(environment, "migrate", "--verbosity", "0")
        for name in arguments.kinds:
            targets += measure(name, arguments.commits, environment, root)
    show_targets(targets)
    return 0 if all(target.ok for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
