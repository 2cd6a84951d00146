"""Requests and answers about workflows, agents, memberships and tokens."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tickets.errors import Invalid
from tickets.ids import ID_PATTERN, PREFIX_PATTERN, RESERVED_PREFIXES
from tickets.schemas.base import Answer, Moment, Timestamp, WriteRequest
from tickets.schemas.tickets import trimmed

ChosenId = Annotated[str, Field(pattern=ID_PATTERN, description="Letters, digits and . _ : -; at most 100.")]
Name = Annotated[str, trimmed(1, 200)]
RepositoryPath = Annotated[str, Field(min_length=1, max_length=1000)]
RoleName = Literal["viewer", "member", "maintainer"]


def _free_prefix(value: str) -> str:
    if value in RESERVED_PREFIXES:
        raise Invalid(f"The key prefix {value} is reserved.", field="key_prefix")
    return value


KeyPrefix = Annotated[
    str, Field(pattern=PREFIX_PATTERN, description="2 to 10 capitals and digits."), AfterValidator(_free_prefix)
]


class CreateWorkflow(WriteRequest):
    """Create a workflow with its board. Without an id or a prefix, they are made from the name."""

    workflow_id: ChosenId | None = None
    name: Name
    key_prefix: KeyPrefix | None = None
    board: dict[str, Any] | None = Field(default=None, description="A board configuration; default: five columns.")
    ticket_tracking_enabled: bool | None = None
    repositories: list[RepositoryPath] = Field(default_factory=list, max_length=50)
    phases: list[dict[str, Any]] = Field(default_factory=list, max_length=200)


class WorkflowUpdates(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    is_active: bool | None = None
    ticket_tracking_enabled: bool | None = None
    repositories: list[RepositoryPath] | None = Field(default=None, max_length=50)
    phases: list[dict[str, Any]] | None = Field(default=None, max_length=200)


class UpdateWorkflow(WriteRequest):
    """Change a workflow's settings. Its id and prefix stay."""

    workflow_id: str = Field(max_length=100)
    updates: WorkflowUpdates


class WorkflowDetail(BaseModel):
    workflow_id: str
    name: str
    key_prefix: str
    is_active: bool
    ticket_tracking_enabled: bool
    repositories: list[str]
    phases: list[dict[str, Any]]
    board_revision: str
    seq: int
    created_at: Timestamp
    updated_at: Timestamp


class WorkflowAnswer(Answer):
    workflow: WorkflowDetail


class CreateAgent(WriteRequest):
    """Create an agent, or add a membership to an existing one."""

    new_agent_id: ChosenId | None = Field(default=None, description="Without one, an id is made.")
    name: Name | None = None
    kind: Literal["ai", "human"] = "ai"
    email: str | None = Field(default=None, max_length=254)
    workflow_id: str | None = Field(default=None, max_length=100)
    role: RoleName = "member"


class UpdateAgent(WriteRequest):
    """Change an agent's name: one's own, or that of an agent whose tokens one may issue. Its id stays."""

    # Not agent_id: that is who asks.
    wanted_agent_id: str = Field(min_length=1, max_length=100)
    name: Annotated[str, trimmed(1, 150)]


class AgentDetail(BaseModel):
    agent_id: str
    name: str
    kind: str
    state: str
    email: str
    created_at: Timestamp
    last_seen_at: Timestamp | None
    memberships: dict[str, str] = Field(description="Workflow id → role.")


class AgentAnswer(Answer):
    agent: AgentDetail


class SetMembership(WriteRequest):
    """Give an agent a role in a workflow; null takes its membership away."""

    workflow_id: str = Field(max_length=100)
    member_agent_id: str = Field(max_length=100)
    role: RoleName | None = None


class MembershipAnswer(Answer):
    workflow_id: str
    member_agent_id: str
    role: str | None


class IssueToken(WriteRequest):
    """Issue a token for an agent. It is shown this once."""

    for_agent_id: str = Field(max_length=100)
    label: str = Field(default="", max_length=100)
    is_gateway: bool = False
    is_operator: bool = False
    expires_at: Moment | None = None


class TokenDetail(BaseModel):
    """A token as it may be shown later: never the token itself."""

    token_id: str
    agent_id: str
    hint: str
    label: str
    is_gateway: bool
    is_operator: bool
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used_at: Timestamp | None


class TokenIssued(Answer):
    """``token`` is empty where an idempotency key repeats the request: it was shown once."""

    SECRETS: ClassVar[frozenset[str]] = frozenset({"token"})

    token: str = ""
    detail: TokenDetail


class RevokeToken(WriteRequest):
    """Revoke a token at once and for good. Again changes nothing."""

    token_id: str = Field(max_length=60)


class TokenRevoked(Answer):
    detail: TokenDetail
