"""Rules about agents: how fast they are, how much they have, who should have less and who more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from statistics import mean

from boards.insights.advice import Advice
from boards.insights.facts import Facts, TicketFacts
from boards.insights.found import Found, count, names, said
from boards.insights.load import Move, handovers, levelling, overloaded
from boards.insights.schemas import GetInsights, Suggestion
from tickets.models import AgentKind

# Below one completed ticket a day, a day without any says nothing.
STEADY_WEEK = 7


def agent_velocity(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """What each agent completed in a day and in a week, and what it has; slower than usual is a finding to act on."""
    leases = Counter(ticket.holder(facts.now) for ticket in facts.open)
    for agent_id, agent in facts.agents.items():
        mine = facts.assigned.get(agent_id, [])
        day, week = facts.completed.get(agent_id, (0, 0))
        if agent.kind != AgentKind.AI and not (mine or week):
            continue
        slower = bool(mine) and week >= STEADY_WEEK and day < week / 7 / 2
        at_work = [ticket for ticket in mine if ticket.category == "active"]
        pace = ", half of its usual pace or less" if slower else ""
        yield Found(
            "agent_velocity",
            "low" if slower else "info",
            [*at_work, *(ticket for ticket in mine if ticket.category != "active")],
            [agent_id],
            said(
                f"{agent_id} completed {day} in 24 hours and {week} in 7 days{pace}; "
                f"it has {count(len(mine), 'open ticket')}, {len(at_work)} of them at work.",
                completed_24h=day,
                completed_7d=week,
                per_day=round(week / 7, 2),
                open_assigned=len(mine),
                work_in_progress=len(at_work),
                leases=leases[agent_id],
                state=agent.state,
                is_there=facts.is_there(agent_id),
            ),
            partial(_ask_pace, advice, agent_id, at_work or mine) if slower else _nothing,
        )


def agent_overloaded(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """Agents with much more than their share."""
    average = mean(facts.load.values()) if facts.load else 0
    first = {move.source: move for move in reversed(_levelling(facts, _loose))}
    for agent_id in overloaded(facts.load):
        mine = facts.assigned[agent_id]
        yield Found(
            "agent_overloaded",
            "medium",
            mine,
            [agent_id],
            said(
                f"{agent_id} has {len(mine)} open tickets, where {average:.1f} is the average: {names(mine)}.",
                open_assigned=len(mine),
                work_in_progress=sum(ticket.category == "active" for ticket in mine),
                average=round(average, 2),
                agents=len(facts.load),
                could_give_away=len(_loose(facts, agent_id)),
            ),
            partial(_relieve, advice, facts, agent_id, first.get(agent_id), average),
        )


def agent_idle(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """Agents with nothing to do while there is work that they could take."""
    ready = iter(facts.ready)
    holders = {ticket.holder(facts.now) for ticket in facts.open}
    for agent_id, load in facts.load.items():
        if load or agent_id in holders or not facts.ready:
            continue
        day, week = facts.completed.get(agent_id, (0, 0))
        yield Found(
            "agent_idle",
            "low",
            [],
            [agent_id],
            said(
                f"{agent_id} has nothing to do, and {count(len(facts.ready), 'ticket')} could be taken.",
                ready=len(facts.ready),
                completed_24h=day,
                completed_7d=week,
            ),
            partial(_employ, advice, facts, agent_id, ready),
            "Everything that is ready is suggested for other agents already.",
        )


def reassignment(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """Moves that give the tickets of agents that are gone to others; where there are none, that even loads out.

    Each tells its effect on the load of both agents, and that of all moves together.
    """
    moves, reason = _handovers(facts), "agent_gone"
    if not moves:
        moves, reason = _levelling(facts, _movable), "load"
    load = {agent_id: len(mine) for agent_id, mine in facts.assigned.items()} | facts.load
    change = Counter(move.target for move in moves)
    change.subtract(move.source for move in moves)
    for move in moves:
        ticket = facts.tickets[move.ticket_id]
        source, target = load[move.source], load[move.target]
        why = f"{move.source} is gone" if reason == "agent_gone" else f"{move.source} has {source} open tickets"
        yield Found(
            "reassignment",
            "medium" if reason == "agent_gone" else "low",
            [ticket],
            [move.source, move.target],
            said(
                f"{ticket.key} could go from {move.source} to {move.target}: {why}, {move.target} has {target}.",
                reason=reason,
                load={
                    move.source: {"before": source, "after": source - 1},
                    move.target: {"before": target, "after": target + 1},
                },
                load_after_all={agent: load[agent] + change[agent] for agent in (move.source, move.target)},
                moves=len(moves),
                priority=ticket.priority,
                status=ticket.status,
            ),
            partial(_move, advice, facts, move),
        )


def _handovers(facts: Facts) -> list[Move]:
    orphans = [
        (ticket.id, agent_id)
        for agent_id, mine in sorted(facts.assigned.items())
        if facts.agents[agent_id].kind == AgentKind.AI and not facts.is_there(agent_id)
        for ticket in mine
        if ticket.holder(facts.now) is None
    ]
    return handovers(facts.load, orphans)


def _levelling(facts: Facts, givable: Callable[[Facts, str], list[str]]) -> list[Move]:
    sources = overloaded(facts.load)
    return levelling(facts.load, {agent_id: givable(facts, agent_id) for agent_id in sources}, sources)


def _movable(facts: Facts, agent_id: str) -> list[str]:
    """What an agent has not begun and another could start on, the most urgent first."""
    free = [t for t in facts.assigned.get(agent_id, ()) if t.category == "queue" and facts.is_free(t)]
    return [ticket.id for ticket in sorted(free, key=lambda t: (t.priority_rank, t.rank, t.number))]


def _loose(facts: Facts, agent_id: str) -> list[str]:
    """What nobody holds: first what is best given, then what is blocked, then what is begun, the least urgent first."""
    best = dict.fromkeys(_movable(facts, agent_id))
    rest = [
        ticket
        for ticket in facts.assigned.get(agent_id, ())
        if ticket.id not in best and ticket.holder(facts.now) is None and not ticket.is_pending
    ]
    rest.sort(key=lambda t: (t.category == "active", -t.priority_rank, -t.number))
    return [*best, *(ticket.id for ticket in rest)]


def _move(advice: Advice, facts: Facts, move: Move) -> Suggestion | None:
    return advice.assign_to(facts.tickets[move.ticket_id], move.target)


def _relieve(advice: Advice, facts: Facts, agent_id: str, move: Move | None, average: float) -> Suggestion | None:
    """Hand one on; where it holds all of them, ask about the least urgent."""
    if move is not None:
        return _move(advice, facts, move)
    mine = facts.assigned[agent_id]
    text = f"You have {len(mine)} open tickets, where {average:.1f} is the average. Which can another agent take?"
    return advice.ask(max(mine, key=lambda t: (t.priority_rank, t.number)), [agent_id], text)


def _employ(advice: Advice, facts: Facts, agent_id: str, ready: Iterator[TicketFacts]) -> Suggestion | None:
    """The best ticket that no other suggestion gives away."""
    planned = advice.crew.given_to(agent_id)
    if planned is not None:
        return advice.assign_to(facts.tickets[planned], agent_id)
    for ticket in ready:
        if advice.crew.given(ticket.id) is None:
            advice.crew.give(ticket.id, agent_id)
            return advice.assign_to(ticket, agent_id)
    return None


def _ask_pace(advice: Advice, agent_id: str, tickets: list[TicketFacts]) -> Suggestion | None:
    first = min(tickets, key=lambda ticket: (ticket.priority_rank, ticket.number))
    return advice.ask(first, [agent_id], "You are slower than you were this week. What holds you up?")


def _nothing() -> None:
    return None
