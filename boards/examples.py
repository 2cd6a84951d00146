"""The design's four example boards, to start from.

They are written out in full: what the design leaves open (categories, where a ticket starts, what resolving
means) is decided here, and its ``#gray`` is the grey that it means.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tickets.rules import Board, Category, default_board, parse_board


class Example(NamedTuple):
    """A board to start from, with one line on what it is for."""

    id: str
    about: str
    board: Board


_Row = tuple[str, str, str, Category]


def _columns(*rows: _Row, limits: dict[str, int] | None = None) -> list[dict[str, Any]]:
    return [
        {"id": id_, "name": name, "color": color, "category": category, "wip_limit": (limits or {}).get(id_)}
        for id_, name, color, category in rows
    ]


def _types(*rows: tuple[str, str, str, str]) -> list[dict[str, Any]]:
    return [{"id": id_, "name": name, "icon": icon, "color": color} for id_, name, icon, color in rows]


_USUAL_TYPES = default_board().as_json()["ticket_types"]

_SECURITY = parse_board(
    {
        "name": "Security Board",
        "columns": _columns(
            ("found", "Found", "#ef4444", "queue"),
            ("triaging", "Triaging", "#f59e0b", "active"),
            ("reproduced", "Reproduced", "#3b82f6", "active"),
            ("fixing", "Fixing", "#8b5cf6", "active"),
            ("fp", "False Positive", "#6b7280", "final"),
            ("fixed", "Fixed", "#10b981", "final"),
        ),
        "ticket_types": _USUAL_TYPES,
        "default_ticket_type": "bug",
        # Resolving means fixed; that something was none is a person's or an agent's finding.
        "resolved_status": "fixed",
    }
)

_DEVELOPMENT = parse_board(
    {
        "name": "Development Board",
        "columns": _columns(
            ("backlog", "Backlog", "#9ca3af", "queue"),
            ("todo", "To Do", "#6b7280", "queue"),
            ("in_progress", "In Progress", "#3b82f6", "active"),
            ("review", "Code Review", "#f59e0b", "active"),
            ("testing", "Testing", "#8b5cf6", "active"),
            ("done", "Done", "#10b981", "final"),
        ),
        "ticket_types": _USUAL_TYPES,
        "default_ticket_type": "task",
        "initial_status": "backlog",
        "settings": {"require_comments_on_status_change": True, "allow_reopen": True, "track_time": True},
    }
)

_API = parse_board(
    {
        "name": "API Development Board",
        "columns": _columns(
            ("backlog", "Backlog", "#gray", "queue"),
            ("design", "Design", "#f59e0b", "active"),
            ("in_progress", "In Progress", "#3b82f6", "active"),
            ("review", "Review", "#8b5cf6", "active"),
            ("testing", "Testing", "#10b981", "active"),
            ("done", "Done", "#6b7280", "final"),
            limits={"in_progress": 3},
        ),
        "ticket_types": _types(
            ("feature", "Feature", "✨", "#3b82f6"),
            ("bug", "Bug", "🐛", "#dc2626"),
            ("task", "Task", "📝", "#6b7280"),
            ("improvement", "Improvement", "⚡", "#f59e0b"),
        ),
    }
)

EXAMPLES = (
    Example("default", "The five usual columns: backlog, to do, in progress, review, done.", default_board()),
    Example("development", "Code review and testing apart; each move needs a comment.", _DEVELOPMENT),
    Example("api", "From design to testing, with at most three tickets in progress.", _API),
    Example("security", "From a finding to its fix, or to a false positive.", _SECURITY),
)
