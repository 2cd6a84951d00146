"""What a search is limited to: one value for the keyword index and every vector store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from tickets.models.tickets import VISIBLE_APPROVALS

VISIBLE: tuple[str, ...] = tuple(status.value for status in VISIBLE_APPROVALS)
# The value of ``assigned_agent_id`` that means nobody.
NOBODY = "none"


class Payload(TypedDict):
    """What a vector store keeps of a ticket beside its vector. Times are ISO 8601 in UTC with ``Z``.

    The design's fields and what filters need beyond them: ``tags_folded`` (case-folded), ``approval_status``
    and ``model`` (the fingerprint of the provider that made the vector).
    """

    ticket_id: str
    workflow_id: str
    title: str
    description: str
    ticket_type: str
    priority: str
    status: str
    tags: list[str]
    created_at: str
    updated_at: str
    created_by_agent_id: str
    assigned_agent_id: str | None
    comment_texts: list[str]
    is_blocked: bool
    tags_folded: list[str]
    approval_status: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which tickets may be found. None and an empty tuple of ``tags`` or ``exclude`` limit nothing.

    ``status``, ``ticket_type``, ``priority`` and ``approval_status`` hold alternatives (an empty tuple finds
    nothing); ``tags`` are case-folded and must all be borne; ``created_after`` and ``updated_after`` include
    the moment, ``created_before`` does not.
    """

    workflow_id: str
    status: tuple[str, ...] | None = None
    ticket_type: tuple[str, ...] | None = None
    priority: tuple[str, ...] | None = None
    approval_status: tuple[str, ...] | None = VISIBLE
    assigned_agent_id: str | None = None
    tags: tuple[str, ...] = ()
    is_blocked: bool | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None
    exclude: tuple[str, ...] = ()
    # Fingerprint of the provider whose vectors count; for stores, the keyword index has no vectors.
    model: str | None = None

    def match(self, ticket: Payload) -> bool:
        """Whether a ticket passes. The reference for every translation of these filters."""
        return (
            ticket["workflow_id"] == self.workflow_id
            and _any(self.status, ticket["status"])
            and _any(self.ticket_type, ticket["ticket_type"])
            and _any(self.priority, ticket["priority"])
            and _any(self.approval_status, ticket["approval_status"])
            and self._assigned(ticket["assigned_agent_id"])
            and set(self.tags) <= set(ticket["tags_folded"])
            and (self.is_blocked is None or self.is_blocked == ticket["is_blocked"])
            and (self.created_after is None or datetime.fromisoformat(ticket["created_at"]) >= self.created_after)
            and (self.created_before is None or datetime.fromisoformat(ticket["created_at"]) < self.created_before)
            and (self.updated_after is None or datetime.fromisoformat(ticket["updated_at"]) >= self.updated_after)
            and ticket["ticket_id"] not in self.exclude
            and (self.model is None or self.model == ticket["model"])
        )

    def _assigned(self, agent_id: str | None) -> bool:
        if self.assigned_agent_id is None:
            return True
        return agent_id is None if self.assigned_agent_id == NOBODY else agent_id == self.assigned_agent_id


def _any(allowed: Sequence[str] | None, value: str) -> bool:
    return allowed is None or value in allowed
