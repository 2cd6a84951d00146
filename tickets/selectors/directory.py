"""Reads what is around tickets: workflows, members, agents, events, approvals, claims."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from tickets.access import Actor, visible_workflows, workflow_for
from tickets.errors import NotFound
from tickets.models import Agent, AgentKind, Approval, Claim, Membership, Role, Ticket, Workflow
from tickets.schemas.directory import (
    AgentList,
    ApprovalDetail,
    ApprovalList,
    ClaimDetail,
    ClaimList,
    EventPage,
    GetAgent,
    GetMe,
    GetWorkflow,
    ListAgents,
    ListApprovals,
    ListClaims,
    ListEvents,
    ListMembers,
    ListWorkflows,
    MeAnswer,
    MemberDetail,
    MemberList,
    PageRequest,
    WorkflowList,
)
from tickets.schemas.workflows import AgentAnswer, AgentDetail, WorkflowAnswer, WorkflowDetail
from tickets.selectors.events import event_page

ModelT = TypeVar("ModelT", bound=Model)


def page(rows: QuerySet[ModelT], request: PageRequest) -> tuple[list[ModelT], int, bool]:
    """The rows of one page, the count of all and whether more follow. Two queries."""
    total = rows.count()
    found = list(rows[request.offset : request.offset + request.limit])
    return found, total, request.offset + len(found) < total


def workflow_list(*, actor: Actor, request: ListWorkflows) -> WorkflowList:
    """The workflows that the actor may read. Two queries."""
    rows, total, more = page(visible_workflows(actor).order_by("name", "id"), request)
    return WorkflowList(workflows=[workflow_detail(row) for row in rows], total_count=total, has_more=more)


def workflow_get(*, actor: Actor, request: GetWorkflow) -> WorkflowAnswer:
    return WorkflowAnswer(workflow=workflow_detail(workflow_for(actor, request.workflow_id)))


def workflow_detail(workflow: Workflow) -> WorkflowDetail:
    """A workflow as every face shows it."""
    return WorkflowDetail(
        workflow_id=workflow.id,
        name=workflow.name,
        key_prefix=workflow.key_prefix,
        is_active=workflow.is_active,
        ticket_tracking_enabled=workflow.ticket_tracking_enabled,
        repositories=workflow.repositories,
        phases=workflow.phases,
        board_revision=workflow.board_revision,
        seq=workflow.event_seq,
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
    )


def membership_list(*, actor: Actor, request: ListMembers) -> MemberList:
    """Who belongs to a workflow. Three queries."""
    workflow = workflow_for(actor, request.workflow_id)
    members = Membership.objects.filter(workflow=workflow).select_related("agent").order_by("agent_id")
    rows, total, more = page(members, request)
    details = [
        MemberDetail(
            agent_id=row.agent_id,
            name=row.agent.name,
            kind=row.agent.kind,
            state=row.agent.state,
            role=row.role,
            last_seen_at=row.agent.last_seen_at,
        )
        for row in rows
    ]
    return MemberList(members=details, total_count=total, has_more=more)


def agent_list(*, actor: Actor, request: ListAgents) -> AgentList:
    """The agents that the actor may know of. Three queries, four with a workflow."""
    agents = known_agents(actor).order_by("id")
    if request.workflow_id is not None:
        members = Membership.objects.filter(workflow=workflow_for(actor, request.workflow_id))
        agents = agents.filter(pk__in=members.values("agent_id"))
    rows, total, more = page(agents, request)
    return AgentList(agents=agent_details(rows, actor), total_count=total, has_more=more)


def agent_get(*, actor: Actor, request: GetAgent) -> AgentAnswer:
    """One agent. Raises NotFound for one with whom the actor shares no workflow."""
    agent = known_agents(actor).filter(pk=request.wanted_agent_id).first()
    if agent is None:
        raise NotFound(f"No agent {request.wanted_agent_id!r}.", field="agent_id")
    return AgentAnswer(agent=agent_detail(agent, actor))


def known_agents(actor: Actor) -> QuerySet[Agent]:
    """Agents that the actor may know of: itself, those that share a workflow; to operators, all."""
    if actor.is_operator or actor.is_superuser:
        return Agent.objects.all()
    shared = Membership.objects.filter(workflow__in=visible_workflows(actor))
    return Agent.objects.filter(Q(pk=actor.agent_id) | Q(pk__in=shared.values("agent_id")))


def manageable_agents(actor: Actor) -> QuerySet[Agent]:
    """Agents whose tokens the actor may issue, list and revoke: to operators, all.

    To others their own (not through a gateway), and AI agents of which they maintain every workflow: a token
    opens all of them.
    """
    if actor.is_operator or actor.is_superuser:
        return Agent.objects.all()
    shared = Membership.objects.filter(workflow__in=visible_workflows(actor)).values("agent_id")
    maintained = visible_workflows(actor, Role.MAINTAINER)
    foreign = Membership.objects.filter(agent=OuterRef("pk")).exclude(workflow__in=maintained)
    own = Q(pk=actor.agent_id) if actor.via_agent_id is None else Q(pk__in=())
    return Agent.objects.filter(own | (Q(kind=AgentKind.AI, pk__in=shared) & ~Q(Exists(foreign))))


def agent_detail(agent: Agent, actor: Actor | None = None) -> AgentDetail:
    """An agent as every face shows it; with an actor, only the memberships that the actor may know of."""
    return agent_details([agent], actor)[0]


def agent_details(agents: list[Agent], actor: Actor | None = None) -> list[AgentDetail]:
    """``agent_detail`` of many. One query."""
    memberships = Membership.objects.filter(agent__in=[agent.pk for agent in agents])
    if actor is not None:
        memberships = memberships.filter(workflow__in=visible_workflows(actor))
    roles: dict[str, dict[str, str]] = {}
    for row in memberships.order_by("workflow_id"):
        roles.setdefault(row.agent_id, {})[row.workflow_id] = row.role
    return [
        AgentDetail(
            agent_id=agent.id,
            name=agent.name,
            kind=agent.kind,
            state=agent.state,
            email=agent.email,
            created_at=agent.created_at,
            last_seen_at=agent.last_seen_at,
            memberships=roles.get(agent.id, {}),
        )
        for agent in agents
    ]


def who_am_i(*, actor: Actor, request: GetMe) -> MeAnswer:
    """The actor as the credential made it. Two queries."""
    return MeAnswer(
        agent=agent_detail(Agent.objects.get(pk=actor.agent_id), actor),
        via_agent_id=actor.via_agent_id,
        token_id=actor.token_id,
        is_operator=actor.is_operator,
        is_gateway=actor.is_gateway,
        is_superuser=actor.is_superuser,
    )


def event_list(*, actor: Actor, request: ListEvents) -> EventPage:
    """The event log for those who poll. Four queries."""
    found = event_page(actor=actor, workflow_id=request.workflow_id, since=request.since, limit=request.limit)
    return EventPage.model_validate(found)


def approval_list(*, actor: Actor, request: ListApprovals) -> ApprovalList:
    """What waits for a person's decision in time. Three queries."""
    workflow = workflow_for(actor, request.workflow_id)
    rows, total, more = page(approvals_waiting(workflow).select_related("ticket"), request)
    details = [
        ApprovalDetail(
            ticket_id=row.ticket_id,
            key=row.ticket.key,
            title=row.ticket.title,
            requested_by_agent_id=row.requested_by_agent_id,
            requested_at=row.requested_at,
            expires_at=row.expires_at,
        )
        for row in rows
    ]
    return ApprovalList(approvals=details, total_count=total, has_more=more)


def approvals_waiting(workflow: Workflow) -> QuerySet[Approval]:
    """The open requests for a decision whose time has not run out, first those whose time runs out first."""
    # Not by a join: SQLite would begin with all tickets of the workflow, instead of with the few open requests.
    here = Exists(Ticket.objects.filter(pk=OuterRef("ticket_id"), workflow=workflow))
    open_requests = Approval.objects.filter(here, decided_at=None, expires_at__gt=timezone.now())
    return open_requests.order_by("expires_at", "id")


def claim_list(*, actor: Actor, request: ListClaims) -> ClaimList:
    """The live leases of a workflow. Three queries."""
    workflow = workflow_for(actor, request.workflow_id)
    live = Claim.objects.filter(ticket__workflow=workflow, ended_at=None, expires_at__gt=timezone.now())
    rows, total, more = page(live.select_related("ticket").order_by("expires_at", "id"), request)
    details = [
        ClaimDetail(
            ticket_id=row.ticket_id,
            key=row.ticket.key,
            title=row.ticket.title,
            agent_id=row.agent_id,
            fencing_token=row.fencing_token,
            claimed_at=row.claimed_at,
            heartbeat_at=row.heartbeat_at,
            expires_at=row.expires_at,
        )
        for row in rows
    ]
    return ClaimList(claims=details, total_count=total, has_more=more)
