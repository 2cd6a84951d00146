"""Who did what to a card just now: the line that glows and cools."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, cast

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tickets.models import Event, Workflow
from tickets.rules import Board

# As long as --cool in tokens.css: an older change is cold.
COOLS_AFTER = timedelta(seconds=45)
MAX_EVENTS = 1000

# One command may write several events; the first of these says best what it was.
WEIGHT = (
    "ticket_created", "ticket_resolved", "ticket_reopened", "ticket_approved", "ticket_rejected", "ticket_expired",
    "status_changed", "commit_linked", "ticket_claimed", "ticket_blocked", "ticket_unblocked", "ticket_assigned",
    "ticket_released", "ticket_pending_review", "comment_added", "comment_edited", "comment_deleted",
    "ticket_updated",
)  # fmt: skip
PHRASES = {
    "ticket_created": "created it",
    "ticket_resolved": "resolved it",
    "ticket_reopened": "reopened it",
    "ticket_approved": "approved it",
    "ticket_rejected": "rejected it",
    "ticket_expired": "let its approval expire",
    "ticket_claimed": "claimed it",
    "ticket_released": "released it",
    "ticket_pending_review": "asks for approval",
    "ticket_blocked": "blocked it",
    "ticket_unblocked": "unblocked it",
    "comment_added": "commented",
    "comment_edited": "edited a comment",
    "comment_deleted": "deleted a comment",
}
FIELD_WORDS = {
    "ticket_type": "type",
    "story_points": "points",
    "estimate_minutes": "estimate",
    "parent_ticket_id": "parent",
    "related_task_ids": "related tasks",
    "related_ticket_ids": "related tickets",
    "blocked_by_ticket_ids": "blockers",
    "is_blocked": "block",
    "blocked_reason": "reason of the block",
}


def recent_heat(workflow: Workflow, board: Board, ticket_ids: Iterable[str], since: int) -> dict[str, SafeString]:
    """Ticket id → its line, for tickets with an event after ``since`` that is still warm. One query."""
    now = timezone.now()
    rows = (
        Event.objects.filter(
            workflow_id=workflow.id, seq__gt=since, ticket_id__in=list(ticket_ids), timestamp__gt=now - COOLS_AFTER
        )
        .order_by("-seq")
        .values("ticket_id", "type", "agent_id", "agent__name", "data", "timestamp")[:MAX_EVENTS]
    )
    best: dict[str, dict[str, Any]] = {}
    for row in cast(Iterable[dict[str, Any]], rows):
        shown = best.get(row["ticket_id"])
        # Events of one command carry one time; of those the weightiest counts, else the newest.
        if shown is None or (row["timestamp"] == shown["timestamp"] and _weight(row) < _weight(shown)):
            best[row["ticket_id"]] = row
    return {ticket_id: _line(board, row) for ticket_id, row in best.items()}


def _weight(row: dict[str, Any]) -> int:
    return WEIGHT.index(row["type"]) if row["type"] in WEIGHT else len(WEIGHT)


def _line(board: Board, row: dict[str, Any]) -> SafeString:
    return format_html(
        '<p class="card-heat"><b dir="auto">{}</b> {} '
        '<span class="nb">· <time datetime="{}" data-age="now">now</time></span></p>',
        row["agent__name"],
        _phrase(board, row["type"], row["data"]),
        row["timestamp"].isoformat(),
    )


def _phrase(board: Board, event_type: str, data: dict[str, Any]) -> str | SafeString:
    if event_type == "status_changed":
        target = board.by_id.get(data.get("new_status", ""))
        return format_html("moved it to <bdi>{}</bdi>", target.name if target else data.get("new_status", ""))
    if event_type == "ticket_assigned":
        to = data.get("assigned_agent_id")
        return format_html("assigned it to <bdi>{}</bdi>", to) if to else "unassigned it"
    if event_type == "commit_linked":
        return format_html('linked <span class="mono">{}</span>', str(data.get("commit_sha", "a commit"))[:7])
    if event_type == "comment_edited" and data.get("reaction"):
        return format_html("{} {}", "took back" if data.get("removed") else "reacted", data["reaction"])
    if event_type == "ticket_updated":
        fields = [FIELD_WORDS.get(name, name) for name in data.get("fields", [])]
        if fields == ["rank"]:
            return "moved it within the column"
        if fields:
            return "changed " + (fields[0] if len(fields) == 1 else f"{', '.join(fields[:-1])} and {fields[-1]}")
    return PHRASES.get(event_type, "changed it")
