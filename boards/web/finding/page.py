"""``/search``: the page, the parts of it that its script asks for, and what was found as a file."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string

from boards.schemas import ViewDetail
from boards.selectors.searched import search_asked
from boards.selectors.views import views_of
from boards.web.board.heat import recent_heat
from boards.web.finding.export import SearchFile
from boards.web.finding.view import FACTS, Facts, SearchView, brief_of, members_of, people_of
from boards.web.frame import Frame, workflow_page
from boards.web.pages import asked_ids, asked_since, fragment
from search.operations import TICKET_SEARCH
from search.schemas import MAX_RESULTS
from tickets.access import Actor, find_ticket, workflow_for
from tickets.board_source import board_of
from tickets.models import Ticket
from tickets.operations import execute
from tickets.selectors.tickets import ticket_rows


class SavedSearch(NamedTuple):
    """A search that was kept, and the page that shows it."""

    view: ViewDetail
    address: str


@workflow_page
def search_page(request: HttpRequest, frame: Frame) -> HttpResponse:
    """The search that the address asks for; without any, what may help to begin one."""
    view = SearchView(frame.actor, frame.workflow, frame.board, request.GET)
    context = {
        **_context(view, frame.actor),
        "board": frame.board,
        "is_live": True,
        "seq": frame.workflow.event_seq,
    }
    response = frame.render(request, "boards/search.html", "search", context)
    response.status_code = view.status
    return response


@fragment
def search_results(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The results alone."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    view = SearchView(actor, workflow, board_of(workflow), request.GET)
    if view.fault is not None:
        raise view.fault
    context = {**_context(view, actor), "workflow": workflow, "board": view.board}
    return render(request, "boards/search_results.html", context)


@fragment
def search_saved(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The saved searches, after one was kept or forgotten."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    view = SearchView(actor, workflow, board_of(workflow), QueryDict())
    return render(request, "boards/search_saved.html", _context(view, actor))


@fragment
def search_rows(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Where the tickets of ``?ids=`` stand now, for results that are shown already; what is missing is not theirs."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    board, ids = board_of(workflow), asked_ids(request)
    rows = ticket_rows(Ticket.objects.filter(workflow_id=workflow.id, pk__in=ids), FACTS) if ids else []
    people = people_of(members_of(actor, workflow, board), rows)
    since = asked_since(request)
    heat = recent_heat(workflow, board, ids, since) if since is not None and ids else {}
    return JsonResponse(
        {
            "rows": [
                {
                    "id": row["ticket_id"],
                    "title": row["title"],
                    "facts": render_to_string(
                        "boards/search_facts.html",
                        {"facts": Facts(row, board, people), "board": board, "heat": heat.get(row["ticket_id"])},
                    ),
                }
                for row in rows
            ]
        }
    )


@fragment
def search_preview(request: HttpRequest, actor: Actor, ticket_id: str) -> HttpResponse:
    """A ticket in brief."""
    found = find_ticket(actor, ticket_id)
    ticket = Ticket.objects.select_related("created_by_agent", "workflow").get(pk=found.pk)
    board = board_of(ticket.workflow)
    brief = brief_of(ticket, board, members_of(actor, ticket.workflow, board))
    return render(request, "boards/search_preview.html", {"brief": brief, "ticket": ticket, "board": board})


@workflow_page
def search_export(request: HttpRequest, frame: Frame) -> HttpResponseBase:
    """What was found, as many as a search can show, in ``?format=``: csv, json, markdown."""
    asked = {**search_asked(request.GET, frame.workflow.id), "limit": MAX_RESULTS}
    file = SearchFile(frame.workflow, execute(TICKET_SEARCH, frame.actor, asked), request.GET.get("format", "json"))
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(file.content, content_type=file.media_type, headers=headers)


def _context(view: SearchView, actor: Actor) -> dict[str, object]:
    saved = [SavedSearch(one, view.form.address_of(one.query)) for one in views_of(actor, view.workflow.id, "search")]
    own = [one for one in saved if one.view.owner_agent_id == actor.agent_id]
    shared = [one for one in saved if one.view.owner_agent_id != actor.agent_id]
    return {"view": view, "form": view.form, "own_searches": own, "shared_searches": shared}
