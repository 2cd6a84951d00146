"""The queue of requests for approval, as a person reads it before deciding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models.functions import Substr

from tickets.models import Approval, Workflow
from tickets.selectors.directory import approvals_waiting

BEGINNING = 1000  # characters of a description


class Asked(NamedTuple):
    """What the filters look at in a request."""

    id: int
    agent_id: str
    agent: str
    ticket_type: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests are asked for: of one agent, of one type of ticket, older than so long; None for any."""

    agent: str | None = None
    ticket_type: str | None = None
    older: timedelta | None = None

    @property
    def is_any(self) -> bool:
        return self == Wanted()

    def fits(self, asked: Asked, now: datetime) -> bool:
        return (
            self.agent in (None, asked.agent_id)
            and self.ticket_type in (None, asked.ticket_type)
            and (self.older is None or now - asked.requested_at >= self.older)
        )


def requests_of(workflow: Workflow) -> list[Asked]:
    """All requests that wait, first those whose time runs out first. One query."""
    fields = ("id", "requested_by_agent_id", "requested_by_agent__name", "ticket__ticket_type", "requested_at")
    return [Asked._make(row) for row in approvals_waiting(workflow).values_list(*fields)]


def requests_in_full(workflow: Workflow, ids: Iterable[int]) -> list[Approval]:
    """These requests with their tickets and agents, and ``beginning`` of each description, in the queue's order.

    One query.
    """
    rows = approvals_waiting(workflow).filter(pk__in=list(ids)).select_related("ticket", "requested_by_agent")
    # A description may be long; nobody decides by more than its beginning.
    return list(rows.defer("ticket__description").annotate(beginning=Substr("ticket__description", 1, BEGINNING)))
