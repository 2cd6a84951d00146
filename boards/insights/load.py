"""Sharing work among agents: who is free for more, and which moves even the load out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

# A plan longer than this is no suggestion any more.
MAX_MOVES = 200
OVERLOAD_FACTOR = 1.5
OVERLOAD_LEAST = 3


class Crew:
    """Hands out work in a plan: each gets it who has the least by then. ``load`` is tickets per agent."""

    def __init__(self, load: Mapping[str, int]) -> None:
        self._load = dict(load)
        self._given: dict[str, str] = {}

    def taker(self, ticket_id: str, *, avoid: Collection[str] = ()) -> str | None:
        """Who should have this ticket; None where there is nobody. The same again for the same ticket."""
        known = self._given.get(ticket_id)
        if known is not None and known not in avoid:
            return known
        free = [agent for agent in self._load if agent not in avoid]
        if not free:
            return None
        return self.give(ticket_id, min(free, key=lambda agent: (self._load[agent], agent)))

    def give(self, ticket_id: str, agent_id: str) -> str:
        """Note that the plan gives the ticket to this agent."""
        self._given[ticket_id] = agent_id
        self._load[agent_id] += 1
        return agent_id

    def given(self, ticket_id: str) -> str | None:
        return self._given.get(ticket_id)

    def given_to(self, agent_id: str) -> str | None:
        """The first ticket that the plan gives to this agent."""
        return next((ticket for ticket, taker in self._given.items() if taker == agent_id), None)


@dataclass(frozen=True, slots=True)
class Move:
    """A ticket changes hands."""

    ticket_id: str
    source: str
    target: str


def overloaded(load: Mapping[str, int]) -> list[str]:
    """Agents with at least three tickets and over one and a half times the average, by id."""
    if len(load) < 2:
        return []
    limit = OVERLOAD_FACTOR * mean(load.values())
    return sorted(agent for agent, count in load.items() if count >= OVERLOAD_LEAST and count > limit)


def handovers(load: Mapping[str, int], orphans: Sequence[tuple[str, str]]) -> list[Move]:
    """Moves of tickets whose agents are gone, ``(ticket, agent)`` in order, to whoever has the least by then."""
    load = dict(load)
    moves = []
    for ticket_id, source in orphans[:MAX_MOVES] if load else ():
        target = min(load, key=lambda agent: (load[agent], agent))
        moves.append(Move(ticket_id, source, target))
        load[target] += 1
    return moves


def levelling(load: Mapping[str, int], movable: Mapping[str, Sequence[str]], sources: Collection[str]) -> list[Move]:
    """Moves from overloaded agents to the least loaded, as long as each makes the two more even.

    ``movable`` holds the tickets that an agent can give away, in the order in which they are best given.
    """
    load = dict(load)
    left = {agent: list(reversed(movable.get(agent, ()))) for agent in sources}
    moves: list[Move] = []
    while len(moves) < MAX_MOVES:
        givers = [agent for agent in left if left[agent]]
        if not givers:
            break
        source = min(givers, key=lambda agent: (-load[agent], agent))
        target = min(load, key=lambda agent: (load[agent], agent))
        if load[source] - load[target] < 2:
            break
        moves.append(Move(left[source].pop(), source, target))
        load[source] -= 1
        load[target] += 1
    return moves
