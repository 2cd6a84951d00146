"""The board as it was at a moment, from the append-only history.

Where each ticket stood comes from the latest rows that say so (``places``); what a card showed is replayed, for the
cards that are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Q, QuerySet

from boards.models import BoardRevision
from boards.selectors.columns import Assignee
from boards.selectors.places import Place, places_at
from boards.selectors.revisions import board_at
from tickets.models import Agent, ApprovalStatus, Claim, Ticket, TicketHistory, Workflow
from tickets.rules import Board, Column
from tickets.selectors.replay import replay


@dataclass(frozen=True, slots=True)
class PastCard:
    """What a card showed then; names as in ``columns.Card``. The assignee's name is the one of today.

    ``lease_agent_id`` is who held a lease then.
    """

    id: str
    key: str
    number: int
    status: str
    ticket_type: str
    priority: str
    title: str
    tags: list[str]
    comment_count: int
    commit_count: int
    story_points: int | None
    estimate_minutes: int | None
    is_blocked: bool
    blocked_reason: str
    is_resolved: bool
    approval_status: str
    assignee: Assignee | None
    lease_agent_id: str | None
    blocked_by_keys: tuple[str, ...] = ()

    @property
    def is_pending(self) -> bool:
        return self.approval_status == ApprovalStatus.PENDING


@dataclass(frozen=True, slots=True)
class PastColumn:
    """A column as it was, with its tickets in their order. ``is_guessed``: no kept configuration has it."""

    column: Column
    ticket_ids: Sequence[str]
    is_guessed: bool = False


class PastBoard:
    """The board of a workflow as it was right after everything that happened up to ``moment``."""

    def __init__(self, workflow: Workflow, moment: datetime) -> None:
        self.workflow = workflow
        self.moment = moment

    @cached_property
    def board(self) -> Board:
        """The configuration of then; before the first that was kept, that one (``is_configuration_known``)."""
        return board_at(self.workflow, self.moment)

    @cached_property
    def is_configuration_known(self) -> bool:
        return BoardRevision.objects.filter(workflow=self.workflow, changed_at__lte=self.moment).exists()

    @cached_property
    def unordered(self) -> int:
        """How many open cards have an order that nobody wrote down. They stand last, by number."""
        return sum(
            self._places[ticket_id].rank is None
            for item in self.columns
            if item.column.category != "final"
            for ticket_id in item.ticket_ids
        )

    @cached_property
    def columns(self) -> list[PastColumn]:
        board = self.board
        standing: dict[str, list[str]] = {column.id: [] for column in board.columns}
        for ticket_id, place in self._places.items():
            if not place.is_refused:
                standing.setdefault(place.status, []).append(ticket_id)
        found = [PastColumn(column, self._sorted(column, standing.pop(column.id))) for column in board.columns]
        for status in sorted(standing):
            guess = Column.model_construct(id=status, name=status, order=len(found), category="active")
            found.append(PastColumn(guess, self._sorted(guess, standing[status]), is_guessed=True))
        return found

    def cards(self, ticket_ids: Sequence[str]) -> list[PastCard]:
        """The cards of these tickets of the board, in the order given. Four queries at most."""
        states = self.states(ticket_ids)
        named = {state["assigned_agent_id"] for state in states.values()}
        agents = {row.id: row for row in Agent.objects.filter(pk__in=[name for name in named if name])}
        blockers = {id_ for state in states.values() for id_ in state["blocked_by_ticket_ids"]}
        keys = dict(Ticket.objects.filter(pk__in=blockers).values_list("pk", "key")) if blockers else {}
        holders = self._holders(ticket_ids)
        return [
            self._card(ticket_id, states[ticket_id], agents, keys, holders.get(ticket_id))
            for ticket_id in ticket_ids
            if ticket_id in states
        ]

    def states(self, ticket_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Ticket id → its values then, in the form of ``replay.snapshot``; one that was not there yet is missing.

        One query. The description is that of the beginning.
        """
        rows = self._told.filter(ticket_id__in=list(ticket_ids)).exclude(field_name="description").order_by("id")
        told: dict[str, list[TicketHistory]] = {}
        for row in rows.only("ticket_id", "change_type", "field_name", "new_value"):
            told.setdefault(row.ticket_id, []).append(row)
        return {ticket_id: replay(found) for ticket_id, found in told.items()}

    @property
    def _told(self) -> QuerySet[TicketHistory]:
        return TicketHistory.objects.filter(workflow=self.workflow, changed_at__lte=self.moment)

    @cached_property
    def _places(self) -> dict[str, Place]:
        return places_at(self.workflow, self.moment)

    def _sorted(self, column: Column, ticket_ids: list[str]) -> list[str]:
        """As ``columns.order_of`` has it: final columns by the time of completion, the others by rank."""
        places = self._places
        if column.category == "final":
            return sorted(ticket_ids, key=lambda id_: _finished(places[id_]), reverse=True)
        return sorted(ticket_ids, key=lambda id_: _ranked(places[id_]))

    def _holders(self, ticket_ids: Sequence[str]) -> dict[str, str]:
        """Ticket → who held a lease. It was prolonged while it lived only, so it held all the time to its end."""
        live = Claim.objects.filter(
            Q(ended_at=None) | Q(ended_at__gt=self.moment),
            ticket_id__in=list(ticket_ids),
            claimed_at__lte=self.moment,
            expires_at__gt=self.moment,
        )
        return dict(live.values_list("ticket_id", "agent_id"))

    def _card(
        self,
        ticket_id: str,
        state: dict[str, Any],
        agents: dict[str, Agent],
        keys: dict[str, str],
        holder: str | None,
    ) -> PastCard:
        agent = agents.get(state["assigned_agent_id"] or "")
        blocked_by = tuple(keys[id_] for id_ in state["blocked_by_ticket_ids"] if id_ in keys)
        return PastCard(
            id=ticket_id,
            key=state["key"],
            number=self._places[ticket_id].number,
            status=state["status"],
            ticket_type=state["ticket_type"],
            priority=state["priority"],
            title=state["title"],
            tags=state["tags"],
            comment_count=state["comment_count"],
            commit_count=state["commit_count"],
            story_points=state["story_points"],
            estimate_minutes=state["estimate_minutes"],
            is_blocked=state["is_blocked"] or bool(blocked_by),
            blocked_reason=state["blocked_reason"],
            is_resolved=state["is_resolved"],
            approval_status=state["approval_status"],
            assignee=Assignee(agent.id, agent.name, agent.kind) if agent is not None else None,
            lease_agent_id=holder,
            blocked_by_keys=blocked_by,
        )


def _finished(place: Place) -> tuple[bool, float, int]:
    at = place.completed_at
    return at is not None, at.timestamp() if at is not None else 0.0, place.number


def _ranked(place: Place) -> tuple[bool, str, int]:
    return place.rank is None, place.rank or "", place.number
