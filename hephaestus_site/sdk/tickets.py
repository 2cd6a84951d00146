"""A ticket as a program reads it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel


class Ticket(BaseModel):
    """A ticket with its whole description; the fields are those of the list's rows. Times are in UTC.

    ``lease_*`` are None where nobody holds a lease, or it has run out.
    """

    ticket_id: str
    key: str
    workflow_id: str
    title: str
    description: str
    ticket_type: str
    priority: str
    status: str
    created_by_agent_id: str
    assigned_agent_id: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    resolved_at: datetime | None
    tags: list[str]
    comment_count: int
    commit_count: int
    is_blocked: bool
    blocked_reason: str
    blocked_by_ticket_ids: list[str]
    is_resolved: bool
    approval_status: str
    parent_ticket_id: str | None
    story_points: int | None
    estimate_minutes: int | None
    lease_agent_id: str | None
    lease_expires_at: datetime | None
    version: int

    @property
    def id(self) -> str:
        return self.ticket_id
