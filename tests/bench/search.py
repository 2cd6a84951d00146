"""Search beside its parts: an embedding alone, and the empty endpoint, in the same moments."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import cycle
from typing import Any

from tests.bench import freshness
from tests.bench.client import Call, Reply
from tests.bench.fixture import Fixture
from tests.bench.measure import Player, Series, Turn, interleave
from tests.bench.operations import BY_NAME, EMPTY, Operation, World, new_ticket
from tests.bench.report import Row, Target, at_most, rows, show_rows, spread_ms
from tests.bench.server import Server

EMBEDDING = "embedding a query"
FILTERS = {"priority": ["high", "critical"], "ticket_type": ["bug", "feature"]}
SMALL, LARGE = 10_000, 100_000


def _search(mode: str, filters: Mapping[str, Any] | None = None) -> Callable[[World], Call]:
    body = {"search_type": mode, "filters": filters or {}}
    return lambda world: Call(
        "POST", "/api/tickets/search", {"workflow_id": world.workflow_id, "query": world.next_query(), **body}
    )


def _create(world: World) -> Call:
    return Call("POST", "/api/tickets/create", {"workflow_id": world.workflow_id, **new_ticket(world)})


OPERATIONS = (
    BY_NAME[EMPTY],
    Operation("keyword search", _search("keyword")),
    Operation("keyword search, filtered", _search("keyword", FILTERS)),
    Operation("semantic search", _search("semantic")),
    Operation("semantic search, filtered", _search("semantic", FILTERS)),
    Operation("hybrid search", _search("hybrid")),
    Operation("hybrid search, filtered", _search("hybrid", FILTERS)),
    Operation("create with its embedding", _create, writes=True),
)


class Embedder:
    """Plays an operation that is no request: the local model embeds one query, in this process."""

    def __init__(self, fixture: Fixture) -> None:
        from search.providers.local import LocalProvider

        self._provider = LocalProvider()
        self._queries = cycle(fixture.queries)

    def prepare(self, operation: Operation, number: int) -> None:
        """Nothing is used up."""

    def play(self, operation: Operation) -> Callable[[], tuple[Call, Reply]]:
        query = next(self._queries)

        def embed() -> tuple[Call, Reply]:
            start = time.perf_counter()
            self._provider.embed_query(query)
            return Call("GET", ""), Reply(200, b"", time.perf_counter() - start)

        return embed


def measure(servers: Mapping[int, tuple[Server, Fixture]], arguments: argparse.Namespace) -> list[Target]:
    """One client; with several sizes the servers take turns. Prints the tables and returns the targets."""
    turns: list[Turn] = []
    with ExitStack() as stack:
        for tickets, (server, fixture) in servers.items():
            player = Player(server.port, World(fixture, 0, 1))
            stack.callback(player.close)
            turns += [Turn(f"{one.name} {tickets}", one, player, server) for one in OPERATIONS]
            embed = Operation(EMBEDDING, lambda _: Call("GET", ""))
            turns.append(Turn(f"{EMBEDDING} {tickets}", embed, Embedder(fixture), server))
        series = interleave(turns, arguments.rounds, arguments.repeats)
    tables = {tickets: _table(series, tickets) for tickets in servers}
    for tickets, table in tables.items():
        show_rows(f"search, {tickets:,} tickets, 1 client, {arguments.database}", rows(table))
    return _targets(tables, servers)


def measure_freshness(server: Server, fixture: Fixture, environment: Mapping[str, str]) -> list[Target]:
    """How soon two other processes find a new ticket. Prints a line for each and returns the targets."""
    targets = []
    for name, delays in freshness.delays(server, fixture, environment, 40).items():
        spread = spread_ms(delays)
        print(f"  a new ticket to its being found by a {name}: p50 {spread['p50']:.0f} ms, p95 {spread['p95']:.0f} ms")
        targets.append(at_most(f"a new ticket found by a {name}, longest", max(delays) * 1000, 1000, " ms"))
    return targets


def _table(series: Mapping[str, Series], tickets: int) -> dict[str, Series]:
    names = [EMBEDDING, *(one.name for one in OPERATIONS)]
    return {name: series[f"{name} {tickets}"] for name in names}


def _targets(tables: Mapping[int, Mapping[str, Series]], servers: Mapping[int, tuple[Server, Fixture]]) -> list[Target]:
    targets = []
    if SMALL in tables:
        table = tables[SMALL]
        row: Mapping[str, Row] = rows(table)
        whole = table["hybrid search"].p50() / (table[EMBEDDING].p50() + table[EMPTY].p50())
        targets.append(at_most("hybrid search to embedding + empty", whole, 3, "x"))
        targets.append(at_most("keyword search", row["keyword search"].ratio, 4, "x"))
        for mode in ("keyword", "semantic", "hybrid"):
            ratio = table[f"{mode} search, filtered"].ratio(table[f"{mode} search"])
            targets.append(at_most(f"{mode} search, filtered to not", ratio, 2, "x"))
    if {SMALL, LARGE} <= set(tables):
        growth = tables[LARGE]["hybrid search"].ratio(tables[SMALL]["hybrid search"])
        targets.append(at_most("hybrid search, 100,000 to 10,000 tickets", growth, 4, "x"))
    for tickets, (server, _) in servers.items():
        memory = server.peak_memory() / 1e6
        targets.append(at_most(f"peak memory with the model at {tickets:,}", memory, 600, " MB"))
    errors = sum(one.errors() for table in tables.values() for one in table.values())
    targets.append(at_most("errors of searches", errors, 0, ""))
    return targets
