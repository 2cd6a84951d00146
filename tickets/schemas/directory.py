"""Requests and answers about what there is around tickets: workflows, members, agents, tokens, events."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from tickets.schemas.base import Answer, Request, Timestamp
from tickets.schemas.workflows import AgentDetail, TokenDetail, WorkflowDetail

MAX_PAGE = 200
MAX_EVENTS = 1000
MAX_SEQ = 2**63 - 1


class PageRequest(Request):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    offset: int = Field(default=0, ge=0, le=2**31 - 1)


class PageAnswer(Answer):
    """A part of a list; ``total_count`` counts the whole."""

    total_count: int
    has_more: bool


class InWorkflow(Request):
    """Something of one workflow."""

    workflow_id: str = Field(min_length=1, max_length=100)


class ListWorkflows(PageRequest):
    """The workflows that you may read, by name."""


class WorkflowList(PageAnswer):
    workflows: list[WorkflowDetail]


class GetWorkflow(InWorkflow):
    """One workflow."""


class ListMembers(PageRequest, InWorkflow):
    """Who belongs to a workflow, by agent id."""


class MemberDetail(BaseModel):
    agent_id: str
    name: str
    kind: str
    state: str
    role: str
    last_seen_at: Timestamp | None


class MemberList(PageAnswer):
    members: list[MemberDetail]


class ListAgents(PageRequest):
    """The agents with whom you share a workflow, by id."""

    workflow_id: str | None = Field(default=None, min_length=1, max_length=100)


class AgentList(PageAnswer):
    agents: list[AgentDetail]


class GetAgent(Request):
    """One agent."""

    # Not agent_id: that is who asks.
    wanted_agent_id: str = Field(min_length=1, max_length=100)


class ListTokens(PageRequest):
    """The tokens of an agent that you manage, newest first; never the tokens themselves."""

    for_agent_id: str = Field(min_length=1, max_length=100)


class TokenList(PageAnswer):
    tokens: list[TokenDetail]


class GetMe(Request):
    """Who you are by your credential, and where you belong."""


class MeAnswer(Answer):
    """``via_agent_id`` is the gateway whose credential you use."""

    agent: AgentDetail
    via_agent_id: str | None
    token_id: str | None
    is_operator: bool
    is_gateway: bool
    is_superuser: bool


class ListEvents(InWorkflow):
    """The event log after ``since``, oldest first."""

    since: int = Field(default=0, ge=0, le=MAX_SEQ, description="Sequence number of the last event you know.")
    limit: int = Field(default=200, ge=1, le=MAX_EVENTS)


class EventRow(BaseModel):
    seq: int
    type: str
    ticket_id: str | None
    workflow_id: str
    agent_id: str
    data: dict[str, Any]
    timestamp: str


class EventPage(Answer):
    """``seq`` and ``oldest`` are the newest and oldest numbers kept."""

    events: list[EventRow]
    seq: int
    oldest: int
    has_more: bool


class ListApprovals(PageRequest, InWorkflow):
    """The tickets that wait for a person's review, first those whose time runs out first."""


class ApprovalDetail(BaseModel):
    ticket_id: str
    key: str
    title: str
    requested_by_agent_id: str
    requested_at: Timestamp
    expires_at: Timestamp


class ApprovalList(PageAnswer):
    approvals: list[ApprovalDetail]


class ListClaims(PageRequest, InWorkflow):
    """The live leases, first those that end first."""


class ClaimDetail(BaseModel):
    ticket_id: str
    key: str
    title: str
    agent_id: str
    fencing_token: int
    claimed_at: Timestamp
    heartbeat_at: Timestamp
    expires_at: Timestamp


class ClaimList(PageAnswer):
    claims: list[ClaimDetail]
