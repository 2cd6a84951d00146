"""Where they meet: an installation with a server, processes that start together, and what the database says after."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.race.agents import Entry
from tests.server import Installation, Server, installation

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = "race"

# ISO 8601 texts in UTC compare as the times do.
_READ = """
import json
from tickets.models import Claim, Ticket, TicketDependency, TicketHistory
facts = {
    "tickets": list(Ticket.objects.values(
        "id", "key", "title", "story_points", "is_resolved", "commit_count", "assigned_agent_id", "fencing_token")),
    "claims": list(Claim.objects.order_by("fencing_token").values(
        "ticket_id", "agent_id", "fencing_token", "claimed_at", "expires_at", "ended_at", "end_reason")),
    "changes": list(TicketHistory.objects.exclude(change_type="created").order_by("id").values(
        "ticket_id", "agent_id", "change_type", "field_name", "new_value", "changed_at")),
    "dependencies": list(TicketDependency.objects.values_list("ticket_id", "blocker_id")),
}
text = lambda value: value.isoformat(timespec="microseconds")
print("FACTS " + json.dumps(facts, default=text))
"""


@dataclass(frozen=True)
class Facts:
    """What stands in the database when all is over. Rows by column; times are ISO 8601 in UTC."""

    tickets: list[dict[str, Any]]
    claims: list[dict[str, Any]]
    changes: list[dict[str, Any]]
    dependencies: list[tuple[str, str]]


@dataclass(frozen=True)
class Check:
    """Something that must hold. ``wrong`` names what breaks it."""

    text: str
    wrong: list[str]

    def __str__(self) -> str:
        lines = [f"  {'no ' if self.wrong else 'yes'}  {self.text}"]
        lines += [f"         {one}" for one in self.wrong[:10]]
        if len(self.wrong) > 10:
            lines.append(f"         … {len(self.wrong)} in all")
        return "\n".join(lines)


@dataclass(frozen=True)
class Field:
    """An installation and its server; ``env`` is what a bridge needs to find the same data folder."""

    site: Installation
    server: Server

    @property
    def url(self) -> str:
        return f"{self.server.base_url}/mcp"

    def lay_out(self, script: str, **values: Any) -> Any:
        """Run a script inside the product; what it prints after OUT, from JSON. ``values`` is there by name."""
        given = f"import json\nvalues = json.loads({json.dumps(values)!r})\n"
        return json.loads(self.site.manage("shell", "-c", given + script).partition("OUT ")[2])

    def facts(self) -> Facts:
        read = json.loads(self.site.manage("shell", "-c", _READ).partition("FACTS ")[2])
        return Facts(**{**read, "dependencies": [tuple(pair) for pair in read["dependencies"]]})

    def integrity(self) -> Check:
        printed = self.site.manage("check_integrity", check=False).splitlines()
        wrong = [line for line in printed if line.strip() != "clean"]
        return Check("check_integrity finds nothing", wrong or ([] if "clean" in printed else ["it says nothing"]))


@contextmanager
def field(folder: Path, *, processes: int = 1, **env: str) -> Iterator[Field]:
    """On SQLite, or where DATABASE_URL is set on that PostgreSQL server. Nothing in it makes embeddings."""
    with installation(folder, env) as site, site.serve(processes=processes) as server:
        yield Field(site, server)


@dataclass(frozen=True)
class Played:
    """The logs of all processes. ``go`` is when they were let go, on the monotonic clock."""

    entries: list[Entry]
    go: float
    ended: Check

    @property
    def seconds(self) -> float:
        return max((entry.end for entry in self.entries), default=self.go) - self.go


def play(module: str, parts: Sequence[dict[str, Any]], timeout: float) -> Played:
    """Run a process for each part, let all go at once when the last is ready, and collect their logs."""
    command = [sys.executable, "-m", module]
    players = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in parts
    ]
    overdue = threading.Timer(timeout, _end, [players])
    overdue.start()
    try:
        for player, part in zip(players, parts, strict=True):
            _tell(player, json.dumps(part))
        ready = [player.stdout.readline() for player in players if player.stdout]
        go = time.monotonic()
        for player in players:
            _tell(player, "go")
        outputs = [player.communicate() for player in players]
    finally:
        overdue.cancel()
        _end(players)
    entries = [Entry(**entry) for out, _err in outputs for entry in json.loads(out or "[]")]
    ends = zip(players, ready, outputs, strict=True)
    wrong = [
        f"exit code {player.returncode}: {err[-1500:]}"
        for player, line, (_out, err) in ends
        if player.returncode or line.strip() != "ready"
    ]
    return Played(entries, go, Check("every process played its part to the end", wrong))


def _end(players: Sequence[subprocess.Popen[str]]) -> None:
    for player in players:
        player.kill()


def _tell(player: subprocess.Popen[str], line: str) -> None:
    assert player.stdin
    try:
        player.stdin.write(line + "\n")
        player.stdin.flush()
    except BrokenPipeError:
        return  # Its exit code says so.


def one_holder_in_the_books(facts: Facts) -> Check:
    """No claim of a ticket begins before the one before it has ended, and tokens rise."""
    wrong = []
    before: dict[str, dict[str, Any]] = {}
    for claim in facts.claims:
        last = before.get(claim["ticket_id"])
        if last is not None and (last["ended_at"] is None or last["ended_at"] > claim["claimed_at"]):
            wrong.append(f"{claim['ticket_id']}: {last['agent_id']} and {claim['agent_id']}")
        if last is not None and last["fencing_token"] == claim["fencing_token"]:
            wrong.append(f"{claim['ticket_id']}: token {claim['fencing_token']} twice")
        before[claim["ticket_id"]] = claim
    return Check(f"no ticket has two holders at a time in the database ({len(facts.claims)} claims)", wrong)


def one_holder_as_told(holdings: Sequence[tuple[str, str, float, float]]) -> Check:
    """(ticket, agent, from, until): when the agent knew that it held it. Such times must not overlap."""
    wrong = []
    before: dict[str, tuple[str, float]] = {}
    for ticket_id, agent_id, start, end in sorted(holdings, key=lambda one: one[2]):
        other, until = before.get(ticket_id, ("", 0.0))
        if until > start:
            wrong.append(f"{ticket_id}: {other} and {agent_id}")
        before[ticket_id] = (agent_id, max(until, end))
    return Check(f"no two agents were told at a time that a ticket is theirs ({len(holdings)} times told)", wrong)


def told_what_is_written(entries: Sequence[Entry], facts: Facts) -> Check:
    """Every lease that an agent was told of is a claim of that agent, and there are no others."""
    told = {(e.about["ticket_id"], e.agent_id, e.about["token"]) for e in entries if e.about.get("ticket_id")}
    written = {(one["ticket_id"], one["agent_id"], one["fencing_token"]) for one in facts.claims}
    return Check("the claims in the database are those that agents were told of", [str(o) for o in told ^ written])


def milliseconds(entries: Sequence[Entry], share: float) -> float:
    """The quantile of the calls' durations."""
    durations = sorted(entry.end - entry.start for entry in entries)
    return durations[min(len(durations) - 1, int(len(durations) * share))] * 1000


def table(entries: Sequence[Entry]) -> str:
    """Calls of each tool: how many, how many refused with what, and how long they took."""
    lines = [f"  {'tool':22}{'calls':>7}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}  refused"]
    for tool in sorted({entry.tool for entry in entries}):
        calls = [entry for entry in entries if entry.tool == tool]
        codes: dict[str, int] = {}
        for entry in calls:
            if entry.code:
                codes[entry.code] = codes.get(entry.code, 0) + 1
        times = "".join(f"{milliseconds(calls, share):9.0f}" for share in (0.5, 0.95, 1))
        refused = ", ".join(f"{count} {code}" for code, count in sorted(codes.items()))
        lines.append(f"  {tool:22}{len(calls):7}{times}  {refused}")
    return "\n".join(lines)


def seconds_between(earlier: str, later: str) -> float:
    """From one ISO 8601 time to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
