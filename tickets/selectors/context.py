"""What an agent should know before it works on a ticket, within a number of tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from tickets.access import Actor
from tickets.models import Ticket, TicketDependency
from tickets.schemas.details import GetTicket, ListRelated, RelatedTicketInfo, TicketFullDetail
from tickets.schemas.inbox import Blocker, GetTicketContext, TicketContext
from tickets.selectors.detail import RELATED_FIELDS, info_of, related_list, ticket_get
from tickets.selectors.tickets import ticket_rows
from tickets.tokens import estimate

MAX_LEVELS = 5
MAX_BLOCKERS = 50
# Fields of the ticket that tell an agent what to do; the rest is in the detail.
FIELDS = (
    "workflow_id", "ticket_type", "priority", "status", "assigned_agent_id", "created_by_agent_id", "tags",
    "is_blocked", "blocked_reason", "is_resolved", "approval_status", "parent_ticket_id", "story_points",
    "estimate_minutes", "spent_minutes", "lease_agent_id", "lease_expires_at", "lease_is_live", "version",
)  # fmt: skip
# Of the room that is left, what each part may take at most, in the order of what matters most.
_SHARES = (
    ("blocked_by", 0.6), ("comments", 0.6), ("commits", 0.5), ("related_tickets", 0.5), ("suggested", 0.6),
    ("related_tasks", 1.0),
)  # fmt: skip
_DESCRIPTION_SHARE = 0.4
_NEWEST_LAST = frozenset({"comments", "commits"})


def ticket_context(*, actor: Actor, request: GetTicketContext) -> TicketContext:
    """The ticket, its blockers and what they wait for, recent comments, commits, related tickets.

    As much of it as ``max_tokens`` holds. The queries of a detail and of the related tickets, and two for each
    level of blockers, at most ``MAX_LEVELS``.
    """
    detail = ticket_get(actor=actor, request=GetTicket(ticket_id=request.ticket_id))
    related = related_list(actor=actor, request=ListRelated(ticket_id=detail.ticket["ticket_id"], limit=20))
    parts: dict[str, Sequence[Any]] = {
        "blocked_by": _blockers(detail),
        "comments": [comment for comment in detail.comments if not comment["is_deleted"]],
        "commits": detail.commits,
        "related_tickets": [row for row in related.related if row["relation"] != "blocked_by"],
        "suggested": [row.model_dump() for row in related.suggested],
        "related_tasks": detail.related_tasks,
    }
    state = cast(Mapping[str, Any], detail.ticket)
    fields = {name: state[name] for name in FIELDS if state[name] not in (None, "", [])}
    left = request.max_tokens - _cost({"title": state["title"], **fields}) - 80
    omitted: dict[str, int] = {}
    description = _beginning(state["description"], int(max(left, 0) * _DESCRIPTION_SHARE))
    if len(description) < len(state["description"]):
        omitted["description"] = len(state["description"]) - len(description)
    left -= estimate(description)
    kept: dict[str, Any] = {}
    for name, share in _SHARES:
        kept[name], used = _as_many(parts[name], int(max(left, 0) * share), newest_last=name in _NEWEST_LAST)
        left -= used
        if len(kept[name]) < len(parts[name]):
            omitted[name] = len(parts[name]) - len(kept[name])
    return TicketContext.model_construct(
        ticket_id=state["ticket_id"],
        key=state["key"],
        title=state["title"],
        description=description,
        ticket=fields,
        max_tokens=request.max_tokens,
        omitted=omitted,
        **kept,
    )


def _blockers(detail: TicketFullDetail) -> list[Blocker]:
    """What the ticket waits for, and what that waits for in turn, level by level."""
    found: dict[str, RelatedTicketInfo] = {row["ticket_id"]: row for row in detail.blocked_by}
    waits: dict[str, list[str]] = {ticket_id: [] for ticket_id in found}
    level = list(found)
    for _ in range(MAX_LEVELS):
        edges = TicketDependency.objects.filter(ticket_id__in=level, released_at=None).order_by("id")
        for waiting, blocker in edges.values_list("ticket_id", "blocker_id"):
            waits[waiting].append(blocker)
        level = [ticket_id for ids in waits.values() for ticket_id in ids if ticket_id not in waits]
        level = list(dict.fromkeys(level))[: MAX_BLOCKERS - len(waits)]
        if not level:
            break
        for row in ticket_rows(Ticket.objects.filter(pk__in=level), RELATED_FIELDS):
            found[row["ticket_id"]] = info_of(row, "blocked_by")
        waits |= {ticket_id: [] for ticket_id in level}
    return [Blocker(**row, waits_for_ticket_ids=waits.get(row["ticket_id"], [])) for row in found.values()]


def _as_many(rows: Sequence[Any], tokens: int, *, newest_last: bool) -> tuple[list[Any], int]:
    """As many entries as cost no more than that, the newest where time orders them; and what they cost."""
    kept: list[Any] = []
    used = 0
    for row in reversed(rows) if newest_last else rows:
        price = _cost(row)
        if used + price > tokens:
            break
        kept.append(row)
        used += price
    return (kept[::-1] if newest_last else kept), used


def _beginning(text: str, tokens: int) -> str:
    """The longest beginning that costs no more than that, to within a twentieth of it."""
    if estimate(text) <= tokens:
        return text
    low, high = 0, min(len(text), tokens * 8)
    fits: Callable[[int], bool] = lambda length: estimate(text[:length]) <= tokens  # noqa: E731
    while high - low > max(20, tokens // 20):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return text[:low].rstrip() + "…" if low else ""


def _cost(value: Any) -> int:
    return estimate(json.dumps(value, ensure_ascii=False))
