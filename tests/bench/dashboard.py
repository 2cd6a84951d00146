"""The statistics page with 10,000 tickets and 200,000 history rows: from the cache, after a change, in a new process.

The page is all that there is to wait for: it carries its figures, and asks for others only when something happens.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

from tests.bench.client import Call, Reply
from tests.bench.fixture import Fixture
from tests.bench.measure import Player, Turn, interleave
from tests.bench.operations import BY_NAME, EMPTY, Operation, World
from tests.bench.report import Target, at_most, rows, show_rows
from tests.bench.server import ROOT, data_folder, serve

TICKETS = 10_000


def _page(world: World) -> Call:
    return Call("GET", f"/statistics?workflow={world.workflow_id}")


def _answer(world: World) -> Call:
    return Call("GET", f"/api/workflows/{world.workflow_id}/metrics")


def _comment(world: World) -> Call:
    return BY_NAME["comment"].call(world)


OPERATIONS = (
    BY_NAME[EMPTY],
    Operation("dashboard, cached", _page, before=lambda world: [_answer(world)], as_person=True),
    Operation("figures, cached", _answer, before=lambda world: [_answer(world)]),
    Operation("figures after a write", _answer, before=lambda world: [_comment(world)]),
)
# What comes before it is sent with an agent's token, so it takes its turns with a player of its own.
AFTER_WRITE = Operation("dashboard after a write", _page, as_person=True)


class Writer(Player):
    """Has an agent comment before a person asks."""

    def play(self, operation: Operation) -> Callable[[], tuple[Call, Reply]]:
        self.agent.send(_comment(self.world))
        return super().play(operation)


def measure(arguments: argparse.Namespace) -> list[Target]:
    """Cached and after a write beside the empty endpoint; the first page of a new process is only shown."""
    with data_folder(arguments.database) as environment:
        command = [sys.executable, "-m", "tests.bench.busy", str(TICKETS)]
        loading = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        fixture = Fixture.from_json(loading.stdout.splitlines()[-1])
        first = []
        for _ in range(2):
            with serve(environment) as server:
                player = Player(server.port, World(fixture, 0, 1))
                player.agent.send(BY_NAME[EMPTY].call(player.world))
                player.person.send(Call("GET", "/connect"))
                first.append(player.person.send(_page(player.world)).seconds * 1000)
                player.close()
        with serve(environment) as server:
            world = World(fixture, 0, 1)
            turns = [Turn(one.name, one, Player(server.port, world), server) for one in OPERATIONS]
            turns.append(Turn(AFTER_WRITE.name, AFTER_WRITE, Writer(server.port, world), server))
            series = interleave(turns, arguments.rounds, arguments.repeats)
    found = rows(series)
    show_rows(f"statistics, {TICKETS:,} tickets, 20 history rows each, {arguments.database}", found)
    print(f"first page ever {first[0]:.0f} ms, first of a later process {first[1]:.0f} ms")
    return [
        at_most("dashboard, cached, to the empty endpoint", found["dashboard, cached"].ratio, 4, "x"),
        at_most("dashboard after a write, to the empty endpoint", found[AFTER_WRITE.name].ratio, 20, "x"),
    ]
