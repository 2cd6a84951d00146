"""A ticket: as a page of its own, as the inside of the board's dialog, and the parts that its script asks for."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from boards.web import markdown
from boards.web.pages import fragment, page
from boards.web.ticket.activity import EVERYTHING, PAGE, SHOWS, Activity, Cursor, Show
from boards.web.ticket.steps import compared
from boards.web.ticket.view import TicketView
from tickets import ports
from tickets.access import Actor, actor_for_user, find_ticket, workflow_for, workflows_by_name
from tickets.api.payload import read_body
from tickets.board_source import board_of
from tickets.errors import DomainError, Invalid, TooLarge, Unauthenticated
from tickets.models import Agent, Membership, Ticket, Workflow
from tickets.schemas.base import check_text
from tickets.schemas.tickets import DESCRIPTION_MAX

MAX_NAMES = 8
MAX_ALIKE = 5
MAX_WORDS = 100


@page
def ticket_page(request: HttpRequest, actor: Actor, ticket_id: str) -> HttpResponse:
    """``/tickets/{id}``: by id, key or a unique prefix of the id. ``?activity=all`` shows all of what happened."""
    try:
        view = _view(request, actor, ticket_id)
    except Invalid as error:
        if "candidates" in error.extra:
            raise
        raise Http404(error.message) from error
    context = {**_context(view), "workflows": workflows_by_name(actor), "is_page": True}
    return render(request, "boards/ticket.html", context)


@fragment
def ticket_sheet(request: HttpRequest, actor: Actor, ticket_id: str) -> HttpResponse:
    """The inside of the dialog, and what replaces its parts after a change."""
    return render(request, "boards/ticket_sheet.html", _context(_view(request, actor, ticket_id)))


@fragment
def ticket_activity(request: HttpRequest, actor: Actor, ticket_id: str) -> HttpResponse:
    """A page of the timeline: what is older than the cursor ``?before=``; ``?show=`` comments, history or all."""
    ticket = find_ticket(actor, ticket_id)
    board = board_of(workflow_for(actor, ticket.workflow_id))
    view = TicketView(actor, ticket.workflow, board, ticket, _activity(request, actor, ticket))
    return render(request, "boards/ticket_timeline.html", _context(view))


@fragment
def ticket_change(request: HttpRequest, actor: Actor, ticket_id: str, history_id: int) -> HttpResponse:
    """A changed text before and after."""
    lines = compared(find_ticket(actor, ticket_id), history_id)
    return render(request, "boards/ticket_change.html", {"lines": lines})


@fragment
def tickets_alike(request: HttpRequest, actor: Actor, ticket_id: str) -> HttpResponse:
    """Tickets that say about the same and are not tied to it yet."""
    ticket = find_ticket(actor, ticket_id)
    view = TicketView(actor, ticket.workflow, board_of(ticket.workflow), ticket, _activity(request, actor, ticket))
    tied = {other.id for other in (*view.blockers, *view.blocks, *view.sub_tickets, *view.related)}
    index = ports.ticket_index()
    alike = index.alike(ticket=ticket, limit=MAX_ALIKE + len(tied) + 1) if index is not None else []
    found = [row for row in alike if row["ticket_id"] not in tied | {ticket.parent_ticket_id}][:MAX_ALIKE]
    return render(request, "boards/ticket_alike.html", {**_context(view), "alike": found})


@fragment
def names(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What ``?q=`` may mean, for fields that complete: tickets, or with ``?kind=agents`` members."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    words = request.GET.get("q", "").strip()[:MAX_WORDS]
    check_text(words, "q")
    find = _agents if request.GET.get("kind") == "agents" else _tickets
    return JsonResponse({"found": find(workflow, words)})


@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Markdown (``{"text", "workflow"}``) as it will be shown."""
    try:
        if not request.user.is_authenticated:
            raise Unauthenticated("Sign in again.")
        text, workflow_id = _asked_preview(request)
        workflow = workflow_for(actor_for_user(request.user), workflow_id)
    except DomainError as error:
        return JsonResponse(error.as_dict(), status=error.status)
    return HttpResponse(markdown.render(text, _member_names(workflow.id), workflow.key_prefix))


def _asked_preview(request: HttpRequest) -> tuple[str, str]:
    body = read_body(request)
    check_text(body)
    text, workflow_id = body.get("text"), body.get("workflow")
    if not isinstance(text, str) or not isinstance(workflow_id, str):
        raise Invalid('Send {"text": "…", "workflow": "…"}.')
    if len(text) > DESCRIPTION_MAX:
        raise TooLarge(f"At most {DESCRIPTION_MAX} characters.", field="text")
    return text, workflow_id


def _view(request: HttpRequest, actor: Actor, ticket_id: str) -> TicketView:
    found = find_ticket(actor, ticket_id)
    # Read before the ticket, for the number of its last event: what happens meanwhile comes again as an event.
    workflow = workflow_for(actor, found.workflow_id)
    related = ("assigned_agent", "created_by_agent", "parent_ticket", "lease_agent", "workflow")
    ticket = Ticket.objects.select_related(*related).get(pk=found.pk)
    return TicketView(actor, workflow, board_of(workflow), ticket, _activity(request, actor, ticket))


def _activity(request: HttpRequest, actor: Actor, ticket: Ticket) -> Activity:
    asked, before = request.GET.get("show", "all"), request.GET.get("before")
    show: Show = next((known for known in SHOWS if known == asked), "all")
    limit = EVERYTHING if request.GET.get("activity") == "all" else PAGE
    names = _member_names(ticket.workflow_id)
    return Activity(
        ticket, board_of(ticket.workflow), actor.agent_id, names, show, Cursor.parse(before) if before else None, limit
    )


def _context(view: TicketView) -> dict[str, Any]:
    return {"view": view, "ticket": view.ticket, "workflow": view.workflow, "board": view.board}


def _member_names(workflow_id: str) -> dict[str, str]:
    return dict(Membership.objects.filter(workflow_id=workflow_id).values_list("agent_id", "agent__name"))


def _tickets(workflow: Workflow, words: str) -> list[dict[str, Any]]:
    rows = Ticket.objects.filter(workflow=workflow)
    if words:
        fits = Q(title__icontains=words) | Q(key__istartswith=words)
        if words.isascii() and words.isdigit() and len(words) < 9:
            fits |= Q(number=int(words))
        rows = rows.filter(fits)
    shown = ("key", "title", "is_resolved", "ticket_type", "status")
    found = rows.order_by("-updated_at", "-number").values_list(*shown)[:MAX_NAMES]
    names = ("id", "name", "done", "type", "status")
    return [dict(zip(names, row, strict=True)) for row in found]


def _agents(workflow: Workflow, words: str) -> list[dict[str, Any]]:
    rows = Agent.objects.filter(memberships__workflow=workflow)
    if words:
        rows = rows.filter(Q(id__icontains=words) | Q(name__icontains=words))
    return [{"id": row.id, "name": row.name} for row in rows.order_by("name", "id")[:MAX_NAMES]]
