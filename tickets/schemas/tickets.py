"""Requests and answers about tickets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from tickets.errors import Invalid
from tickets.schemas.base import Answer, ListOfIds, Priority, TicketAnswer, TicketWriteRequest, Timestamp, WriteRequest

MAX_TAGS = 20
MAX_BATCH = 50
DESCRIPTION_MIN = 10
DESCRIPTION_MAX = 250_000
COMMENT_MIN = 10
COMMENT_MAX = 100_000


def _long_enough(value: str) -> str:
    if len(value.strip()) < DESCRIPTION_MIN:
        raise ValueError(f"at least {DESCRIPTION_MIN} characters are needed")
    return value


def distinct_tags(tags: list[str]) -> list[str]:
    """Refuse tags that are equal but for case. Raises ValueError."""
    seen: set[str] = set()
    for tag in tags:
        if tag.casefold() in seen:
            raise ValueError(f"the tag {tag!r} stands twice")
        seen.add(tag.casefold())
    return tags


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _hexadecimal(value: Any) -> Any:
    if isinstance(value, str):
        value = value.strip()
        if not re.fullmatch("[0-9a-fA-F]{4,64}", value):
            raise ValueError("takes 4 to 64 hexadecimal digits of a commit, no name of a branch or a tag")
        return value.lower()
    return value


def trimmed(min_length: int, max_length: int) -> StringConstraints:
    """Constraints on a text whose outer white space does not count and is not kept."""
    return StringConstraints(strip_whitespace=True, min_length=min_length, max_length=max_length)


Title = Annotated[str, trimmed(3, 500)]
Description = Annotated[str, AfterValidator(_long_enough), Field(max_length=DESCRIPTION_MAX)]
Tag = Annotated[str, trimmed(1, 50)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(distinct_tags)]
Ids = Annotated[ListOfIds, AfterValidator(_distinct)]
StoryPoints = Annotated[int, Field(ge=0, le=10_000)]
Minutes = Annotated[int, Field(ge=0, le=10_000_000)]
Slug = Annotated[str, trimmed(1, 50)]
AgentId = Annotated[str, Field(min_length=1, max_length=100)]
LongEnoughComment = Annotated[str, trimmed(COMMENT_MIN, COMMENT_MAX)]
CommitSha = Annotated[
    str,
    BeforeValidator(_hexadecimal),
    Field(pattern=r"^[0-9a-fA-F]{4,64}$", description="Hexadecimal: the whole sha, or 4 digits of it and more."),
]


class TicketFields(BaseModel):
    """Fields that create and update share, with the same validation."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    description: Description | None = None
    ticket_type: Slug | None = None
    priority: Priority | None = None
    assigned_agent_id: AgentId | None = None
    parent_ticket_id: str | None = Field(default=None, max_length=100)
    tags: Tags | None = None
    related_task_ids: Ids | None = None
    related_ticket_ids: Ids | None = None
    blocked_by_ticket_ids: Ids | None = Field(default=None, description="At most 100 tickets that must come first.")
    is_blocked: bool | None = Field(default=None, description="A manual block beside the ticket blockers.")
    blocked_reason: str | None = Field(default=None, max_length=1000)
    story_points: StoryPoints | None = None
    estimate_minutes: Minutes | None = None


# Of these null means "none"; of the others it is an error.
CLEARABLE = frozenset({"assigned_agent_id", "parent_ticket_id", "story_points", "estimate_minutes", "blocked_reason"})


class TicketUpdates(TicketFields):
    """What an update may hold: the fields, and forms that add to and remove from lists."""

    tags_add: Tags | None = None
    tags_remove: Tags | None = None
    blocked_by_add: Ids | None = None
    blocked_by_remove: Ids | None = None
    related_task_ids_add: Ids | None = None
    related_task_ids_remove: Ids | None = None
    related_ticket_ids_add: Ids | None = None
    related_ticket_ids_remove: Ids | None = None

    @model_validator(mode="before")
    @classmethod
    def _nulls(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for name, value in data.items():
                if value is None and name in cls.model_fields and name not in CLEARABLE:
                    raise Invalid(f"{name} cannot be null; leave it out to keep it.", field=f"updates.{name}")
        return data

    @model_validator(mode="after")
    def _one_form(self) -> TicketUpdates:
        for name, forms in LIST_FORMS.items():
            if name in self.model_fields_set and self.model_fields_set & set(forms):
                raise Invalid(f"Give either {name} or {' and '.join(forms)}, not both.", field=f"updates.{name}")
        return self


LIST_FORMS = {
    "tags": ("tags_add", "tags_remove"),
    "blocked_by_ticket_ids": ("blocked_by_add", "blocked_by_remove"),
    "related_task_ids": ("related_task_ids_add", "related_task_ids_remove"),
    "related_ticket_ids": ("related_ticket_ids_add", "related_ticket_ids_remove"),
}


class CreateTicketFields(TicketFields):
    """A new ticket's fields, without where it goes and who asks."""

    title: Title
    description: Description
    initial_status: Slug | None = None
    on_duplicate: Literal["warn", "reject"] = Field(default="warn", description="reject: 409 with the candidate.")


class CreateTicket(CreateTicketFields, WriteRequest):
    """Create a ticket."""

    workflow_id: str | None = Field(default=None, max_length=100, description="Implied with a single membership.")


class SimilarTicket(BaseModel):
    """A ticket that says about the same. ``similarity_score`` is between 0 and 1."""

    ticket_id: str
    key: str
    title: str
    status: str
    similarity_score: float
    relation_type: Literal["duplicate", "related", "similar"]


class TicketCreated(TicketAnswer):
    """The answer to ``CreateTicket``."""

    workflow_id: str
    status: str
    approval_status: str
    embedding_created: bool = False
    similar_tickets: list[SimilarTicket] = Field(default_factory=list)


class UpdateTicket(TicketWriteRequest):
    """Change fields of a ticket; its status changes by ``ChangeTicketStatus``."""

    updates: TicketUpdates
    update_comment: str | None = Field(default=None, max_length=COMMENT_MAX)


class TicketUpdated(TicketAnswer):
    """``fields_updated`` names the fields that really changed."""

    fields_updated: list[str]
    embedding_updated: bool = False


class ChangeTicketStatus(TicketWriteRequest):
    """Move a ticket to another column. The board decides whether a comment is required."""

    new_status: Slug
    comment: str | None = Field(default=None, max_length=COMMENT_MAX, description="10 characters where required.")
    commit_sha: CommitSha | None = None
    before_ticket_id: str | None = Field(default=None, max_length=100, description="Place it above this one.")
    after_ticket_id: str | None = Field(default=None, max_length=100, description="Place it below this one.")


class TicketStatusChanged(TicketAnswer):
    old_status: str
    new_status: str
    blocked: bool = False
    blocking_ticket_ids: list[str] = Field(default_factory=list)
    unblocked_tickets: list[str] = Field(default_factory=list)


class MoveTicket(TicketWriteRequest):
    """Place a ticket within its column, next to another ticket of that column."""

    before_ticket_id: str | None = Field(default=None, max_length=100)
    after_ticket_id: str | None = Field(default=None, max_length=100)


class ResolveTicket(TicketWriteRequest):
    """Resolve a ticket and unblock what waited for it."""

    resolution_comment: LongEnoughComment
    commit_sha: CommitSha | None = None


class TicketResolved(TicketAnswer):
    """``unblocked_tickets`` names only those with no blocker left."""

    status: str
    unblocked_tickets: list[str]


class ReopenTicket(TicketWriteRequest):
    """Take a ticket out of its final column, to ``new_status`` or the board's initial one."""

    new_status: Slug | None = None
    comment: str | None = Field(default=None, max_length=COMMENT_MAX)


class AssignTicket(TicketWriteRequest):
    """Give a ticket to an agent; without ``assigned_agent_id`` take it from whoever has it."""

    assigned_agent_id: AgentId | None = None


class BlockTicket(TicketWriteRequest):
    """Block a ticket by hand (``reason``), by other tickets, or both."""

    reason: str | None = Field(default=None, max_length=1000)
    blocked_by_ticket_ids: Ids = Field(default_factory=list)


class UnblockTicket(TicketWriteRequest):
    """Lift the manual block, and the blockers named; without names only the manual block."""

    blocked_by_ticket_ids: Ids = Field(default_factory=list)


class TicketBlockingChanged(TicketAnswer):
    is_blocked: bool
    blocked_by_ticket_ids: list[str]


class DecideTicket(TicketWriteRequest):
    """Approve or reject a ticket that waits for review."""

    reason: str | None = Field(default=None, max_length=10_000)


class TicketDecided(TicketAnswer):
    approval_status: str


class BatchTicket(CreateTicketFields):
    """A ticket of a batch. ``#0``, ``#1`` … in its references mean tickets of the same batch by position."""


class CreateTickets(WriteRequest):
    """Create up to 50 tickets in one transaction: all or none."""

    workflow_id: str | None = Field(default=None, max_length=100)
    tickets: list[BatchTicket] = Field(min_length=1, max_length=MAX_BATCH)
    dry_run: bool = Field(default=False, description="Check everything, keep nothing.")


class TicketsCreated(Answer):
    tickets: list[TicketCreated]
    dry_run: bool = False


class BulkChanges(BaseModel):
    """What a bulk update may change."""

    model_config = ConfigDict(extra="forbid")
    status: Slug | None = None
    assigned_agent_id: AgentId | None = None
    priority: Priority | None = None
    tags: Tags | None = None
    tags_add: Tags | None = None
    tags_remove: Tags | None = None


class BulkUpdateTickets(WriteRequest):
    """Change up to 50 tickets at once. Each has its own result; one refused does not stop the others."""

    ticket_ids: Annotated[list[str], AfterValidator(_distinct)] = Field(min_length=1, max_length=MAX_BATCH)
    updates: BulkChanges
    comment: str | None = Field(default=None, max_length=COMMENT_MAX)


class BulkResult(BaseModel):
    ticket_id: str
    success: bool
    version: int | None = None
    fields_updated: list[str] = Field(default_factory=list)
    error: dict[str, Any] | None = None


class TicketsUpdated(Answer):
    results: list[BulkResult]
    updated: int
    failed: int


class ClaimTicket(TicketWriteRequest):
    """Lease a ticket for ``lease_seconds``; it is then yours to work on."""

    lease_seconds: int = Field(default=900, ge=1, le=86_400)


class NextTicket(WriteRequest):
    """Pick the best ready ticket and, with ``claim``, lease it in the same statement."""

    workflow_id: str | None = Field(default=None, max_length=100)
    claim: bool = True
    lease_seconds: int = Field(default=900, ge=1, le=86_400)
    ticket_type: Slug | None = None
    tags: list[Tag] = Field(default_factory=list, max_length=MAX_TAGS)


class HeartbeatTicket(TicketWriteRequest):
    """Prolong a lease: it ends ``lease_seconds`` from now."""

    fencing_token: int = Field(ge=0, le=2**63 - 1)
    lease_seconds: int = Field(default=900, ge=1, le=86_400)


class ReleaseTicket(TicketWriteRequest):
    """Give a lease back. A maintainer may release another's without its token."""

    comment: str | None = Field(default=None, max_length=COMMENT_MAX)


class TicketClaimed(TicketAnswer):
    """A lease. Send ``fencing_token`` with your writes to be refused once the lease is lost."""

    lease_agent_id: str
    lease_expires_at: Timestamp
    fencing_token: int


class TicketReleased(TicketAnswer):
    released: bool


class NextTicketAnswer(Answer):
    """``ticket_id`` is null where nothing is ready; ``reasons`` then counts why."""

    ticket_id: str | None
    key: str | None = None
    title: str | None = None
    priority: str | None = None
    status: str | None = None
    version: int | None = None
    lease_agent_id: str | None = None
    lease_expires_at: Timestamp | None = None
    fencing_token: int | None = None
    reasons: dict[str, int] = Field(default_factory=dict)
