"""The fleet: a hundred agents finish a graph of tickets, and some of them die with a ticket in hand."""

from __future__ import annotations

import random
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.race.agents import Entry, Seat
from tests.race.field import (
    WORKFLOW,
    Check,
    Facts,
    Field,
    Played,
    field,
    one_holder_in_the_books,
    play,
    seconds_between,
    table,
    told_what_is_written,
)

COMMITS = 50
# The longest chain of dependencies is about so many tickets.
DEPTH = 8

_LAY_OUT = """
from tests.factories import make_agent, make_workflow
from tickets.operations import TICKETS_CREATE, execute
flow = make_workflow(values["workflow"], repositories=[values["repository"]])
tokens = [make_agent(flow, agent_id=name).token for name in values["agents"]]
planner = make_agent(flow, agent_id="planner")
ids = []
for start in range(0, len(values["blockers"]), 50):
    rows = []
    for number, blockers in enumerate(values["blockers"][start : start + 50], start):
        rows.append({
            "title": f"Step {number}", "description": "One of many steps, in order.",
            "blocked_by_ticket_ids": [ids[one] if one < start else f"#{one - start}" for one in blockers],
        })
    ids += [row.ticket_id for row in execute(TICKETS_CREATE, planner.actor, {"tickets": rows}).tickets]
print("OUT " + json.dumps({"tokens": tokens}))
"""


@dataclass(frozen=True)
class Fleet:
    """``seconds`` is how long they have; ``work`` how long a ticket takes, ``lease`` after how long one is lost."""

    agents: int = 100
    tickets: int = 500
    seconds: float = 60.0
    work: float = 0.5
    lease: int = 12
    pause: float = 0.5
    processes: int = 4
    serving: int = 1

    def run(self, folder: Path) -> tuple[str, list[Check]]:
        """Work in a new installation in the folder. Returns the figures and what was checked."""
        folder.mkdir(parents=True)
        repository = folder / "repository"
        commits = _repository(repository)
        with field(folder / "data", processes=self.serving, HEPHAESTUS_REPOSITORY_ROOT=str(folder)) as place:
            dying, played = self._work(place, str(repository), commits)
            if played.ended.wrong:
                return "It came to nothing.", [played.ended]
            facts, integrity = place.facts(), place.integrity()
        return self._figures(played, facts), [played.ended, *self._checks(played, facts, dying), integrity]

    def _work(self, place: Field, repository: str, commits: list[str]) -> tuple[dict[str, int], Played]:
        names = [f"agent-{number + 1:03}" for number in range(self.agents)]
        # Half of them have done something before they die.
        dying = {name: 1 + place % 2 for place, name in enumerate(names[::10])}
        blockers = graph(self.tickets)
        values = {"workflow": WORKFLOW, "agents": names, "blockers": blockers, "repository": repository}
        tokens = place.lay_out(_LAY_OUT, **values)["tokens"]
        seats = [asdict(Seat(name, token, place.url)) for name, token in zip(names, tokens, strict=True)]
        part: dict[str, Any] = {"dying": dying, "commits": commits, "seconds": self.seconds, "lease": self.lease}
        part |= {"work": self.work, "pause": self.pause}
        parts = [{**part, "seats": seats[number :: self.processes]} for number in range(self.processes)]
        return dying, play("tests.race.worker", parts, self.seconds + 180)

    def _figures(self, played: Played, facts: Facts) -> str:
        resolved = [entry for entry in played.entries if entry.what == "resolve" and not entry.code]
        seconds = max((entry.end for entry in resolved), default=played.go) - played.go
        linked = sum(entry.what == "commit" and not entry.code for entry in played.entries)
        reclaims = [late for _lost, late in _reclaims(facts) if late is not None]
        wait = f", taken up {max(reclaims):.1f} s after they ran out at the latest" if reclaims else ""
        return (
            f"{self.agents} agents, {self.tickets} tickets: {len(resolved)} resolved in {seconds:.1f} s, "
            f"{len(resolved) / max(seconds, 0.1):.1f} tickets a second\n{table(played.entries)}\n"
            f"  {linked} commits linked; {len(reclaims)} leases lost{wait}"
        )

    def _checks(self, played: Played, facts: Facts, dying: dict[str, int]) -> Iterator[Check]:
        entries = played.entries
        wrong = [f"{e.agent_id} {e.tool}: {e.code}: {e.about['message']}" for e in entries if e.code]
        yield Check("no call was refused", wrong)
        resolved = Counter(row["ticket_id"] for row in facts.changes if row["change_type"] == "resolved")
        wrong = [f"{row['key']}: {resolved[row['id']]} times" for row in facts.tickets if resolved[row["id"]] != 1]
        text = f"{len(facts.tickets)} tickets were resolved, each once, within {self.seconds:.0f} s"
        yield Check(text, wrong or ([] if len(facts.tickets) == self.tickets else ["too few tickets"]))
        linked = {e.about["ticket_id"] for e in entries if e.what == "commit" and not e.code}
        wrong = [row["key"] for row in facts.tickets if row["commit_count"] != (row["id"] in linked)]
        yield Check(f"each of {len(linked)} linked commits is there", wrong)
        yield from _order(entries, facts)
        yield told_what_is_written([e for e in entries if e.what == "take" and "ticket_id" in e.about], facts)
        yield one_holder_in_the_books(facts)
        yield self._dead_leases(entries, facts, dying)

    def _dead_leases(self, entries: list[Entry], facts: Facts, dying: dict[str, int]) -> Check:
        died = {(e.about["ticket_id"], e.agent_id) for e in entries if e.about.get("died")}
        reclaimed = {(lost["ticket_id"], lost["agent_id"]) for lost, late in _reclaims(facts) if late is not None}
        wrong = [] if died else ["nobody died"]
        wrong += [f"{agent_id} still has {ticket_id}" for ticket_id, agent_id in died - reclaimed]
        # In a small and quick fleet one that was to die with its second lease may get none.
        text = f"{len(died)} of {len(dying)} agents that were to die did so with a lease, and others took up each"
        return Check(text, wrong)


def graph(tickets: int) -> list[list[int]]:
    """For each ticket the numbers of those before it that it waits for, up to three. The same in each run."""
    chance = random.Random(tickets)
    step = max(1, tickets // DEPTH)
    found = []
    for number in range(tickets):
        earlier = range(max(0, number - 3 * step), number - step + 1)
        found.append(sorted(chance.sample(earlier, min(len(earlier), chance.randint(1, 3)))))
    return found


def _order(entries: list[Entry], facts: Facts) -> Iterator[Check]:
    """Nobody was given a ticket before all that it waits for was resolved: by the books, and as agents saw it."""
    begun: dict[str, str] = {}
    for claim in facts.claims:
        begun[claim["ticket_id"]] = min(begun.get(claim["ticket_id"], claim["claimed_at"]), claim["claimed_at"])
    done = {row["ticket_id"]: row["changed_at"] for row in facts.changes if row["change_type"] == "resolved"}
    pairs = [(one, other) for one, other in facts.dependencies if one in begun]
    wrong = [f"{one} before {other}" for one, other in pairs if other not in done or begun[one] < done[other]]
    yield Check(f"{len(pairs)} dependencies were kept, by the database's times", wrong)
    given: dict[str, float] = {}
    asked: dict[str, float] = {}
    for entry in entries:
        ticket_id = entry.about.get("ticket_id", "")
        if entry.what == "take":
            given[ticket_id] = min(given.get(ticket_id, entry.end), entry.end)
        elif entry.what == "resolve" and not entry.code:
            asked[ticket_id] = entry.start
    wrong = [f"{one} before {other}" for one, other in pairs if given[one] < asked.get(other, float("inf"))]
    yield Check(f"{len(pairs)} dependencies were kept, as agents saw it", wrong)


def _reclaims(facts: Facts) -> Iterator[tuple[dict[str, Any], float | None]]:
    """Claims that ran out, and how many seconds later another agent took the ticket up; None where none did."""
    claims: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for claim in facts.claims:
        claims[claim["ticket_id"]].append(claim)
    resolved = {row["id"] for row in facts.tickets if row["is_resolved"]}
    for ticket_id, held in claims.items():
        for lost, following in zip(held, [*held[1:], None], strict=True):
            if lost["end_reason"] == "resolved":
                continue
            taken_up = following is not None and following["agent_id"] != lost["agent_id"] and ticket_id in resolved
            late = seconds_between(lost["expires_at"], following["claimed_at"]) if following else 0.0
            yield lost, late if taken_up and late >= 0 else None


def _repository(folder: Path) -> list[str]:
    """A git repository with some commits; their shas."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(folder)], check=True)
    stream = []
    for number in range(COMMITS):
        message, content = f"Commit {number}\n", f"line {number}\n"
        stream.append(
            f"commit refs/heads/main\ncommitter Fleet <fleet@example.org> {1_700_000_000 + number} +0000\n"
            f"data {len(message)}\n{message}M 100644 inline file-{number}.txt\ndata {len(content)}\n{content}\n"
        )
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "fast-import", "--quiet"], input="".join(stream), text=True, check=True)
    return subprocess.run([*git, "rev-list", "main"], capture_output=True, text=True, check=True).stdout.split()
