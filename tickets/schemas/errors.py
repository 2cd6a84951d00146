"""The form of errors (contract §5) as a type, for the schema."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ErrorCode = Literal[
    "invalid", "unauthenticated", "forbidden", "identity_mismatch", "not_found", "blocked", "conflict", "duplicate",
    "wip_limit", "transition_not_allowed", "pending_review", "lease_lost", "idempotency_mismatch", "too_large",
    "rate_limited", "busy", "not_available",
]  # fmt: skip


class ErrorDetail(BaseModel):
    """What is wrong and what would be right; some codes carry further fields."""

    model_config = ConfigDict(extra="allow")

    code: ErrorCode
    message: str
    retryable: bool = Field(description="Whether the same request may succeed later.")
    field: str | None = Field(default=None, description="What is at fault, such as tickets.3.title.")
    allowed: list[Any] | None = Field(default=None, description="The values that would be accepted.")
    current_version: int | None = None
    blocking_ticket_ids: list[str] | None = None
    candidates: list[dict[str, Any]] | None = None


class ErrorAnswer(BaseModel):
    """The answer to a request that was refused."""

    model_config = ConfigDict(extra="allow")

    success: Literal[False]
    message: str
    error: ErrorDetail
    blocked: bool | None = Field(default=None, description="True where a blocked ticket was to be moved.")
    blocking_ticket_ids: list[str] | None = None
