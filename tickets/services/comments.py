"""Comments: add, edit and delete one's own, react."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tickets.access import Actor, visible_tickets
from tickets.errors import Forbidden, Invalid, NotFound
from tickets.models import CommentReaction, Ticket, TicketComment
from tickets.schemas.comments import (
    AddComment,
    CommentAnswer,
    DeleteComment,
    EditComment,
    ReactionAnswer,
    ReactToComment,
)
from tickets.selectors.timeline import reactions_of
from tickets.services.mentions import find_mentions
from tickets.unit import Unit, open_ticket

MAX_REACTIONS = 20


def comment_add(*, actor: Actor, request: AddComment) -> CommentAnswer:
    """Comment on a ticket, or reply to a comment of the same ticket."""
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        parent_id = request.parent_comment_id
        if parent_id and not TicketComment.objects.filter(pk=parent_id, ticket=ticket).exists():
            raise Invalid(f"{ticket.key} has no comment {parent_id!r}.", field="parent_comment_id")
        comment = unit.comment(
            ticket,
            request.comment_text,
            request.comment_type,
            parent_id=parent_id,
            mentions=find_mentions(actor, unit.workflow.id, request.comment_text, request.mentions),
            attachments=request.attachments,
        )
    return CommentAnswer(
        message=f"Comment added to {ticket.key}.", comment_id=comment.id, ticket_id=ticket.id, mentions=comment.mentions
    )


def comment_edit(*, actor: Actor, request: EditComment) -> CommentAnswer:
    """Replace the text of one's own comment. The same text again changes nothing."""
    with _own_comment(actor, request.comment_id) as (unit, ticket, comment):
        if comment.comment_text != request.comment_text:
            comment.comment_text = request.comment_text
            comment.mentions = find_mentions(actor, unit.workflow.id, request.comment_text)
            comment.is_edited, comment.updated_at = True, unit.now
            comment.save(update_fields=["comment_text", "mentions", "is_edited", "updated_at"])
            unit.record(ticket, "comment_edited", new=comment.id)
            unit.emit("comment_edited", ticket, comment_id=comment.id, mentions=comment.mentions)
    return CommentAnswer(
        message="Comment edited.", comment_id=comment.id, ticket_id=ticket.id, mentions=comment.mentions
    )


def comment_delete(*, actor: Actor, request: DeleteComment) -> CommentAnswer:
    """Take back one's own comment. A tombstone stays; deleting it again changes nothing."""
    with _own_comment(actor, request.comment_id, deleted=True) as (unit, ticket, comment):
        if comment.deleted_at is None:
            comment.deleted_at, comment.comment_text = unit.now, ""
            comment.mentions, comment.attachments = [], []
            comment.save(update_fields=["deleted_at", "comment_text", "mentions", "attachments"])
            unit.touch(ticket, comment_count=ticket.comment_count - 1)
            unit.record(ticket, "comment_deleted", old=comment.id)
            unit.emit("comment_deleted", ticket, comment_id=comment.id)
    return CommentAnswer(message="Comment deleted.", comment_id=comment.id, ticket_id=ticket.id)


def comment_react(*, actor: Actor, request: ReactToComment) -> ReactionAnswer:
    """Put an emoji under a comment, or take it away; both may be repeated."""
    with _comment(actor, request.comment_id) as (unit, ticket, comment):
        mine = CommentReaction.objects.filter(comment=comment, agent_id=actor.agent_id, emoji=request.emoji)
        if request.remove:
            changed = bool(mine.delete()[0])
        else:
            kinds = set(comment.reactions.values_list("emoji", flat=True))
            if request.emoji not in kinds and len(kinds) >= MAX_REACTIONS:
                raise Invalid(f"A comment has at most {MAX_REACTIONS} kinds of reaction.", field="emoji")
            _, changed = CommentReaction.objects.get_or_create(
                comment=comment, agent_id=actor.agent_id, emoji=request.emoji, defaults={"created_at": unit.now}
            )
        if changed:
            unit.emit("comment_edited", ticket, comment_id=comment.id, reaction=request.emoji, removed=request.remove)
    return ReactionAnswer(
        message="Reaction removed." if request.remove else "Reaction added.",
        comment_id=comment.id,
        reactions=reactions_of([comment.id]).get(comment.id, {}),
    )


@contextmanager
def _comment(actor: Actor, comment_id: str) -> Iterator[tuple[Unit, Ticket, TicketComment]]:
    known = TicketComment.objects.filter(pk=comment_id, ticket__in=visible_tickets(actor))
    ticket_id = known.values_list("ticket_id", flat=True).first()
    if ticket_id is None:
        raise NotFound(f"No comment {comment_id!r}.", field="comment_id")
    with open_ticket(actor, ticket_id) as (unit, ticket):
        yield unit, ticket, TicketComment.objects.get(pk=comment_id)


@contextmanager
def _own_comment(
    actor: Actor, comment_id: str, *, deleted: bool = False
) -> Iterator[tuple[Unit, Ticket, TicketComment]]:
    with _comment(actor, comment_id) as (unit, ticket, comment):
        if comment.agent_id != actor.agent_id:
            raise Forbidden(f"The comment is {comment.agent_id!r}'s; only its author can change it.")
        if comment.deleted_at is not None and not deleted:
            raise Invalid("The comment was deleted.", field="comment_id")
        yield unit, ticket, comment
