"""The resources: ``ticket://{key}``, ``board://{workflow}``, ``diff://{sha}``. Each is what a tool answers, as text."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from boards.operations import BOARD_GET
from mcp_bridge.catalogue import find_tool
from tickets import operations as op
from tickets.access import Actor
from tickets.errors import Invalid
from tickets.operations import execute

# A workflow, a ticket of it (None: any), and the number where its log stands.
Place = tuple[str, str | None, int]
TEMPLATES: tuple[dict[str, Any], ...] = (
    {
        "uriTemplate": "ticket://{key}",
        "name": "ticket",
        "description": "A ticket in full, by key or id.",
        "mimeType": "text/plain",
    },
    {
        "uriTemplate": "board://{workflow}",
        "name": "board",
        "description": "A workflow's board with its counts.",
        "mimeType": "text/plain",
    },
    {
        "uriTemplate": "diff://{sha}",
        "name": "diff",
        "description": "What a linked commit changed.",
        "mimeType": "text/plain",
    },
)


def boards_of(actor: Actor) -> list[dict[str, str]]:
    """The boards that the actor may read: the resources that can be listed."""
    workflows = execute(op.WORKFLOW_LIST, actor, {"limit": 200}).workflows
    return [
        {"uri": f"board://{flow.workflow_id}", "name": flow.workflow_id, "title": flow.name, "mimeType": "text/plain"}
        for flow in workflows
    ]


def read_resource(actor: Actor, uri: str) -> str:
    """The text of a resource. Raises DomainError."""
    kind, name = split(uri)
    tool_name, arguments = {
        "ticket": ("get_ticket", {"ticket_id": name, "detail": "full"}),
        "board": ("get_board", {"workflow_id": name}),
        "diff": ("get_commit_diff", {"commit_sha": name}),
    }[kind]
    tool = find_tool(tool_name)
    assert tool is not None
    return tool.call(actor, arguments, None).text


def watched(actor: Actor, uri: str) -> Place:
    """What tells that a resource has changed.

    Raises DomainError for what the actor may not read, and for diffs, which never change.
    """
    kind, name = split(uri)
    if kind == "diff":
        raise Invalid("A diff never changes.", field="uri")
    if kind == "board":
        board = execute(BOARD_GET, actor, {"workflow_id": name}).board_config
        flow, ticket_id = board.workflow_id, None
    else:
        ticket: Any = execute(op.TICKET_GET, actor, {"ticket_id": name}).ticket
        flow, ticket_id = ticket["workflow_id"], ticket["ticket_id"]
    return flow, ticket_id, execute(op.WORKFLOW_GET, actor, {"workflow_id": flow}).workflow.seq


def split(uri: str) -> tuple[str, str]:
    """Kind and name in a resource's address. Raises Invalid."""
    kind, colon, rest = uri.partition("://")
    name = unquote(rest, errors="replace").strip("/")
    if not colon or kind not in ("ticket", "board", "diff") or not name or "\x00" in name:
        raise Invalid(
            f"There is no resource {uri[:100]!r}. Use ticket://KEY, board://WORKFLOW or diff://SHA.", field="uri"
        )
    return kind, name
