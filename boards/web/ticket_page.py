"""A ticket as a page: to be read. A fixed number of queries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from boards.selectors.fleet import Lease, open_leases
from boards.web import markdown
from boards.web.heat import FIELD_WORDS
from boards.web.pages import page
from boards.web.views import picker
from gitlinks.models import TicketCommit
from tickets.access import Actor, find_ticket, workflow_for
from tickets.board_source import board_of
from tickets.errors import Invalid
from tickets.models import Ticket, TicketComment, TicketDependency, TicketHistory, Workflow
from tickets.rules import Board, Column, TicketType

NEWEST = 200
EVERYTHING = 2000
VALUE_SHOWN = 80
NO_TEXT = SafeString("")

PHRASES = {
    "created": ("plus", "created the ticket"),
    "resolved": ("check", "resolved it"),
    "reopened": ("undo", "reopened it"),
    "claimed": ("key", "claimed it"),
    "released": ("key", "released it"),
    "approved": ("approve", "approved it"),
    "rejected": ("ban", "rejected it"),
    "expired": ("clock", "its approval ran out"),
    "commit_linked": ("commit", "linked a commit"),
    "comment_edited": ("edit", "edited a comment"),
    "comment_deleted": ("x", "deleted a comment"),
    "unassigned": ("user", "unassigned it"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the timeline: a comment, or what happened."""

    at: datetime
    agent: Any
    icon: str = ""
    phrase: str = ""
    value: str = ""
    was: str = ""
    origin: Column | None = None
    target: Column | None = None
    comment: TicketComment | None = None
    html: SafeString = NO_TEXT


class TicketView:
    """Everything that the page of a ticket shows."""

    def __init__(self, workflow: Workflow, board: Board, ticket: Ticket, limit: int) -> None:
        self.workflow = workflow
        self.board = board
        self.ticket = ticket
        self._limit = limit

    @cached_property
    def column(self) -> Column | None:
        return self.board.by_id.get(self.ticket.status)

    @cached_property
    def kind(self) -> TicketType:
        return kind_of(self.board, self.ticket)

    @cached_property
    def description(self) -> SafeString:
        return markdown.render(self.ticket.description)

    @cached_property
    def lease(self) -> Lease | None:
        return open_leases(self.workflow).get(self.ticket.id)

    @cached_property
    def blockers(self) -> list[Ticket]:
        rows = TicketDependency.objects.filter(ticket=self.ticket, released_at=None).select_related("blocker")
        return [row.blocker for row in rows.order_by("id")]

    @cached_property
    def blocks(self) -> list[Ticket]:
        rows = TicketDependency.objects.filter(blocker=self.ticket, released_at=None).select_related("ticket")
        return [row.ticket for row in rows.order_by("id")]

    @cached_property
    def sub_tickets(self) -> list[Ticket]:
        return list(Ticket.objects.filter(parent_ticket=self.ticket).order_by("number")[:100])

    @cached_property
    def commits(self) -> list[TicketCommit]:
        return list(TicketCommit.objects.filter(ticket=self.ticket).order_by("-commit_timestamp", "id")[:100])

    @cached_property
    def timeline(self) -> list[Entry]:
        """Comments and history, oldest first, no more than the newest of each."""
        steps = [step for row in self._history if (step := _step(self.board, row)) is not None]
        return sorted([*steps, *map(_remark, self._comments)], key=lambda entry: entry.at)

    @cached_property
    def is_cut(self) -> bool:
        return max(len(self._comments), len(self._history)) >= self._limit

    @cached_property
    def _comments(self) -> list[TicketComment]:
        rows = TicketComment.objects.filter(ticket=self.ticket).select_related("agent", "parent__agent")
        return list(rows.order_by("-created_at", "-id")[: self._limit])

    @cached_property
    def _history(self) -> list[TicketHistory]:
        rows = TicketHistory.objects.filter(ticket=self.ticket).exclude(change_type="commented")
        return list(rows.select_related("agent").order_by("-id")[: self._limit])


@page
def ticket_page(request: HttpRequest, actor: Actor, ticket_id: str) -> HttpResponse:
    """``/tickets/{id}``: by id, key or a unique prefix of the id."""
    try:
        found = find_ticket(actor, ticket_id)
    except Invalid as error:
        if "candidates" in error.extra:
            raise
        raise Http404(error.message) from error
    related = ("assigned_agent", "created_by_agent", "parent_ticket")
    ticket = Ticket.objects.select_related(*related).get(pk=found.pk)
    workflow = workflow_for(actor, ticket.workflow_id)
    limit = EVERYTHING if request.GET.get("activity") == "all" else NEWEST
    board = board_of(workflow)
    context = {
        "view": TicketView(workflow, board, ticket, limit),
        "ticket": ticket,
        "workflow": workflow,
        "board": board,
        "workflows": picker(actor),
    }
    return render(request, "boards/ticket.html", context)


def kind_of(board: Board, ticket: Ticket) -> TicketType:
    """The ticket's type; one that has left the board keeps its name."""
    return board.types.get(ticket.ticket_type) or TicketType(id="gone", name=ticket.ticket_type)


def _remark(comment: TicketComment) -> Entry:
    html = markdown.render(comment.comment_text) if comment.deleted_at is None else NO_TEXT
    return Entry(comment.created_at, comment.agent, comment=comment, html=html)


def _step(board: Board, row: TicketHistory) -> Entry | None:
    """One row of history in words; None for a row that another one says already."""
    if row.field_name in ("rank", "is_resolved") and row.change_type == "field_updated":
        return None
    if row.change_type == "status_changed":
        origin, target = board.by_id.get(row.old_value or ""), board.by_id.get(row.new_value or "")
        if target is None:
            return Entry(row.changed_at, row.agent, "arrow", "moved it to", _short(row.new_value))
        return Entry(row.changed_at, row.agent, "arrow", "moved it", origin=origin, target=target)
    if row.change_type == "assigned":
        return Entry(row.changed_at, row.agent, "user", "assigned it to", _short(row.new_value))
    if row.change_type in ("blocked", "unblocked"):
        return Entry(row.changed_at, row.agent, "lock", row.change_description or f"{row.change_type} it")
    if row.change_type == "field_updated":
        return _field_step(row)
    icon, phrase = PHRASES.get(row.change_type, ("edit", row.change_type.replace("_", " ")))
    value = _short(row.new_value)[:10] if row.change_type == "commit_linked" else ""
    return Entry(row.changed_at, row.agent, icon, phrase, value)


def _field_step(row: TicketHistory) -> Entry:
    field = row.field_name or "it"
    phrase = f"changed the {FIELD_WORDS.get(field, field.replace('_', ' '))}"
    if field == "description":
        return Entry(row.changed_at, row.agent, "edit", phrase)
    return Entry(row.changed_at, row.agent, "edit", phrase, _short(row.new_value), _short(row.old_value))


def _short(value: str | None) -> str:
    """A stored value as people read it: lists with commas, nothing as nothing, no longer than a line."""
    if value is None:
        return ""
    text = value
    if value[:1] in "[{":
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if isinstance(parsed, Iterable) and not isinstance(parsed, dict):
            text = ", ".join(str(item) for item in parsed)
    return text if len(text) <= VALUE_SHOWN else text[: VALUE_SHOWN - 1] + "…"
