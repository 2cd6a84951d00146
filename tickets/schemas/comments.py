"""Requests and answers about comments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tickets.schemas.base import Answer, TicketWriteRequest, WriteRequest
from tickets.schemas.tickets import COMMENT_MAX, Ids, trimmed

CommentText = Annotated[str, trimmed(1, COMMENT_MAX)]
CommentType = Literal["general", "status_change", "assignment", "blocker", "resolution"]


def _safe_attachment(value: str) -> str:
    scheme, colon, _ = value.partition(":")
    if colon and "/" not in scheme and scheme.lower() not in {"http", "https"}:
        raise ValueError("only http and https addresses and relative paths can be attached")
    if value.startswith(("/", "\\")) or ".." in value.replace("\\", "/").split("/"):
        raise ValueError("a path must be relative and stay below where it starts")
    return value


Attachment = Annotated[str, trimmed(1, 2000), AfterValidator(_safe_attachment)]
CommentId = Annotated[str, Field(min_length=1, max_length=60)]


class AddComment(TicketWriteRequest):
    """Comment on a ticket. Mentions in the text (@agent, #TKT-1, task ids) are found besides those named."""

    comment_text: CommentText
    comment_type: CommentType = "general"
    parent_comment_id: CommentId | None = None
    mentions: Ids = Field(default_factory=list)
    attachments: list[Attachment] = Field(default_factory=list, max_length=20)


class CommentAnswer(Answer):
    comment_id: str
    ticket_id: str
    mentions: list[str] = Field(default_factory=list)


class EditComment(WriteRequest):
    """Replace the text of a comment of one's own."""

    comment_id: CommentId
    comment_text: CommentText


class DeleteComment(WriteRequest):
    """Take back a comment of one's own; a tombstone stays."""

    comment_id: CommentId


class ReactToComment(WriteRequest):
    """Put an emoji under a comment, or take it away again."""

    comment_id: CommentId
    emoji: Annotated[str, trimmed(1, 32)]
    remove: bool = False


class ReactionAnswer(Answer):
    comment_id: str
    reactions: dict[str, list[str]]
