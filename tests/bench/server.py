"""Starts and stops the servers that are measured, and reads what they cost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from tests.bench.client import Call, Connection
from tests.services import postgres_server

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT = 60.0  # seconds
STOP_TIMEOUT = 15.0  # seconds


class Server:
    """A running server: one process, or one with children."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port
        self.pids = [process.pid]

    def find_children(self) -> None:
        """Look once for the processes that belong to the server."""
        self.pids = list(_tree(self.process.pid))

    def cpu_seconds(self) -> float:
        """CPU time used so far, to the nanosecond: each process's CPU clock, by its number (clock_getcpuclockid)."""
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids)

    def peak_memory(self) -> int:
        """The most bytes that any of its processes ever held in memory."""
        return max(_high_water(pid) for pid in self.pids)


@contextmanager
def data_folder(database: str, provider: str = "none") -> Iterator[dict[str, str]]:
    """The environment of an empty installation, gone with the block."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hephaestus-bench-"))
        environment = {name: value for name, value in os.environ.items() if not _configures(name)}
        # High enough never to refuse, and yet counted as always.
        environment |= {"HEPHAESTUS_DATA_DIR": folder, "HEPHAESTUS_RATE_LIMIT": "1000000"}
        environment |= {"HEPHAESTUS_PORT": str(free_port()), "EMBEDDING_PROVIDER": provider}
        if database == "postgres":
            environment["DATABASE_URL"] = stack.enter_context(postgres_server())
        yield environment


@contextmanager
def serve(environment: Mapping[str, str], *, processes: int = 1, port: int | None = None) -> Iterator[Server]:
    """The product, as ``manage.py serve`` runs it."""
    port = port or int(environment["HEPHAESTUS_PORT"])
    command = [sys.executable, "manage.py", "serve"]
    if processes > 1:
        command += ["--processes", str(processes)]
    with _running(command, {**environment, "HEPHAESTUS_PORT": str(port)}, port, "/livez") as server:
        yield server


@contextmanager
def serve_bare(environment: Mapping[str, str], kind: str) -> Iterator[Server]:
    """The same server with an application that does next to nothing (``tests.bench.bare``)."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.bare", kind, str(port)]
    with _running(command, environment, port, "/") as server:
        yield server


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str], port: int, path: str) -> Iterator[Server]:
    with tempfile.TemporaryFile() as log:
        # A group of its own, so that its children end with it and nobody else does.
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        server = Server(process, port)
        try:
            _await(server, path, log)
            server.find_children()
            yield server
        finally:
            _stop(process)


def _await(server: Server, path: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        connection = Connection(server.port, {"Connection": "close"})
        try:
            if connection.send(Call("GET", path)).status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        if server.process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise RuntimeError(f"The server did not start:\n{log.read().decode(errors='replace')[-4000:]}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _high_water(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no VmHWM")


def _configures(name: str) -> bool:
    prefixes = ("HEPHAESTUS_", "EMBEDDING_", "OPENAI_", "QDRANT_", "REDIS_", "VOYAGE_", "DATABASE_", "DJANGO_")
    return name.startswith(prefixes)
