"""The board page and the parts of it that its script asks for."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import get_template, render_to_string

from boards.selectors.arranged import MAX_LANES, Arrangement, Lane, lanes_of
from boards.selectors.columns import cards_of, column_cards
from boards.selectors.fleet import fleet_counts, open_leases
from boards.web.account.connect import first_run
from boards.web.board.bar import Bar
from boards.web.board.cards import Cards, with_heat
from boards.web.board.filters import read_arrangement
from boards.web.board.heat import recent_heat
from boards.web.board.view import PER_COLUMN, BoardView, Count, counts_of, summary_of, with_cards
from boards.web.frame import frame_of, remembered
from boards.web.pages import asked_ids, asked_since, fragment, page
from tickets.access import Actor, workflow_for
from tickets.board_source import board_of
from tickets.rules import Board


@page
def board_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """``/tickets``: the board of ``?workflow=``, else of the one seen last."""
    frame = frame_of(request, actor)
    if frame is None:
        return first_run(request, actor)
    workflow, board, query = frame.workflow, frame.board, request.GET
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
    context = {"view": view, "workflow": workflow, "board": board, "workflows": frame.workflows, "bar": bar}
    response = HttpResponse(with_cards(render_to_string("boards/board.html", context, request), view.cells))
    return remembered(request, response, workflow)


@fragment
def changed_cards(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The cards of ``?ids=``, and the counts of all columns and lanes, after a change.

    A card that is asked for and not in ``cards`` is no longer on the board. ``since`` is the last event
    that the page shows: what happened after it warms the card.
    """
    workflow = workflow_for(actor, request.GET.get("workflow"))
    board = board_of(workflow)
    ids = asked_ids(request)
    leases, since = open_leases(workflow), asked_since(request)
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
            "lanes": [_lane_head(lane) for lane in _lanes(arrangement)],
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


def _lanes(arrangement: Arrangement | None) -> list[Lane]:
    return lanes_of(arrangement)[:MAX_LANES] if arrangement is not None and arrangement.lanes is not None else []


def _lane_head(lane: Lane) -> dict[str, Any]:
    return {"id": lane.id, "count": _partial("boards/_lane_count.html", {"lane": lane}), "cells": lane.counts}


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
