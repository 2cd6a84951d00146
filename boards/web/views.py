"""The board page and the parts of it that its script asks for."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import get_template, render_to_string

from boards.selectors.columns import cards_of, column_cards
from boards.selectors.fleet import fleet_counts, open_leases
from boards.web.bar import Bar
from boards.web.board import PER_COLUMN, BoardView, Count, counts_of, summary_of, with_cards
from boards.web.cards import Cards, with_heat
from boards.web.filters import read_arrangement
from boards.web.heat import recent_heat
from boards.web.pages import fragment, page
from tickets.access import Actor, visible_workflows, workflow_for
from tickets.board_source import board_of
from tickets.errors import Invalid, NotFound
from tickets.models import Workflow
from tickets.rules import Board

LAST_WORKFLOW = f"hephaestus_workflow_{settings.PORT}"
A_YEAR = 365 * 86_400
MAX_IDS = 100
MAX_PICKED = 200


@page
def board_page(request: HttpRequest, actor: Actor) -> HttpResponse:
    """``/tickets``: the board of ``?workflow=``, else of the one seen last."""
    workflows = picker(actor)
    workflow = _chosen(request, actor, workflows)
    if workflow is None:
        return render(request, "boards/connect.html", {"actor": actor, "workflows": workflows})
    board, query = board_of(workflow), request.GET
    leases = open_leases(workflow)
    column, after = query.get("column"), query.get("after")
    view = BoardView(
        workflow,
        board,
        leases=leases,
        arrangement=read_arrangement(query, actor, workflow, leases),
        continued=(column, after) if column and after else None,
    )
    bar = Bar(actor, workflow, board, query)
    context = {"view": view, "workflow": workflow, "board": board, "workflows": workflows, "bar": bar}
    response = HttpResponse(with_cards(render_to_string("boards/board.html", context, request), view.cells))
    if request.COOKIES.get(LAST_WORKFLOW) != workflow.id:
        response.set_cookie(LAST_WORKFLOW, workflow.id, max_age=A_YEAR, httponly=True, samesite="Lax")
    return response


@page
def connect_page(request: HttpRequest, actor: Actor) -> HttpResponse:
    """How to connect an agent to the workflow."""
    workflows = picker(actor)
    workflow = _chosen(request, actor, workflows)
    board = board_of(workflow) if workflow is not None else None
    context = {"actor": actor, "workflow": workflow, "board": board, "workflows": workflows}
    return render(request, "boards/connect.html", context)


@fragment
def changed_cards(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The cards of ``?ids=``, and the counts of all columns, after a change.

    A card that is asked for and not in ``cards`` is no longer on the board. ``since`` is the last event
    that the page shows: what happened after it warms the card.
    """
    workflow = workflow_for(actor, request.GET.get("workflow"))
    board = board_of(workflow)
    ids = [ticket_id for ticket_id in request.GET.get("ids", "").split(",") if ticket_id]
    if len(ids) > MAX_IDS:
        raise Invalid(f"At most {MAX_IDS} ids at a time.", field="ids")
    leases, since = open_leases(workflow), _since(request)
    arrangement = read_arrangement(request.GET, actor, workflow, leases)
    html = Cards(workflow, board, leases, arrangement.sort if arrangement else "rank").html
    heat = recent_heat(workflow, board, ids, since) if since is not None and ids else {}
    counts = counts_of(workflow, board)
    wanted = arrangement.counts() if arrangement and arrangement.is_filtered else None
    lanes = arrangement.lane_of(ids) if arrangement else {}
    cards = [
        {
            "id": card.id,
            "column": card.status,
            "lane": lanes.get(card.id, ""),
            "html": with_heat(html(card), heat.get(card.id)),
        }
        for card in cards_of(workflow, ids, rows=arrangement.rows if arrangement else None)
        if card.status in board.by_id
    ]
    summary = summary_of(board, counts, sum(wanted.values()) if wanted is not None else None)
    return JsonResponse(
        {
            "cards": cards,
            "columns": [
                _column_head(board, status, total, wanted[status] if wanted is not None else None)
                for status, total in counts.items()
            ],
            "summary": _partial("boards/_summary.html", {"summary": summary}),
            "fleet": _partial("boards/_fleet.html", {"fleet": fleet_counts(leases), "workflow": workflow}),
        }
    )


@fragment
def more_cards(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The next cards of ``?column=`` after the cursor ``?after=``."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    board, leases = board_of(workflow), open_leases(workflow)
    arrangement = read_arrangement(request.GET, actor, workflow, leases)
    if arrangement is not None and arrangement.lanes is not None and (lane := request.GET.get("lane")):
        arrangement = arrangement.in_lane(lane)
    sort = arrangement.sort if arrangement is not None else "rank"
    found = column_cards(
        workflow,
        board,
        request.GET.get("column", ""),
        after=request.GET.get("after") or None,
        limit=PER_COLUMN,
        rows=arrangement.rows if arrangement is not None else None,
        sort=sort,
    )
    html = Cards(workflow, board, leases, sort).all_html(found.cards)
    return JsonResponse({"html": html.decode(), "next": found.next_cursor})


def picker(actor: Actor) -> list[Workflow]:
    """The workflows to choose from, by name. One query."""
    rows = visible_workflows(actor).order_by("name", "id").only("id", "name", "key_prefix")
    return list(rows[:MAX_PICKED])


def _chosen(request: HttpRequest, actor: Actor, workflows: list[Workflow]) -> Workflow | None:
    """The workflow to show; None where there is none. Raises NotFound for one that is asked for by name."""
    if asked := request.GET.get("workflow"):
        return workflow_for(actor, asked)
    if not workflows:
        return None
    for workflow_id in (request.COOKIES.get(LAST_WORKFLOW), workflows[0].id):
        try:
            if workflow_id:
                return workflow_for(actor, workflow_id)
        except NotFound:
            continue  # the last one may be gone, or no longer theirs
    return None


def _since(request: HttpRequest) -> int | None:
    text = request.GET.get("since", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _column_head(board: Board, status: str, total: int, found: int | None) -> dict[str, Any]:
    count = Count(board.by_id[status], total, found)
    return {
        "id": status,
        "total": total if found is None else found,
        "over": count.over,
        "count": _partial("boards/_count.html", {"count": count}),
    }


def _partial(name: str, context: dict[str, Any]) -> str:
    return get_template(name).render(context)
