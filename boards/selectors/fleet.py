"""Who is at work: the leases of a workflow that nobody has ended."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.utils import timezone

from tickets.models import Claim, Workflow
from tickets.prepared import Mark, Reading

State = Literal["working", "waiting", "stale", "offline"]
STATES: tuple[State, ...] = ("working", "waiting", "stale", "offline")
# A lease that ran out so long ago says nothing about its agent any more.
OFFLINE_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Lease:
    """An agent's hold of a ticket.

    ``working``: the lease is live. ``waiting``: it is live and the ticket is blocked. ``stale``: it ran out
    and nobody has taken the ticket since. ``offline``: that was more than a day ago.
    """

    agent_id: str
    agent_name: str
    heartbeat_at: datetime
    state: State


def open_leases(workflow: Workflow) -> dict[str, Lease]:
    """Ticket id → lease, for the whole workflow. One query; there are no more rows than agents at work."""
    now = timezone.now()
    rows = _open_claims().rows(workflow_id=workflow.id)
    return {
        ticket_id: Lease(agent_id, name, heartbeat, _state(expires, is_blocked, now))
        for ticket_id, agent_id, name, heartbeat, expires, is_blocked in rows
    }


@functools.cache
def _open_claims() -> Reading:
    rows = Claim.objects.filter(ended_at=None, ticket__workflow_id=Mark("workflow_id"))
    return Reading(
        rows.values_list("ticket_id", "agent_id", "agent__name", "heartbeat_at", "expires_at", "ticket__is_blocked")
    )


def fleet_counts(leases: Mapping[str, Lease]) -> dict[State, int]:
    """State → number of tickets in that state's hands, in the order of ``STATES``."""
    found = Counter(lease.state for lease in leases.values())
    return {state: found[state] for state in STATES}


def _state(expires: datetime, is_blocked: bool, now: datetime) -> State:
    if expires > now:
        return "waiting" if is_blocked else "working"
    return "stale" if now - expires < OFFLINE_AFTER else "offline"
