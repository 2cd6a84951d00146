"""A finding before it is shown: cheap to make, since of thousands only a few are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from boards.insights.facts import TicketFacts
from boards.insights.schemas import KINDS, MAX_TICKETS, SEVERITIES, Finding, Kind, Severity, Suggestion

Told = tuple[str, Mapping[str, Any]]
Order = tuple[int, int, int, tuple[str, ...]]
NO_STEP = "For information; nothing needs to be done."
NO_CHANGES = "Tickets cannot be changed here: the workflow is not active, or ticket tracking is off."


def said(message: str, **evidence: Any) -> Callable[[], Told]:
    """Message and evidence that are at hand; where there may be thousands, they are made by a function instead."""
    return lambda: (message, evidence)


@dataclass(frozen=True, slots=True)
class Found:
    """``tell`` (message, evidence) and ``suggest`` are called for what is shown only.

    ``otherwise`` says why nothing is suggested, where nothing is.
    """

    kind: Kind
    severity: Severity
    tickets: Sequence[TicketFacts]
    agents: Sequence[str]
    tell: Callable[[], Told]
    suggest: Callable[[], Suggestion | None]
    otherwise: str = NO_STEP

    @property
    def order(self) -> Order:
        """Severity, kind, the number of the first ticket, agents."""
        first = self.tickets[0].number if self.tickets else 0
        return SEVERITIES.index(self.severity), KINDS.index(self.kind), first, tuple(self.agents)

    def finding(self, *, with_suggestion: bool) -> Finding:
        shown = self.tickets[:MAX_TICKETS]
        message, evidence = self.tell()
        suggestion = self.suggest() if with_suggestion else None
        missing = self.otherwise if with_suggestion else NO_CHANGES
        return Finding(
            kind=self.kind,
            severity=self.severity,
            ticket_ids=[ticket.id for ticket in shown],
            keys=[ticket.key for ticket in shown],
            agent_ids=list(self.agents),
            message=message,
            evidence=dict(evidence),
            suggestion=suggestion,
            no_suggestion=missing if suggestion is None else None,
        )


def duration(time: timedelta) -> str:
    """A duration in its two largest units: ``3 d 4 h``, ``5 h 12 min``, ``12 min``."""
    minutes = max(0, int(time.total_seconds() // 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def hours(time: timedelta) -> float:
    """For evidence: hours with one decimal."""
    return round(time.total_seconds() / 3600, 1)


def names(tickets: Sequence[TicketFacts], most: int = 5) -> str:
    """Keys of tickets for a message, the first few by name."""
    keys = ", ".join(ticket.key for ticket in tickets[:most])
    return f"{keys} and {len(tickets) - most} more" if len(tickets) > most else keys


def count(number: int, what: str) -> str:
    """``1 ticket``, ``3 tickets``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
