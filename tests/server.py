"""Real server processes for tests: an installation of its own in a folder, served on a free port.

    with installation(tmp_path) as site, site.serve() as server:
        httpx.get(f"{server.base_url}/livez")

On SQLite the folder holds everything. Where DATABASE_URL is set, each installation gets a database of
its own on that PostgreSQL server. The schema is migrated once for each test process and then copied.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import http.client
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

MANAGE = Path(__file__).resolve().parent.parent / "manage.py"
START_TIMEOUT = 60.0  # seconds
STOP_TIMEOUT = 30.0  # seconds, far above what any test is about

_DROPPED = ("HEPHAESTUS_", "EMBEDDING_", "OPENAI_", "QDRANT_", "REDIS_", "VOYAGE_", "PYTEST_", "DJANGO_")


@dataclass
class Server:
    """A running server: one process, or a parent with several web processes, in a process group of its own."""

    process: subprocess.Popen[str]
    base_url: str
    log: list[str] = field(default_factory=list)

    @property
    def ws_url(self) -> str:
        return self.base_url.replace("http", "ws", 1)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.base_url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    @property
    def pid(self) -> int:
        """The first process, which is also the number of the group."""
        return self.process.pid

    def processes(self) -> set[int]:
        """Ids of the group's living processes, children of children too."""
        return {
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _group_and_state(entry) == (self.pid, True)
        }

    def stop(self) -> int:
        """SIGTERM to the first process alone; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(STOP_TIMEOUT)


@dataclass
class Installation:
    """A data folder with a migrated database; ``env`` is what every process on it runs with."""

    data_dir: Path
    env: dict[str, str]

    def manage(self, *arguments: str, env: Mapping[str, str] | None = None, check: bool = True) -> str:
        """Run a management command; what it printed. Raises RuntimeError where it fails, unless told not to."""
        done = subprocess.run(
            [sys.executable, str(MANAGE), *arguments],
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=STOP_TIMEOUT * 4,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout if check else done.stdout + done.stderr

    def serve(
        self, *arguments: str, processes: int = 1, env: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Server]:
        """A server that answers. At the end of the block it is killed, where it still runs."""
        return self._started("serve", f"--processes={processes}", *arguments, env=env)

    def run(self, env: Mapping[str, str] | None = None) -> AbstractContextManager[Server]:
        """As ``serve``, on an empty folder with the demo, whose password and token are in the log."""
        return self._started("run", env=env)

    @contextmanager
    def _started(self, *command: str, env: Mapping[str, str] | None) -> Iterator[Server]:
        process = subprocess.Popen(
            [sys.executable, str(MANAGE), *command],
            env={"HEPHAESTUS_PORT": "0", **self.env, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Its own group, as a terminal would give it: the test can kill all of it, and only it.
            start_new_session=True,
        )
        server = Server(process, base_url="")
        try:
            _wait_until_up(server)
            yield server
        finally:
            server.kill()


@contextmanager
def installation(data_dir: Path, env: Mapping[str, str] | None = None) -> Iterator[Installation]:
    """Lay out an empty, migrated installation. Its database on PostgreSQL is dropped at the end."""
    data_dir.mkdir(parents=True, exist_ok=True)
    site = Installation(data_dir, {**_environment(data_dir), **(env or {})})
    if "DATABASE_URL" not in site.env:
        shutil.copy(_migrated_folder() / "hephaestus.db", data_dir / "hephaestus.db")
        yield site
        return
    name = _database_name(data_dir)
    _administer("CREATE DATABASE {} TEMPLATE {}", name, _migrated_database())
    try:
        yield site
    finally:
        _administer("DROP DATABASE {} WITH (FORCE)", name)


@contextmanager
def running_server(data_dir: Path, processes: int = 1, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """An installation of one block, and its server."""
    with installation(data_dir, env) as site, site.serve(processes=processes) as server:
        yield server


def _environment(data_dir: Path) -> dict[str, str]:
    """The test's environment without what configures an installation, which lives in ``data_dir``."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    env |= {"HEPHAESTUS_DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1", "EMBEDDING_PROVIDER": "none"}
    if url := env.pop("DATABASE_URL", ""):
        env["DATABASE_URL"] = urlunsplit(urlsplit(url)._replace(path=f"/{_database_name(data_dir)}"))
    return env


def _database_name(data_dir: Path) -> str:
    return f"server_{hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]}"


@functools.cache
def _migrated_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hephaestus-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Installation(folder, _environment(folder)).manage("migrate", "--verbosity=0")
    return folder


@functools.cache
def _migrated_database() -> str:
    folder = Path(tempfile.mkdtemp(prefix="hephaestus-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    name = _database_name(folder)
    _administer("CREATE DATABASE {}", name)
    atexit.register(_administer, "DROP DATABASE {}", name)
    Installation(folder, _environment(folder)).manage("migrate", "--verbosity=0")
    return name


def _administer(statement: str, *names: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _wait_until_up(server: Server) -> None:
    """Read the URL that the server prints, then wait until /livez answers. Collects its output in ``log``."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_collect, args=(server, lines), daemon=True).start()
    deadline = time.monotonic() + START_TIMEOUT
    while not server.base_url:
        line = lines.get(timeout=max(0.1, deadline - time.monotonic()))
        if line is None:
            raise RuntimeError("The server did not start:\n" + "".join(server.log))
        if found := re.search(r"Serving on (http://\S+)", line):
            server.base_url = found[1]
    host, port = server.address
    connection = http.client.HTTPConnection(host, port, timeout=START_TIMEOUT)
    connection.request("GET", "/livez")
    connection.getresponse().read()
    connection.close()


def _collect(server: Server, lines: queue.SimpleQueue[str | None]) -> None:
    assert server.process.stdout
    for line in server.process.stdout:
        server.log.append(line)
        lines.put(line)
    lines.put(None)


def _group_and_state(entry: Path) -> tuple[int, bool] | None:
    """Process group, and whether the process lives; None where it has just gone."""
    try:
        state, _parent, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:
        return None
    return int(group), state != "Z"
