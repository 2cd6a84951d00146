"""Who belongs to a workflow, what they have in hand, and when they were last heard of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, OuterRef, Q, Subquery
from django.utils import timezone

from boards.selectors.attention import Line, lines_of
from boards.selectors.fleet import Lease, State, open_leases
from tickets.access import Actor
from tickets.models import Agent, AgentState, AgentToken, Membership, Ticket, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.selectors.directory import manageable_agents

MOST = 200


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that nobody has ended, with its ticket."""

    line: Line
    lease: Lease


@dataclass(frozen=True, slots=True)
class Tokens:
    """An agent's tokens that open anything now."""

    live: int
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Member:
    """Who belongs to the workflow; ``role`` is None where only a lease is left of that.

    ``state`` is that of the lease with the newest heartbeat, None without leases. ``assigned`` counts open tickets.
    ``tokens`` is None where the actor may not manage them.
    """

    id: str
    name: str
    kind: str
    role: str | None
    is_terminated: bool
    last_seen_at: datetime | None
    state: State | None
    heartbeat_at: datetime | None
    held: tuple[Held, ...]
    assigned: int
    tokens: Tokens | None


@dataclass(frozen=True, slots=True)
class Members:
    """The first by name; ``total`` counts all that fit."""

    rows: list[Member]
    total: int


def members_of(actor: Actor, workflow: Workflow, words: str = "") -> Members:
    """The members whose name or id holds ``words``, those with leases first. Five queries, six with leases.

    They are: leases, agents, open tickets by agent, agents whose tokens the actor manages, tokens; leased tickets.
    """
    leases = open_leases(workflow)
    holders = {lease.agent_id for lease in leases.values()}
    membership = Membership.objects.filter(workflow=workflow, agent=OuterRef("pk"))
    agents = (
        Agent.objects.filter(
            Q(pk__in=Membership.objects.filter(workflow=workflow).values("agent_id")) | Q(pk__in=holders)
        )
        .select_related("user")
        .annotate(role=Subquery(membership.values("role")[:1]))
    )
    if words:
        agents = agents.filter(Q(name__icontains=words) | Q(pk__icontains=words))
    found = list(agents.order_by("name", "id"))
    found.sort(key=lambda agent: agent.pk not in holders)
    shown = found[:MOST]
    lines = lines_of(workflow, leases) if leases else {}
    assigned, tokens = _assigned(workflow), _tokens(actor, shown)
    rows = [_member(agent, _held(agent.pk, leases, lines), assigned.get(agent.pk, 0), tokens) for agent in shown]
    return Members(rows, len(found))


def _member(agent: Agent, held: tuple[Held, ...], assigned: int, tokens: Mapping[str, Tokens]) -> Member:
    newest = held[0].lease if held else None
    # People sign in; a token is seen at each use.
    seen = [time for time in (agent.last_seen_at, agent.user.last_login if agent.user else None) if time is not None]
    return Member(
        id=agent.id,
        name=agent.name,
        kind=agent.kind,
        role=agent.role,  # type: ignore[attr-defined]  # annotated
        is_terminated=agent.state == AgentState.TERMINATED,
        last_seen_at=max(seen, default=None),
        state=newest.state if newest is not None else None,
        heartbeat_at=newest.heartbeat_at if newest is not None else None,
        held=held,
        assigned=assigned,
        tokens=tokens.get(agent.id),
    )


def _held(agent_id: str, leases: Mapping[str, Lease], lines: Mapping[str, Line]) -> tuple[Held, ...]:
    """What the agent holds, the newest heartbeat first."""
    held = [
        Held(lines[ticket_id], lease)
        for ticket_id, lease in leases.items()
        if lease.agent_id == agent_id and ticket_id in lines
    ]
    return tuple(sorted(held, key=lambda one: one.lease.heartbeat_at, reverse=True))


def _assigned(workflow: Workflow) -> dict[str, int]:
    rows = Ticket.objects.filter(
        workflow=workflow, completed_at=None, approval_status__in=VISIBLE_APPROVALS, assigned_agent__isnull=False
    ).order_by()
    return dict(rows.values_list("assigned_agent_id").annotate(total=Count("pk")))


def _tokens(actor: Actor, agents: Sequence[Agent]) -> dict[str, Tokens]:
    """Agent → its tokens, for those that the actor manages."""
    ids = [agent.pk for agent in agents]
    managed = list(manageable_agents(actor).filter(pk__in=ids).values_list("pk", flat=True))
    live = AgentToken.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()), agent__in=managed, revoked_at=None
    ).order_by()
    rows = live.values_list("agent_id").annotate(total=Count("pk"), used=Max("last_used_at"))
    found = {agent_id: Tokens(total, used) for agent_id, total, used in rows}
    return {agent_id: found.get(agent_id, Tokens(0, None)) for agent_id in managed}
