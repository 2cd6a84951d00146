"""Requests and answers about what an agent is told of its work."""

from __future__ import annotations

from pydantic import BaseModel

from tickets.schemas.base import Answer
from tickets.schemas.details import OneTicket


class GetAgentPrompt(OneTicket):
    """Write what an agent that works on this ticket is told about ticket tracking, for its system prompt."""


class PromptTie(BaseModel):
    """A ticket that this one waits for, or that waits for it."""

    ticket_id: str
    key: str
    status: str
    assigned_agent_id: str | None


class AgentPrompt(Answer):
    """``prompt`` is Markdown; the rest is what it was filled in with. In it, others' text is marked as data."""

    workflow_id: str
    ticket_id: str
    key: str
    prompt: str
    columns: list[str]
    ticket_types: list[str]
    initial_status: str
    blocked_by: list[PromptTie]
    blocks: list[PromptTie]
