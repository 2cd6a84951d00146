"""What belongs to a ticket, page by page: comments, history, commits, and all of it in the order of time."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from tickets import ports
from tickets.access import Actor, find_ticket
from tickets.models import CommentReaction, Ticket, TicketComment, TicketHistory
from tickets.prepared import Mark, Reading
from tickets.schemas.details import (
    CommentDetail,
    CommentPage,
    CommitDetail,
    CommitPage,
    HistoryEntry,
    HistoryPage,
    ListComments,
    ListCommits,
    ListHistory,
    ListTimeline,
    PersonInfo,
    TicketPart,
    TimelineEntry,
    TimelinePage,
)
from tickets.selectors.tickets import time_text

REACTION_FIELDS = ("comment_id", "emoji", "agent_id")
COMMENT_FIELDS = (
    "id", "agent_id", "agent__name", "via_agent_id", "parent_id", "comment_text", "comment_type", "created_at",
    "updated_at", "is_edited", "deleted_at", "mentions", "attachments",
)  # fmt: skip
HISTORY_FIELDS = (
    "id", "change_type", "field_name", "old_value", "new_value", "change_description", "changed_at", "agent_id",
    "agent__name", "via_agent_id", "metadata", "agent__kind",
)  # fmt: skip


def comment_list(*, actor: Actor, request: ListComments) -> CommentPage:
    """A ticket's comments, tombstones too. Four queries: ticket, count, comments, reactions."""
    ticket = find_ticket(actor, request.ticket_id)
    rows = TicketComment.objects.filter(ticket=ticket)
    total = rows.count()
    comments = comment_details(_slice(rows, request, "created_at", "id"))
    return CommentPage.model_construct(comments=comments, **_page(ticket, request, total, len(comments)))


def history_list(*, actor: Actor, request: ListHistory) -> HistoryPage:
    """A ticket's history. Three queries: ticket, count, rows."""
    ticket = find_ticket(actor, request.ticket_id)
    rows = TicketHistory.objects.filter(ticket=ticket)
    total = rows.count()
    history = history_entries(_slice(rows, request, "id"))
    return HistoryPage.model_construct(history=history, **_page(ticket, request, total, len(history)))


def commit_list(*, actor: Actor, request: ListCommits) -> CommitPage:
    """The commits linked to a ticket. Two queries: ticket, commits."""
    ticket = find_ticket(actor, request.ticket_id)
    commits = commits_of(
        ticket.id, offset=request.offset, limit=request.limit, newest_first=request.sort_order == "desc"
    )
    page = _page(ticket, request, ticket.commit_count, len(commits))
    return CommitPage.model_construct(commits=commits, **page)


def timeline(*, actor: Actor, request: ListTimeline) -> TimelinePage:
    """History with the comments and commits that it tells of in their places.

    At most six queries: ticket, count, history, comments, reactions, commits.
    """
    ticket = find_ticket(actor, request.ticket_id)
    rows = TicketHistory.objects.filter(ticket=ticket)
    total = rows.count()
    changes = history_entries(_slice(rows, request, "id"))
    comment_ids = [c["new_value"] for c in changes if c["change_type"] == "commented" and c["new_value"]]
    comments = {}
    if comment_ids:
        found = comment_details(TicketComment.objects.filter(ticket=ticket, pk__in=comment_ids).order_by("id"))
        comments = {comment["comment_id"]: comment for comment in found}
    commits = _commits_by_sha(ticket.id, changes)
    entries = [_entry(change, comments, commits) for change in changes]
    return TimelinePage.model_construct(timeline=entries, **_page(ticket, request, total, len(entries)))


@functools.cache
def newest_comments(limit: int) -> Reading:
    """The last comments on ``ticket_id``, newest first, for ``comments_of``."""
    rows = TicketComment.objects.filter(ticket_id=Mark("ticket_id")).order_by("-created_at", "-id")
    return Reading(rows.values_list(*COMMENT_FIELDS)[:limit])


@functools.cache
def newest_history(limit: int) -> Reading:
    """The last history rows of ``ticket_id``, newest first, for ``changes_of`` and ``people_of``."""
    rows = TicketHistory.objects.filter(ticket_id=Mark("ticket_id")).order_by("-id")
    return Reading(rows.values_list(*HISTORY_FIELDS)[:limit])


@functools.cache
def reactions_on_ticket() -> Reading:
    """The reactions to all comments on ``ticket_id``, for ``comments_of``."""
    rows = CommentReaction.objects.filter(comment__ticket_id=Mark("ticket_id")).order_by("id")
    return Reading(rows.values_list(*REACTION_FIELDS))


def comments_of(rows: Sequence[tuple[Any, ...]], reactions: Iterable[tuple[str, str, str]]) -> list[CommentDetail]:
    """Comments as every face shows them. No query."""
    known = _by_comment(reactions)
    return [_comment(row, known.get(row[0], {})) for row in rows]


def changes_of(rows: Iterable[tuple[Any, ...]]) -> list[HistoryEntry]:
    """History rows as every face shows them. No query."""
    return [_change(row) for row in rows]


def people_of(rows: Iterable[tuple[Any, ...]]) -> list[PersonInfo]:
    """Whose acts these history rows tell of, in the order of the rows. No query."""
    people: dict[str, PersonInfo] = {}
    for *_, agent_id, name, _via, _metadata, kind in rows:
        people.setdefault(agent_id, PersonInfo(agent_id=agent_id, name=name, kind=kind))
    return list(people.values())


def comment_details(rows: QuerySet[TicketComment]) -> list[CommentDetail]:
    """Comments as every face shows them. Two queries; one where there are none."""
    found = list(rows.values_list(*COMMENT_FIELDS))
    return comments_of(found, _reactions_to([row[0] for row in found]))


def reactions_of(comment_ids: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Comment id → emoji → agents, in the order of reacting. One query; none for no comments."""
    return _by_comment(_reactions_to(comment_ids))


def history_entries(rows: QuerySet[TicketHistory]) -> list[HistoryEntry]:
    """History rows as every face shows them. One query."""
    return changes_of(rows.values_list(*HISTORY_FIELDS))


def commits_of(ticket_id: str, *, offset: int = 0, limit: int, newest_first: bool = False) -> list[CommitDetail]:
    """A ticket's commits in the order of linking; none where no commit can be linked."""
    source = ports.commit_source()
    if source is None:
        return []
    return source.commits_of(ticket_id, offset=offset, limit=limit, newest_first=newest_first)


def _reactions_to(comment_ids: Sequence[str]) -> Iterable[tuple[str, str, str]]:
    if not comment_ids:
        return []
    rows = CommentReaction.objects.filter(comment_id__in=comment_ids).order_by("id")
    return rows.values_list(*REACTION_FIELDS)


def _by_comment(rows: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for comment_id, emoji, agent_id in rows:
        found.setdefault(comment_id, {}).setdefault(emoji, []).append(agent_id)
    return found


def _comment(row: tuple[Any, ...], reactions: dict[str, list[str]]) -> CommentDetail:
    (id_, agent_id, name, via, parent_id, text, kind, created, updated, edited, deleted, mentions, attachments) = row
    return CommentDetail(
        comment_id=id_,
        agent_id=agent_id,
        agent_name=name,
        via_agent_id=via,
        parent_comment_id=parent_id,
        comment_text=text,
        comment_type=kind,
        created_at=time_text(created) or "",
        updated_at=time_text(updated),
        is_edited=edited,
        is_deleted=deleted is not None,
        mentions=mentions,
        attachments=attachments,
        reactions=reactions,
    )


def _change(row: tuple[Any, ...]) -> HistoryEntry:
    id_, change_type, field_name, old, new, description, changed_at, agent_id, name, via, metadata, _kind = row
    return HistoryEntry(
        history_id=id_,
        change_type=change_type,
        field_name=field_name,
        old_value=old,
        new_value=new,
        change_description=description,
        changed_at=time_text(changed_at) or "",
        agent_id=agent_id,
        agent_name=name,
        via_agent_id=via,
        metadata=metadata,
    )


def _entry(change: HistoryEntry, comments: dict[str, CommentDetail], commits: dict[str, CommitDetail]) -> TimelineEntry:
    value = change["new_value"] or ""
    comment = comments.get(value) if change["change_type"] == "commented" else None
    commit = commits.get(value) if change["change_type"] == "commit_linked" else None
    return TimelineEntry(
        type="comment" if comment else "commit" if commit else "change",
        at=change["changed_at"],
        agent_id=change["agent_id"],
        agent_name=change["agent_name"],
        change=change,
        comment=comment,
        commit=commit,
    )


def _commits_by_sha(ticket_id: str, changes: list[HistoryEntry]) -> dict[str, CommitDetail]:
    shas = [c["new_value"] for c in changes if c["change_type"] == "commit_linked" and c["new_value"]]
    source = ports.commit_source()
    return source.commits_by_sha(ticket_id, shas) if source is not None and shas else {}


def _slice(rows: QuerySet[Any], request: TicketPart, *order: str) -> QuerySet[Any]:
    if request.sort_order == "desc":
        order = tuple(f"-{name}" for name in order)
    return rows.order_by(*order)[request.offset : request.offset + request.limit]


def _page(ticket: Ticket, request: TicketPart, total: int, found: int) -> dict[str, Any]:
    return {
        "ticket_id": ticket.id,
        "key": ticket.key,
        "total_count": total,
        "has_more": request.offset + found < total,
    }
