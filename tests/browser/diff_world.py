"""A repository whose commits have all that a window on them must face, and a site that may read one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.browser.conftest import PASSWORD, Agent, Site
from tests.gitlinks.repositories import Scratch
from tests.server import installation

HOSTILE = "<script>alert(1)<"
NAME = "<img src=x onerror=alert(1)>.py"
RTL = "تقرير عن الجلسات.txt"
HUGE = 200_000
MANY = 5_000
SESSION = '''"""Sessions that agents hold open.

A session ends when nothing was heard of it for some time.
"""

import time

MIN_TIMEOUT = 30


class SessionManager:
    def __init__(self, timeout=3600):
        """Keep the sessions that agents hold open."""
        self.timeout = timeout

    def touch(self, sid):
        """A heartbeat: the lease starts again."""
        self.seen[sid] = time.time()

'''
REST = "".join(f"    def part_{number}(self):\n        return {number}\n\n" for number in range(30))
CHANGED = (
    SESSION.replace("self.timeout = timeout", "self.timeout = max(timeout, MIN_TIMEOUT)\n        self.active = {}")
    .replace("touch(self, sid)", "touch(self, session_id: str, *, now: float | None = None) -> bool")
    .replace("self.seen[sid] = time.time()", "self.seen[session_id] = now if now is not None else time.time()")
)


@contextmanager
def site_with(code: Scratch, data_dir: Path) -> Iterator[Site]:
    """A site whose workflow has that repository; its server does not run."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    with installation(data_dir, env={"HEPHAESTUS_REPOSITORY_ROOT": str(code.folder.parent)}) as installed:
        installed.manage(
            "create_workflow", "forge", "--name", "Forge", "--key-prefix", "FRG", "--repository", str(code.folder)
        )  # fmt: skip
        token = installed.manage("create_agent", "impl-1", "--workflow", "forge").strip().splitlines()[-1]
        installed.manage(
            "createsuperuser", "--noinput", "--username=dana", "--email=dana@example.org",
            env={"DJANGO_SUPERUSER_PASSWORD": PASSWORD},
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http:
            yield Site(installed, port, Agent(http))


@dataclass
class World:
    """Commits by what they are for."""

    code: Scratch
    shas: dict[str, str] = field(default_factory=dict)


def imported(code: Scratch, message: str, files: dict[str, str]) -> str:
    """A commit of many or large files on a branch of its own, without a checkout of them."""
    parts = [f"commit refs/heads/large\ncommitter Ada Lovelace <ada@example.org> 1790000000 +0000\n{_data(message)}"]
    parts.append("from refs/heads/main\n")
    parts += [f"M 100644 inline {name}\n{_data(text)}" for name, text in files.items()]
    code.git("fast-import", "--quiet", "--force", given="".join(parts).encode())
    return code.git("rev-parse", "large")


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"


def make_world(folder: Path) -> World:
    """The first commit, one that people look at, and two that are large."""
    code = Scratch(folder)
    world = World(code)
    code.git("config", "core.autocrlf", "false")
    code.write("src/auth/session.py", SESSION + REST)
    code.write("src/auth/middleware.py", "def check(request):\n    return None\n")
    code.write("src/config/defaults.py", "A = 1\nB = 2\nC = 3\nD = 4\nE = 5\n")
    code.write("reqs.txt", "".join(f"package-{number}==1.{number}\n" for number in range(20)))
    code.write("run.sh", "#!/bin/sh\nexec true\n")
    code.write("dos.txt", "one\r\ntwo\r\nthree\r\n")
    code.write("link", "plain\n")
    code.write(b"caf\xe9.txt", b"un caf\xe9\n")
    world.shas["first"] = code.commit("Begin")

    huge = "".join(f"value_{number} = compute({number}, 'x')  # {number}\n" for number in range(HUGE))
    world.shas["huge"] = imported(code, "Generate a table", {"big/huge.py": huge})
    modules = {f"gen/part{number % 50:02}/module_{number:04}.py": f"NUMBER = {number}\n" for number in range(MANY)}
    world.shas["many"] = imported(code, "Generate modules", modules)

    code.write("src/auth/session.py", CHANGED + REST.replace("return 25", "return 25 + self.timeout"))
    code.write(
        "src/auth/middleware.py", "def check(request):\n    if request.user:\n        return None\n    return 401\n"
    )
    code.write("src/config/defaults.py", "A = 1\nB = 2\n")
    code.git("mv", "reqs.txt", "requirements.txt")
    code.write("requirements.txt", "".join(f"package-{number}==1.{number}\n" for number in range(18)))
    (code.folder / "run.sh").chmod(0o755)
    code.write("dos.txt", "one\r\ntwo\nthree\r\n")
    (code.folder / "link").unlink()
    (code.folder / "link").symlink_to("/etc/passwd")
    code.write(b"caf\xe9.txt", b"deux caf\xe9s\n")
    code.write("logo.bin", bytes(range(256)) * 8)
    code.write("empty.txt", "")
    code.write(NAME, f"x = '{HOSTILE}/script>'\nif admin:\u202e # nobody\u202c\n")
    code.write(RTL, "الجلسة انتهت session_end() بعد ٣٠ ثانية\n")
    world.shas["change"] = code.commit(
        "Hold back updates to the focused card until its editor lets go\n\n"
        "A card in somebody's hand was replaced under it.\nNow what comes waits, and <b>says so</b>."
    )
    return world
