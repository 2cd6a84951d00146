"""PostgreSQL and Redis for the tests: in a temporary folder, on a free loopback port, gone afterwards.

``python -m tests.services -- COMMAND`` runs a command with TEST_POSTGRES_URL and TEST_REDIS_URL set.
"""

from __future__ import annotations

import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import psycopg
import redis

START_TIMEOUT = 30.0  # seconds
STOP_TIMEOUT = 30.0  # seconds


def find_program(name: str) -> str | None:
    """Path of a program, also in Debian's folders for PostgreSQL, which are not on PATH."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))


def missing() -> list[str]:
    """Names of the services that this machine cannot run."""
    programs = {"PostgreSQL": "initdb", "Redis": "redis-server", "Chromium": "chromium"}
    return [service for service, program in programs.items() if not find_program(program)]


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL cluster whose only user is its superuser."""
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="hephaestus-postgres-") as folder:
        if user:
            shutil.chown(folder, user, user)
        # ICU orders text as a language does, so that a query which needs the C collation must say so.
        initdb = [_program("initdb"), "--pgdata=data", "--username=tests", "--auth=trust", "--encoding=UTF8"]
        locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync"]
        subprocess.run([*initdb, *locale], cwd=folder, user=user, check=True, stdout=subprocess.DEVNULL)
        port = _free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            "max_connections": 200,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        command = [_program("postgres"), "-D", "data", *(f"--{name}={value}" for name, value in options.items())]
        url = f"postgres://tests@127.0.0.1:{port}/postgres"
        with _server(command, Path(folder), lambda: psycopg.connect(url).close(), user):
            yield url


@contextmanager
def redis_server() -> Iterator[str]:
    """Yield the URL of an empty Redis that keeps nothing on disk."""
    with tempfile.TemporaryDirectory(prefix="hephaestus-redis-") as folder:
        port = _free_port()
        url = f"redis://127.0.0.1:{port}"
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        command = [_program("redis-server"), *options]
        with _server(command, Path(folder), lambda: redis.Redis.from_url(url).ping()):
            yield url


@contextmanager
def _server(
    command: Sequence[str], folder: Path, connect: Callable[[], object], user: str | None = None
) -> Iterator[None]:
    """Run a server in the folder until the block ends; ``connect`` raises until it is up."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, user=user, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                connect()
                break
            except (psycopg.OperationalError, redis.ConnectionError) as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()}") from error
                time.sleep(0.05)
        yield
    finally:
        # To both servers SIGINT means: drop the clients and stop now, in order.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _program(name: str) -> str:
    path = find_program(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed")
    return path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _stop(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main(arguments: list[str]) -> int:
    """Run the command between the start and the stop of the servers; its exit code is the answer."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    absent = missing()
    if absent:
        print(f"NOT INSTALLED, so their tests do not run: {', '.join(absent)}", file=sys.stderr)
        if os.environ.get("CI"):
            return 1
    environment = dict(os.environ)
    with ExitStack() as stack:
        if "PostgreSQL" not in absent:
            environment["TEST_POSTGRES_URL"] = stack.enter_context(postgres_server())
        if "Redis" not in absent:
            environment["TEST_REDIS_URL"] = stack.enter_context(redis_server())
        process = stack.enter_context(subprocess.Popen(command, env=environment))
        try:
            return process.wait()
        finally:
            process.terminate()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main(sys.argv[1:]))
