"""``manage.py serve``: what it answers, how it stops, several processes on one socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.other_process import other_process
from tests.server import MANAGE, STOP_TIMEOUT, Installation, Server, installation

PROBE = {"DJANGO_SETTINGS_MODULE": "tests.probe_settings"}
LIMIT = 1024 * 1024
ENOUGH = 30.0  # seconds; what is waited for comes in a fraction of it

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.slow]


def until(condition: Callable[[], object]) -> None:
    """Wait for what will be true soon."""
    deadline = time.monotonic() + ENOUGH
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("serve"), PROBE) as site:
        yield site


@pytest.fixture(scope="module")
def server(site: Installation) -> Iterator[Server]:
    with site.serve() as server:
        yield server


def test_static_files_come_from_the_apps_and_are_asked_for_again(server: Server) -> None:
    first = httpx.get(f"{server.base_url}/static/admin/css/base.css")
    again = httpx.get(f"{server.base_url}/static/admin/css/base.css", headers={"If-None-Match": first.headers["ETag"]})

    assert first.status_code == 200
    assert "immutable" not in first.headers["Cache-Control"]
    assert first.headers["Last-Modified"]
    assert again.status_code == 304
    assert httpx.get(f"{server.base_url}/static/admin/../../manage.py").status_code == 404
    assert httpx.get(f"{server.base_url}/static/none.css").status_code == 404


def test_async_views_work(server: Server) -> None:
    assert httpx.get(f"{server.base_url}/probe/async").json() == {"agents": 1}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(server: Server, chunked: bool) -> None:
    def post(size: int) -> httpx.Response:
        parts = [b"x" * 1000] * (size // 1000) + [b"x" * (size % 1000)]
        return httpx.post(f"{server.base_url}/probe/length", content=iter(parts) if chunked else b"".join(parts))

    assert post(LIMIT).json() == {"length": LIMIT}
    refused = post(LIMIT + 1)
    assert refused.status_code == 413
    assert refused.json()["success"] is False
    assert refused.json()["error"]["code"] == "too_large"
    assert post(20 * LIMIT).status_code == 413


def test_connections_to_the_database_are_kept(server: Server) -> None:
    with httpx.Client(base_url=server.base_url) as client:
        counts = [client.get("/probe/database").json()["connections"] for _ in range(60)]

    # One for each thread at the most.
    assert counts[-1] <= 8
    assert counts[-1] - counts[30] <= 2


@pytest.mark.postgres_only
def test_a_broken_connection_is_replaced(site: Installation) -> None:
    with site.serve(env={"HEPHAESTUS_THREADS": "1"}) as server:
        httpx.get(f"{server.base_url}/probe/break")
        assert httpx.get(f"{server.base_url}/probe/database").status_code == 200


def test_a_stream_arrives_whole(server: Server) -> None:
    answer = httpx.get(f"{server.base_url}/probe/numbers?count=20000")

    assert answer.text.split() == [str(number) for number in range(20000)]


def start_stream(server: Server, name: str) -> socket.socket:
    """Ask for an endless answer, and read nothing of it."""
    reader = socket.create_connection(server.address)
    reader.sendall(b"GET /probe/stream/%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % name.encode())
    return reader


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stream_waits_for_its_reader_and_ends_with_it(site: Installation, server: Server, kind: str) -> None:
    progress = site.data_dir / f"progress-{kind}"
    with start_stream(server, f"{progress.name}?{kind}"):
        until(progress.exists)
        # What is on the way stands in buffers of the kernel: some megabytes. Then nothing more is made.
        before = ""
        while (now := progress.read_text()) != before:
            before = now
            time.sleep(1)
        assert int(before) < 1000
        # Others are served meanwhile.
        assert httpx.get(f"{server.base_url}/probe/pid").status_code == 200

    until(lambda: progress.read_text() == "ended")


def test_more_slow_readers_than_threads_hold_up_nobody(site: Installation, server: Server) -> None:
    readers = [start_stream(server, f"slow-{number}") for number in range(20)]
    try:
        until(lambda: len(list(site.data_dir.glob("slow-*"))) >= 8)
        assert httpx.get(f"{server.base_url}/probe/database", timeout=ENOUGH).status_code == 200
    finally:
        for reader in readers:
            reader.close()


def test_a_stop_answers_what_is_in_flight_and_parts_from_sockets(site: Installation) -> None:
    with other_process(site) as other:
        other.workflow("stop")
        token = other.agent("watcher", "stop")
    headers = {"Authorization": f"Bearer {token}"}
    with site.serve() as server, ExitStack() as stack:
        watchers = [
            stack.enter_context(connect(f"{server.ws_url}/ws/workflows/stop/", additional_headers=headers))
            for _ in range(3)
        ]
        answers: list[str] = []
        request = threading.Thread(
            target=lambda: answers.append(httpx.get(f"{server.base_url}/probe/sleep?seconds=1").text)
        )
        request.start()
        time.sleep(0.5)

        assert server.stop() == 0
        request.join()
        assert answers == ["rested"]
        for watcher in watchers:
            assert json.loads(watcher.recv(timeout=ENOUGH))["type"] == "hello"
            with pytest.raises(ConnectionClosed) as closed:
                watcher.recv(timeout=ENOUGH)
            assert closed.value.rcvd
            assert closed.value.rcvd.code == 1001


@pytest.mark.parametrize(("processes", "signal_number"), [(1, signal.SIGINT), (2, signal.SIGTERM)])
def test_a_stop_does_not_wait_for_a_slow_request(
    site: Installation, processes: int, signal_number: signal.Signals
) -> None:
    with site.serve(processes=processes) as server:
        with socket.create_connection(server.address) as client:
            client.sendall(b"GET /probe/sleep?seconds=600 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.5)

            # As Ctrl-C in a terminal: to the whole group.
            os.killpg(server.pid, signal_number)
            assert server.process.wait(STOP_TIMEOUT) == 0
        until(lambda: not server.processes())


def test_two_processes_share_the_connections(site: Installation) -> None:
    with site.serve(processes=2) as server:
        clients = [httpx.Client(base_url=server.base_url) for _ in range(8)]
        pids = [client.get("/probe/pid").json()["pid"] for client in clients]
        again = [client.get("/probe/pid").json()["pid"] for client in clients]
        for client in clients:
            client.close()

        assert sorted(map(pids.count, set(pids))) == [4, 4]
        assert again == pids
        assert server.pid not in pids
        assert server.stop() == 0
        assert not server.processes()


def test_a_dead_process_is_replaced(site: Installation) -> None:
    with site.serve(processes=2) as server:

        def served_by() -> set[int]:
            return {httpx.get(f"{server.base_url}/probe/pid").json()["pid"] for _ in range(4)}

        before = served_by()
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(served_by() - before) == 1)

        assert max(before) in served_by()
        assert server.stop() == 0


def test_the_children_end_with_a_parent_that_was_killed(site: Installation) -> None:
    with site.serve(processes=2) as server:
        assert len(server.processes()) == 3
        os.kill(server.pid, signal.SIGKILL)

        until(lambda: not server.processes())


def test_sigkill_to_the_group_leaves_nothing(site: Installation) -> None:
    with site.serve(processes=2) as server:
        server.kill()

        until(lambda: not server.processes())
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.base_url}/probe/pid")


def test_a_taken_port_is_named(site: Installation, server: Server) -> None:
    port = server.address[1]

    printed = site.manage("serve", f"--port={port}", check=False)

    assert f"Port {port} on 127.0.0.1 is taken" in printed


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        (["--host=0.0.0.0"], {"HEPHAESTUS_AGENT_AUTH": "trusted-loopback"}, "refused on 0.0.0.0"),
        ([], {"HEPHAESTUS_AGENT_AUTH": "nobody"}, "token or trusted-loopback"),
        (["--processes=0"], {}, "at least 1"),
        (["--host=nowhere.invalid"], {}, "no address to listen on"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(
    site: Installation, arguments: list[str], env: dict[str, str], message: str
) -> None:
    assert message in site.manage("serve", "--port=0", *arguments, env=env, check=False)


def test_trusted_loopback_is_fine_on_loopback(site: Installation) -> None:
    with site.serve(env={"HEPHAESTUS_AGENT_AUTH": "trusted-loopback"}) as server:
        assert server.stop() == 0


def test_a_database_without_tables_names_the_command(site: Installation, tmp_path: Path) -> None:
    site.manage("migrate", "tickets", "zero", "--fake")
    try:
        printed = site.manage("serve", "--port=0", check=False)
    finally:
        site.manage("migrate", "tickets", "--fake")

    assert "manage.py migrate" in printed
    assert "lacks" in printed


def test_the_worker_runs_alone_and_stops(site: Installation) -> None:
    with subprocess.Popen(
        [sys.executable, str(MANAGE), "worker"], env=site.env, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout
        assert "Working" in worker.stdout.readline()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(STOP_TIMEOUT) == 0
