"""A new ticket: the page of its form, what there is to choose, and tickets that may say the same already."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_POST

from boards.selectors.views import views_of
from boards.web import look
from boards.web.board.bar import Bar
from boards.web.board.filters import address
from boards.web.finding.form import search_address
from boards.web.frame import Frame, workflow_page
from boards.web.pages import fragment
from boards.web.ticket.templates import outlines_for
from search.schemas import FindSimilar
from tickets import ports
from tickets.access import Actor, actor_for_user, workflow_for
from tickets.api.payload import read_body
from tickets.board_source import board_of
from tickets.errors import DomainError, Unauthenticated
from tickets.models import Workflow
from tickets.rules import Board
from tickets.schemas.base import parse


@workflow_page
def new_ticket_page(request: HttpRequest, frame: Frame) -> HttpResponseBase:
    """``/tickets/new``: the form that the dialog of every page shows."""
    bar = Bar(frame.actor, frame.workflow, frame.board, QueryDict())
    return frame.render(request, "boards/new_ticket.html", "new-ticket", {"bar": bar})


@fragment
def choices(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What a ticket of ``?workflow=`` may be, who there is, what is saved: for the form and for the palette."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    return JsonResponse(_choices(actor, workflow, board_of(workflow)))


@require_POST
def alike(request: HttpRequest) -> HttpResponse:
    """Tickets that say about the same as ``{"workflow_id", "title", "description"}``, best first.

    It is asked for while one types, so that nothing is counted; ``/api/tickets/similar`` counts.
    """
    try:
        if not request.user.is_authenticated:
            raise Unauthenticated("Sign in again.")
        asked = parse(FindSimilar, read_body(request))
        workflow = workflow_for(actor_for_user(request.user), asked.workflow_id)
    except DomainError as error:
        return JsonResponse(error.as_dict(), status=error.status)
    index = ports.ticket_index()
    prepared = index.prepare(workflow=workflow, drafts=[asked])[0] if index is not None else None
    board = board_of(workflow)
    found = [(row, board.by_id.get(row["status"])) for row in prepared.similar] if prepared is not None else []
    context = {"found": found, "board": board, "is_compared": prepared is not None and prepared.is_compared}
    return render(request, "boards/new_ticket_alike.html", context)


def _choices(actor: Actor, workflow: Workflow, board: Board) -> dict[str, Any]:
    bar = Bar(actor, workflow, board, QueryDict())
    return {
        **bar.for_script,
        "name": workflow.name,
        "key_prefix": workflow.key_prefix,
        "kinds": [
            {
                "id": kind.id,
                "name": kind.name,
                "emoji": "" if look.is_drawn(kind) else kind.icon,
                "glyph": look.type_glyph(kind),
                "color": "" if kind.id in look.DRAWN_TYPES else kind.color,
            }
            for kind in board.ticket_types
        ],
        "kind": board.default_ticket_type,
        "status": board.initial_status,
        "outlines": [outline._asdict() for outline in outlines_for(board)],
        "views": [{"name": view.name, "address": address(workflow.id, view.query)} for view in bar.views],
        "searches": [
            {"name": search.name, "address": search_address(workflow.id, search.query)}
            for search in views_of(actor, workflow.id, "search")
        ],
    }
