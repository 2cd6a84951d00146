"""``/board-settings``: the board's columns, moves, types and settings; who maintains the workflow changes them."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_POST
from pydantic import Field

from boards.examples import EXAMPLES
from boards.schemas import BoardDetail
from boards.selectors.uses import Uses, uses_of
from boards.services.configuration import board_detail, read_board
from boards.web.frame import Frame, workflow_page
from boards.web.look import DRAWN_TYPES
from boards.web.steering.editor_preview import Preview
from tickets.access import Actor, actor_for_user, workflow_for
from tickets.api.payload import read_body
from tickets.board_source import board_of
from tickets.errors import DomainError, Invalid, Unauthenticated
from tickets.rules import NAMED_COLORS
from tickets.schemas.base import Request, parse

SYNONYMS = {"grey", "purple"}  # the same colours under other names


class Setting(NamedTuple):
    """A switch of the board, and what it does."""

    id: str
    name: str
    about: str


SWITCHES = (
    Setting(
        "require_comments_on_status_change",
        "Moves need a comment",
        "Whoever moves a ticket says why, in ten characters or more.",
    ),
    Setting(
        "auto_assign",
        "Assign on the first move",
        "A ticket that nobody has becomes theirs who move it into an active column.",
    ),
    Setting("allow_reopen", "Reopening", "Tickets may leave a final column; off, what is done stays done."),
    Setting(
        "resolve_on_final",
        "Final columns resolve",
        "A ticket that enters a final column is resolved, and what waits for it is unblocked.",
    ),
    Setting(
        "enforce_wip_limits",
        "Limits are strict",
        "A move into a full column is refused; off, the column only warns.",
    ),
    Setting("track_time", "Track time", "Tickets show estimates and how long they were in active columns."),
    Setting(
        "ticket_human_review",
        "People review what agents create",
        "Such a ticket waits until a maintainer approves it, and is neither moved nor claimed before.",
    ),
)


class AskPreview(Request):
    """A board that is not kept, and where tickets would go: see ``UpdateBoard``."""

    workflow_id: str = Field(max_length=100)
    board: dict[str, Any]
    move_tickets: dict[str, str] = Field(default_factory=dict)
    change_types: dict[str, str] = Field(default_factory=dict)


@workflow_page
def editor_page(request: HttpRequest, frame: Frame) -> HttpResponse:
    """The editor; for those who do not maintain the workflow, the same to be read."""
    detail = board_detail(frame.workflow)
    context: dict[str, object] = {
        "switches": [(switch, getattr(detail.settings, switch.id)) for switch in SWITCHES],
        "settings": detail.settings,
        "may_maintain": frame.may_maintain,
        "data": _for_script(frame, detail),
        "seq": frame.workflow.event_seq,
        "is_live": True,
    }
    return frame.render(request, "boards/editor.html", "board-settings", context)


@require_POST
def editor_preview(request: HttpRequest) -> HttpResponseBase:
    """A board drawn as it would look, for those who may read the workflow; of one that is none, its faults.

    ``{"html", "board", "uses"}`` with the board as it was read, or ``{"faults": [{"field", "message"}], "uses"}``.
    """
    try:
        if not request.user.is_authenticated:
            raise Unauthenticated("Sign in again.")
        asked = parse(AskPreview, read_body(request))
        return JsonResponse(_preview(actor_for_user(request.user), asked))
    except DomainError as error:
        return JsonResponse(error.as_dict(), status=error.status)


def _preview(actor: Actor, asked: AskPreview) -> dict[str, object]:
    workflow = workflow_for(actor, asked.workflow_id)
    uses = uses_of(workflow)
    try:
        board = read_board(asked.board)
    except Invalid as error:
        return {"faults": _faults(error), "uses": _as_json(uses)}
    drawn = Preview(workflow, board_of(workflow), board, uses=uses, moves=asked.move_tickets, kinds=asked.change_types)
    return {"html": drawn.html(), "board": board.as_json(), "uses": _as_json(uses)}


def _faults(error: Invalid) -> list[dict[str, str | None]]:
    """All of them, but none of a whole whose parts have their own."""
    found: list[dict[str, str | None]] = error.extra.get("details") or [
        {"field": error.field, "message": error.message}
    ]
    places = [fault["field"] or "" for fault in found]
    return [
        fault
        for fault, place in zip(found, places, strict=True)
        if not any(other.startswith(f"{place}.") for other in places)
    ]


def _for_script(frame: Frame, detail: BoardDetail) -> dict[str, object]:
    workflow = frame.workflow
    return {
        "workflow": workflow.id,
        "prefix": workflow.key_prefix,
        "me": frame.actor.agent_id,
        "maintains": frame.may_maintain,
        "version": detail.version,
        "board": frame.board.as_json(),
        "uses": _as_json(uses_of(workflow)),
        "examples": [
            {"id": example.id, "about": example.about, "board": example.board.as_json()} for example in EXAMPLES
        ],
        "colors": {name: color for name, color in NAMED_COLORS.items() if name not in SYNONYMS},
        "drawn": DRAWN_TYPES,
    }


def _as_json(uses: Uses) -> dict[str, dict[str, int]]:
    return {"columns": dict(uses.columns), "types": dict(uses.types)}
