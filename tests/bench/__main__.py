"""``python -m tests.bench``: load, serve, measure, and say what was reached. See ``--help``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench import dashboard, live, mcp, report, search
from tests.bench.fixture import Fixture
from tests.bench.measure import Player, Turn, alternate, blocks, crew, interleave
from tests.bench.operations import BARE_CALL, EMPTY, MIXED_READS, OPERATIONS, Operation, World
from tests.bench.server import ROOT, Server, data_folder, free_port, serve, serve_bare

ASYNC_VIEW = "an asynchronous view"
ASYNC_VIEW_ALONE = "an asynchronous view without middleware"
BARE_ASGI = "a bare ASGI answer"
BARE = {BARE_ASGI: "asgi", ASYNC_VIEW: "view", ASYNC_VIEW_ALONE: "view-alone"}
SMALL, LARGE = 1000, 10_000


def main() -> int:
    arguments = _arguments()
    core = "core" in arguments.parts
    results = [measure(tickets, arguments) for tickets in arguments.tickets] if core else []
    growth = measure_growth(arguments) if core and {SMALL, LARGE} <= set(arguments.tickets) else {}
    targets = report.Judge(results, arguments.database, growth).judge()
    if "search" in arguments.parts and not arguments.operations:
        targets += measure_search(arguments)
    if "mcp" in arguments.parts and not arguments.operations:
        targets += measure_mcp(arguments)
    if "dashboard" in arguments.parts and not arguments.operations:
        targets += dashboard.measure(arguments)
    report.show_targets(targets)
    if arguments.json:
        content = report.as_json(results, targets, arguments.database, growth)
        arguments.json.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return 0


def measure(tickets: int, arguments: argparse.Namespace) -> report.Result:
    """Everything with one number of tickets, in a data folder of its own."""
    result = report.Result(tickets)
    with data_folder(arguments.database) as environment:
        start = time.monotonic()
        fixture = _load(environment, tickets, arguments.texts)
        result.load_seconds = time.monotonic() - start
        with serve(environment) as server:
            if 1 in arguments.clients:
                _alone(server, fixture, environment, arguments, result)
            for clients in arguments.clients:
                if clients > 1:
                    _together(server, fixture, clients, arguments, result)
            if not arguments.operations:
                _two_processes(server, fixture, environment, arguments, result)
                _delivery(server, fixture, environment, result)
            result.peak_memory_mb = server.peak_memory() / 1e6
    report.show_rest(result)
    return result


def measure_growth(arguments: argparse.Namespace) -> dict[str, float]:
    """Operation → its p50 with 10,000 tickets to that with 1,000: two servers side by side, in the same moments."""
    chosen = _chosen(arguments)
    with ExitStack() as stack:
        turns = []
        for tickets in (SMALL, LARGE):
            environment = stack.enter_context(data_folder(arguments.database))
            fixture = _load(environment, tickets, arguments.texts)
            server = stack.enter_context(serve(environment))
            player = Player(server.port, World(fixture, 0, 1))
            turns += [Turn(f"{operation.name} {tickets}", operation, player, server) for operation in chosen]
        series = interleave(turns, arguments.rounds, max(5, arguments.repeats // 2))
    pairs = ((one.name, series[f"{one.name} {LARGE}"], series[f"{one.name} {SMALL}"]) for one in chosen)
    growth = {name: large.ratio(small) for name, large, small in pairs}
    report.show_growth(growth)
    return growth


def measure_search(arguments: argparse.Namespace) -> list[report.Target]:
    """Searches with 10,000 and more tickets, side by side, in servers that embed with the local model."""
    with ExitStack() as stack:
        servers = {}
        targets = []
        for tickets in arguments.tickets:
            if tickets >= LARGE:
                environment = stack.enter_context(data_folder(arguments.database, provider="local"))
                fixture = _load(environment, tickets, arguments.texts)
                servers[tickets] = (stack.enter_context(serve(environment)), fixture)
                if tickets == LARGE:
                    targets += search.measure_freshness(*servers[tickets], environment)
        return search.measure(servers, arguments) + targets if servers else []


def measure_mcp(arguments: argparse.Namespace) -> list[report.Target]:
    """The tools of agents with few and with many tickets, whatever sizes the other parts have."""
    with ExitStack() as stack:
        places = {}
        for tickets in (mcp.SMALL, mcp.LARGE):
            environment = stack.enter_context(data_folder(arguments.database))
            places[tickets] = (environment, _load(environment, tickets, arguments.texts))
        return mcp.measure(places, arguments)


def _alone(
    server: Server, fixture: Fixture, environment: dict[str, str], arguments: argparse.Namespace, result: report.Result
) -> None:
    """One client, and beside it the answers that the empty endpoint is held against."""
    world = World(fixture, 0, 1)
    player = Player(server.port, world)
    turns = [Turn(operation.name, operation, player, server) for operation in _chosen(arguments)]
    with ExitStack() as stack:
        for name, kind in BARE.items():
            bare = stack.enter_context(serve_bare(environment, kind))
            turns.append(Turn(name, BARE_CALL, Player(bare.port, world), bare))
        series = interleave(turns, arguments.rounds, arguments.repeats)
    result.ratios = {name: series[EMPTY].ratio(series[name]) for name in BARE}
    result.rows[1] = report.rows(series)
    report.show_rows(f"{result.tickets:,} tickets, 1 client, {arguments.database}", result.rows[1])


def _together(
    server: Server, fixture: Fixture, clients: int, arguments: argparse.Namespace, result: report.Result
) -> None:
    with crew(server, fixture, clients) as hired:
        series = blocks(hired, _chosen(arguments), arguments.rounds, max(1, arguments.repeats // 2))
    result.rows[clients] = report.rows(series)
    result.writes_p99_ms = report.writes_p99_ms(series)
    report.show_rows(f"{result.tickets:,} tickets, {clients} clients, {arguments.database}", result.rows[clients])


def _two_processes(
    server: Server, fixture: Fixture, environment: dict[str, str], arguments: argparse.Namespace, result: report.Result
) -> None:
    with (
        serve(environment, processes=2, port=free_port()) as two,
        crew(server, fixture, 8) as at_one,
        crew(two, fixture, 8) as at_two,
    ):
        one, other = alternate([at_one, at_two], MIXED_READS, arguments.rounds, arguments.repeats)
    pairs = zip(one.rounds, other.rounds, strict=True)
    ratios = sorted(len(b.samples) / b.wall / (len(a.samples) / a.wall) for a, b in pairs)
    result.two_processes = {
        "ratio": ratios[len(ratios) // 2],
        "one": one.per_second(),
        "two": other.per_second(),
        "one_cpu_ms": one.cpu() * 1000,
        "two_cpu_ms": other.cpu() * 1000,
    }


def _delivery(server: Server, fixture: Fixture, environment: dict[str, str], result: report.Result) -> None:
    with serve(environment, port=free_port()) as other:
        for name, writing in {"same process": server, "other process": other}.items():
            result.delivery_ms[name] = report.spread_ms(live.delivery(server, writing, fixture, 60))


def _load(environment: dict[str, str], tickets: int, texts: Path | None) -> Fixture:
    command = [sys.executable, "-m", "tests.bench.load", str(tickets)]
    if texts:
        command += ["--texts", str(texts.resolve())]
    loading = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return Fixture.from_json(loading.stdout.splitlines()[-1])


def _chosen(arguments: argparse.Namespace) -> Sequence[Operation]:
    wanted = {EMPTY, *arguments.operations} if arguments.operations else {one.name for one in OPERATIONS}
    return [operation for operation in OPERATIONS if operation.name in wanted]


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.replace("_", "").split(",")]

    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the running server.")
    parser.add_argument("--tickets", type=numbers, default=[1000, 10_000, 100_000], help="1000,10000,100000")
    parser.add_argument("--clients", type=numbers, default=[1, 8], help="1,8")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=40, help="requests of each operation a round")
    parser.add_argument(
        "--parts",
        type=lambda text: text.split(","),
        default=["core", "search", "mcp", "dashboard"],
        help="core,search,mcp,dashboard",
    )
    parser.add_argument("--operations", type=lambda text: text.split(","), default=[], help="only these")
    parser.add_argument("--texts", type=Path, help="JSON lines with title and body, instead of made-up texts")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 tickets, three short rounds")
    arguments = parser.parse_args()
    unknown = set(arguments.operations) - {operation.name for operation in OPERATIONS}
    if unknown:
        parser.error(f"no operation {', '.join(sorted(unknown))}; there are {', '.join(o.name for o in OPERATIONS)}")
    if arguments.quick:
        arguments.rounds, arguments.repeats = 3, 12
        arguments.tickets = [tickets for tickets in arguments.tickets if tickets <= 10_000]
    return arguments


if __name__ == "__main__":
    # Byte code of the tree under measurement would be written by whichever server starts first.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.exit(main())
