"""Rules about what waits for what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from statistics import median

from boards.insights.advice import NO_DECIDER, Advice
from boards.insights.facts import Facts, TicketFacts
from boards.insights.found import Found, Told, count, duration, hours, names, said
from boards.insights.graph import chains, freed_by, head_of
from boards.insights.schemas import MAX_TICKETS, GetInsights, Severity, Suggestion
from tickets.schemas.base import utc_text

LONG_CHAIN = 5
MANY_FREED = 3
SHOWN_KEYS = 6


def blocker_unattended(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """Tickets for which others wait while nobody works on them."""
    for head in facts.heads:
        reason = _why_unattended(facts, head)
        if reason is None:
            continue
        waiting = facts.waiting_for(head)
        freed = freed_by(head.id, facts.waits, facts.dependants, facts.held)
        urgent = any(ticket.is_urgent for ticket in (head, *waiting))
        yield Found(
            "blocker_unattended",
            "high" if urgent or len(freed) >= MANY_FREED else "medium",
            [head, *waiting],
            [head.assignee] if head.assignee else [],
            partial(_tell_unattended, facts, head, reason, waiting, freed),
            partial(advice.advance, head, f"{count(len(waiting), 'ticket')} cannot go on before it is resolved."),
            NO_DECIDER,
        )


def blocked_chain(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """The longest chain behind each ticket that itself waits for nothing, from three tickets on."""
    for head in facts.heads:
        length = int(facts.longest.weight[head.id])
        if length < 3:
            continue
        # Many heads may share a long tail: followed to its end for each, that would take the square of it.
        chain = [facts.tickets[ticket_id] for ticket_id in facts.longest.from_(head.id, MAX_TICKETS)]
        yield Found(
            "blocked_chain",
            "high" if length >= LONG_CHAIN else "medium",
            chain,
            _agents_of(chain),
            partial(_tell_chain, facts, chain, length),
            partial(advice.advance, head, f"A chain of {count(length - 1, 'ticket')} waits behind it."),
            NO_DECIDER,
        )


def blocked_too_long(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """Tickets that have been blocked beyond the threshold: at least since the oldest of their live blocks."""
    for ticket in facts.open:
        if not ticket.is_blocked:
            continue
        since = _blocked_since(facts, ticket)
        if (facts.now - since).total_seconds() <= request.blocked_hours * 3600:
            continue
        blockers = [facts.tickets[ticket_id] for ticket_id in facts.waits.get(ticket.id, ())]
        yield Found(
            "blocked_too_long",
            "high" if ticket.is_urgent else "medium" if ticket.category == "active" or not blockers else "low",
            [ticket, *blockers],
            _agents_of([ticket, *blockers]),
            partial(_tell_blocked, facts, ticket, blockers, since, request.blocked_hours),
            partial(_unblock, facts, advice, ticket, since),
            NO_DECIDER,
        )


def cross_agent_dependency(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """An agent's tickets that wait for another agent's, one finding for each two agents."""
    pairs: dict[tuple[str, str], list[tuple[TicketFacts, TicketFacts]]] = {}
    for ticket_id, blockers in facts.waits.items():
        ticket = facts.tickets[ticket_id]
        for blocker in (facts.tickets[blocker_id] for blocker_id in blockers):
            if ticket.assignee and blocker.assignee and ticket.assignee != blocker.assignee:
                pairs.setdefault((ticket.assignee, blocker.assignee), []).append((ticket, blocker))
    for (waiting, wanted), edges in sorted(pairs.items()):
        ticket, blocker = min(edges, key=lambda edge: (edge[0].priority_rank, edge[0].number, edge[1].number))
        urgent = ticket.is_urgent or any(ticket.category == "active" for ticket, _ in edges)
        more = f", and {count(len(edges) - 1, 'more such pair')}" if len(edges) > 1 else ""
        yield Found(
            "cross_agent_dependency",
            "medium" if urgent else "low",
            list({t.id: t for edge in [(ticket, blocker), *edges] for t in edge}.values()),
            [waiting, wanted],
            said(
                f"{waiting} waits for {wanted}: {ticket.key} for {blocker.key}{more}.",
                waiting_agent=waiting,
                wanted_agent=wanted,
                count=len(edges),
                pairs=[{"ticket": t.key, "waits_for": b.key} for t, b in edges[:MAX_TICKETS]],
                waiting_priority=ticket.priority,
                waiting_since=_waiting_since(facts, [ticket for ticket, _ in edges]),
            ),
            partial(advice.ask, blocker, [wanted, waiting], f"#{ticket.key} waits for it; please agree on when."),
        )


def critical_path(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """The longest chain of open tickets by count; where estimates make another one longer, that one too.

    A ticket without an estimate counts with the median of those given.
    """
    by_count = facts.longest.heaviest()
    estimates = {ticket.id: ticket.estimate for ticket in facts.open if ticket.estimate}
    assumed = median(estimates.values()) if estimates else None
    paths = {"count": by_count}
    if assumed is not None:
        paths["minutes"] = chains(facts.waits, lambda id_: estimates.get(id_, assumed)).heaviest()
        if paths["minutes"] == by_count:
            paths = {"minutes": by_count}
    for measure, path in paths.items():
        if len(path) < 2:
            continue
        chain = [facts.tickets[ticket_id] for ticket_id in path]
        minutes = sum(estimates.get(ticket_id, assumed) for ticket_id in path) if assumed is not None else None
        known = sum(ticket_id in estimates for ticket_id in path)
        took = f", about {minutes:g} minutes" if minutes is not None else ""
        yield Found(
            "critical_path",
            _path_severity(facts, chain),
            chain,
            _agents_of(chain),
            said(
                f"The critical path is {count(len(chain), 'ticket')} long{took}: {_arrows(chain)}.",
                measure=measure,
                length=len(chain),
                path=[ticket.key for ticket in chain[:MAX_TICKETS]],
                minutes=minutes,
                with_estimate=known,
                assumed_minutes=assumed,
                unassigned=sum(ticket.assignee is None for ticket in chain),
                waiting_since=_waiting_since(facts, chain),
            ),
            partial(_shorten, advice, chain),
            NO_DECIDER,
        )


REASONS = {
    "pending_review": "it waits for review",
    "blocked_by_hand": "it is blocked by hand",
    "not_resolved": "it is done but not resolved",
    "unassigned": "it is nobody's",
    "assignee_gone": "its agent is gone",
    "not_started": "its agent has not started",
}


def _why_unattended(facts: Facts, head: TicketFacts) -> str | None:
    """None where somebody works on it."""
    if head.is_completed:
        return "not_resolved"
    if head.is_pending:
        return "pending_review"
    if head.by_hand:
        return "blocked_by_hand"
    if facts.worker(head) is not None:
        return None
    if head.assignee is None:
        return "unassigned"
    return "not_started" if facts.is_there(head.assignee) else "assignee_gone"


def _blocked_since(facts: Facts, ticket: TicketFacts) -> datetime:
    known = (facts.waiting_since.get(ticket.id), facts.blocked_by_hand_since.get(ticket.id))
    return min((time for time in known if time is not None), default=ticket.entered_at)


def _waiting_since(facts: Facts, tickets: list[TicketFacts]) -> str | None:
    """When the first of them began to wait for another ticket."""
    known = [facts.waiting_since[ticket.id] for ticket in tickets if ticket.id in facts.waiting_since]
    return utc_text(min(known)) if known else None


def _tell_unattended(
    facts: Facts, head: TicketFacts, reason: str, waiting: list[TicketFacts], freed: list[str]
) -> Told:
    wait = "waits" if len(waiting) == 1 else "wait"
    return f"Nobody works on {head.key} ({REASONS[reason]}), for which {names(waiting)} {wait}.", {
        "blocker": head.key,
        "reason": reason,
        "status": head.status,
        "priority": head.priority,
        "waiting": len(waiting),
        "waiting_since": _waiting_since(facts, waiting),
        **_freed(facts, head, freed),
    }


def _tell_chain(facts: Facts, chain: list[TicketFacts], length: int) -> Told:
    head, behind = chain[0], count(length - 1, "ticket")
    freed = freed_by(head.id, facts.waits, facts.dependants, facts.held)
    message = f"Behind {head.key} {behind} in a row wait for one another: {_arrows(chain)}. "
    message += f"Resolved one after the other from there, {count(len(freed), 'ticket')} would go free."
    return message, {
        "length": length,
        "chain": [ticket.key for ticket in chain],
        "worked_on_by": facts.worker(head),
        "waiting_since": _waiting_since(facts, chain),
        **_freed(facts, head, freed),
    }


def _tell_blocked(
    facts: Facts, ticket: TicketFacts, blockers: list[TicketFacts], since: datetime, threshold: float
) -> Told:
    by = f"by {names(blockers)}" if blockers else "by hand"
    return f"{ticket.key} has been blocked {by} for {duration(facts.now - since)}.", {
        "blocked_since": utc_text(since),
        "hours": hours(facts.now - since),
        "threshold_hours": threshold,
        "status": ticket.status,
        "priority": ticket.priority,
        "blockers": [blocker.key for blocker in blockers],
        "first_in_line": facts.tickets[head_of(ticket.id, facts.waits)].key,
        "by_hand": ticket.by_hand,
        "blocked_reason": ticket.blocked_reason[:200],
    }


def _freed(facts: Facts, head: TicketFacts, freed: list[str]) -> dict[str, object]:
    at_once = [t for t in facts.waiting_for(head) if len(facts.waits[t.id]) == 1 and t.id not in facts.held]
    return {
        "frees_at_once": [ticket.key for ticket in at_once[:MAX_TICKETS]],
        "frees_in_turn": [facts.tickets[ticket_id].key for ticket_id in freed[:MAX_TICKETS]],
        "freed_count": len(freed),
    }


def _unblock(facts: Facts, advice: Advice, ticket: TicketFacts, since: datetime) -> Suggestion | None:
    head = facts.tickets[head_of(ticket.id, facts.waits)]
    return advice.advance(head, f"#{ticket.key} has been blocked for {duration(facts.now - since)}.")


def _shorten(advice: Advice, chain: list[TicketFacts]) -> Suggestion | None:
    return advice.advance(chain[0], f"It is the first of the {len(chain)} tickets of the critical path.")


def _path_severity(facts: Facts, chain: list[TicketFacts]) -> Severity:
    if facts.worker(chain[0]) is None:
        return "medium"
    return "low" if len(chain) >= LONG_CHAIN else "info"


def _agents_of(tickets: list[TicketFacts]) -> list[str]:
    return list(dict.fromkeys(ticket.assignee for ticket in tickets if ticket.assignee))


def _arrows(chain: list[TicketFacts]) -> str:
    keys = [ticket.key for ticket in chain[:SHOWN_KEYS]]
    return " → ".join([*keys, "…"] if len(chain) > SHOWN_KEYS else keys)
