"""How a refusal reaches an agent: the contract's error object, and the call that helps on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tickets.errors import DomainError

# Arguments of a failed call are repeated in advice up to this length; an agent knows them anyway.
MAX_REPEATED = 400


class ServerFault(DomainError):
    """A fault of ours; its cause is in the log."""

    code, status = "not_available", 500
    retryable = True


def refusal(error: DomainError, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The error in the form of contract §5 with ``error.next``: ``{"tool", "arguments"}``, None where none helps."""
    answer = error.as_dict()
    answer["error"]["next"] = next_call(error, tool, arguments)
    if error.retry_after is not None:
        answer["error"]["retry_after"] = round(error.retry_after, 3)
    return answer


def next_call(error: DomainError, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The next useful call after an error."""
    ticket = {"ticket_id": arguments["ticket_id"]} if isinstance(arguments.get("ticket_id"), str) else {}
    flow = {"workflow_id": arguments["workflow_id"]} if isinstance(arguments.get("workflow_id"), str) else {}
    if error.code == "invalid":
        return _after_invalid(error, tool, arguments, flow)
    if error.code == "transition_not_allowed" and error.allowed and ticket:
        return _call("change_ticket_status", **ticket, new_status=error.allowed[0])
    if error.code in ("blocked", "duplicate"):
        others = error.extra.get("blocking_ticket_ids") or [
            c.get("ticket_id") for c in error.extra.get("candidates") or []
        ]
        return _call("get_ticket", ticket_id=others[0]) if others else _call("get_ticket", **ticket)
    if error.code == "conflict":
        return _call("next_ticket") if tool == "claim_ticket" else _call("get_ticket", **ticket) if ticket else None
    if error.code == "not_found" and error.field == "commit_sha" and ticket:
        return _call("get_ticket", **ticket, detail="full")
    if error.code == "not_found":
        # A ticket that is not there may be under another id; a workflow that is not, under none.
        return _call("get_tickets", **flow) if error.field != "workflow_id" else _call("get_board")
    if error.code == "not_available":
        return _instead(tool, ticket, arguments) if not error.retryable else _again(tool, arguments)
    return {
        "transition_not_allowed": _call("get_board", **flow),
        "wip_limit": _call("get_tickets", **flow, status=[arguments.get("new_status")]),
        "pending_review": _call("get_inbox", **flow),
        "lease_lost": _call("claim_ticket", action="claim", **ticket),
        "forbidden": _call("get_board", **flow),
        "identity_mismatch": _again(tool, {n: v for n, v in arguments.items() if n != "agent_id"}),
        "idempotency_mismatch": _again(tool, {n: v for n, v in arguments.items() if n != "idempotency_key"}),
        "rate_limited": _again(tool, arguments),
        "busy": _again(tool, arguments),
    }.get(error.code)


def _after_invalid(
    error: DomainError, tool: str, arguments: Mapping[str, Any], flow: Mapping[str, Any]
) -> dict[str, Any] | None:
    if (candidates := error.extra.get("candidates")) and "commit_sha" in candidates[0]:
        return _again(tool, {**arguments, "commit_sha": candidates[0]["commit_sha"]})
    if candidates:
        return _again(tool, {**arguments, "ticket_id": candidates[0].get("key")})
    if (error.field or "").rpartition(".")[2] in ("new_status", "status", "initial_status", "ticket_type"):
        return _call("get_board", **flow)
    if error.field == "workflow_id" and error.allowed:
        return _again(tool, {**arguments, "workflow_id": error.allowed[0]})
    if (right := error.extra.get("did_you_mean")) and error.field in arguments:
        return _again(tool, {(right if n == error.field else n): v for n, v in arguments.items()})
    rest = {name: value for name, value in arguments.items() if name != error.field}
    return _again(tool, rest) if rest else _call("get_tickets", **flow)


def _instead(tool: str, ticket: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    if tool == "link_commit":
        text = f"Commit {arguments.get('commit_sha')}"
        return _call("add_ticket_comment", **ticket, comment_text=text)
    if tool == "search_tickets":
        return _call("get_tickets")
    return (
        _again(tool, {n: v for n, v in arguments.items() if n != "commit_sha"}) if "commit_sha" in arguments else None
    )


def _again(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"tool": tool, "arguments": {n: v for n, v in arguments.items() if len(str(v)) <= MAX_REPEATED}}


def _call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"tool": tool, "arguments": arguments}
