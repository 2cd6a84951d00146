"""Agents and their tokens."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from tickets import clock
from tickets.access import Actor, system_actor, workflow_for
from tickets.errors import Conflict, Forbidden, Invalid, NotFound
from tickets.ids import new_id
from tickets.models import Agent, AgentKind, AgentToken, Membership, Role
from tickets.models.agents import hash_token, new_token
from tickets.schemas.directory import ListTokens, TokenList
from tickets.schemas.workflows import (
    AgentAnswer,
    CreateAgent,
    IssueToken,
    RevokeToken,
    SetMembership,
    TokenDetail,
    TokenIssued,
    TokenRevoked,
    UpdateAgent,
)
from tickets.selectors.directory import agent_detail, known_agents, manageable_agents, page
from tickets.services.workflows import membership_set, record_change, set_role
from tickets.unit import encode_value, write_transaction


def agent_create(*, actor: Actor, request: CreateAgent) -> AgentAnswer:
    """Create an agent, with a membership where ``workflow_id`` is given.

    Needs an operator, or a maintainer of that workflow. Raises Conflict where the id is taken.
    """
    if not (actor.is_operator or actor.is_superuser) and not request.workflow_id:
        raise Forbidden("Name a workflow that you maintain, or use an operator's token.", field="workflow_id")
    agent_id = request.new_agent_id or new_id("agent")
    with write_transaction():
        if Agent.objects.filter(pk=agent_id).exists():
            raise Conflict(f"An agent {agent_id!r} exists already. Add it to a workflow as a member.")
        agent = Agent.objects.create(
            id=agent_id,
            name=request.name or agent_id,
            kind=request.kind,
            email=request.email or "",
            created_at=clock.now(),
        )
        if request.workflow_id:
            membership_set(
                actor=actor,
                request=SetMembership(workflow_id=request.workflow_id, member_agent_id=agent_id, role=request.role),
            )
    return AgentAnswer(message=f"Agent {agent_id} created.", agent=agent_detail(agent))


def agent_join(*, agent_id: str, workflow_id: str) -> Agent:
    """Let an agent whom nobody made before be a member, where requests from this machine are trusted."""
    with write_transaction():
        workflow = workflow_for(system_actor(), workflow_id, lock=True)
        agent, _ = Agent.objects.get_or_create(id=agent_id, defaults={"name": agent_id, "kind": AgentKind.AI})
        if not Membership.objects.filter(workflow=workflow, agent=agent).exists():
            set_role(Actor(agent_id=agent.id, kind=agent.kind), workflow, agent.id, Role.MEMBER)
    return agent


def agent_update(*, actor: Actor, request: UpdateAgent) -> AgentAnswer:
    """Give an agent another name; a person bears it at the sign-in's side too. Raises NotFound or Forbidden."""
    with write_transaction():
        agent = _manageable_agent(actor, request.wanted_agent_id, field="wanted_agent_id")
        if agent.name != request.name:
            agent.name = request.name
            agent.save(update_fields=["name"])
            if agent.user is not None:
                agent.user.first_name, agent.user.last_name = request.name, ""
                agent.user.save(update_fields=["first_name", "last_name"])
    return AgentAnswer(message=f"{agent.id} is called {agent.name}.", agent=agent_detail(agent, actor))


def token_issue(*, actor: Actor, request: IssueToken) -> TokenIssued:
    """Issue a token, shown this once.

    An operator may issue any token, a maintainer tokens of AI agents all of whose workflows they maintain,
    anyone a token of their own; gateway and operator tokens come from operators alone. A gateway issues none
    in the name of another: history would not tell any more who acts.
    """
    if actor.via_agent_id is not None:
        raise Forbidden("A gateway issues no tokens in an agent's name. Use a credential of the agent's own.")
    if request.expires_at is not None and request.expires_at <= timezone.now():
        raise Invalid("expires_at lies in the past.", field="expires_at")
    token = new_token()
    with write_transaction():
        agent = _manageable_agent(actor, request.for_agent_id, field="for_agent_id")
        if (request.is_gateway or request.is_operator) and not (actor.is_operator or actor.is_superuser):
            raise Forbidden("Only an operator issues gateway and operator tokens.")
        row = AgentToken.objects.create(
            id=new_id("token"),
            agent=agent,
            token_hash=hash_token(token),
            hint=token[:8],
            label=request.label,
            is_gateway=request.is_gateway,
            is_operator=request.is_operator,
            expires_at=request.expires_at,
        )
        _record_token(actor, "token_issued", row)
    return TokenIssued(
        message=f"Token for {agent.id} issued. It is not shown again.", token=token, detail=token_detail(row)
    )


def token_revoke(*, actor: Actor, request: RevokeToken) -> TokenRevoked:
    """Revoke a token of an agent that the actor manages, or one's own. Again changes nothing.

    An operator's token is for operators alone: whoever makes its agent a member of a workflow does not manage it.
    """
    with write_transaction():
        row = AgentToken.objects.select_related("agent").filter(pk=request.token_id).first()
        if row is None:
            raise NotFound(f"No token {request.token_id!r}.", field="token_id")
        try:
            _manageable_agent(actor, row.agent_id, field="token_id")
        except (NotFound, Forbidden):
            raise NotFound(f"No token {request.token_id!r}.", field="token_id") from None
        if row.is_operator and not _is_own(actor, row.agent_id) and not (actor.is_operator or actor.is_superuser):
            raise Forbidden("Only an operator revokes another's operator token.", field="token_id")
        if row.revoked_at is None:
            row.revoked_at = timezone.now()
            row.save(update_fields=["revoked_at"])
            _record_token(actor, "token_revoked", row)
    return TokenRevoked(message="Token revoked.", detail=token_detail(row))


def token_list(*, actor: Actor, request: ListTokens) -> TokenList:
    """The tokens of an agent that the actor manages, or one's own. Raises NotFound or Forbidden."""
    agent = _manageable_agent(actor, request.for_agent_id, field="for_agent_id")
    rows, total, more = page(AgentToken.objects.filter(agent=agent), request)
    return TokenList(tokens=[token_detail(row) for row in rows], total_count=total, has_more=more)


def token_detail(row: AgentToken) -> TokenDetail:
    return TokenDetail(
        token_id=row.id,
        agent_id=row.agent_id,
        hint=row.hint,
        label=row.label,
        is_gateway=row.is_gateway,
        is_operator=row.is_operator,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _record_token(actor: Actor, change_type: str, row: AgentToken) -> None:
    """In each workflow that the token opens. Of the token nothing that is for its managers alone."""
    facts: dict[str, Any] = {"token_id": row.id, "is_gateway": row.is_gateway, "is_operator": row.is_operator}
    if row.expires_at is not None:
        facts["expires_at"] = encode_value(row.expires_at)
    is_new = change_type == "token_issued"
    memberships = Membership.objects.filter(agent_id=row.agent_id).order_by("workflow_id")
    opened: list[str | None] = [*memberships.values_list("workflow_id", flat=True)]
    for workflow_id in opened or [None]:
        record_change(
            actor,
            change_type,
            workflow_id,
            field_name="token",
            old=None if is_new else facts,
            new=facts if is_new else None,
            subject_agent_id=row.agent_id,
            at=timezone.now(),
        )


def _manageable_agent(actor: Actor, agent_id: str, *, field: str) -> Agent:
    """The agent, if the actor may issue and revoke its tokens (``manageable_agents``). Raises NotFound or Forbidden."""
    agent = manageable_agents(actor).filter(pk=agent_id).first()
    if agent is not None:
        return agent
    if not known_agents(actor).filter(pk=agent_id).exists():
        raise NotFound(f"No agent {agent_id!r}.", field=field)
    raise Forbidden(f"You do not maintain every workflow of {agent_id!r}, or it is a person.")


def _is_own(actor: Actor, agent_id: str) -> bool:
    return agent_id == actor.agent_id and actor.via_agent_id is None
