"""Agents and people of a workflow: role, load, leases, tokens."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.http import urlencode

from boards.selectors.agents import members_of
from boards.web.board.bar import Bar
from boards.web.frame import Frame, workflow_page
from boards.web.pages import fragment
from tickets.access import Actor, has_role, workflow_for
from tickets.board_source import board_of
from tickets.models import Role, Workflow
from tickets.rules import Board

MAX_WORDS = 100
ROLES = {
    Role.VIEWER: "reads",
    Role.MEMBER: "writes tickets and tasks",
    Role.MAINTAINER: "also decides on approvals, members, tokens and the board",
}


@workflow_page
def agents_page(request: HttpRequest, frame: Frame) -> HttpResponse:
    """``/agents``: the members, those with work in hand first; ``?q=`` narrows by name or id."""
    return frame.render(
        request, "boards/agents.html", "agents", _context(request, frame.actor, frame.workflow, frame.board)
    )


@fragment
def agents_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The rows alone, for the page that is open."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    context = {"workflow": workflow, **_context(request, actor, workflow, board_of(workflow))}
    return render(request, "boards/agents_list.html", context)


def _context(request: HttpRequest, actor: Actor, workflow: Workflow, board: Board) -> dict[str, Any]:
    # No text of a name holds a NUL, and PostgreSQL takes none.
    words = request.GET.get("q", "").replace("\x00", "").strip()[:MAX_WORDS]
    found = members_of(actor, workflow, words)
    return {
        # Read before the rest: what happens meanwhile comes again as an event.
        "seq": workflow.event_seq,
        "is_live": True,
        "bar": Bar(actor, workflow, board, QueryDict()),
        "me": actor.agent_id,
        # Members and roles do not depend on whether the workflow is active.
        "may_maintain": has_role(actor, workflow.id, Role.MAINTAINER),
        "members": found.rows,
        "total": found.total,
        "left": found.total - len(found.rows),
        "words": words,
        "query": urlencode({"q": words}) if words else "",
        "roles": {role.value: meaning for role, meaning in ROLES.items()},
    }
