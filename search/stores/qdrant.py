"""What the embedded and the served Qdrant share: ids of points, what filters mean, who comes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from search.filters import NOBODY, Filters
from search.stores.base import Hit
from search.stores.results import best

_PREFIX = "ticket-"
_OTHER_IDS = UUID("6f8f1c1e-6b56-4a53-9d0e-2f0f6b8c7a11")
# However many tickets score alike, no more are read to put them in order.
_MOST_TIES = 10_000

# Every field that a filter looks at has an index.
KEYWORD_FIELDS = (
    "status",
    "ticket_type",
    "priority",
    "approval_status",
    "assigned_agent_id",
    "tags_folded",
    "model",
)
TIME_FIELDS = ("created_at", "updated_at")


def point_id(ticket_id: str) -> UUID:
    """The id of a ticket's point, since Qdrant takes only UUIDs: the ticket's own where it has one."""
    if ticket_id.startswith(_PREFIX):
        try:
            own = UUID(ticket_id[len(_PREFIX) :])
        except ValueError:
            pass
        else:
            if ticket_id_of(own) == ticket_id:
                return own
    return uuid5(_OTHER_IDS, ticket_id)


def ticket_id_of(point: UUID | str) -> str:
    """The ticket whose own UUID this is."""
    return f"{_PREFIX}{point}"


@dataclass(frozen=True, slots=True)
class Equals:
    """A field is the value; one with many values has it among them."""

    field: str
    value: str | bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field is one of the values."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """A time is not before ``start``, and before ``end``."""

    field: str
    start: datetime | None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """A field has no value."""

    field: str


Condition = Equals | OneOf | Within | Absent


def conditions(filters: Filters) -> list[Condition]:
    """What a point's payload must meet to pass. ``exclude`` is not among it: that is about ids."""
    found: list[Condition] = [Equals("workflow_id", filters.workflow_id)]
    for field, values in (
        ("approval_status", filters.approval_status),
        ("status", filters.status),
        ("ticket_type", filters.ticket_type),
        ("priority", filters.priority),
    ):
        if values is not None:
            found.append(Equals(field, values[0]) if len(values) == 1 else OneOf(field, values))
    if filters.assigned_agent_id == NOBODY:
        found.append(Absent("assigned_agent_id"))
    elif filters.assigned_agent_id is not None:
        found.append(Equals("assigned_agent_id", filters.assigned_agent_id))
    found += [Equals("tags_folded", tag) for tag in filters.tags]
    if filters.is_blocked is not None:
        found.append(Equals("is_blocked", filters.is_blocked))
    if filters.created_after is not None or filters.created_before is not None:
        found.append(Within("created_at", filters.created_after, filters.created_before))
    if filters.updated_after is not None:
        found.append(Within("updated_at", filters.updated_after))
    if filters.model is not None:
        found.append(Equals("model", filters.model))
    return found


def nearest(ask: Callable[[int], list[Hit]], limit: int, floor: float) -> list[Hit]:
    """The ``limit`` best, ties by id. ``ask(n)`` gives the best n, those that score alike in any order.

    Asks again for more where the last place is shared with tickets that were left out.
    """
    if limit <= 0:
        return []
    number = limit + 1
    while True:
        found = ask(number)
        if len(found) < number or found[-1].score < found[limit - 1].score or number >= _MOST_TIES:
            return best(found, limit, floor)
        number *= 4
