"""Requests and answers about lists of tickets.

Rows are typed dictionaries: fifty of them are built and written without a model each. Times in them are
text, ISO 8601 in UTC with ``Z``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from tickets.errors import not_one_of, unknown_field
from tickets.rules import PRIORITIES
from tickets.schemas.base import Answer, Request

MAX_PAGE = 200
MAX_OFFSET = 10_000_000
MAX_VALUES = 50
EXCERPT = 200
NOBODY = "none"

SortBy = Literal["created_at", "updated_at", "priority", "status"]
SortOrder = Literal["asc", "desc"]
DescriptionForm = Literal["excerpt", "full", "none"]
ExportFormat = Literal["json", "csv", "markdown"]
APPROVALS = ("none", "pending_review", "approved", "rejected", "expired")


class TicketRow(TypedDict, total=False):
    """A ticket as lists show it: the design's ``TicketDetail`` and what the contract adds.

    All of these are there unless ``fields`` asks for fewer. ``description`` is cut to 200 characters unless
    asked for in full; ``lease_*`` are null once the lease has run out.
    """

    ticket_id: str
    key: str
    workflow_id: str
    title: str
    description: str
    ticket_type: str
    priority: str
    status: str
    created_by_agent_id: str
    assigned_agent_id: str | None
    created_at: str
    updated_at: str
    started_at: str | None
    completed_at: str | None
    resolved_at: str | None
    tags: list[str]
    comment_count: int
    commit_count: int
    is_blocked: bool
    blocked_reason: str
    blocked_by_ticket_ids: list[str]
    is_resolved: bool
    approval_status: str
    parent_ticket_id: str | None
    story_points: int | None
    estimate_minutes: int | None
    lease_agent_id: str | None
    lease_expires_at: str | None
    version: int


ROW_NAMES: tuple[str, ...] = tuple(TicketRow.__annotations__)


def _split(value: Any) -> Any:
    """``a,b`` and ``["a,b", "c"]`` as a list; nothing in it is None."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        return value
    parts = [part.strip() for item in value for part in item.split(",")]
    return list(dict.fromkeys(part for part in parts if part))


def _folded(values: Any) -> Any:
    values = _split(values)
    return [v.lower() if isinstance(v, str) else v for v in values] if isinstance(values, list) else values


# What a URL makes of "+00:00" where the plus was not escaped.
_LOST_PLUS = re.compile(r"(T\S+) (\d\d:?\d\d)$")


def read_moment(value: Any) -> datetime:
    """A date (its midnight in UTC) or a time in ISO 8601, UTC where it says nothing. Raises ValueError."""
    if isinstance(value, str):
        text = _LOST_PLUS.sub(r"\1+\2", value.strip())
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError("a date such as 2025-10-01 or a time such as 2025-10-01T12:00:00Z is needed") from None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError("a date such as 2025-10-01 or a time such as 2025-10-01T12:00:00Z is needed")
    moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is outside the years 1 to 9999") from None


def _known_fields(names: list[str]) -> list[str]:
    for name in names:
        if name not in TicketRow.__annotations__:
            raise unknown_field(name[:100], ROW_NAMES, field="fields")
    return names


def _one_of(field: str, allowed: tuple[str, ...]) -> AfterValidator:
    """Refuse the first value outside a closed set, in the name of the field and not of its place in the list."""

    def check(values: list[str]) -> list[str]:
        for value in values:
            if value not in allowed:
                raise not_one_of(field, value, allowed)
        return values

    return AfterValidator(check)


Values = Annotated[list[Annotated[str, Field(max_length=100)]], BeforeValidator(_split), Field(max_length=MAX_VALUES)]
Moment = Annotated[datetime, BeforeValidator(read_moment)]


class TicketCriteria(BaseModel):
    """What tickets must be. Lists of values may be repeated or separated by commas."""

    model_config = ConfigDict(extra="forbid")

    status: Values | None = Field(default=None, description="Columns of the board, by id or name.")
    ticket_type: Values | None = None
    priority: Annotated[list[str], BeforeValidator(_folded), _one_of("priority", PRIORITIES)] | None = Field(
        default=None, description=", ".join(PRIORITIES)
    )
    assigned_agent_id: str | None = Field(
        default=None, min_length=1, max_length=100, description="An agent's id; none: assigned to nobody."
    )
    tags: Values | None = Field(default=None, description="Tickets that bear all of these tags, whatever their case.")
    is_blocked: bool | None = None
    include_completed: bool = Field(default=True, description="false: without tickets in final columns.")
    include_rejected: bool = Field(default=False, description="true: also rejected and expired tickets.")
    approval_status: Annotated[list[str], BeforeValidator(_folded), _one_of("approval_status", APPROVALS)] | None = (
        Field(default=None, description=", ".join(APPROVALS))
    )
    created_after: Moment | None = Field(default=None, description="Created at this time or later.")
    created_before: Moment | None = Field(default=None, description="Created before this time.")
    updated_after: Moment | None = Field(default=None, description="Changed at this time or later.")

    @model_validator(mode="before")
    @classmethod
    def _absent_blanks(cls, data: Any) -> Any:
        # A form in a browser sends each field, also the empty ones.
        if isinstance(data, Mapping):
            return {name: value for name, value in data.items() if value not in (None, "", [])}
        return data


class TicketFilters(TicketCriteria, Request):
    """Which tickets of a workflow."""

    workflow_id: str | None = Field(default=None, max_length=100, description="Implied with a single membership.")
    parent_ticket_id: str | None = Field(
        default=None, min_length=1, max_length=100, description="Parts of this ticket; none: tickets that are no part."
    )


class ListTickets(TicketFilters):
    """List tickets of a workflow, a page at a time.

    Priority sorts by rank (``desc``: critical first), status by the order of the columns; tickets that are
    equal in that are sorted by number.
    """

    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)
    sort_by: SortBy = "created_at"
    sort_order: SortOrder = "desc"
    fields: Annotated[list[str], BeforeValidator(_split), AfterValidator(_known_fields)] | None = Field(
        default=None, description="Only these fields of each ticket; naming description asks for it in full."
    )
    description: DescriptionForm | None = Field(
        default=None, description="excerpt (default): its first 200 characters; full; none."
    )


class TicketList(Answer):
    """A page of tickets; ``total_count`` counts all that match."""

    tickets: list[TicketRow]
    total_count: int
    has_more: bool


class ExportFilters(TicketFilters):
    """Export a workflow's tickets in full, by the list's filters, in the order of their numbers."""

    format: ExportFormat = "json"
