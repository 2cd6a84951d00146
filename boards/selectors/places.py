"""Where each ticket stood at a moment: its column, its place there, whether it was refused.

Read from the latest rows of history that say so, in a fixed number of queries, however many tickets and rows there are.
What was read is kept, for the past does not change, and a step from there reads only the rows between.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter, itemgetter
from threading import Lock
from typing import Any, NamedTuple

from django.db.models import Case, F, JSONField, Max, Q, QuerySet, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from boards.selectors.revisions import board_at
from tickets.models import TicketHistory, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS

MOVES = Q(change_type__in=("created", "status_changed"))
RANKINGS = Q(change_type="field_updated", field_name="rank")
DECISIONS = Q(change_type__in=("approved", "rejected", "expired"))
# In memory at once, about 3 MB each with 10,000 tickets.
KEPT = 6
# Rows of history in a step from what is kept, and those before a moment from which it is read anew.
MAX_STEP = 2000
BACK = 500
IN_ONE_QUERY = 5000


class _Row(NamedTuple):
    """A row of history. ``value``: what it made of the field; of a new ticket, its column."""

    id: int
    ticket_id: str
    number: int
    change: str
    value: str | None
    metadata: dict[str, Any]
    created_at: datetime | None


@dataclass(slots=True)
class Place:
    """Where a ticket stood. ``rank`` is None where history does not tell; ``completed_at`` counts in final columns."""

    number: int
    status: str = ""
    rank: str | None = None
    completed_at: datetime | None = None
    is_refused: bool = False

    def follow(self, row: _Row) -> None:
        """What this row made of it."""
        if row.change == "created":
            self.status, self.rank = row.value or "", row.metadata.get("rank")
            self.completed_at = row.created_at
        elif row.change == "status_changed":
            self.status, self.rank = row.value or "", row.metadata.get("rank")
            if "completed_at" in row.metadata:
                # Without it, the move did not cross the border of the final columns.
                at = row.metadata["completed_at"]
                self.completed_at = datetime.fromisoformat(at) if at else None
        elif row.change == "field_updated":
            self.rank = row.value
        else:
            self.is_refused = row.value not in VISIBLE_APPROVALS


Places = dict[str, Place]
# By workflow, last row and its time: a row that was rolled back may give its id to another.
_kept: OrderedDict[tuple[str, int, datetime], Places] = OrderedDict()
_keeping = Lock()


def places_at(workflow: Workflow, moment: datetime) -> Places:
    """Ticket id → where it stood right after what happened up to the moment; not to be changed.

    What is kept goes by the last row: rows come in the order of time, under the workflow's lock. One query where that
    is kept, two for a step; else it is read a little earlier, so that steps back are steps, too.
    """
    told = TicketHistory.objects.filter(workflow=workflow, changed_at__lte=moment).order_by("-changed_at", "-id")
    ends = told.values_list("id", "changed_at")
    newest = ends.first()
    if newest is None:
        return {}
    base = _nearest(workflow.id, *newest)
    places = _from(workflow, *base, newest) if base is not None else None
    if places is None:
        earlier = ends[BACK : BACK + 1].first()
        begin = ends.filter(changed_at__lte=earlier[1]).first() if earlier is not None else None
        last, at = begin or newest
        before = _keep(workflow, last, at, _latest(workflow, at))
        places = _from(workflow, last, before, newest)
        # No more lies between than such a step may hold.
        assert places is not None
    return places


def _from(workflow: Workflow, first: int, before: Places, newest: tuple[int, datetime]) -> Places | None:
    """The places at the newest row, from those at an earlier one; None where too much lies between."""
    if first == newest[0]:
        return before
    places = _stepped(workflow, first, before, newest[0])
    return _keep(workflow, *newest, places) if places is not None else None


def _keep(workflow: Workflow, last: int, at: datetime, places: Places) -> Places:
    with _keeping:
        _kept[workflow.id, last, at] = places
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return places


def _nearest(workflow_id: str, last: int, at: datetime) -> tuple[int, Places] | None:
    """What is kept of that row, or of the nearest one before it."""
    with _keeping:
        keys = [key for key in _kept if key[0] == workflow_id and (key[1:] == (last, at) or key[2] < at)]
        if not keys:
            return None
        nearest = max(keys, key=itemgetter(2))
        _kept.move_to_end(nearest)
        return nearest[1], _kept[nearest]


def _stepped(workflow: Workflow, first: int, before: Places, last: int) -> Places | None:
    """From what is kept on; None where too much lies between. One query."""
    between = TicketHistory.objects.filter(MOVES | RANKINGS | DECISIONS, workflow=workflow, id__gt=first, id__lte=last)
    rows = list(_read(between.order_by("id")[: MAX_STEP + 1]))
    if len(rows) > MAX_STEP:
        return None
    places = dict(before)
    for ticket_id in before.keys() & {row.ticket_id for row in rows}:
        places[ticket_id] = replace(before[ticket_id])
    return _follow(rows, places)


def _latest(workflow: Workflow, at: datetime) -> Places:
    """From the decisions and each ticket's latest move and ranking; from all its rows where those leave a question.

    Five queries, and one for each 5,000 tickets with a question.
    """
    told = TicketHistory.objects.filter(workflow=workflow, changed_at__lte=at)
    finals = board_at(workflow, at).statuses("final")
    rows = list(_read(told.filter(DECISIONS)))
    for kind in (MOVES, RANKINGS):
        latest = told.filter(kind).order_by().values("ticket_id").annotate(latest=Max("id")).values("latest")
        rows += _read(TicketHistory.objects.filter(pk__in=latest))
    rows.sort(key=attrgetter("id"))
    # From one final column to another: when was it completed?
    unsure = [
        row.ticket_id
        for row in rows
        if row.change == "status_changed" and row.value in finals and "completed_at" not in row.metadata
    ]
    places = _follow(rows, {})
    for start in range(0, len(unsure), IN_ONE_QUERY):
        ids = unsure[start : start + IN_ONE_QUERY]
        whole = told.filter(MOVES | RANKINGS | DECISIONS, ticket_id__in=ids).order_by("id")
        places.update(_follow(_read(whole), {}))
    return places


def _follow(rows: Iterable[_Row], places: Places) -> Places:
    """The places after these rows, oldest first."""
    for row in rows:
        place = places.get(row.ticket_id)
        if place is None:
            place = places[row.ticket_id] = Place(row.number)
        place.follow(row)
    return places


def _read(rows: QuerySet[TicketHistory]) -> Iterable[_Row]:
    initial = KeyTextTransform("status", Cast("new_value", JSONField()))
    is_new = Q(change_type="created")
    found = rows.annotate(
        value=Case(When(is_new, then=initial), default=F("new_value")),
        # Of no other row is the time asked: times are what takes longest to read.
        created_at=Case(When(is_new, then=F("changed_at"))),
    )
    fields = ("id", "ticket_id", "ticket__number", "change_type", "value", "metadata", "created_at")
    return map(_Row._make, found.values_list(*fields))
