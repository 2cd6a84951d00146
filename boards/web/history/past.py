"""The board as it was at a moment, to look at: nothing on it can be changed."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone

from boards.selectors.moments import moment_of_change, moment_of_event
from boards.web.frame import Frame, workflow_page
from boards.web.history.moments import read_local
from boards.web.history.past_view import SLIDER, PastView
from boards.web.pages import fragment
from tickets.access import Actor, find_ticket, workflow_for
from tickets.errors import Invalid
from tickets.models import Workflow
from tickets.schemas.base import check_text

_CHANGE = re.compile(r"h(\d{1,18})")
_EVENT = re.compile(r"\d{1,18}")


@workflow_page
def past_page(request: HttpRequest, frame: Frame) -> HttpResponse:
    """``/board-at?at=``: a time in ISO 8601, the number of an event, or ``h`` and the id of a row of history.

    ``local``: a time in the zone of whoever asks. ``place``: 0 to 1000 between the first change and now.
    ``ticket``: one whose values of then are shown beside. ``column`` with ``offset``: that column goes on from there.
    """
    query = request.GET
    moment = _moment(frame.workflow, query)
    ticket = query.get("ticket")
    view = PastView(
        frame.workflow,
        moment,
        ticket=find_ticket(frame.actor, ticket, workflow_id=frame.workflow.id) if ticket else None,
        continued=(query["column"], _offset(request)) if query.get("column") else None,
    )
    return frame.render(request, "boards/past.html", "audit", {"view": view, "board": view.board})


@fragment
def past_column(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The next cards of ``?column=`` from ``?offset=`` on: ``{html, next}``."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    view = PastView(workflow, _moment(workflow, request.GET))
    cell = view.cell(request.GET.get("column", ""), _offset(request))
    html = render_to_string("boards/past_cards.html", {"view": view, "board": view.board, "cards": cell.cards})
    return JsonResponse({"html": html, "next": cell.next_offset})


def _moment(workflow: Workflow, query: Any) -> datetime:
    """The moment that is asked for; what lies ahead is now. Raises Invalid and NotFound."""
    now = timezone.now()
    at, local, place = (query.get(name, "").strip() for name in ("at", "local", "place"))
    check_text([at, local, place])
    if at and (change := _CHANGE.fullmatch(at)):
        return moment_of_change(workflow, int(change[1]))
    if at and _EVENT.fullmatch(at):
        return moment_of_event(workflow, int(at))
    try:
        if at or local:
            moment = read_local(at or local)
            # A form says the second; all that happened in it is meant.
            moment += (
                timedelta(seconds=1, microseconds=-1) if local and not at and not moment.microsecond else timedelta()
            )
            return min(moment, now)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"at: {error}", field="at") from None
    if place:
        if not place.isascii() or not place.isdigit() or len(place) > len(str(SLIDER)) or int(place) > SLIDER:
            raise Invalid(f"place is a number from 0 to {SLIDER}.", field="place")
        return PastView(workflow, now).at_place(int(place))
    return now


def _offset(request: HttpRequest) -> int:
    text = request.GET.get("offset", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 7:
        raise Invalid("offset is a number of cards.", field="offset")
    return int(text)
