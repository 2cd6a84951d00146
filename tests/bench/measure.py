"""Sends the operations and times them: one client request by request, several in blocks."""

from __future__ import annotations

import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Protocol

from tests.bench.client import Call, Connection, Reply
from tests.bench.fixture import Fixture
from tests.bench.operations import BY_NAME, Operation, World
from tests.bench.server import Server


@dataclass(frozen=True)
class Sample:
    seconds: float
    size: int
    ok: bool
    cpu: float = 0.0


@dataclass
class Round:
    """What one operation took within one round. ``wall`` and ``cpu`` in seconds, for all its requests together."""

    samples: list[Sample] = field(default_factory=list)
    wall: float = 0.0
    cpu: float = 0.0

    def p50(self) -> float:
        return statistics.median(sample.seconds for sample in self.samples)


@dataclass
class Series:
    """One operation in all rounds."""

    rounds: list[Round] = field(default_factory=list)

    def samples(self) -> list[Sample]:
        return [sample for one in self.rounds for sample in one.samples]

    def p50(self) -> float:
        """Median of the rounds' medians, in seconds."""
        return statistics.median(one.p50() for one in self.rounds)

    def percentile(self, share: float) -> float:
        return percentile([sample.seconds for sample in self.samples()], share)

    def per_second(self) -> float:
        return statistics.median(len(one.samples) / one.wall for one in self.rounds)

    def cpu(self) -> float:
        """CPU time of the server per request, in seconds: median of the rounds."""
        return statistics.median(one.cpu / len(one.samples) for one in self.rounds)

    def size(self) -> int:
        """Bytes of the largest answer, headers aside."""
        return max(sample.size for sample in self.samples())

    def errors(self) -> int:
        return sum(not sample.ok for sample in self.samples())

    def ratio(self, base: Series) -> float:
        """How many times the p50 of ``base``: median of the rounds' ratios."""
        return statistics.median(mine.p50() / other.p50() for mine, other in zip(self.rounds, base.rounds, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Player:
    """One client of one server: an agent with a token, and a person with a session for the pages."""

    def __init__(self, port: int, world: World) -> None:
        self.world = world
        agent = {"Authorization": f"Bearer {world.token}", "Accept": "application/json"}
        self.agent = Connection(port, agent)
        self.person = Connection(port, {"Cookie": world.fixture.cookie, "Accept": "text/html"})

    def prepare(self, operation: Operation, number: int) -> None:
        if operation.supplied:
            self.world.supply(self.agent, number)

    def play(self, operation: Operation) -> Callable[[], tuple[Call, Reply]]:
        """Do what comes before, and return what is to be timed."""
        connection = self.person if operation.as_person else self.agent
        for before in operation.before(self.world):
            connection.send(before)
        call = operation.call(self.world)
        return lambda: (call, connection.send(call))

    def close(self) -> None:
        self.agent.close()
        self.person.close()


def _sample(call: Call, reply: Reply, cpu: float = 0.0) -> Sample:
    return Sample(reply.seconds, len(reply.body), reply.status == call.status, cpu)


class Plays(Protocol):
    """What an operation takes its turn with: a client, or something that works in this process."""

    def prepare(self, operation: Operation, number: int) -> None: ...

    def play(self, operation: Operation) -> Callable[[], tuple[Call, Reply]]: ...


@dataclass(frozen=True)
class Turn:
    """An operation that takes its turns with the others, on a server of its own or a shared one."""

    name: str
    operation: Operation
    player: Plays
    server: Server


def interleave(turns: Sequence[Turn], rounds: int, repeats: int) -> dict[str, Series]:
    """One client: every operation once, in an order drawn anew, ``repeats`` times a round."""
    order = random.Random(1)
    series = {turn.name: Series() for turn in turns}
    for turn in turns:
        turn.player.prepare(turn.operation, 3)
        for _ in range(3):
            turn.player.play(turn.operation)()
    for _ in range(rounds):
        for turn in turns:
            turn.player.prepare(turn.operation, repeats)
            series[turn.name].rounds.append(Round())
        for _ in range(repeats):
            for turn in order.sample(turns, len(turns)):
                go = turn.player.play(turn.operation)
                cpu = turn.server.cpu_seconds()
                call, reply = go()
                sample = _sample(call, reply, turn.server.cpu_seconds() - cpu)
                current = series[turn.name].rounds[-1]
                current.samples.append(sample)
                current.wall += sample.seconds
                current.cpu += sample.cpu
    return series


class Crew:
    """Clients in processes of their own, which start each block together."""

    def __init__(self, server: Server, fixture: Fixture, clients: int) -> None:
        self.server = server
        # Forked: nothing here holds threads or database connections.
        context = multiprocessing.get_context("fork")
        self._pipes: list[Pipe] = []
        self._processes = []
        for number in range(clients):
            mine, theirs = context.Pipe()
            world = World(fixture, number, clients)
            process = context.Process(target=_work, args=(theirs, server.port, world), daemon=True)
            process.start()
            self._pipes.append(mine)
            self._processes.append(process)

    def block(self, operation: Operation, number: int) -> Round:
        """All clients send ``number`` requests each, at once."""
        for pipe in self._pipes:
            pipe.send((operation.name, number))
        for pipe in self._pipes:
            pipe.recv()
        cpu = self.server.cpu_seconds()
        for pipe in self._pipes:
            pipe.send("go")
        answers = [pipe.recv() for pipe in self._pipes]
        cpu = self.server.cpu_seconds() - cpu
        wall = max(end for _, _, end in answers) - min(start for _, start, _ in answers)
        return Round([sample for samples, _, _ in answers for sample in samples], wall, cpu)

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
            process.join()


@contextmanager
def crew(server: Server, fixture: Fixture, clients: int) -> Iterator[Crew]:
    hired = Crew(server, fixture, clients)
    try:
        yield hired
    finally:
        hired.close()


def blocks(crew: Crew, operations: Sequence[Operation], rounds: int, repeats: int) -> dict[str, Series]:
    """Several clients: a block of each operation a round, in an order drawn anew."""
    order = random.Random(2)
    series = {operation.name: Series() for operation in operations}
    for operation in operations:
        crew.block(operation, 2)
    for _ in range(rounds):
        for operation in order.sample(operations, len(operations)):
            series[operation.name].rounds.append(crew.block(operation, repeats))
    return series


def alternate(crews: Sequence[Crew], operation: Operation, rounds: int, repeats: int) -> list[Series]:
    """The same load on one server after the other, ``rounds`` times."""
    series = [Series() for _ in crews]
    for one in crews:
        one.block(operation, 2)
    for _ in range(rounds):
        for place, one in enumerate(crews):
            series[place].rounds.append(one.block(operation, repeats))
    return series


def _work(pipe: Pipe, port: int, world: World) -> None:
    player = Player(port, world)
    while True:
        name, number = pipe.recv()
        operation = BY_NAME[name]
        player.prepare(operation, number)
        pipe.send("ready")
        pipe.recv()
        start = time.perf_counter()
        samples = []
        for _ in range(number):
            try:
                samples.append(_sample(*player.play(operation)()))
            except OSError:
                samples.append(Sample(0.0, 0, ok=False))
        pipe.send((samples, start, time.perf_counter()))
