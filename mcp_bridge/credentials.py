"""Who calls: settled for each call anew, so that a token that was revoked ends at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tickets.access import Actor, acting_as, authenticate_token
from tickets.errors import Unauthenticated
from tickets.models import Agent, AgentKind


class Credential(Protocol):
    """Says who calls. ``actor`` reads the database, so it is called on a worker thread; it raises DomainError."""

    @property
    def workflow_id(self) -> str | None:
        """The workflow that is meant where a call names none."""

    def actor(self) -> Actor: ...


@dataclass(frozen=True)
class Known:
    """A caller whom HTTP has let in already."""

    caller: Actor
    workflow_id: str | None = None

    def actor(self) -> Actor:
        return self.caller


@dataclass(frozen=True)
class Local:
    """The caller of a bridge that opens the database itself: by token, or by an agent's id alone.

    Whoever may read and write the data folder needs no token to act as one of its agents.
    """

    token: str = ""
    agent_id: str | None = None
    workflow_id: str | None = None

    def actor(self) -> Actor:
        if self.token:
            return acting_as(authenticate_token(self.token), self.agent_id, field="--agent-id")
        agent = Agent.objects.filter(pk=self.agent_id).first() if self.agent_id else None
        if agent is None or agent.kind == AgentKind.SYSTEM:
            raise Unauthenticated(
                f"There is no agent {self.agent_id!r} here. Make it first: manage.py create_agent ID --workflow ID."
            )
        return Actor(agent_id=agent.id, kind=agent.kind)
