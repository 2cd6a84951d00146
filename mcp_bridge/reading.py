"""The tools that read: lists, one ticket, the board, the inbox. Each shapes what its operation answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from boards.operations import AGENT_PROMPT_GET, BOARD_GET, INSIGHTS_GET, STATISTICS_GET
from mcp_bridge import text
from mcp_bridge.arguments import ClaimOptions, InboxOptions, ListOptions, TicketOptions
from mcp_bridge.budget import CEILING, Reply, clip, reply
from mcp_bridge.definitions import Call
from tickets import operations as op
from tickets.errors import NotAvailable
from tickets.operations import execute

CONCISE = (
    "ticket_id", "key", "title", "status", "priority", "ticket_type", "assigned_agent_id", "is_blocked",
    "is_resolved", "version",
)  # fmt: skip
# What a full list row has beside that.
FULL = (
    *CONCISE, "description", "tags", "blocked_by_ticket_ids", "created_by_agent_id", "created_at", "updated_at",
    "comment_count", "commit_count", "approval_status", "parent_ticket_id", "lease_agent_id", "lease_expires_at",
)  # fmt: skip
MAX_FOUND = 50
_DROPPED = frozenset({"ticket", "id", "message", "agents", "rank", "source", "source_id", "parent_ticket"})
_NARROW = "Narrow it with status, ticket_type, priority, assigned_agent_id or tags, or go on with next_cursor."
_RECENT = 3


def get_tickets(call: Call) -> Reply:
    """A page of tickets."""
    options = cast(ListOptions, call.own)
    full = options.detail == "full"
    data = {
        **call.data,
        "limit": options.limit,
        "offset": options.offset,
        "fields": list(FULL if full else CONCISE),
        "description": "excerpt" if full else "none",
    }
    answer = execute(op.TICKET_LIST, call.actor, data)
    rows = [_row(row) for row in answer.tickets]
    return _page("tickets", rows, answer.total_count, options, narrow=_NARROW)


def search_tickets(call: Call) -> Reply:
    """What was found, best first. A search shows its best 50; cursors go on among these."""
    try:
        from search.operations import TICKET_SEARCH
    except ImportError as error:
        raise NotAvailable("Search is not available on this server.") from error
    options = cast(ListOptions, call.own)
    end = min(options.offset + options.limit, MAX_FOUND)
    answer = execute(TICKET_SEARCH, call.actor, {**call.data, "limit": max(end, 1)})
    wanted = {*CONCISE, "relevance_score", "matched_in", "preview"}
    if options.detail == "full":
        wanted |= {"description", "tags", "created_at", "updated_at", "comment_count", "commit_count"}
    rows = [_row({n: v for n, v in row.items() if n in wanted}) for row in answer.results[options.offset : end]]
    more: dict[str, Any] = {"search_id": answer.search_id, "search_type": answer.search_type}
    if answer.degraded:
        more |= {"degraded": True, "degraded_reason": answer.degraded_reason}
    total = min(answer.total_found, MAX_FOUND)
    return _page("results", rows, total, options, narrow="Narrow it with filters or a better query.", more=more)


def get_ticket(call: Call) -> Reply:
    """One ticket: its fields and latest comments, everything, or what surrounds it."""
    options = cast(TicketOptions, call.own)
    tokens = options.max_tokens or CEILING
    if options.context:
        # Half for each form of the answer.
        share = max(300, (options.max_tokens or 4000) // 2)
        answer = execute(op.TICKET_CONTEXT, call.actor, {**_only_ticket(call.data), "max_tokens": share})
        data = answer.model_dump(mode="json", exclude={"message"})
        data |= data.pop("ticket")
        return reply({**_filled(data), "untrusted": text.UNTRUSTED}, text.ticket, tokens=tokens)
    detail = execute(op.TICKET_GET, call.actor, call.data)
    data = {name: value for name, value in vars(detail).items() if name not in _DROPPED}
    if options.detail == "concise":
        data = _concise(data)
    data = {**_filled(data), "untrusted": text.UNTRUSTED}
    narrow = "" if options.detail == "full" else "detail full shows more."
    return reply(data, text.ticket, tokens=tokens, narrow=narrow)


def get_board(call: Call) -> Reply:
    """The board with its counts and the workflow's statistics."""
    board = execute(BOARD_GET, call.actor, call.data)
    named = {"workflow_id": board.board_config.workflow_id}
    statistics = execute(STATISTICS_GET, call.actor, {**call.data, **named})
    config = board.board_config.model_dump(mode="json")
    for column in config["columns"]:
        del column["color"], column["order"]
    config["ticket_types"] = [{"id": kind["id"], "name": kind["name"]} for kind in config["ticket_types"]]
    return reply({"success": True, "board_config": config, "stats": statistics.stats.model_dump()}, text.board)


def get_inbox(call: Call) -> Reply:
    """What concerns the caller since its last acknowledgement; ``acknowledge`` comes first."""
    options = cast(InboxOptions, call.own)
    done: dict[str, Any] = {}
    if options.acknowledge is not None:
        named: dict[str, Any] = {name: call.data[name] for name in ("workflow_id", "agent_id") if name in call.data}
        answer = execute(op.INBOX_ACKNOWLEDGE, call.actor, {**named, "cursor": options.acknowledge})
        done = {"acknowledged": answer.acknowledged}
    inbox = execute(op.INBOX_GET, call.actor, call.data)
    items = [{**item, "title": clip(item["title"] or "", text.TITLE)} for item in inbox.items]
    data = {"success": True, **vars(inbox), "items": items, **done, "untrusted": ["title", "preview"]}
    del data["message"]
    return reply(data, text.inbox, narrow="Ask for fewer with limit.")


def get_insights(call: Call) -> Reply:
    """What needs attention. What would help is said as a call of a tool."""
    answer = execute(INSIGHTS_GET, call.actor, call.data).model_dump(mode="json")
    for finding in answer["findings"]:
        if finding["suggestion"] is not None:
            finding["suggestion"] = _as_call(finding["suggestion"])
    return reply({**answer, "untrusted": ["blocked_reason"]}, text.insights, narrow="Ask for one kind, or for fewer.")


def get_agent_prompt(call: Call) -> Reply:
    """The prompt for a ticket; what it was filled in with stands in it."""
    answer = execute(AGENT_PROMPT_GET, call.actor, call.data)
    data = {"success": True, "ticket_id": answer.ticket_id, "key": answer.key, "prompt": answer.prompt}
    return reply(data, lambda data: str(data.get("prompt", "")))


def next_ticket(call: Call) -> Reply:
    """The best ready ticket; its title is data."""
    data = execute(op.TICKET_NEXT, call.actor, call.data).model_dump(mode="json")
    if data["ticket_id"] is not None:
        data["message"] = f"{data['key']} is leased to you." if data["fencing_token"] else f"{data['key']} is ready."
    return reply({**data, "untrusted": ["title"]}, _next_text)


def claim_ticket(call: Call) -> Reply:
    """Claim, prolong or release a lease."""
    action = cast(ClaimOptions, call.own).action
    operation: Any = {"claim": op.TICKET_CLAIM, "heartbeat": op.TICKET_HEARTBEAT, "release": op.TICKET_RELEASE}[action]
    # One tool, three operations: what means nothing to this one is left out.
    shared = set(op.TICKET_CLAIM.request.model_fields) | set(op.TICKET_RELEASE.request.model_fields)
    strange = shared - set(operation.request.model_fields)
    data = {name: value for name, value in call.data.items() if name not in strange}
    return reply(execute(operation, call.actor, data).model_dump(mode="json"), text.facts)


def _as_call(suggestion: dict[str, Any]) -> dict[str, Any]:
    """A suggested call of REST as the call of a tool that does the same."""
    arguments = dict(suggestion["arguments"])
    tool = _TOOLS.get(suggestion["operation"], suggestion["operation"])
    if suggestion["operation"] == "ticket_assign":
        arguments["updates"] = {"assigned_agent_id": arguments.pop("assigned_agent_id")}
    elif suggestion["operation"] == "ticket_release":
        arguments["action"] = "release"
    arguments["expected_version"] = suggestion["version"]
    return {
        "tool": tool,
        "arguments": arguments,
        "description": suggestion["description"],
        "role": suggestion["role"],
    }


# Operations that findings suggest, and the tools that run them.
_TOOLS = {
    "comment_add": "add_ticket_comment",
    "ticket_assign": "update_ticket",
    "ticket_change_status": "change_ticket_status",
    "ticket_release": "claim_ticket",
    "ticket_resolve": "resolve_ticket",
    "ticket_update": "update_ticket",
}


def _next_text(data: dict[str, Any]) -> str:
    if data["ticket_id"] is None:
        return text.facts(data)
    return text.facts({**data, "title": None}) + f"\ntitle: {text.quoted(data['title'])}"


def _page(
    name: str,
    rows: list[dict[str, Any]],
    total: int,
    options: ListOptions,
    *,
    narrow: str,
    more: Mapping[str, Any] | None = None,
) -> Reply:
    """A page that says how much there is. Rows that do not fit come with the next one."""
    shown = rows
    while True:
        end = options.offset + len(shown)
        truncated = end < total
        data = {
            "success": True,
            **(more or {}),
            name: shown,
            "total": total,
            "returned": len(shown),
            "truncated": truncated,
            "next_cursor": str(end) if truncated and shown else None,
        }
        if truncated:
            data["hint"] = narrow
        whole = reply({**data, "untrusted": ["title", "preview", "description"]}, text.ticket_rows, narrow=narrow)
        if len(whole.data.get(name, ())) == len(shown) or len(shown) <= 1:
            return whole
        # Cut in full rows rather than in the middle of texts: what is left out is on the next page.
        shown = shown[: max(1, len(shown) * 2 // 3)]


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    short = dict(row)
    short["title"] = clip(short["title"], text.TITLE)
    if "preview" in short:
        short["preview"] = clip(short["preview"], 160)
    if "relevance_score" in short:
        short["relevance_score"] = round(short["relevance_score"], 3)
    return {name: value for name, value in short.items() if value not in ([], "")}


def _concise(data: dict[str, Any]) -> dict[str, Any]:
    """A ticket without its history, and with the latest of its comments and commits."""
    kept = {
        "success", "ticket_id", "key", "workflow_id", "title", "description", "ticket_type", "priority", "status",
        "assigned_agent_id", "created_by_agent_id", "tags", "is_blocked", "blocked_reason", "is_resolved",
        "approval_status", "version", "comment_count", "commit_count", "lease_agent_id", "lease_expires_at",
        "lease_is_live", "blocked_by", "blocks", "created_at", "updated_at", "parent_ticket_id",
    }  # fmt: skip
    short = {name: value for name, value in data.items() if name in kept}
    short["description"] = clip(short["description"], 4000)
    for name in ("blocked_by", "blocks"):
        short[name] = [
            {n: row[n] for n in ("ticket_id", "key", "title", "status", "is_blocked", "is_resolved")}
            for row in data[name]
        ]
    short["comments"] = [
        {
            **{n: row[n] for n in ("comment_id", "agent_id", "created_at", "is_deleted")},
            "comment_text": clip(row["comment_text"], 600),
        }
        for row in data["comments"][-_RECENT:]
    ]
    short["commits"] = [
        {"commit_sha": row["commit_sha"], "commit_message": clip(row["commit_message"], 200)}
        for row in data["commits"][-_RECENT:]
    ]
    hidden = len(data["comments"]) - _RECENT
    if hidden > 0 or len(data["description"]) > 4000:
        short["truncated"] = True
        short["hint"] = "detail full shows all comments, the history and the whole description."
    return short


def _filled(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty: absent says the same."""
    return {name: value for name, value in data.items() if value not in (None, "", [], {})}


def _only_ticket(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in ("ticket_id", "agent_id") if name in data}
