"""What the rules look at. No queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil
from typing import NamedTuple

from boards.insights.graph import Chains, Waits, chains, dependants_of
from boards.selectors.fleet import Lease
from tickets.models import AgentKind, AgentState, ApprovalStatus, Role
from tickets.rules import Board, Category

# An agent of whom nothing was seen for so long gets no work.
GONE_AFTER = timedelta(days=7)
MIN_STAYS = 20
PERCENTILE = 0.85
DEFAULT_STUCK = timedelta(hours=24).total_seconds()
LEAST_STUCK = timedelta(minutes=15).total_seconds()
URGENT = 1  # priority rank of high


class TicketFacts(NamedTuple):
    """A ticket that is not resolved. ``entered_at`` is when it came into its column, ``estimate`` in minutes.

    A tuple, since there are thousands; the fields up to ``estimate`` are ``reading.TICKET_FIELDS``.
    """

    id: str
    key: str
    number: int
    status: str
    priority: str
    priority_rank: int
    rank: str
    assignee: str | None
    creator: str
    version: int
    is_blocked: bool
    by_hand: bool
    blocked_reason: str
    approval: str
    approval_expires_at: datetime | None
    is_completed: bool
    entered_at: datetime
    lease_agent: str | None
    lease_expires_at: datetime | None
    # Its last change, where it has a lease; times are what takes longest to read.
    updated_at: datetime | None
    estimate: int | None
    category: Category

    @property
    def is_pending(self) -> bool:
        return self.approval == ApprovalStatus.PENDING

    @property
    def is_urgent(self) -> bool:
        return self.priority_rank <= URGENT

    def holder(self, now: datetime) -> str | None:
        """Who has a live lease on it."""
        return self.lease_agent if self.lease_expires_at is not None and self.lease_expires_at > now else None


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """An agent of the workflow, or one that has its tickets. ``role`` is None where it is no member (any more).

    ``last_act`` is its last change of any ticket or task, anywhere.
    """

    id: str
    kind: str
    state: str
    role: str | None
    last_act: datetime | None
    # Last time that anything was heard of it, its beginning among that.
    last_sign: datetime

    @property
    def can_write(self) -> bool:
        return self.role in (Role.MEMBER, Role.MAINTAINER)


@dataclass(frozen=True, slots=True)
class Threshold:
    """From how many seconds on a stay in a column is too long; ``source`` is parameter, p85 or default."""

    seconds: float
    source: str
    stays: int


@dataclass(frozen=True)
class Facts:
    """A workflow at one moment. ``tickets`` are in the order of their numbers.

    ``waits`` holds those of them that wait for others and those that others wait for, in the same order.
    ``completed`` counts an agent's completed tickets of 24 hours and of 7 days; ``stays`` holds the lengths of past
    stays by column, in seconds.
    """

    now: datetime
    board: Board
    tickets: Mapping[str, TicketFacts]
    waits: Waits
    waiting_since: Mapping[str, datetime]
    blocked_by_hand_since: Mapping[str, datetime]
    agents: Mapping[str, AgentFacts]
    completed: Mapping[str, tuple[int, int]]
    stays: Mapping[str, Sequence[float]]
    leases: Mapping[str, Lease] = field(default_factory=dict)

    @cached_property
    def open(self) -> list[TicketFacts]:
        """Tickets outside final columns."""
        return [ticket for ticket in self.tickets.values() if not ticket.is_completed]

    @cached_property
    def dependants(self) -> dict[str, list[str]]:
        return dependants_of(self.waits)

    @cached_property
    def longest(self) -> Chains:
        """The longest chains by count."""
        return chains(self.waits, lambda _: 1)

    @cached_property
    def held(self) -> frozenset[str]:
        """Tickets that something else than a ticket holds up: a person's block or review."""
        return frozenset(t.id for t in self.tickets.values() if t.by_hand or t.is_pending)

    @cached_property
    def heads(self) -> list[TicketFacts]:
        """Tickets for which others wait and which wait for none themselves."""
        return [self.tickets[node] for node, blockers in self.waits.items() if not blockers]

    @cached_property
    def assigned(self) -> dict[str, list[TicketFacts]]:
        """Agent → its open tickets, in the order of their numbers."""
        found: dict[str, list[TicketFacts]] = {}
        for ticket in self.open:
            if ticket.assignee is not None:
                found.setdefault(ticket.assignee, []).append(ticket)
        return found

    @cached_property
    def load(self) -> dict[str, int]:
        """Agents that may be given work → number of their open tickets, by agent id."""
        return {
            agent_id: len(self.assigned.get(agent_id, ()))
            for agent_id in sorted(self.agents)
            if self.agents[agent_id].kind == AgentKind.AI and self.is_there(agent_id)
        }

    @cached_property
    def ready(self) -> list[TicketFacts]:
        """What any agent could take now, best first, as ``next_ticket`` picks."""
        found = [t for t in self.open if t.category == "queue" and t.assignee is None and self.is_free(t)]
        return sorted(found, key=lambda t: (t.priority_rank, t.rank, t.number))

    @cached_property
    def people(self) -> list[str]:
        """Human maintainers, who decide on reviews."""
        return sorted(a.id for a in self.agents.values() if a.kind == AgentKind.HUMAN and a.role == Role.MAINTAINER)

    def waiting_for(self, ticket: TicketFacts) -> list[TicketFacts]:
        """The tickets that wait for this one, in the order of their numbers."""
        return [self.tickets[ticket_id] for ticket_id in self.dependants.get(ticket.id, ())]

    def is_free(self, ticket: TicketFacts) -> bool:
        """Whether nothing keeps an agent from starting on it."""
        return not (ticket.is_blocked or ticket.is_pending or ticket.is_completed or ticket.holder(self.now))

    def is_there(self, agent_id: str | None) -> bool:
        """Whether an agent may write here and is still about."""
        agent = self.agents.get(agent_id or "")
        if agent is None or not agent.can_write or agent.state == AgentState.TERMINATED:
            return False
        return agent.kind == AgentKind.HUMAN or self.now - agent.last_sign < GONE_AFTER

    def worker(self, ticket: TicketFacts) -> str | None:
        """Who works on it: the holder of its lease, or in an active column an assignee who is still about."""
        holder = ticket.holder(self.now)
        if holder is not None or ticket.category != "active":
            return holder
        return ticket.assignee if self.is_there(ticket.assignee) else None

    def threshold(self, status: str, hours: float | None) -> Threshold:
        """When a stay in this column is too long."""
        stays = sorted(self.stays.get(status, ()))
        if hours is not None:
            return Threshold(hours * 3600, "parameter", len(stays))
        if len(stays) < MIN_STAYS:
            return Threshold(DEFAULT_STUCK, "default", len(stays))
        # The nearest-rank percentile.
        return Threshold(max(LEAST_STUCK, stays[ceil(PERCENTILE * len(stays)) - 1]), "p85", len(stays))
