"""The moments at which something changed in a workflow: a ticket's history, or the board."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from boards.models import BoardRevision
from tickets.errors import NotFound
from tickets.models import Event, TicketHistory, Workflow


@dataclass(frozen=True, slots=True)
class Moments:
    """What lies around a moment. ``last``: the change that it shows; None where nothing is."""

    first: datetime | None
    before: datetime | None
    last: datetime | None
    after: datetime | None


def moments_around(workflow: Workflow, moment: datetime) -> Moments:
    """Eight queries, each a look into an index."""
    last = _newest(workflow, changed_at__lte=moment)
    return Moments(
        first=_oldest(workflow),
        before=_newest(workflow, changed_at__lt=last) if last is not None else None,
        last=last,
        after=_oldest(workflow, changed_at__gt=moment),
    )


def moment_of_change(workflow: Workflow, change_id: int) -> datetime:
    """When a row of history was written. Raises NotFound."""
    found = TicketHistory.objects.filter(workflow=workflow, pk=change_id).values_list("changed_at", flat=True).first()
    if found is None:
        raise NotFound(f"{workflow.id} has no change {change_id}.", field="at")
    return found


def moment_of_event(workflow: Workflow, seq: int) -> datetime:
    """When an event happened. Raises NotFound, also for one that the log no longer holds."""
    found = Event.objects.filter(workflow=workflow, seq=seq).values_list("timestamp", flat=True).first()
    if found is None:
        gone = "" if seq > workflow.events_pruned_through else ": the log begins after it. Say the time instead"
        raise NotFound(f"{workflow.id} has no event {seq}{gone}.", field="at")
    return found


def _newest(workflow: Workflow, **bounds: datetime) -> datetime | None:
    return max(_ends(workflow, "-changed_at", bounds), default=None)


def _oldest(workflow: Workflow, **bounds: datetime) -> datetime | None:
    return min(_ends(workflow, "changed_at", bounds), default=None)


def _ends(workflow: Workflow, order: str, bounds: dict[str, datetime]) -> Iterable[datetime]:
    """The first time of each source in that order."""
    for rows in (TicketHistory.objects.filter(workflow=workflow), BoardRevision.objects.filter(workflow=workflow)):
        found = rows.filter(**bounds).order_by(order).values_list("changed_at", flat=True).first()
        if found is not None:
            yield found
