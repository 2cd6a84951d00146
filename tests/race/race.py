"""The race: bridges and HTTP clients on one data folder create, claim and edit, all at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.race.agents import Entry, Seat
from tests.race.field import (
    WORKFLOW,
    Check,
    Facts,
    Field,
    Played,
    field,
    one_holder_as_told,
    one_holder_in_the_books,
    play,
    table,
    told_what_is_written,
)

_LAY_OUT = """
from tests.factories import make_agent, make_ticket, make_workflow
flow = make_workflow(values["workflow"])
tokens = [make_agent(flow, agent_id=name).token for name in values["racers"]]
# Nobody creates these in the race, and the pool's are the only ones that next_ticket is asked for.
starter = make_agent(flow, agent_id="starter")
for _ in range(values["pool"]):
    make_ticket(starter, tags=["pool"])
hot = [make_ticket(starter, title=f"Wanted by everybody {number}").id for number in range(values["hot"])]
print("OUT " + json.dumps({"tokens": tokens, "hot": hot}))
"""
# A conflict says the truth: another holds it, or changed it first. Anything else is no answer to a good call.
HONEST = frozenset({"conflict"})


@dataclass(frozen=True)
class Race:
    """How many race, and how many creates, claims and edits each makes."""

    bridges: int = 8
    http: int = 2
    count: int = 100
    hot: int = 10
    timeout: float = 900.0  # seconds

    def run(self, folder: Path) -> tuple[str, list[Check]]:
        """Race in a new installation in the folder. Returns the figures and what was checked."""
        with field(folder) as place:
            played, hot = self._race(place)
            if played.ended.wrong:
                return "It came to nothing.", [played.ended]
            facts, integrity = place.facts(), place.integrity()
        rate = len(played.entries) / played.seconds
        head = f"{self.bridges} stdio bridges and {self.http} HTTP clients, {self.count} creates, claims and edits each"
        conflicts = sum(entry.code in HONEST for entry in played.entries)
        figures = (
            f"{head}: {len(played.entries)} calls in {played.seconds:.1f} s, {rate:.0f} a second, "
            f"{conflicts} honest conflicts\n{table(played.entries)}\n{_shares(played)}"
        )
        return figures, [played.ended, *self._checks(played.entries, facts, hot), integrity]

    def _race(self, place: Field) -> tuple[Played, list[str]]:
        racers = [f"bridge-{n + 1}" for n in range(self.bridges)] + [f"http-{n + 1}" for n in range(self.http)]
        pool = len(racers) * self.count // 2 + 20
        made = place.lay_out(_LAY_OUT, workflow=WORKFLOW, racers=racers, pool=pool, hot=self.hot)
        parts = []
        for racer, token in zip(racers, made["tokens"], strict=True):
            way = {"env": place.site.env} if racer.startswith("bridge") else {"url": place.url}
            seat = asdict(Seat(racer, token, **way))
            parts.append({"seat": seat, "count": self.count, "hot": made["hot"]})
        return play("tests.race.racer", parts, self.timeout), made["hot"]

    def _checks(self, entries: list[Entry], facts: Facts, hot: list[str]) -> Iterator[Check]:
        yield self._all_was_asked(entries)
        yield _no_error(entries)
        yield from _creates(entries, facts)
        yield from _edits(entries, facts, hot)
        claims = [entry for entry in entries if entry.what == "claim" and not entry.code]
        yield told_what_is_written(claims, facts)
        yield one_holder_as_told(list(_holdings(claims, entries)))
        yield one_holder_in_the_books(facts)

    def _all_was_asked(self, entries: list[Entry]) -> Check:
        """Each racer got so many creates, claims and edits answered."""
        done: Counter[tuple[str, str]] = Counter()
        titles: dict[str, set[str]] = defaultdict(set)
        for entry in entries:
            if entry.what == "create" and not entry.code:
                titles[entry.agent_id].add(entry.about["title"])
            elif entry.what == "claim" or (entry.what in ("edit", "point") and not entry.code):
                done[entry.agent_id, "claim" if entry.what == "claim" else "edit"] += 1
        racers = {entry.agent_id for entry in entries}
        got = {one: (len(titles[one]), done[one, "claim"], done[one, "edit"]) for one in racers}
        wrong = [f"{one}: {numbers}" for one, numbers in got.items() if numbers != (self.count,) * 3]
        if len(racers) != self.bridges + self.http:
            wrong.append(f"only {sorted(racers)} raced")
        return Check(f"each of {len(racers)} agents made its {self.count} creates, claims and edits", wrong)


def _no_error(entries: list[Entry]) -> Check:
    refused = [entry for entry in entries if entry.code and entry.code not in HONEST]
    wrong = [f"{entry.agent_id} {entry.tool}: {entry.code}: {entry.about['message']}" for entry in refused]
    return Check("no error but honest conflicts", wrong)


def _creates(entries: list[Entry], facts: Facts) -> Iterator[Check]:
    """What was acknowledged is there once, and nothing else is."""
    acknowledged = {(e.about["ticket_id"], e.about["key"], e.about["title"]) for e in entries if "key" in e.about}
    rows = [(row["id"], row["key"], row["title"]) for row in facts.tickets if row["title"].startswith("made by ")]
    yield Check(f"0 of {len(acknowledged)} created tickets are lost", [str(one) for one in acknowledged - set(rows)])
    doubled = [f"{title} {count} times" for title, count in Counter(title for _, _, title in rows).items() if count > 1]
    doubled += [f"{key} twice" for key, count in Counter(row["key"] for row in facts.tickets).items() if count > 1]
    doubled += [f"{one} was never acknowledged" for one in set(rows) - acknowledged]
    yield Check(f"0 of {len(rows)} tickets are doubled", doubled)


def _edits(entries: list[Entry], facts: Facts, hot: list[str]) -> Iterator[Check]:
    """Each acknowledged edit is one row of history, and points were added one by one on top of each other."""
    acknowledged = Counter((e.about["ticket_id"], e.about["title"]) for e in entries if e.what == "edit" and not e.code)
    written = Counter((row["ticket_id"], row["new_value"]) for row in facts.changes if row["field_name"] == "title")
    yield Check(f"0 of {acknowledged.total()} edits are lost", [str(one) for one in acknowledged - written])
    yield Check("0 edits are doubled", [str(one) for one in written - acknowledged])
    points = Counter(e.about["ticket_id"] for e in entries if e.what == "point" and not e.code)
    rows: dict[str, list[int]] = defaultdict(list)
    for row in facts.changes:
        if row["field_name"] == "story_points":
            rows[row["ticket_id"]].append(int(row["new_value"]))
    ends = {row["id"]: row["story_points"] or 0 for row in facts.tickets}
    wrong = [
        f"{ticket_id}: {points[ticket_id]} added, {ends[ticket_id]} there, history {rows[ticket_id]}"
        for ticket_id in hot
        if not (points[ticket_id] == ends[ticket_id] and rows[ticket_id] == list(range(1, ends[ticket_id] + 1)))
    ]
    yield Check(f"0 of {points.total()} edits with expected_version overwrote another", wrong)


def _holdings(claims: list[Entry], entries: list[Entry]) -> Iterator[tuple[str, str, float, float]]:
    """From the answer that gave the lease to the request that gave it back; some are kept to the end."""
    end = max(entry.end for entry in entries)
    given_back = {(e.about["ticket_id"], e.about["token"]): e.start for e in entries if e.what == "release"}
    for claim in claims:
        held = (claim.about["ticket_id"], claim.about["token"])
        yield claim.about["ticket_id"], claim.agent_id, claim.end, given_back.get(held, end)


def _shares(played: Played) -> str:
    """When the first and the last racer were done: nobody may be starved by the others."""
    done: dict[str, float] = {}
    for entry in played.entries:
        done[entry.agent_id] = max(done.get(entry.agent_id, 0.0), entry.end - played.go)
    order = sorted(done.items(), key=lambda one: one[1])
    return f"  first done: {order[0][0]} after {order[0][1]:.1f} s, last: {order[-1][0]} after {order[-1][1]:.1f} s"
