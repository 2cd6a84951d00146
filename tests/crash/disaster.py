"""Eight clients, one server, three kills; then everything that the clients and the server have to say about it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.client import Call, Connection
from tests.crash.client import Entry, Task, read_log
from tests.crash.follower import Follower
from tests.other_process import other_process
from tests.server import Installation, installation

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = "crash"
CLIENTS = 8
TICKETS = 50
KILLS = 3
WORK_SECONDS = 20.0
# Beyond the work: for writes that wait for the last restart.
GRACE_SECONDS = 60.0

_CLAIMS = """
import json
from tickets.models import Claim
names = ("ticket_id", "agent_id", "fencing_token", "claimed_at", "expires_at", "ended_at", "end_reason")
rows = Claim.objects.order_by("ticket_id", "fencing_token").values(*names)
print(json.dumps(list(rows), default=lambda moment: moment.isoformat()))
"""


@dataclass(frozen=True)
class Aftermath:
    """``tickets`` are the details of all tickets by id, ``claims`` all rows of the table, ``integrity`` what
    ``check_integrity`` printed where it failed."""

    entries: list[Entry]
    ticket_ids: list[str]
    tickets: dict[str, dict[str, Any]]
    claims: list[dict[str, Any]]
    events: list[dict[str, Any]]
    followed: list[dict[str, Any]]
    breaks: int
    integrity: str

    def acknowledged(self, *kinds: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.status == 200 and entry.kind in kinds]

    def comments(self) -> list[dict[str, Any]]:
        return [{**row, "ticket_id": id_} for id_, ticket in self.tickets.items() for row in ticket["comments"]]

    def history(self, change_type: str) -> list[dict[str, Any]]:
        rows = ({**row, "ticket_id": id_} for id_, ticket in self.tickets.items() for row in ticket["history"])
        return [row for row in rows if row["change_type"] == change_type]


def disaster(folder: Path) -> Aftermath:
    """Let it happen on an installation of its own in the folder."""
    port = _free_port()
    with installation(folder / "data", {"HEPHAESTUS_PORT": str(port)}) as site:
        with other_process(site) as other:
            other.workflow(WORKFLOW)
            tokens = [other.agent(f"agent-{number}", WORKFLOW) for number in range(CLIENTS + 1)]
        observer = Connection(port, {"Authorization": f"Bearer {tokens[-1]}"})
        logs = [folder / f"client-{number}.log" for number in range(CLIENTS)]
        with ExitStack() as stack:
            server = stack.enter_context(site.serve())
            ticket_ids = _create_tickets(observer)
            follower = stack.enter_context(Follower(port, WORKFLOW, tokens[-1]))
            start = time.monotonic()
            with _clients(port, tokens, ticket_ids, logs, ends_at=start + WORK_SECONDS) as clients:
                for kill in range(KILLS):
                    time.sleep(max(0.0, start + WORK_SECONDS * (kill + 1) / (KILLS + 1) - time.monotonic()))
                    server.kill()
                    server = stack.enter_context(site.serve())
                codes = [client.wait(WORK_SECONDS + GRACE_SECONDS * 2) for client in clients]
            assert codes == [0] * CLIENTS
            observer.close()
            events = _events(observer)
            follower.wait_for(events[-1]["seq"], GRACE_SECONDS)
            tickets = {id_: _get(observer, f"/api/tickets/{id_}") for id_ in _all_ids(observer)}
        return Aftermath(
            entries=[entry for log in logs for entry in read_log(log)],
            ticket_ids=ticket_ids,
            tickets=tickets,
            claims=json.loads(site.manage("shell", "--no-imports", "-c", _CLAIMS).splitlines()[-1]),
            events=events,
            followed=follower.events,
            breaks=follower.breaks,
            integrity=_integrity(site),
        )


@contextmanager
def _clients(
    port: int, tokens: Sequence[str], ticket_ids: list[str], logs: Sequence[Path], *, ends_at: float
) -> Iterator[list[subprocess.Popen[str]]]:
    """The client processes, which end by themselves; what still runs at the end of the block is killed."""
    clients = []
    try:
        for number, log in enumerate(logs):
            task = Task(
                port=port,
                token=tokens[number],
                name=f"agent-{number}",
                workflow_id=WORKFLOW,
                ticket_ids=ticket_ids,
                log=str(log),
                seed=number,
                ends_at=ends_at,
                gives_up_at=ends_at + GRACE_SECONDS,
            )
            command = [sys.executable, "-m", "tests.crash.client"]
            client = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, text=True)
            clients.append(client)
            assert client.stdin
            json.dump(asdict(task), client.stdin)
            client.stdin.close()
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.wait()


def _create_tickets(observer: Connection) -> list[str]:
    tickets = [{"title": f"Shared {n}", "description": "All clients write to it."} for n in range(TICKETS)]
    call = Call("POST", "/api/tickets/bulk-create", {"workflow_id": WORKFLOW, "tickets": tickets})
    reply = observer.send(call)
    assert reply.status == 200, reply.body
    return [row["ticket_id"] for row in reply.json()["tickets"]]


def _get(observer: Connection, path: str) -> Any:
    reply = observer.send(Call("GET", path))
    assert reply.status == 200, reply.body
    return reply.json()


def _all_ids(observer: Connection) -> list[str]:
    found: list[str] = []
    while True:
        path = f"/api/tickets/get?workflow_id={WORKFLOW}&sort_order=asc&fields=ticket_id&limit=200&offset={len(found)}"
        page = _get(observer, path)
        found += [row["ticket_id"] for row in page["tickets"]]
        if not page["has_more"]:
            return found


def _events(observer: Connection) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        since = found[-1]["seq"] if found else 0
        page = _get(observer, f"/api/workflows/{WORKFLOW}/events?since={since}&limit=1000")
        found += page["events"]
        if not page["has_more"]:
            return found


def _integrity(site: Installation) -> str:
    try:
        site.manage("check_integrity")
    except RuntimeError as error:
        return str(error)
    return ""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
