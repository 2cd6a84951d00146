"""Requests and answers about what concerns an agent, and about what surrounds a ticket."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from tickets.schemas.base import Answer, Request, WriteRequest
from tickets.schemas.details import CommentDetail, CommitDetail, OneTicket, RelatedTaskInfo, RelatedTicketInfo
from tickets.schemas.tickets import SimilarTicket

MAX_ITEMS = 100
MAX_SEQ = 2**63 - 1
LEAST_TOKENS = 300
MOST_TOKENS = 8000


class GetInbox(Request):
    """What concerns you: mentions, assignments, tickets that can go on, results of reviews."""

    workflow_id: str | None = Field(default=None, max_length=100, description="Implied with a single membership.")
    since: int | None = Field(
        default=None, ge=0, le=MAX_SEQ, description="Sequence number; default: what you acknowledged last."
    )
    limit: int = Field(default=20, ge=1, le=MAX_ITEMS)


class InboxItem(TypedDict):
    """``kind``: mention, assignment, unblocked, review. ``agent_id`` is who caused it, ``detail`` what came of it.

    ``preview`` is the beginning of what was written, at most 200 characters.
    """

    seq: int
    kind: Literal["mention", "assignment", "unblocked", "review"]
    type: str
    timestamp: str
    agent_id: str
    ticket_id: str | None
    key: str | None
    title: str | None
    status: str | None
    is_blocked: bool
    is_resolved: bool
    comment_id: str | None
    task_id: str | None
    detail: str
    preview: str


class Inbox(Answer):
    """Oldest first. ``next_cursor`` is the ``since`` of the next page, and what to acknowledge when all is done."""

    workflow_id: str
    since: int
    items: list[InboxItem]
    next_cursor: int
    has_more: bool


class AcknowledgeInbox(WriteRequest):
    """Everything up to ``cursor`` is done; it is not shown again. An earlier cursor changes nothing."""

    workflow_id: str | None = Field(default=None, max_length=100)
    cursor: int = Field(ge=0, le=MAX_SEQ)


class InboxAcknowledged(Answer):
    workflow_id: str
    acknowledged: int


class GetTicketContext(OneTicket):
    """What an agent should know before it works on a ticket, in at most ``max_tokens``."""

    max_tokens: int = Field(default=2000, ge=LEAST_TOKENS, le=MOST_TOKENS)


class Blocker(RelatedTicketInfo):
    """A ticket that must come first, and what it waits for in turn."""

    waits_for_ticket_ids: list[str]


class TicketContext(Answer):
    """``blocked_by`` goes on to what blockers wait for, nearest first. ``omitted`` counts what did not fit."""

    ticket_id: str
    key: str
    title: str
    description: str
    ticket: dict[str, Any] = Field(description="The ticket's fields without its texts.")
    blocked_by: list[Blocker]
    comments: list[CommentDetail] = Field(description="The newest, oldest of them first.")
    commits: list[CommitDetail]
    related_tickets: list[RelatedTicketInfo]
    suggested: list[SimilarTicket] = Field(description="Alike in meaning, and not tied to it.")
    related_tasks: list[RelatedTaskInfo]
    max_tokens: int
    omitted: dict[str, int] = Field(description="What was left out for want of room: entries, or characters.")
