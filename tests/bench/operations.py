"""What is measured: each operation as the requests that one client sends."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle

from tests.bench.client import Call, Connection
from tests.bench.fixture import Fixture
from tests.bench.texts import Texts

BATCH = 50
EVENTS = 100
EMPTY = "empty"


@dataclass
class World:
    """What one client knows. Each has tickets of its own, so that none is refused for another's sake."""

    fixture: Fixture
    client: int
    clients: int
    random: random.Random = field(init=False)
    texts: Texts = field(init=False)
    fresh: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.client)
        self.texts = Texts(self.client, pool=100)
        self._own = self.fixture.ticket_ids[self.client :: self.clients]
        self._moves = count()
        self._queries = cycle(self.fixture.queries[self.client :: self.clients])

    @property
    def workflow_id(self) -> str:
        return self.fixture.workflow_id

    @property
    def token(self) -> str:
        return self.fixture.tokens[self.client]

    def any_ticket(self) -> str:
        return self.random.choice(self.fixture.ticket_ids)

    def own_ticket(self) -> str:
        return self.random.choice(self._own)

    def next_move(self) -> tuple[str, str]:
        """A ticket and another column than the one where it is: each ticket goes to and fro."""
        turn, place = divmod(next(self._moves), len(self._own))
        return self._own[place], ("in_progress", "review")[turn % 2]

    def next_query(self) -> str:
        """Two or three words of some ticket, not asked for before."""
        return next(self._queries)

    def supply(self, connection: Connection, number: int) -> None:
        """Create tickets that ``fresh`` holds afterwards, outside of what is measured."""
        while number > 0:
            size = min(BATCH, number)
            tickets = [new_ticket(self) for _ in range(size)]
            reply = connection.send(
                Call("POST", "/api/tickets/bulk-create", {"workflow_id": self.workflow_id, "tickets": tickets})
            )
            if reply.status != 200:
                raise RuntimeError(f"bulk create answered {reply.status}: {reply.body[:300]!r}")
            self.fresh += [row["ticket_id"] for row in reply.json()["tickets"]]
            number -= size


@dataclass(frozen=True)
class Operation:
    """``before``: requests sent, unmeasured, before each one. ``supplied``: uses up a fresh ticket each time."""

    name: str
    call: Callable[[World], Call]
    before: Callable[[World], Sequence[Call]] = lambda _: ()
    writes: bool = False
    supplied: bool = False
    as_person: bool = False


def new_ticket(world: World) -> dict[str, object]:
    title, description = world.texts.pick()
    return {"title": title, "description": description, "ticket_type": "bug", "tags": ["api", "regression"]}


def _get(path: str) -> Callable[[World], Call]:
    return lambda world: Call("GET", path.format(workflow=world.workflow_id))


def _statistics(world: World) -> Call:
    return Call("GET", f"/api/tickets/stats/{world.workflow_id}")


def _comment(world: World) -> Call:
    text = world.texts.sentence(25)
    return Call("POST", "/api/tickets/comment", {"ticket_id": world.own_ticket(), "comment_text": text})


def _create(world: World) -> Call:
    return Call("POST", "/api/tickets/create", {"workflow_id": world.workflow_id, **new_ticket(world)})


def _move(world: World) -> Call:
    ticket_id, status = world.next_move()
    comment = f"Goes on in {status}."
    return Call(
        "POST", "/api/tickets/change-status", {"ticket_id": ticket_id, "new_status": status, "comment": comment}
    )


def _update(world: World) -> Call:
    updates = {"title": world.texts.sentence(8), "story_points": world.random.randint(0, 100)}
    return Call("POST", "/api/tickets/update", {"ticket_id": world.own_ticket(), "updates": updates})


def _resolve(world: World) -> Call:
    body = {"ticket_id": world.fresh.pop(), "resolution_comment": "Fixed and verified."}
    return Call("POST", "/api/tickets/resolve", body)


def _claim(world: World) -> Call:
    return Call("POST", "/api/tickets/next", {"workflow_id": world.workflow_id, "lease_seconds": 60})


def _events(world: World) -> Call:
    since = world.random.randrange(max(1, world.fixture.seq - EVENTS))
    return Call("GET", f"/api/workflows/{world.workflow_id}/events?since={since}&limit={EVENTS}")


def _detail(world: World) -> Call:
    return Call("GET", f"/api/tickets/{world.any_ticket()}")


OPERATIONS = (
    Operation(EMPTY, _get("/api/ping")),
    Operation("list of 50", _get("/api/tickets?workflow_id={workflow}&limit=50")),
    Operation("detail", _detail),
    Operation("statistics, cached", _statistics, before=lambda world: [_statistics(world)]),
    Operation("statistics after a write", _statistics, before=lambda world: [_comment(world)]),
    Operation("events page", _events),
    Operation("create", _create, writes=True),
    Operation("comment", _comment, writes=True),
    Operation("status change", _move, writes=True),
    Operation("update", _update, writes=True),
    Operation("claim next", _claim, writes=True, supplied=True),
    Operation("resolve", _resolve, writes=True, supplied=True),
    Operation("board page", _get("/tickets?workflow={workflow}"), as_person=True),
)


def mixed_read(world: World) -> Call:
    """A read as a fleet sends them: mostly single tickets and lists."""
    names = ("detail", "list of 50", "events page", "statistics, cached", EMPTY)
    return BY_NAME[world.random.choices(names, (4, 3, 1, 1, 1))[0]].call(world)


BARE_CALL = Operation("bare", lambda _: Call("GET", "/"))
MIXED_READS = Operation("mixed reads", mixed_read)
BY_NAME = {operation.name: operation for operation in (*OPERATIONS, MIXED_READS)}
