"""What the search page's address asks of the search operation, and under which names."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

# Name in the address → field of the operation's filters.
FILTERS = {
    "type": "ticket_type",
    "priority": "priority",
    "status": "status",
    "agent": "assigned_agent_id",
    "tag": "tags",
    "blocked": "is_blocked",
    "completed": "include_completed",
    "rejected": "include_rejected",
    "approval": "approval_status",
    "created_after": "created_after",
    "created_before": "created_before",
    "updated_after": "updated_after",
}
SEVERAL = ("type", "priority", "status", "tag", "approval")
TEXT, MODE, COMMENTS = "q", "mode", "comments"
SEARCH_ADDRESS = (TEXT, MODE, COMMENTS, *FILTERS)


def search_asked(query: QueryDict, workflow_id: str) -> dict[str, Any]:
    """The operation's request. Nothing is checked here: the operation refuses what it does not know."""
    filters: dict[str, object] = {}
    for name, field in FILTERS.items():
        values = [value for value in query.getlist(name) if value.strip()]
        if values:
            filters[field] = values if name in SEVERAL else values[-1].strip()
    given = {"query": TEXT, "search_type": MODE, "include_comments": COMMENTS, "limit": "limit"}
    asked = {field: query.get(name) for field, name in given.items() if query.get(name, "").strip()}
    # The page searches while one types, and shows the same when its address is opened again.
    return {**asked, "prefix": True, "filters": filters, "workflow_id": workflow_id}
