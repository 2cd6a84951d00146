"""Requests and answers about insights."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, Field

from tickets.errors import not_one_of
from tickets.schemas.base import Answer, Request, Timestamp
from tickets.schemas.lists import Values

Kind = Literal[
    "agent_idle",
    "agent_overloaded",
    "agent_velocity",
    "blocked_chain",
    "blocked_too_long",
    "blocker_unattended",
    "critical_path",
    "cross_agent_dependency",
    "duplicates",
    "expired_lease",
    "pending_review",
    "reassignment",
    "silent_agent",
    "stuck",
    "unassigned",
]
Severity = Literal["high", "medium", "low", "info"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
# Of one finding; its evidence tells the true number.
MAX_TICKETS = 50
MAX_LIMIT = 50


def _known_kinds(values: list[str]) -> list[str]:
    for value in values:
        if value not in KINDS:
            raise not_one_of("kind", value[:100], KINDS)
    return values


Hours = Annotated[float, Field(ge=0, le=87_600, allow_inf_nan=False)]
LongMinutes = Annotated[float, Field(ge=0, le=5_256_000, allow_inf_nan=False)]


class GetInsights(Request):
    """Say what needs attention in a workflow, why, and which operation would help.

    Thresholds that are not given: for a stay in a column, its own 85th percentile where there are 20 past stays
    (never under 15 minutes, a lease's usual length), else 24 hours; for a review, the last fifth of its time, at
    least 10 minutes.
    """

    workflow_id: str | None = Field(default=None, max_length=100, description="Implied with a single membership.")
    kind: Annotated[Values, AfterValidator(_known_kinds)] | None = Field(
        default=None, description=f"Some of: {', '.join(KINDS)}. Default: all."
    )
    limit: int = Field(default=10, ge=1, le=MAX_LIMIT, description="Findings of each kind, the most severe first.")
    stuck_hours: Hours | None = Field(default=None, description="A stay in any column beyond this is too long.")
    blocked_hours: Hours = Field(default=24, description="Being blocked beyond this is too long.")
    silent_minutes: LongMinutes = Field(default=30, description="A lease's holder who did nothing for so long.")
    expiring_minutes: LongMinutes | None = Field(default=None, description="A review with less time left than this.")


class Suggestion(BaseModel):
    """A call of REST that can be carried out as it stands: ``method``, ``path``, and ``arguments`` as its body.

    ``role`` is the least role that may. ``version`` is the ticket's when this was said: sent along as
    ``expected_version``, the call is refused where the ticket has changed since. ``undo`` are the arguments with which
    the same call takes it back; None where it cannot be.
    """

    operation: str
    method: Literal["POST"] = "POST"
    path: str
    arguments: dict[str, Any]
    undo: dict[str, Any] | None = None
    description: str
    role: Literal["member", "maintainer"] = "member"
    version: int


class Finding(BaseModel):
    """Something that needs attention. ``ticket_ids`` and ``keys`` name the same tickets, at most 50.

    Nothing in it was written on a ticket but ``blocked_reason`` in the evidence, which otherwise holds figures,
    ids and times. Either ``suggestion`` is there or ``no_suggestion``, which says why there is none.
    """

    kind: Kind
    severity: Severity
    ticket_ids: list[str]
    keys: list[str]
    agent_ids: list[str]
    message: str
    evidence: dict[str, Any]
    suggestion: Suggestion | None
    no_suggestion: str | None


class InsightsFound(Answer):
    """Findings by severity, then kind, then the number of the first ticket (or the agent's id).

    ``counts`` tells how many there are of each kind, ``truncated`` of which kinds only the first are here, and
    ``unavailable`` which kinds nobody could look for just now.
    """

    workflow_id: str
    generated_at: Timestamp
    findings: list[Finding]
    counts: dict[str, int]
    truncated: list[str]
    unavailable: list[str]
