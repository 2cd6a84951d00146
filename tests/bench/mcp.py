"""The MCP bridge beside a tool that does nothing, over stdio and over /mcp, in the same moments."""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from tests.bench.client import Call, Connection, Reply
from tests.bench.fixture import Fixture
from tests.bench.measure import Series, Turn, interleave
from tests.bench.operations import Operation, World, new_ticket
from tests.bench.report import Target, at_most
from tests.bench.server import ROOT, Server, free_port, serve

NOTHING = "a tool that does nothing"
SMALL, LARGE = 100, 10_000
_OPERATION = Operation("tool", lambda _: Call("POST", "/mcp"))
_HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}

Send = Callable[[bytes], Reply]
Arguments = Callable[[World], dict[str, Any]]
TOOLS: Mapping[str, Arguments] = {
    "get_ticket": lambda world: {"ticket_id": world.any_ticket()},
    "get_tickets": lambda world: {},
    "create_ticket": new_ticket,
    "add_ticket_comment": lambda world: {
        "ticket_id": world.own_ticket(),
        "comment_text": world.texts.sentence(12),
    },
}


class Stdio:
    """A process that speaks the protocol on its standard input and output, one request at a time."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        start = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.server = Server(self.process, 0)
        self.send(_message("initialize", _HELLO))
        # From the start of the process to the answer.
        self.initialize_seconds = time.perf_counter() - start
        self._write(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode())

    def send(self, message: bytes) -> Reply:
        assert self.process.stdout
        start = time.perf_counter()
        self._write(message)
        body = self.process.stdout.readline()
        return Reply(200 if body else 500, body, time.perf_counter() - start)

    def close(self) -> None:
        """Close its input, at which it ends."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _write(self, message: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(message + b"\n")
        self.process.stdin.flush()


class Caller:
    """Plays one tool: the request is made before the clock starts, and the answer must be no refusal."""

    def __init__(self, send: Send, tool: str, arguments: Callable[[], dict[str, Any]]) -> None:
        self._send, self._tool, self._arguments = send, tool, arguments

    def prepare(self, operation: Operation, number: int) -> None:
        """Nothing is used up."""

    def play(self, operation: Operation) -> Callable[[], tuple[Call, Reply]]:
        message = _message("tools/call", {"name": self._tool, "arguments": self._arguments()})

        def go() -> tuple[Call, Reply]:
            reply = self._send(message)
            ok = reply.status == 200 and not json.loads(reply.body).get("result", {"isError": True}).get("isError")
            return Call("POST", "/mcp"), Reply(200 if ok else 500, reply.body, reply.seconds)

        return go


def measure(places: Mapping[int, tuple[dict[str, str], Fixture]], arguments: argparse.Namespace) -> list[Target]:
    """One client for each server, which take turns. ``places``: environment and fixture by number of tickets."""
    turns: list[Turn] = []
    with ExitStack() as stack:
        turns += _beside(stack, places[LARGE][0])
        for tickets, (environment, fixture) in places.items():
            turns += _stdio(stack, environment, fixture, tickets)
        turns += _http(stack, *places[LARGE])
        series = interleave(turns, arguments.rounds, arguments.repeats)
    hello = {
        "bridge": [_initialize(["manage.py", "mcp_bridge"], _bridge(*places[LARGE])) for _ in range(7)],
        "bare": [_initialize(["-m", "tests.bench.bare_mcp"], places[LARGE][0]) for _ in range(7)],
    }
    _show(series, hello, arguments.database)
    return _targets(series, hello)


def _beside(stack: ExitStack, environment: dict[str, str]) -> Iterator[Turn]:
    """The tool that does nothing, both ways."""
    bare = _opened(stack, ["-m", "tests.bench.bare_mcp"], environment)
    yield Turn(f"{NOTHING}, stdio", _OPERATION, Caller(bare.send, "nothing", dict), bare.server)
    port = free_port()
    server = stack.enter_context(_bare_http(environment, port))
    yield Turn(f"{NOTHING}, http", _OPERATION, Caller(_poster(stack, port, ""), "nothing", dict), server)


def _stdio(stack: ExitStack, environment: dict[str, str], fixture: Fixture, tickets: int) -> Iterator[Turn]:
    bridge = _opened(stack, ["manage.py", "mcp_bridge"], _bridge(environment, fixture))
    world = World(fixture, 0, 1)
    for tool, made in TOOLS.items():
        caller = Caller(bridge.send, tool, functools.partial(made, world))
        yield Turn(f"{tool}, stdio, {tickets:,}", _OPERATION, caller, bridge.server)


def _http(stack: ExitStack, environment: dict[str, str], fixture: Fixture) -> Iterator[Turn]:
    server = stack.enter_context(serve(environment))
    world = World(fixture, 0, 1)
    send = _poster(stack, server.port, world.token)
    for tool, made in TOOLS.items():
        caller = Caller(send, tool, functools.partial(made, world))
        yield Turn(f"{tool}, http, {LARGE:,}", _OPERATION, caller, server)


def _opened(stack: ExitStack, command: Sequence[str], environment: Mapping[str, str]) -> Stdio:
    opened = Stdio(command, environment)
    stack.callback(opened.close)
    return opened


def _initialize(command: Sequence[str], environment: Mapping[str, str]) -> float:
    opened = Stdio(command, environment)
    opened.close()
    return opened.initialize_seconds


def _bridge(environment: Mapping[str, str], fixture: Fixture) -> dict[str, str]:
    return {**environment, "HEPHAESTUS_TOKEN": fixture.tokens[0]}


@contextmanager
def _bare_http(environment: Mapping[str, str], port: int) -> Iterator[Server]:
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.bare_mcp", str(port)], cwd=ROOT, env=environment)
    connection = Connection(port, {"Connection": "close"})
    try:
        for _ in range(600):
            with suppress(OSError):
                connection.send(Call("GET", "/"))
                break
            time.sleep(0.05)
        yield Server(process, port)
    finally:
        connection.close()
        process.terminate()
        process.wait()


def _poster(stack: ExitStack, port: int, token: str) -> Send:
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": str(_HELLO["protocolVersion"]),
        "Authorization": f"Bearer {token}",
    }
    connection = Connection(port, headers)
    stack.callback(connection.close)
    return lambda message: connection.send(Call("POST", "/mcp", json.loads(message)))


_ids = itertools.count(1)


def _message(method: str, params: Mapping[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": params}).encode()


def _base(name: str, series: Mapping[str, Series]) -> Series:
    return series[f"{NOTHING}, {'http' if ', http' in name else 'stdio'}"]


def _show(series: Mapping[str, Series], hello: Mapping[str, Sequence[float]], database: str) -> None:
    print(f"\nMCP, 1 client, {database}")
    print(f"  {'':40}{'p50 ms':>9}{'p95 ms':>9}{'x nothing':>11}{'CPU ms':>9}{'KB':>8}{'errors':>8}")
    for name, one in series.items():
        ratio = one.ratio(_base(name, series))
        print(
            f"  {name:40}{one.p50() * 1000:9.2f}{one.percentile(0.95) * 1000:9.2f}{ratio:11.2f}"
            f"{one.cpu() * 1000:9.2f}{one.size() / 1024:8.1f}{one.errors():8d}"
        )
    for name, seconds in hello.items():
        print(f"  initialize, {name}: p50 {statistics.median(seconds):.2f} s, least {min(seconds):.2f} s")


def _targets(series: Mapping[str, Series], hello: Mapping[str, Sequence[float]]) -> list[Target]:
    base, targets = series[f"{NOTHING}, stdio"], []
    for tool, limit in {"get_ticket": 5, "create_ticket": 8}.items():
        large, small = (series[f"{tool}, stdio, {tickets:,}"] for tickets in (LARGE, SMALL))
        targets.append(at_most(f"{tool} over stdio, to a tool that does nothing", large.ratio(base), limit, "x"))
        targets.append(at_most(f"{tool} over stdio, 10,000 to 100 tickets", large.ratio(small), 1.5, "x"))
    targets.append(at_most("initialize over stdio", statistics.median(hello["bridge"]), 1.5, " s"))
    targets.append(at_most("errors over MCP", sum(one.errors() for one in series.values()), 0, ""))
    return targets
