"""How to begin: create a workflow, give an agent its token, connect it, watch it arrive."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from boards.examples import EXAMPLES
from boards.web.frame import Frame, frame_of
from boards.web.pages import page
from tickets.access import Actor
from tickets.models import AgentKind
from tickets.schemas.directory import MAX_PAGE, ListMembers, MemberDetail
from tickets.selectors.directory import membership_list


class Client(NamedTuple):
    """A kind of client: what it is called, what it is told, and in which file that stands."""

    id: str
    name: str
    about: str


CLIENTS = (
    Client("claude", "Claude Code", "In the folder of your project"),
    Client("codex", "Codex", "~/.codex/config.toml, with the token in HEPHAESTUS_TOKEN"),
    Client("cursor", "Cursor", ".cursor/mcp.json, or .mcp.json for Claude Code"),
    Client("vscode", "VS Code", ".vscode/mcp.json"),
    Client("gemini", "Gemini CLI", ".gemini/settings.json"),
    Client("stdio", "stdio", "For a client that only starts programs; needs a checkout of the tracker"),
    Client("python", "Python", "With a checkout of the tracker on the path"),
    Client("curl", "curl", "Plain HTTP; /api/docs/ shows every call"),
)


@page
def connect_page(request: HttpRequest, actor: Actor) -> HttpResponse:
    """``/connect``: how to connect an agent to the workflow; with ``?new``, or without any workflow, create one."""
    frame = frame_of(request, actor)
    if frame is None or ("new" in request.GET and actor.is_operator):
        return first_run(request, actor, frame)
    members = membership_list(actor=actor, request=ListMembers(workflow_id=frame.workflow.id, limit=MAX_PAGE)).members
    context: dict[str, Any] = {
        "actor": actor,
        "board": frame.board,
        "clients": CLIENTS,
        "agents": [_seen(row) for row in members if row.kind == AgentKind.AI],
        "maintainers": [row for row in members if row.role == "maintainer" and row.kind == AgentKind.HUMAN],
        "suggested": _free_id({row.agent_id for row in members}),
        "seq": frame.workflow.event_seq,
        "is_live": True,
    }
    return frame.render(request, "boards/connect.html", "connect", context)


def first_run(request: HttpRequest, actor: Actor, frame: Frame | None = None) -> HttpResponse:
    """What whoever has no workflow to see does about it. Whoever may create one does so here."""
    context = {
        "actor": actor,
        "workflows": frame.workflows if frame is not None else [],
        "is_new": frame is not None,
        "examples": EXAMPLES,
        "boards": {example.id: example.board.as_json() for example in EXAMPLES},
    }
    return render(request, "boards/first_run.html", context)


def _seen(row: MemberDetail) -> dict[str, Any]:
    return {"id": row.agent_id, "name": row.name, "seen": row.last_seen_at}


def _free_id(taken: set[str]) -> str:
    """impl-1, or the next of that name that is no member yet."""
    return next(name for number in range(1, len(taken) + 2) if (name := f"impl-{number}") not in taken)
