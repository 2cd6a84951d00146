"""Who asks, and what they may see: permission is part of each query, never a check after it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from tickets.errors import Forbidden, IdentityMismatch, Invalid, NotFound, Unauthenticated
from tickets.ids import parse_ticket_reference
from tickets.models import Agent, AgentKind, AgentToken, Membership, Role, Ticket, Workflow
from tickets.models.agents import hash_token
from tickets.prepared import Mark, RowReading, read_together

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

SEEN_EVERY = timedelta(minutes=1)
MAX_CANDIDATES = 10
MAX_NAMED = 200


@dataclass(frozen=True)
class Actor:
    """The acting agent and the credential behind it.

    ``via_agent_id`` is the gateway that acts for the agent; history keeps both.
    """

    agent_id: str
    kind: str
    via_agent_id: str | None = None
    is_superuser: bool = False
    is_operator: bool = False
    is_gateway: bool = False
    token_id: str | None = None

    # DRF and Django ask these two of whatever stands in request.user.
    is_authenticated = True
    is_anonymous = False

    def __str__(self) -> str:
        return self.agent_id

    @property
    def is_human(self) -> bool:
        return self.kind == AgentKind.HUMAN

    @property
    def credential_agent_id(self) -> str:
        return self.via_agent_id or self.agent_id


def system_actor() -> Actor:
    """The system agent with every right: for commands and housekeeping, never for a request."""
    return Actor(agent_id="system", kind=AgentKind.SYSTEM, is_superuser=True)


# As SQL, and not through the ORM: every request begins with it, and to put it together anew would cost
# ten times what the database takes.
_LIVE_TOKEN = """
SELECT agent_tokens.id, agent_id, kind, is_operator, is_gateway, last_used_at IS NULL OR last_used_at <= %s
FROM agent_tokens JOIN agents ON agents.id = agent_id
WHERE token_hash = %s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %s)
"""


def authenticate_token(token: str) -> Actor:
    """The actor behind a bearer token. One query; a second write at most once a minute.

    Raises Unauthenticated for a token that is unknown, revoked or expired.
    """
    now = timezone.now()
    moment = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(_LIVE_TOKEN, [moment(now - SEEN_EVERY), hash_token(token), moment(now)])
        row = cursor.fetchone()
    if row is None:
        raise Unauthenticated("The token is unknown, expired or revoked. Ask a maintainer for a new one.")
    token_id, agent_id, kind, is_operator, is_gateway, is_stale = row
    if is_stale:
        AgentToken.objects.filter(pk=token_id).update(last_used_at=now)
        Agent.objects.filter(pk=agent_id).update(last_seen_at=now)
    return Actor(
        agent_id=agent_id,
        kind=kind,
        is_operator=bool(is_operator),
        is_gateway=bool(is_gateway),
        token_id=token_id,
    )


def actor_for_user(user: AbstractBaseUser) -> Actor:
    """The actor behind a signed-in person; their agent row is made on first use."""
    known = _agent_of_user().rows(user_id=user.pk)
    agent = known[0] if known else _agent_for_user(user)
    is_superuser = bool(getattr(user, "is_superuser", False))
    return Actor(agent_id=agent.id, kind=agent.kind, is_superuser=is_superuser, is_operator=is_superuser)


def acting_as(actor: Actor, agent_id: str | None, *, field: str = "agent_id") -> Actor:
    """The actor a request names beside its credential.

    Raises IdentityMismatch where the credential may not act for that agent: only a gateway token
    may, and only for agents of its workflows.
    """
    if not agent_id or agent_id == actor.agent_id:
        return actor
    if actor.via_agent_id is not None:
        raise IdentityMismatch(f"The request names both {actor.agent_id!r} and {agent_id!r} as its agent.", field=field)
    if not actor.is_gateway:
        raise IdentityMismatch(
            f"The credential belongs to {actor.agent_id!r}; it cannot act as {agent_id!r}. Leave {field} out.",
            field=field,
        )
    shared = Membership.objects.filter(
        agent_id=agent_id, workflow__in=visible_workflows(actor), agent__kind=AgentKind.AI
    )
    if not shared.exists():
        raise IdentityMismatch(
            f"No AI agent {agent_id!r} in the workflows of gateway {actor.agent_id!r}. Add it as a member first.",
            field=field,
        )
    return Actor(
        agent_id=agent_id,
        kind=AgentKind.AI,
        via_agent_id=actor.agent_id,
        is_gateway=True,
        token_id=actor.token_id,
    )


def visible_workflows(actor: Actor, role: Role = Role.VIEWER) -> QuerySet[Workflow]:
    """Workflows in which the actor has at least this role; with a gateway, both must be members."""
    workflows = Workflow.objects.all()
    if actor.is_superuser:
        return workflows
    # Joins, since an agent is a member once: Exists() costs Django 0.4 ms more each to compile.
    workflows = workflows.filter(**_member("memberships", actor.agent_id, role))
    if actor.via_agent_id:
        workflows = workflows.filter(memberships__agent_id=actor.via_agent_id)
    return workflows


def has_role(actor: Actor, workflow_id: str, role: Role) -> bool:
    """Whether the actor has at least this role in the workflow. One query."""
    return bool(_workflow_with_role(actor, workflow_id, role, lock=False))


def workflows_by_name(actor: Actor) -> list[Workflow]:
    """The workflows that the actor may choose from, at most ``MAX_NAMED``: id, name and prefix. One query."""
    query = _workflows_by_name(actor.is_superuser, actor.via_agent_id is not None)
    return query.rows(agent_id=actor.agent_id, via_agent_id=actor.via_agent_id or "")


def visible_tickets(actor: Actor, role: Role = Role.VIEWER) -> QuerySet[Ticket]:
    """Tickets of the workflows in which the actor has at least this role."""
    tickets = Ticket.objects.all()
    if actor.is_superuser:
        return tickets
    tickets = tickets.filter(**_member("workflow__memberships", actor.agent_id, role))
    if actor.via_agent_id:
        tickets = tickets.filter(workflow__memberships__agent_id=actor.via_agent_id)
    return tickets


def workflow_for(actor: Actor, workflow_id: str | None, role: Role = Role.VIEWER, *, lock: bool = False) -> Workflow:
    """The workflow, if the actor has at least this role there. One query, two where it is refused.

    ``lock`` takes the row's lock until the transaction ends (PostgreSQL; SQLite has one writer anyway): the one
    that rows which merely refer to the workflow do not wait for, so that no two transactions wait for each other.
    Raises NotFound where the actor may not even read it, Forbidden where the role is too low.
    """
    if not workflow_id:
        return _implied_workflow(actor, role, lock=lock)
    if "\x00" in workflow_id:
        # From an address: PostgreSQL takes no such text.
        raise NotFound("No workflow has a NUL character in its id.", field="workflow_id")
    if found := _workflow_with_role(actor, workflow_id, role, lock=lock):
        return found[0]
    if has_role(actor, workflow_id, Role.VIEWER):
        raise Forbidden(f"This needs the role {role.value} in workflow {workflow_id!r}.")
    whose = "" if actor.is_superuser else " that you are a member of"
    raise NotFound(f"No workflow {workflow_id!r}{whose}.", field="workflow_id")


def find_and_lock(actor: Actor, reference: str, role: Role, *, field: str = "ticket_id") -> Ticket:
    """``find_ticket`` under the lock of the ticket's workflow (``workflow_for``). Two queries as a rule.

    Raises as ``find_ticket`` does.
    """
    if not connection.features.has_select_for_update:
        return find_ticket(actor, reference, role=role, field=field)
    # Row locks: what is read before the workflow's lock is held may be old.
    parsed = parse_ticket_reference(reference, field=field)
    if parsed.id or parsed.key:
        kind = ("id" if parsed.id else "key", role, actor.is_superuser, actor.via_agent_id is not None)
        locked, found = read_together(
            _workflow_of(*kind),
            _ticket_by(*kind),
            value=parsed.id or parsed.key,
            agent_id=actor.agent_id,
            via_agent_id=actor.via_agent_id or "",
        )
        if locked and found:
            ticket: Ticket = found[0]
            return ticket
    workflow_for(actor, find_ticket(actor, reference, role=role, field=field).workflow_id, role, lock=True)
    return find_ticket(actor, reference, role=role, field=field)


def find_ticket(
    actor: Actor,
    reference: str,
    *,
    workflow_id: str | None = None,
    role: Role = Role.VIEWER,
    field: str = "ticket_id",
) -> Ticket:
    """The ticket (with its workflow) meant by an id, a key or a unique prefix of an id. One query as a rule.

    Raises NotFound among those the actor may read, Forbidden where the role is too low, and Invalid with the
    candidates where a prefix fits several.
    """
    parsed = parse_ticket_reference(reference, field=field)
    found = []
    if parsed.id or parsed.key:
        query = _ticket_by("id" if parsed.id else "key", role, actor.is_superuser, actor.via_agent_id is not None)
        value = parsed.id or parsed.key or ""
        found = query.rows(value=value, agent_id=actor.agent_id, via_agent_id=actor.via_agent_id or "")
        found = [ticket for ticket in found if workflow_id in (None, ticket.workflow_id)]
    if not found and parsed.id_prefix:
        tickets = visible_tickets(actor, role).select_related("workflow")
        if workflow_id is not None:
            tickets = tickets.filter(workflow_id=workflow_id)
        found = list(tickets.filter(id__startswith=parsed.id_prefix)[: MAX_CANDIDATES + 1])
    if not found and role.level > 0:
        ticket = find_ticket(actor, reference, workflow_id=workflow_id, field=field)
        raise Forbidden(f"This needs the role {role.value} in workflow {ticket.workflow_id!r}.")
    if not found:
        where = f" in workflow {workflow_id!r}" if workflow_id else ""
        raise NotFound(f"No ticket {reference.strip()[:60]!r}{where}.", field=field)
    if len(found) > 1:
        candidates = [{"ticket_id": t.id, "key": t.key, "title": t.title} for t in found[:MAX_CANDIDATES]]
        raise Invalid(
            f"{reference.strip()[:60]!r} fits several tickets. Use more characters or the key.",
            field=field,
            extra={"candidates": candidates},
        )
    return found[0]


def find_tickets(actor: Actor, references: Sequence[str], *, workflow_id: str, field: str) -> list[Ticket]:
    """Several tickets of one workflow, in the order given, without repeats. One query where all are full ids or keys.

    Raises Invalid for the first that does not exist there: in a list, a ticket is a value and not the address.
    """
    parsed = [parse_ticket_reference(reference, field=field) for reference in references]
    known = visible_tickets(actor).filter(workflow_id=workflow_id)
    rows = known.filter(Q(id__in=[p.id for p in parsed if p.id]) | Q(key__in=[p.key for p in parsed if p.key]))
    found = {name: ticket for ticket in rows for name in (ticket.id, ticket.key)}
    tickets: dict[str, Ticket] = {}
    for reference, wanted in zip(references, parsed, strict=True):
        ticket = found.get(wanted.id or wanted.key or "")
        if ticket is None:
            try:
                ticket = find_ticket(actor, reference, workflow_id=workflow_id, field=field)
            except NotFound as error:
                raise Invalid(error.message, field=field) from None
        tickets[ticket.id] = ticket
    return list(tickets.values())


def member_agent(workflow_id: str, agent_id: str, *, field: str) -> Agent:
    """An agent that tickets of this workflow may be given to. Raises Invalid."""
    member = Exists(Membership.objects.filter(agent=OuterRef("pk"), workflow_id=workflow_id))
    everywhere = Q(user__is_superuser=True)
    agent = Agent.objects.filter(member | everywhere, pk=agent_id).first()
    if agent is None:
        raise Invalid(f"{agent_id!r} is no member of workflow {workflow_id!r}. Add it as a member first.", field=field)
    return agent


@functools.cache
def _agent_of_user() -> RowReading[Agent]:
    return RowReading(Agent.objects.filter(user_id=Mark("user_id")))


@functools.cache
def _workflows_by_name(is_superuser: bool, has_gateway: bool) -> RowReading[Workflow]:
    found = visible_workflows(_any_actor(is_superuser, has_gateway)).order_by("name", "id")
    return RowReading(found.only("id", "name", "key_prefix")[:MAX_NAMED])


def _workflow_with_role(actor: Actor, workflow_id: str, role: Role, *, lock: bool) -> list[Workflow]:
    query = _workflow_by_id(role, actor.is_superuser, actor.via_agent_id is not None, lock)
    return query.rows(workflow_id=workflow_id, agent_id=actor.agent_id, via_agent_id=actor.via_agent_id or "")


@functools.cache
def _ticket_by(field: str, role: Role, is_superuser: bool, has_gateway: bool) -> RowReading[Ticket]:
    """The query of ``visible_tickets`` for one ticket (mark ``value``), with its workflow."""
    tickets = visible_tickets(_any_actor(is_superuser, has_gateway), role).select_related("workflow")
    return RowReading(tickets.filter(**{field: Mark("value")}))


@functools.cache
def _workflow_by_id(role: Role, is_superuser: bool, has_gateway: bool, lock: bool) -> RowReading[Workflow]:
    """The query of ``visible_workflows`` for one workflow (mark ``workflow_id``)."""
    found = visible_workflows(_any_actor(is_superuser, has_gateway), role).order_by()
    found = found.filter(pk=Mark("workflow_id"))
    return RowReading(found.select_for_update(of=("self",), no_key=True) if lock else found)


@functools.cache
def _workflow_of(field: str, role: Role, is_superuser: bool, has_gateway: bool) -> RowReading[Workflow]:
    """The query of ``visible_workflows`` for the one that a ticket (mark ``value``) is in, locked."""
    found = visible_workflows(_any_actor(is_superuser, has_gateway), role).order_by()
    found = found.filter(**{f"tickets__{field}": Mark("value")}).only("id")
    return RowReading(found.select_for_update(of=("self",), no_key=True))


def _any_actor(is_superuser: bool, has_gateway: bool) -> Actor:
    """An actor whose ids are marks, to compile what a query says of any actor."""
    agent: Any = Mark("agent_id")
    gateway: Any = Mark("via_agent_id") if has_gateway else None
    return Actor(agent_id=agent, kind=AgentKind.AI, via_agent_id=gateway, is_superuser=is_superuser)


def _member(path: str, agent_id: str, role: Role) -> dict[str, Any]:
    """Conditions on the membership at the end of ``path``; for one call of ``filter``, so that they meet in one row."""
    conditions: dict[str, Any] = {f"{path}__agent_id": agent_id}
    if role.level > 0:
        conditions[f"{path}__role__in"] = [other for other in Role if other.level >= role.level]
    return conditions


def _implied_workflow(actor: Actor, role: Role, *, lock: bool) -> Workflow:
    found = list(visible_workflows(actor).order_by("pk")[:20])
    if not found:
        raise NotFound("You are a member of no workflow.", field="workflow_id")
    if len(found) > 1:
        ids = [workflow.pk for workflow in found]
        raise Invalid("You belong to several workflows: say which by workflow_id.", field="workflow_id", allowed=ids)
    return workflow_for(actor, found[0].pk, role, lock=lock)


def _agent_for_user(user: AbstractBaseUser) -> Agent:
    base = f"human-{''.join(c if c.isalnum() or c in '._-' else '-' for c in user.get_username())}"[:90]
    agent_id, number = base, 2
    while Agent.objects.filter(pk=agent_id).exists():
        agent_id, number = f"{base}-{number}", number + 1
    name = getattr(user, "get_full_name", str)() or user.get_username()
    agent, _ = Agent.objects.get_or_create(
        user_id=user.pk,
        defaults={"id": agent_id, "name": name, "kind": AgentKind.HUMAN, "email": getattr(user, "email", "") or ""},
    )
    return agent
