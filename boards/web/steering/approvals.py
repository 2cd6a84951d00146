"""The queue of approvals: what agents made and a maintainer decides on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone

from boards.selectors.approvals import Asked, Wanted, requests_in_full, requests_of
from boards.web import look
from boards.web.board.bar import Bar
from boards.web.frame import Frame, workflow_page
from boards.web.pages import fragment
from tickets import ports
from tickets.access import Actor, find_ticket, workflow_for
from tickets.board_source import board_of
from tickets.errors import not_one_of
from tickets.models import Approval, Workflow
from tickets.rules import Board, TicketType

MOST = 100
MAX_ALIKE = 5
START = 320  # characters of a description
# Value in the address → what it means, in words.
AGES = {"1h": "an hour", "6h": "6 hours", "1d": "a day", "3d": "3 days"}
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}


class RequestView:
    """A request as the queue shows it."""

    def __init__(self, approval: Approval, board: Board) -> None:
        self.ticket = approval.ticket
        self.agent = approval.requested_by_agent
        self.since = approval.requested_at
        self._until = approval.expires_at
        self._beginning: str = approval.beginning  # type: ignore[attr-defined]  # annotated
        self._board = board

    @property
    def kind(self) -> TicketType:
        """The ticket's type; one that has left the board keeps its name."""
        name = self.ticket.ticket_type
        return self._board.types.get(name) or TicketType(id="gone", name=name)

    @property
    def expires_in(self) -> str:
        return look.age(timezone.now(), self._until)

    @property
    def is_urgent(self) -> bool:
        """Whether the last fifth of the time to decide has begun."""
        return (self._until - timezone.now()) < (self._until - self.since) / 5

    @property
    def start(self) -> str:
        """How the description begins, on one line."""
        text = look.unmarked(" ".join(self._beginning.split()))
        return text if len(text) <= START else f"{text[:START].rstrip()}…"


@workflow_page
def approvals_page(request: HttpRequest, frame: Frame) -> HttpResponse:
    """``/approvals``: the queue, filtered by ``?agent=``, ``?type=`` and ``?older=``."""
    return frame.render(
        request, "boards/approvals.html", "approvals", _context(request, frame.actor, frame.workflow, frame.board)
    )


@fragment
def approvals_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The rows alone, for the page that is open."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    context = {"workflow": workflow, **_context(request, actor, workflow, board_of(workflow))}
    return render(request, "boards/approvals_list.html", context)


@fragment
def approval_alike(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Tickets that say about the same as ``?ticket=``: one of them may make it needless."""
    ticket = find_ticket(actor, request.GET.get("ticket", ""), field="ticket")
    index = ports.ticket_index()
    alike = index.alike(ticket=ticket, limit=MAX_ALIKE + 1) if index is not None else None
    found = [row for row in alike if row["ticket_id"] != ticket.id][:MAX_ALIKE] if alike is not None else None
    return render(request, "boards/approvals_alike.html", {"alike": found, "board": board_of(ticket.workflow)})


def _context(request: HttpRequest, actor: Actor, workflow: Workflow, board: Board) -> dict[str, Any]:
    wanted, now = _wanted(request.GET, board), timezone.now()
    asked = requests_of(workflow)
    fitting = [one.id for one in asked if wanted.fits(one, now)]
    shown = [RequestView(row, board) for row in requests_in_full(workflow, fitting[:MOST])]
    return {
        # Read before the rest: what happens meanwhile comes again as an event.
        "seq": workflow.event_seq,
        "is_live": True,
        "bar": Bar(actor, workflow, board, QueryDict()),
        "board": board,
        "me": actor.agent_id,
        "requests": shown,
        "total": len(asked),
        "found": len(fitting),
        "left": len(fitting) - len(shown),
        "wanted": wanted,
        "older": request.GET.get("older", ""),
        "query": _kept(request.GET),
        "agents": _agents(asked, wanted),
        "ages": AGES,
    }


def _wanted(query: QueryDict, board: Board) -> Wanted:
    """What the address asks for. Raises Invalid for a type or an age that there is not."""
    kind, older = query.get("type") or None, query.get("older") or None
    if kind is not None and kind not in board.types:
        raise not_one_of("type", kind[:100], board.types)
    if older is not None and older not in AGES:
        raise not_one_of("older", older[:100], AGES)
    return Wanted(query.get("agent") or None, kind, int(older[:-1]) * _UNITS[older[-1]] if older is not None else None)


def _agents(asked: list[Asked], wanted: Wanted) -> dict[str, str]:
    """Id → name of those who ask; also of the one that is filtered by and asks for nothing any more."""
    found = {one.agent_id: one.agent for one in sorted(asked, key=lambda one: one.agent)}
    return found if wanted.agent is None or wanted.agent in found else {**found, wanted.agent: wanted.agent}


def _kept(query: QueryDict) -> str:
    """The part of the address that filters."""
    kept = QueryDict(mutable=True)
    for name in ("agent", "type", "older"):
        if value := query.get(name):
            kept[name] = value
    return kept.urlencode()
