"""Requests and answers about reading one ticket: in full, and its parts page by page.

Rows are typed dictionaries, as in ``tickets.schemas.lists``. Times in them are text, ISO 8601 in UTC with ``Z``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from pydantic import Field, create_model
from typing_extensions import TypedDict

from tickets.schemas.base import Answer, Request
from tickets.schemas.lists import MAX_OFFSET, MAX_PAGE, SortOrder, TicketRow
from tickets.schemas.tickets import SimilarTicket


class OneTicket(Request):
    """A request about one ticket."""

    ticket_id: str = Field(min_length=1, max_length=100, description="Id, key such as TKT-12, or prefix of the id.")


class GetTicket(OneTicket):
    """Read one ticket with its comments, history, commits and everything tied to it."""

    search_id: str | None = Field(
        default=None, max_length=100, description="The search whose result this is: it is counted as opened."
    )


class CommentDetail(TypedDict):
    """A comment. A deleted one has ``is_deleted`` and no text."""

    comment_id: str
    agent_id: str
    agent_name: str
    via_agent_id: str | None
    parent_comment_id: str | None
    comment_text: str
    comment_type: str
    created_at: str
    updated_at: str | None
    is_edited: bool
    is_deleted: bool
    mentions: list[str]
    attachments: list[str]
    reactions: dict[str, list[str]]


class HistoryEntry(TypedDict):
    """One change of one field. ``old_value`` and ``new_value`` are text, everything but text as JSON."""

    history_id: int
    change_type: str
    field_name: str | None
    old_value: str | None
    new_value: str | None
    change_description: str
    changed_at: str
    agent_id: str
    agent_name: str
    via_agent_id: str | None
    metadata: dict[str, Any]


class CommitDetail(TypedDict):
    """A commit that is linked to a ticket. Unless ``verified``, no repository held it: it is what the caller said."""

    commit_sha: str
    commit_message: str
    commit_timestamp: str
    author_name: str
    files_changed: int | None
    insertions: int | None
    deletions: int | None
    files_list: list[str]
    agent_id: str
    linked_at: str
    link_method: str
    verified: bool


class RelatedTicketInfo(TypedDict):
    """A ticket that this one is tied to, in short. ``relation`` says how."""

    ticket_id: str
    key: str
    title: str
    status: str
    priority: str
    ticket_type: str
    is_resolved: bool
    is_blocked: bool
    assigned_agent_id: str | None
    relation: Literal["parent", "sub_ticket", "blocked_by", "blocks", "related"]


class RelatedTaskInfo(TypedDict):
    """A task of this ticket. Of a task that is only known by its id, everything else is null."""

    task_id: str
    description: str | None
    status: str | None
    phase: str | None
    agent_id: str | None
    created_at: str | None
    completed_at: str | None


class StatusTime(TypedDict):
    """How long the ticket has been in one column, all its stays together; a running one counts until now."""

    status: str
    category: str
    seconds: int
    is_current: bool


class PersonInfo(TypedDict):
    """An agent's name and kind (ai, human, system)."""

    agent_id: str
    name: str
    kind: str


class TicketState(TypedDict):
    """Every field of one ticket; ``description`` is whole.

    ``spent_minutes`` is time in active columns, ``remaining_minutes`` the estimate less that (null without an
    estimate, never below 0). ``lease_agent_id`` and ``lease_expires_at`` stay after the lease has run out
    until somebody ends it; ``lease_is_live`` says whether it counts.
    """

    id: str
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
    is_manually_blocked: bool
    blocked_reason: str
    blocked_by_ticket_ids: list[str]
    blocks_ticket_ids: list[str]
    is_resolved: bool
    approval_status: str
    approval_expires_at: str | None
    parent_ticket_id: str | None
    related_ticket_ids: list[str]
    related_task_ids: list[str]
    story_points: int | None
    estimate_minutes: int | None
    spent_minutes: int
    remaining_minutes: int | None
    time_in_status: list[StatusTime]
    contributors: list[str]
    lease_agent_id: str | None
    lease_expires_at: str | None
    lease_is_live: bool
    rank: str
    source: str
    source_id: str
    version: int


class _Parts(Answer):
    """What a ticket's detail holds beside its own fields."""

    ticket: TicketState
    comments: list[CommentDetail]
    history: list[HistoryEntry]
    commits: list[CommitDetail]
    related_tickets: list[RelatedTicketInfo]
    related_tasks: list[RelatedTaskInfo]
    parent_ticket: TicketRow | None
    sub_tickets: list[TicketRow]
    blocked_by: list[RelatedTicketInfo]
    blocks: list[RelatedTicketInfo]
    agents: list[PersonInfo] = Field(description="Names of those who contributed, in the order of their first act.")
    truncated: list[str] = Field(description="Which of the lists hold only their newest part.")


if TYPE_CHECKING:

    class TicketFullDetail(_Parts):
        """A ticket with everything tied to it."""

else:
    # Flat as the design has it and nested: the flat fields are those of TicketState, stated once.
    TicketFullDetail = create_model(
        "TicketFullDetail",
        __base__=_Parts,
        __doc__="A ticket with everything tied to it; each field stands at the top and again in ``ticket``.",
        __module__=__name__,
        **{name: (kind, ...) for name, kind in get_type_hints(TicketState).items()},
    )


class TicketPart(OneTicket):
    """Which part of what belongs to a ticket."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)
    sort_order: SortOrder = Field(default="asc", description="asc: oldest first.")


class _Page(Answer):
    ticket_id: str
    key: str
    total_count: int
    has_more: bool


class ListComments(TicketPart):
    """A ticket's comments, a page at a time."""


class CommentPage(_Page):
    comments: list[CommentDetail]


class ListHistory(TicketPart):
    """A ticket's history, a page at a time."""


class HistoryPage(_Page):
    history: list[HistoryEntry]


class ListCommits(TicketPart):
    """The commits linked to a ticket, a page at a time."""


class CommitPage(_Page):
    commits: list[CommitDetail]


class ListTimeline(TicketPart):
    """Everything that happened to a ticket: history, with its comments and commits in their places."""


class TimelineEntry(TypedDict):
    """One entry. ``comment`` and ``commit`` are there where the change is one."""

    type: Literal["comment", "commit", "change"]
    at: str
    agent_id: str
    agent_name: str
    change: HistoryEntry
    comment: CommentDetail | None
    commit: CommitDetail | None


class TimelinePage(_Page):
    timeline: list[TimelineEntry]


class ListRelated(OneTicket):
    """The tickets that a ticket is tied to, a page at a time: parent, parts, blockers, dependants, related.

    Beside them what is alike in meaning and not tied to it: duplicates, related and similar tickets.
    """

    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)


class RelatedPage(_Page):
    """``tasks`` comes whole with each page, at most 200; ``suggested`` with the first, at most five, best first."""

    related: list[RelatedTicketInfo]
    suggested: list[SimilarTicket]
    tasks: list[RelatedTaskInfo]
