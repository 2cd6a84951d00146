"""The WebSocket of a workflow, against real servers: replay, stream, permission, slow readers."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.other_process import OtherProcess, other_process
from tests.server import Installation, Server, installation
from tickets.consumers import SLOW_READER_SECONDS

# Seconds. What is waited for takes a fraction of it; contract figures are measured by `make bench`.
ENOUGH = 30.0
PROBE = {"DJANGO_SETTINGS_MODULE": "tests.probe_settings"}

pytestmark = [pytest.mark.xdist_group("live-events"), pytest.mark.slow]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("live"), PROBE) as site:
        yield site


@pytest.fixture(scope="module")
def server(site: Installation) -> Iterator[Server]:
    with site.serve() as server:
        yield server


@pytest.fixture(scope="module")
def other(site: Installation) -> Iterator[OtherProcess]:
    with other_process(site) as other:
        yield other


@pytest.fixture
def workflow(request: pytest.FixtureRequest, other: OtherProcess) -> str:
    """A workflow for this test alone."""
    name: str = request.node.name
    workflow_id = "".join(c if c.isalnum() else "-" for c in name)[-80:].lstrip("-")
    other.workflow(workflow_id)
    return workflow_id


@pytest.fixture
def token(other: OtherProcess, workflow: str) -> str:
    """The token of a member of the workflow, whose id is ``reader-`` and the workflow's."""
    return other.agent(f"reader-{workflow}", workflow)


def follow(server: Server, workflow: str, token: str, query: str = "", **headers: str) -> ClientConnection:
    """Open the workflow's socket with a token."""
    url = f"{server.ws_url}/ws/workflows/{workflow}/{query}"
    # A test leaves with frames unread, behind which the answer to its goodbye stands.
    return connect(url, additional_headers={"Authorization": f"Bearer {token}", **headers}, close_timeout=0.2)


def receive(watcher: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(watcher.recv(timeout=ENOUGH))
    return message


def numbers(watcher: ClientConnection, count: int) -> list[int]:
    return [receive(watcher)["seq"] for _ in range(count)]


def hello_of_all(watchers: list[ClientConnection]) -> int:
    """Read each one's hello; where the log stood for all."""
    (seq,) = {receive(watcher)["seq"] for watcher in watchers}
    return cast(int, seq)


def refusal(server: Server, workflow: str, **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and body with which the handshake is refused."""
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(f"{server.ws_url}/ws/workflows/{workflow}/", additional_headers=headers),
    ):
        pass
    body: dict[str, Any] = json.loads(refused.value.response.body or b"{}")
    return refused.value.response.status_code, body


def close_code(watcher: ClientConnection) -> int | None:
    """Read until the server closes; its code."""
    try:
        while True:
            watcher.recv(timeout=ENOUGH)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


class TestStream:
    def test_hello_tells_where_the_log_stands(self, server: Server, workflow: str, token: str) -> None:
        with follow(server, workflow, token) as watcher:
            hello = receive(watcher)

        assert hello == {"type": "hello", "seq": hello["seq"], "oldest": hello["oldest"]}

    def test_without_since_only_what_comes(
        self, server: Server, other: OtherProcess, workflow: str, token: str
    ) -> None:
        before = other.emit(workflow, 3)
        with follow(server, workflow, token) as watcher:
            assert receive(watcher)["seq"] == before
            other.emit(workflow)
            assert receive(watcher)["seq"] == before + 1

    def test_an_event_has_the_form_of_the_log(
        self, server: Server, other: OtherProcess, workflow: str, token: str
    ) -> None:
        with follow(server, workflow, token) as watcher:
            receive(watcher)
            seq = other.emit(workflow, size=3)
            event = receive(watcher)

        assert event.pop("timestamp").endswith("Z")
        assert event == {
            "seq": seq,
            "type": "board_updated",
            "ticket_id": None,
            "workflow_id": workflow,
            "agent_id": "system",
            "data": {"number": 0, "text": "xxx"},
        }

    def test_what_was_missed_comes_first_then_the_stream(
        self, server: Server, other: OtherProcess, workflow: str, token: str
    ) -> None:
        first = other.emit(workflow)
        # More than a page.
        last = other.emit(workflow, 450)
        with follow(server, workflow, token, f"?since={first}") as watcher:
            assert receive(watcher)["seq"] == last
            assert numbers(watcher, last - first) == list(range(first + 1, last + 1))
            other.emit(workflow, 2)
            assert numbers(watcher, 2) == [last + 1, last + 2]

    def test_events_of_this_process_and_of_others_arrive_in_order(
        self, server: Server, other: OtherProcess, workflow: str, token: str
    ) -> None:
        with follow(server, workflow, token) as watcher:
            start = receive(watcher)["seq"]
            here = threading.Thread(
                target=lambda: [httpx.get(f"{server.base_url}/probe/emit/{workflow}") for _ in range(40)]
            )
            here.start()
            other.emit(workflow, 40)
            here.join()

            assert numbers(watcher, 80) == list(range(start + 1, start + 81))

    def test_joining_while_events_come_misses_none(
        self, server: Server, other: OtherProcess, workflow: str, token: str
    ) -> None:
        """Each watcher joins at another moment of the writing, some as the first of the workflow."""
        start = other.emit(workflow)
        writing = threading.Thread(target=lambda: other.emit(workflow, 300))
        writing.start()
        for _ in range(12):
            with follow(server, workflow, token, f"?since={start}") as watcher:
                receive(watcher)
                assert numbers(watcher, 30) == list(range(start + 1, start + 31))
        with follow(server, workflow, token, f"?since={start}") as watcher:
            receive(watcher)
            assert numbers(watcher, 300) == list(range(start + 1, start + 301))
        writing.join()

    def test_the_gap_that_retention_left_shows(
        self, server: Server, other: OtherProcess, workflow: str, token: str
    ) -> None:
        last = other.emit(workflow, 10)
        other.prune(workflow, last - 4)
        with follow(server, workflow, token, "?since=0") as watcher:
            assert receive(watcher) == {"type": "hello", "seq": last, "oldest": last - 3}
            assert numbers(watcher, 4) == list(range(last - 3, last + 1))

    def test_a_number_from_the_future_means_now(
        self, server: Server, other: OtherProcess, workflow: str, token: str
    ) -> None:
        with follow(server, workflow, token, "?since=1000000") as watcher:
            now = receive(watcher)["seq"]
            other.emit(workflow)
            assert receive(watcher)["seq"] == now + 1

    def test_workflows_do_not_mix(self, server: Server, other: OtherProcess, workflow: str, token: str) -> None:
        other.workflow(f"{workflow}-2")
        with follow(server, workflow, token) as watcher:
            receive(watcher)
            other.emit(f"{workflow}-2", 5)
            other.emit(workflow)
            assert receive(watcher)["workflow_id"] == workflow

    def test_many_followers_each_get_all(self, server: Server, other: OtherProcess, workflow: str, token: str) -> None:
        with ExitStack() as stack:
            watchers = [stack.enter_context(follow(server, workflow, token)) for _ in range(20)]
            start = hello_of_all(watchers)
            other.emit(workflow, 50)
            for watcher in watchers:
                assert numbers(watcher, 50) == list(range(start + 1, start + 51))

    @pytest.mark.parametrize(
        "query",
        [
            "?since=x",
            "?since=-1",
            "?since=",
            "?since=1e3",
            f"?since={2**63}",
            "?sinse=1",
            "?since=%00",
            "?" + "a=&" * 2000,
        ],
    )
    def test_a_bad_query_is_explained(self, server: Server, workflow: str, token: str, query: str) -> None:
        with follow(server, workflow, token, query) as watcher:
            answer = receive(watcher)
            assert close_code(watcher) == 4400

        assert answer["success"] is False
        assert answer["error"]["code"] == "invalid"
        assert answer["error"]["field"] in {"since", "sinse", "a"}

    def test_what_a_client_says_is_answered_once(
        self, server: Server, other: OtherProcess, workflow: str, token: str
    ) -> None:
        with follow(server, workflow, token) as watcher:
            receive(watcher)
            for _ in range(5):
                watcher.send("hello?")
                watcher.send(b"\x00")
            assert receive(watcher)["error"]["code"] == "invalid"
            other.emit(workflow)
            assert receive(watcher)["type"] == "board_updated"

    def test_a_large_frame_ends_the_connection(self, server: Server, workflow: str, token: str) -> None:
        with follow(server, workflow, token) as watcher:
            receive(watcher)
            watcher.send("x" * 100_000)
            assert close_code(watcher) == 1009


class TestPermission:
    def test_no_credential(self, server: Server, workflow: str) -> None:
        cookie = {"Cookie": r'hephaestus_session_0="\000abcdefgh"', "Origin": server.base_url}
        for headers in ({}, {"Origin": server.base_url}, {"X-Agent-ID": "system"}, cookie):
            status, body = refusal(server, workflow, **headers)

            assert status == 401
            assert body["error"]["code"] == "unauthenticated"

    @pytest.mark.parametrize("header", ["Bearer", "Bearer nonsense", "Basic dTpw", "Bearer \xe9"])
    def test_a_bad_credential(self, server: Server, workflow: str, header: str) -> None:
        assert refusal(server, workflow, Authorization=header)[0] == 401

    def test_a_token_of_another_agent_than_the_one_named(self, server: Server, workflow: str, token: str) -> None:
        status, body = refusal(server, workflow, **{"Authorization": f"Bearer {token}", "X-Agent-ID": "another"})

        assert (status, body["error"]["code"]) == (403, "identity_mismatch")

    def test_an_expired_token(self, server: Server, other: OtherProcess, workflow: str) -> None:
        expired = other.agent(f"late-{workflow}", workflow, seconds=-1)

        assert refusal(server, workflow, Authorization=f"Bearer {expired}")[0] == 401

    def test_a_revoked_token(self, server: Server, other: OtherProcess, workflow: str, token: str) -> None:
        other.revoke(f"reader-{workflow}")

        assert refusal(server, workflow, Authorization=f"Bearer {token}")[0] == 401

    def test_a_workflow_of_others_is_as_one_that_is_not_there(
        self, server: Server, other: OtherProcess, workflow: str
    ) -> None:
        stranger = other.agent(f"stranger-{workflow}")

        status, body = refusal(server, workflow, Authorization=f"Bearer {stranger}")
        assert (status, body["error"]["code"]) == (404, "not_found")
        for nowhere in ("nowhere", "%00", "%ff", "a%2Fb", "x" * 5000):
            assert refusal(server, nowhere, Authorization=f"Bearer {stranger}")[0] == 404

    def test_another_address(self, server: Server, token: str) -> None:
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(f"{server.ws_url}/ws/elsewhere", additional_headers={"Authorization": f"Bearer {token}"}),
        ):
            pass
        assert refused.value.response.status_code == 404

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example", "[", ""]
    )
    def test_a_foreign_page_is_refused_whatever_it_brings(
        self, server: Server, other: OtherProcess, workflow: str, token: str, origin: str
    ) -> None:
        status, _ = refusal(server, workflow, Authorization=f"Bearer {token}", Origin=origin)

        assert status == (403 if "/" in origin or origin == "null" else 400)

    def test_a_foreign_host_is_refused(self, server: Server, workflow: str, token: str) -> None:
        """As by DNS rebinding: page and host agree, and neither is this server."""
        with socket.create_connection(server.address) as client:
            client.sendall(
                f"GET /ws/workflows/{workflow}/ HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n"
                f"Authorization: Bearer {token}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            assert b"403" in client.recv(1000)

    def test_a_session_opens_it_from_the_sites_own_page_only(
        self, site: Installation, server: Server, other: OtherProcess, workflow: str
    ) -> None:
        cookie = f"hephaestus_session_0={other.sign_in(f'page-{workflow}')}"
        own = server.base_url

        with connect(
            f"{server.ws_url}/ws/workflows/{workflow}/", additional_headers={"Cookie": cookie, "Origin": own}
        ) as watcher:
            assert receive(watcher)["type"] == "hello"
        assert refusal(server, workflow, Cookie=cookie)[0] == 403
        assert refusal(server, workflow, Cookie=cookie, Origin="https://evil.example")[0] == 403

    @pytest.mark.parametrize("how", ["revoke", "leave", "sign_out"])
    def test_a_permission_that_ends_ends_the_connection(
        self, server: Server, other: OtherProcess, workflow: str, token: str, how: str
    ) -> None:
        session = other.sign_in(f"user-{workflow}")
        cookie = {"Cookie": f"hephaestus_session_0={session}", "Origin": server.base_url}
        credential = cookie if how == "sign_out" else {"Authorization": f"Bearer {token}"}
        with connect(f"{server.ws_url}/ws/workflows/{workflow}/", additional_headers=credential) as watcher:
            receive(watcher)
            if how == "sign_out":
                other.sign_out(session)
            else:
                getattr(other, how)(f"reader-{workflow}")

            assert receive(watcher)["success"] is False
            assert close_code(watcher) == (4404 if how == "leave" else 4401)


class TestTrustedLoopback:
    def test_who_says_so_is_believed_without_a_token(
        self, site: Installation, other: OtherProcess, workflow: str, token: str
    ) -> None:
        other.agent(f"stranger-{workflow}")
        other.sign_in("person")
        with site.serve(env={"HEPHAESTUS_AGENT_AUTH": "trusted-loopback"}) as server:
            for headers in ({}, {"X-Agent-ID": f"reader-{workflow}"}, {"X-Agent-ID": "nobody"}):
                with connect(f"{server.ws_url}/ws/workflows/{workflow}/", additional_headers=headers) as watcher:
                    assert receive(watcher)["type"] == "hello"
            assert refusal(server, workflow, **{"X-Agent-ID": f"stranger-{workflow}"})[0] == 404
            assert refusal(server, workflow, **{"X-Agent-ID": "human-person"})[0] == 401
            assert refusal(server, workflow, Authorization="Bearer wrong")[0] == 401
            assert refusal(server, workflow, Origin="https://evil.example")[0] == 403


class TestManyProcesses:
    @pytest.mark.parametrize("processes", [2])
    def test_each_process_sends_what_any_writes(
        self, site: Installation, other: OtherProcess, workflow: str, token: str, processes: int
    ) -> None:
        with site.serve(processes=processes) as server, ExitStack() as stack:
            watchers = [stack.enter_context(follow(server, workflow, token)) for _ in range(4)]
            start = hello_of_all(watchers)
            for _ in range(6):
                httpx.get(f"{server.base_url}/probe/emit/{workflow}")
                other.emit(workflow)
            for watcher in watchers:
                events = [receive(watcher) for _ in range(12)]
                assert [event["seq"] for event in events] == list(range(start + 1, start + 13))
                # Both web processes wrote, and the other process.
                assert len({event["data"].get("pid") for event in events}) == 3

    def test_redis_carries_the_news(self, tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> None:
        env = {**PROBE, "REDIS_URL": redis_url}
        with (
            installation(tmp_path_factory.mktemp("redis"), env) as site,
            site.serve(processes=2) as server,
            other_process(site) as other,
            ExitStack() as stack,
        ):
            other.workflow("redis")
            token = other.agent("reader", "redis")
            watchers = [stack.enter_context(follow(server, "redis", token)) for _ in range(4)]
            start = hello_of_all(watchers)
            for _ in range(10):
                httpx.get(f"{server.base_url}/probe/emit/redis")
                other.emit("redis")
            for watcher in watchers:
                assert numbers(watcher, 20) == list(range(start + 1, start + 21))
            assert server.stop() == 0

    def test_without_its_redis_the_log_is_still_watched(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        # Nothing listens there.
        env = {**PROBE, "REDIS_URL": "redis://127.0.0.1:1/0"}
        with (
            installation(tmp_path_factory.mktemp("redis"), env) as site,
            site.serve() as server,
            other_process(site) as other,
        ):
            other.workflow("redis")
            token = other.agent("reader", "redis")
            with follow(server, "redis", token) as watcher:
                start = receive(watcher)["seq"]
                httpx.get(f"{server.base_url}/probe/emit/redis")
                other.emit("redis")
                assert numbers(watcher, 2) == [start + 1, start + 2]


class TestInterruptions:
    def test_after_a_kill_a_client_goes_on_where_it_was(
        self, site: Installation, other: OtherProcess, workflow: str, token: str
    ) -> None:
        with site.serve() as server, follow(server, workflow, token) as watcher:
            start = receive(watcher)["seq"]
            seen = other.emit(workflow, 5)
            assert numbers(watcher, 5)[-1] == seen
            os.killpg(server.pid, signal.SIGKILL)
            assert close_code(watcher) is None
        last = other.emit(workflow, 7)
        with site.serve() as server, follow(server, workflow, token, f"?since={seen}") as watcher:
            assert receive(watcher)["seq"] == last
            assert numbers(watcher, 7) == list(range(seen + 1, last + 1))
        assert last - start == 12

    def test_a_slow_reader_is_dropped_and_catches_up(
        self, server: Server, other: OtherProcess, workflow: str, token: str
    ) -> None:
        with follow(server, workflow, token) as quick, socket.socket() as narrow:
            narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            narrow.connect(server.address)
            # A client that asks and then reads nothing.
            narrow.sendall(
                f"GET /ws/workflows/{workflow}/ HTTP/1.1\r\nHost: {server.address[0]}:{server.address[1]}\r\n"
                f"Authorization: Bearer {token}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            assert b"101" in narrow.recv(20)
            start = receive(quick)["seq"]

            # More than the buffers of the kernel hold.
            last = other.emit(workflow, 200, size=100_000)

            # Nobody waits for it.
            assert numbers(quick, 200) == list(range(start + 1, last + 1))
            narrow.settimeout(ENOUGH)
            assert is_dropped(narrow, after=SLOW_READER_SECONDS + 3)
            other.emit(workflow)
            assert receive(quick)["seq"] == last + 1

        with follow(server, workflow, token, f"?since={start}") as again:
            receive(again)
            assert numbers(again, last - start + 1) == list(range(start + 1, last + 2))


def is_dropped(client: socket.socket, after: float) -> bool:
    """Read nothing for so many seconds, then what the kernel kept; whether that ends with a reset."""
    time.sleep(after)
    try:
        while client.recv(1_000_000):
            pass
    except ConnectionResetError:
        return True
    return False
