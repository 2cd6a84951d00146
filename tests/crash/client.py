"""An agent that works until its time is up, whatever happens to the server.

``python -m tests.crash.client`` reads its task as JSON from standard input. Each write has an idempotency
key and is repeated, with the same body, until it is answered. What was answered is written to the log
before the next write begins: it was acknowledged, and has to be there afterwards.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.bench.client import Call, Connection, Reply

RETRY_SECONDS = 0.05
COLUMNS = ("backlog", "todo", "in_progress", "review", "done")


@dataclass(frozen=True)
class Task:
    """``ends_at`` on the clock of ``time.monotonic``, which all processes of a machine share; then no new write
    begins, and ``gives_up_at`` is when one without an answer is given up."""

    port: int
    token: str
    name: str
    workflow_id: str
    ticket_ids: list[str]
    log: str
    seed: int
    ends_at: float
    gives_up_at: float


@dataclass
class Entry:
    """One write. ``status`` 0: it was never answered."""

    kind: str
    key: str
    body: dict[str, Any]
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    attempts: int = 0
    # Answers 5xx that came before the last one.
    unavailable: list[str] = field(default_factory=list)


class Client:
    """Does one thing after the other, chosen at random with a seed."""

    def __init__(self, task: Task, log: IO[str]) -> None:
        self._task = task
        self._log = log
        self._random = random.Random(task.seed)
        self._connection = Connection(task.port, {"Authorization": f"Bearer {task.token}"})
        self._count = 0

    def work(self) -> None:
        actions: list[tuple[Callable[[], None], int]] = [
            (self.comment, 6), (self.edit, 4), (self.move, 4), (self.claim, 4), (self.resolve, 2), (self.create, 2),
        ]  # fmt: skip
        choices, weights = zip(*actions, strict=True)
        while time.monotonic() < self._task.ends_at:
            self._random.choices(choices, weights)[0]()

    def create(self) -> None:
        text = self._text("create")
        body = {"workflow_id": self._task.workflow_id, "title": text, "description": f"A ticket of {text}."}
        self._write("create", "create", body)

    def comment(self) -> None:
        self._write("comment", "comment", {"ticket_id": self._ticket(), "comment_text": self._text("comment")})

    def edit(self) -> None:
        updates = {"title": self._text("edit")}
        self._write("edit", "update", {"ticket_id": self._ticket(), "updates": updates})

    def move(self) -> None:
        status = self._random.choice(COLUMNS)
        body = {"ticket_id": self._ticket(), "new_status": status, "comment": self._text("move")}
        self._write("move", "change-status", body)

    def resolve(self) -> None:
        body = {"ticket_id": self._ticket(), "resolution_comment": self._text("resolve")}
        self._write("resolve", "resolve", body)

    def claim(self) -> None:
        """Take a ticket, write with the lease's token, then give it back, or let the lease run out."""
        lease: dict[str, Any] = {"lease_seconds": self._random.choice([1, 2, 30])}
        if self._random.random() < 0.5:
            entry = self._write("claim", "next", {"workflow_id": self._task.workflow_id, **lease})
        else:
            entry = self._write("claim", "claim", {"ticket_id": self._ticket(), **lease})
        ticket_id = entry.answer.get("ticket_id")
        if entry.status != 200 or ticket_id is None:
            return
        held = {"ticket_id": ticket_id, "fencing_token": entry.answer["fencing_token"]}
        for _ in range(self._random.randint(1, 3)):
            time.sleep(self._random.random() * 0.3)
            self._write("fenced comment", "comment", {**held, "comment_text": self._text("fenced")})
        if self._random.random() < 0.6:
            self._write("release", "release", held)
        # A claim assigns the ticket; without this nobody else could ever claim it.
        self._write("unassign", "assign", {"ticket_id": ticket_id})

    def _ticket(self) -> str:
        return self._random.choice(self._task.ticket_ids)

    def _text(self, kind: str) -> str:
        self._count += 1
        return f"{kind} {self._task.name} number {self._count}"

    def _write(self, kind: str, path: str, body: dict[str, Any]) -> Entry:
        self._count += 1
        entry = Entry(kind, f"{self._task.name}-{self._count}", body)
        call = Call("POST", f"/api/tickets/{path}", {**body, "idempotency_key": entry.key})
        while time.monotonic() < self._task.gives_up_at:
            entry.attempts += 1
            reply = self._send(call)
            if reply is not None and reply.status < 500:
                entry.status, entry.answer = reply.status, reply.json()
                break
            if reply is not None:
                entry.unavailable.append(f"{reply.status} {reply.body[:500].decode(errors='replace')}")
            time.sleep(RETRY_SECONDS)
        self._log.write(json.dumps(asdict(entry)) + "\n")
        self._log.flush()
        return entry

    def _send(self, call: Call) -> Reply | None:
        try:
            return self._connection.send(call)
        except OSError:
            return None


def read_log(path: Path) -> list[Entry]:
    return [Entry(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    task = Task(**json.load(sys.stdin))
    with Path(task.log).open("w", encoding="utf-8") as log:
        Client(task, log).work()


if __name__ == "__main__":
    main()
