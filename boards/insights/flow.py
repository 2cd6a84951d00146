"""Rules about single tickets: what stands still, what nobody has, whose lease means nothing any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from boards.insights.advice import NO_DECIDER, Advice
from boards.insights.facts import Facts, Threshold, TicketFacts
from boards.insights.found import Found, Told, duration, hours, said
from boards.insights.schemas import GetInsights, Severity, Suggestion
from tickets.schemas.base import utc_text

MUCH_TOO_LONG = 3
LAST_PART = 0.2
LAST_MOMENTS = timedelta(minutes=10)


def stuck(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """Tickets longer in their column than is usual there. Blocked and pending ones have rules of their own."""
    thresholds = {column.id: facts.threshold(column.id, request.stuck_hours) for column in facts.board.columns}
    for ticket in facts.open:
        limit = thresholds.get(ticket.status)
        stay = facts.now - ticket.entered_at
        if limit is None or ticket.is_blocked or ticket.is_pending or stay.total_seconds() <= limit.seconds:
            continue
        worker = facts.worker(ticket)
        yield Found(
            "stuck",
            _stuck_severity(ticket, stay.total_seconds() > MUCH_TOO_LONG * limit.seconds),
            [ticket],
            [agent for agent in (worker or ticket.assignee,) if agent],
            partial(_tell_stuck, ticket, stay, limit, worker),
            partial(_unstick, advice, ticket, stay),
        )


def unassigned(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """Ready tickets of critical or high priority that are nobody's."""
    for ticket in facts.ready:
        if ticket.is_urgent:
            yield Found(
                "unassigned",
                "high" if ticket.priority_rank == 0 else "medium",
                [ticket],
                [],
                partial(_tell_unassigned, ticket, facts.now - ticket.entered_at),
                partial(_give, facts, advice, ticket),
            )


def pending_review(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """Tickets whose time for review is about to run out."""
    for ticket in facts.open:
        expires = ticket.approval_expires_at
        if not ticket.is_pending or expires is None:
            continue
        # Pending tickets do not move: they came to their column when the review was asked for.
        left, whole = expires - facts.now, expires - ticket.entered_at
        soon = max(LAST_MOMENTS, LAST_PART * whole)
        if request.expiring_minutes is not None:
            soon = timedelta(minutes=request.expiring_minutes)
        # What has run out already is expired within a second, by housekeeping.
        if left <= timedelta(0) or left > soon:
            continue
        waiting = facts.waiting_for(ticket)
        yield Found(
            "pending_review",
            "high" if ticket.is_urgent or waiting else "medium",
            [ticket],
            facts.people,
            said(
                f"{ticket.key} waits for review and expires in {duration(left)}.",
                expires_at=utc_text(expires),
                minutes_left=int(left.total_seconds() // 60),
                requested_at=utc_text(ticket.entered_at),
                priority=ticket.priority,
                tickets_that_wait_for_it=len(waiting),
                maintainers=facts.people,
            ),
            partial(advice.decide, ticket, f"It expires at {utc_text(expires)}."),
            NO_DECIDER,
        )


def silent_agent(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """Live leases of agents that have changed nothing for a while; heartbeats alone are no work."""
    for ticket in facts.open:
        holder, expires = ticket.holder(facts.now), ticket.lease_expires_at
        if holder is None or expires is None:
            continue
        lease = facts.leases.get(ticket.id)
        # Who holds a lease has claimed it, which is an act; only a ticket that came with a lease has none.
        last = facts.agents[holder].last_act or ticket.entered_at
        silence = facts.now - last
        if silence.total_seconds() <= request.silent_minutes * 60:
            continue
        waiting = facts.waiting_for(ticket)
        yield Found(
            "silent_agent",
            "high" if ticket.is_urgent or waiting else "medium",
            [ticket],
            [holder],
            said(
                f"{holder} holds {ticket.key} and has done nothing for {duration(silence)}.",
                last_act_at=utc_text(last),
                silent_minutes=int(silence.total_seconds() // 60),
                heartbeat_at=utc_text(lease.heartbeat_at) if lease is not None else None,
                lease_expires_at=utc_text(expires),
                status=ticket.status,
                tickets_that_wait_for_it=len(waiting),
            ),
            partial(advice.release, ticket, holder),
        )


def expired_lease(facts: Facts, request: GetInsights, advice: Advice) -> Iterator[Found]:
    """Tickets in active columns whose lease ran out and which nobody has touched since."""
    for ticket in facts.open:
        expired, holder, changed = ticket.lease_expires_at, ticket.lease_agent, ticket.updated_at
        if ticket.category != "active" or expired is None or holder is None or changed is None:
            continue
        if expired > facts.now or changed > expired:
            continue
        since, waiting = facts.now - expired, facts.waiting_for(ticket)
        yield Found(
            "expired_lease",
            "high" if ticket.is_urgent or waiting else "medium",
            [ticket],
            [holder],
            said(
                f"The lease of {holder} on {ticket.key} ran out {duration(since)} ago; nothing has happened since.",
                status=ticket.status,
                lease_expired_at=utc_text(expired),
                minutes_since=int(since.total_seconds() // 60),
                updated_at=utc_text(changed),
                tickets_that_wait_for_it=len(waiting),
            ),
            partial(_hand_on, advice, ticket, holder, since),
        )


def _tell_stuck(ticket: TicketFacts, stay: timedelta, limit: Threshold, worker: str | None) -> Told:
    longest = duration(timedelta(seconds=limit.seconds))
    usual = {
        "parameter": f"longer than the {longest} asked for",
        "p85": f"of {limit.stays} stays there 85 % took no more than {longest}",
        "default": f"longer than {longest}",
    }[limit.source]
    return f"{ticket.key} has been in the column {ticket.status} for {duration(stay)}: {usual}.", {
        "status": ticket.status,
        "category": ticket.category,
        "priority": ticket.priority,
        "entered_at": utc_text(ticket.entered_at),
        "hours": hours(stay),
        "threshold_hours": round(limit.seconds / 3600, 2),
        "threshold_source": limit.source,
        "past_stays": limit.stays,
        "worked_on_by": worker,
    }


def _tell_unassigned(ticket: TicketFacts, waiting: timedelta) -> Told:
    return f"{ticket.key} is {ticket.priority}, has been ready for {duration(waiting)}, and nobody has it.", {
        "priority": ticket.priority,
        "status": ticket.status,
        "ready_since": utc_text(ticket.entered_at),
        "hours": hours(waiting),
    }


def _give(facts: Facts, advice: Advice, ticket: TicketFacts) -> Suggestion:
    taken = f"It is {ticket.priority} and ready, and no agent is there to take it."
    return advice.assign(ticket) or advice.ask(ticket, facts.people, taken)


def _stuck_severity(ticket: TicketFacts, much: bool) -> Severity:
    if ticket.category == "active":
        return "high" if ticket.is_urgent or much else "medium"
    return "medium" if ticket.is_urgent else "low"


def _unstick(advice: Advice, ticket: TicketFacts, stay: timedelta) -> Suggestion | None:
    """In a queue what nobody has is picked sooner with a higher priority."""
    if ticket.category == "queue" and ticket.assignee is None and (sooner := advice.hasten(ticket)) is not None:
        return sooner
    return advice.advance(ticket, f"It has been in the column {ticket.status} for {duration(stay)}.")


def _hand_on(advice: Advice, ticket: TicketFacts, holder: str, since: timedelta) -> Suggestion | None:
    found = advice.assign(ticket, avoid=[holder]) or advice.requeue(ticket)
    return found or advice.ask(ticket, [holder], f"Are you still on it? The lease ran out {duration(since)} ago.")
