"""The tools, in their fixed order. Each is a thin face over operations: the rules are all theirs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pydantic import Field

from boards.insights.schemas import GetInsights
from boards.schemas import GetBoard
from gitlinks.operations import COMMIT_LINK
from gitlinks.schemas import GetCommitDiff, LinkCommit
from mcp_bridge import commits, reading, text
from mcp_bridge.arguments import ClaimOptions, InboxOptions, ListOptions, TicketOptions
from mcp_bridge.budget import Data, Reply, TextOf, reply
from mcp_bridge.definitions import Call, Tool
from search.schemas import SearchTickets
from tickets import operations as op
from tickets.operations import Operation, execute
from tickets.schemas.comments import AddComment
from tickets.schemas.details import GetTicket
from tickets.schemas.inbox import GetInbox
from tickets.schemas.lists import ListTickets
from tickets.schemas.prompts import GetAgentPrompt
from tickets.schemas.tasks import CreateTask, GiveValidationReview, UpdateTaskStatus
from tickets.schemas.tickets import (
    COMMENT_MAX,
    ChangeTicketStatus,
    ClaimTicket,
    CreateTicket,
    CreateTickets,
    DecideTicket,
    NextTicket,
    ResolveTicket,
    TicketUpdates,
    UpdateTicket,
)

# Names by which callers of upstream's server know some tools.
ALIASES = {"link_commit_to_ticket": "link_commit"}
PREFIX = "mcp__hephaestus__"


class ClaimCall(ClaimTicket):
    """Claim, prolong or release a lease."""

    comment: str | None = Field(default=None, max_length=COMMENT_MAX)


def face(operation: Operation[Any, Any], text_of: TextOf = text.facts) -> Callable[[Call], Reply]:
    """The whole of most tools: run the operation and show its answer."""

    def run(call: Call) -> Reply:
        data: Data = execute(operation, call.actor, call.data).model_dump(mode="json")
        return reply(data, text_of)

    return run


_WRITE = ("expected_version", "idempotency_key")
_TICKET_ID = "id, key (TKT-12) or id prefix"
_FIELDS = (
    "title", "description", "ticket_type", "priority", "tags", "blocked_by_ticket_ids", "assigned_agent_id",
    "parent_ticket_id",
)  # fmt: skip
_UPDATES = ", ".join(
    name
    for name in TicketUpdates.model_fields
    if name not in ("related_task_ids_add", "related_task_ids_remove", "related_task_ids")
)

TOOLS: tuple[Tool, ...] = (
    Tool(
        "next_ticket",
        "Start here: picks the best ready ticket and leases it to you. Each call leases a further one.",
        NextTicket,
        ("claim", "lease_seconds", "ticket_type", "tags", "idempotency_key"),
        reading.next_ticket,
        notes={"claim": "default true; false only looks", "lease_seconds": "default 900"},
    ),
    Tool(
        "get_ticket",
        "Read one ticket. context adds blockers and what they wait for, recent comments, commits, related tickets.",
        GetTicket,
        ("ticket_id", "detail", "context", "max_tokens"),
        reading.get_ticket,
        own=TicketOptions,
        notes={"ticket_id": _TICKET_ID, "max_tokens": "ceiling for the answer, at most 8000"},
        reads=True,
    ),
    Tool(
        "search_tickets",
        "Find tickets by meaning and words. Search before you create.",
        SearchTickets,
        ("query", "search_type", "filters", "limit", "cursor", "detail"),
        reading.search_tickets,
        own=ListOptions,
        required=("query",),
        notes={
            "search_type": "default hybrid: meaning 70 %, words 30 %",
            "filters": "status, ticket_type, priority, assigned_agent_id, tags, is_blocked … as in get_tickets",
        },
        reads=True,
    ),
    Tool(
        "get_tickets",
        "List tickets with filters.",
        ListTickets,
        (
            "status",
            "ticket_type",
            "priority",
            "assigned_agent_id",
            "tags",
            "is_blocked",
            "include_completed",
            "sort_by",
            "sort_order",
            "limit",
            "cursor",
            "detail",
        ),
        reading.get_tickets,
        own=ListOptions,
        notes={
            "assigned_agent_id": "none: unassigned",
            "limit": "default 10",
            "cursor": "next_cursor of the last answer",
        },
        reads=True,
    ),
    Tool(
        "create_ticket",
        "Create a ticket for work to be tracked. Answers with similar tickets.",
        CreateTicket,
        (*_FIELDS, "on_duplicate", "idempotency_key"),
        face(op.TICKET_CREATE, text.created),
        notes={
            "title": "3 to 500 characters",
            "description": "what and why, 10 characters or more",
            "blocked_by_ticket_ids": "tickets that must come first",
            "on_duplicate": "reject: an error where a ticket says the same",
            "idempotency_key": "the same key and arguments within 24 h do it once",
        },
    ),
    Tool(
        "create_tickets",
        "Create up to 50 tickets, all or none.",
        CreateTickets,
        ("tickets", "dry_run", "idempotency_key"),
        face(op.TICKETS_CREATE),
        notes={"tickets": "each as create_ticket takes it; #0, #1 … refer to tickets of this batch"},
    ),
    Tool(
        "update_ticket",
        "Change fields of a ticket; not its status.",
        UpdateTicket,
        ("ticket_id", "updates", "update_comment", *_WRITE),
        face(op.TICKET_UPDATE),
        notes={"updates": f"any of {_UPDATES}"},
        destructive=True,
        idempotent=True,
    ),
    Tool(
        "change_ticket_status",
        "Move a ticket to another column.",
        ChangeTicketStatus,
        ("ticket_id", "new_status", "comment", "commit_sha", *_WRITE),
        face(op.TICKET_CHANGE_STATUS),
        notes={
            "new_status": "column of the board, by id or name",
            "comment": "why; 10 characters",
            "expected_version": "refused as conflict if the ticket has another",
        },
        idempotent=True,
    ),
    Tool(
        "add_ticket_comment",
        "Comment on a ticket. @agent-id, #TKT-1 and task ids in it are mentions.",
        AddComment,
        ("ticket_id", "comment_text", "comment_type", "parent_comment_id", "mentions", "attachments", *_WRITE),
        face(op.COMMENT_ADD),
    ),
    Tool(
        "claim_ticket",
        "Lease a certain ticket, prolong the lease (heartbeat), or give it back (release).",
        ClaimCall,
        ("ticket_id", "action", "lease_seconds", "fencing_token", "comment", *_WRITE),
        reading.claim_ticket,
        own=ClaimOptions,
        notes={"fencing_token": "from your claim; heartbeat needs it"},
        idempotent=True,
    ),
    Tool(
        "resolve_ticket",
        "Mark a ticket as resolved; what it blocked is unblocked.",
        ResolveTicket,
        ("ticket_id", "resolution_comment", "commit_sha", "fencing_token", *_WRITE),
        face(op.TICKET_RESOLVE),
        notes={"resolution_comment": "what was done; 10 characters"},
        idempotent=True,
    ),
    Tool(
        "link_commit",
        "Link your commit to a ticket.",
        LinkCommit,
        ("ticket_id", "commit_sha", "commit_message", *_WRITE),
        face(COMMIT_LINK),
        notes={"commit_message": "only for a commit of no known repository"},
        idempotent=True,
    ),
    Tool(
        "get_commit_diff",
        "Read what a commit changed.",
        GetCommitDiff,
        ("commit_sha", "path"),
        commits.get_commit_diff,
        notes={"path": "one file, at length"},
        reads=True,
    ),
    Tool(
        "get_board",
        "Columns, ticket types, transitions, counts and statistics.",
        GetBoard,
        (),
        reading.get_board,
        reads=True,
    ),
    Tool(
        "get_inbox",
        "What concerns you: mentions, assignments, unblocked tickets, review results.",
        GetInbox,
        ("since", "acknowledge", "limit"),
        reading.get_inbox,
        own=InboxOptions,
        notes={"acknowledge": "cursor up to which all is done", "since": "default: acknowledged last"},
        idempotent=True,
    ),
    Tool(
        "get_insights",
        "What needs attention (stuck, blocked, unassigned, silent agents, duplicates …), with calls that help.",
        GetInsights,
        ("kind", "limit"),
        reading.get_insights,
        reads=True,
    ),
    Tool(
        "get_agent_prompt",
        "What an agent should be told that works on a ticket.",
        GetAgentPrompt,
        ("ticket_id",),
        reading.get_agent_prompt,
        reads=True,
    ),
    Tool(
        "create_task",
        "Create a task; it needs the ticket it works on.",
        CreateTask,
        ("description", "done_definition", "ticket_id", "assigned_agent_id", "phase_id", "priority", "idempotency_key"),
        face(op.TASK_CREATE),
    ),
    Tool(
        "update_task_status",
        "Report on a task. done resolves its ticket.",
        UpdateTaskStatus,
        ("task_id", "status", "summary", "failure_reason", "key_learnings", "idempotency_key"),
        face(op.TASK_UPDATE_STATUS),
        idempotent=True,
    ),
    Tool(
        "give_validation_review",
        "Judge a task; each issue becomes a ticket.",
        GiveValidationReview,
        ("task_id", "validation_passed", "feedback", "evidence", "recommendations", "issues", "idempotency_key"),
        face(op.VALIDATION_REVIEW_GIVE),
        notes={"issues": "{title, description, severity, ticket_type}"},
    ),
    Tool(
        "approve_ticket",
        "For human maintainers: approve a ticket that waits for review.",
        DecideTicket,
        ("ticket_id", "reason", *_WRITE),
        face(op.TICKET_APPROVE),
        idempotent=True,
    ),
    Tool(
        "reject_ticket",
        "For human maintainers: reject a ticket that waits for review.",
        DecideTicket,
        ("ticket_id", "reason", *_WRITE),
        face(op.TICKET_REJECT),
        destructive=True,
        idempotent=True,
    ),
)
BY_NAME = {tool.name: tool for tool in TOOLS}


def find_tool(name: str) -> Tool | None:
    """The tool of that name, also by an alias or with the prefix that clients show."""
    name = name.removeprefix(PREFIX)
    return BY_NAME.get(ALIASES.get(name, name))


@functools.cache
def definitions() -> list[dict[str, Any]]:
    """The tools as ``tools/list`` shows them."""
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "inputSchema": tool.input_schema,
            "annotations": tool.annotations,
        }
        for tool in TOOLS
    ]
