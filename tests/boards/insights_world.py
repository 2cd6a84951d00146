"""A workflow whose clock moves, and what its insights say over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.answers import ok
from tests.factories import AgentWithToken, api_client, make_agent, make_person
from tests.tickets.world import World
from tickets.access import actor_for_user
from tickets.models import Ticket
from tickets.operations import TICKET_ASSIGN, TICKET_CHANGE_STATUS, TICKET_RESOLVE


class Watched(World):
    """``World`` with a maintainer who may carry everything out, and a clock that only ``wait`` moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **board: Any) -> None:
        super().__init__(**board)
        self.maintainer = make_agent(self.workflow, role="maintainer", agent_id="boss")
        self.now = timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)

    def insights(self, kind: str | None = None, **query: Any) -> Any:
        """The answer of REST to the maintainer."""
        by = query.pop("by", self.maintainer)
        asked = {**query, **({"kind": kind} if kind is not None else {})}
        return ok(api_client(by).get(f"/api/workflows/{self.workflow.id}/insights", asked))

    def findings(self, kind: str, **query: Any) -> list[Any]:
        found: list[Any] = self.insights(kind, **query)["findings"]
        assert {finding["kind"] for finding in found} <= {kind}
        return found

    def finding(self, kind: str, **query: Any) -> Any:
        [found] = self.findings(kind, **query)
        return found

    def carry_out(self, finding: Any, by: AgentWithToken | None = None) -> Any:
        """The suggestion, exactly as it stands."""
        suggestion = finding["suggestion"]
        client = api_client(by or (self.maintainer if suggestion["role"] == "maintainer" else self.other))
        return ok(client.send(suggestion["method"], suggestion["path"], suggestion["arguments"]))

    def person_id(self) -> str:
        """A human maintainer."""
        return actor_for_user(make_person(self.workflow, role="maintainer")).agent_id

    def move(self, ticket: Ticket, status: str, **fields: Any) -> None:
        self.do(TICKET_CHANGE_STATUS, ticket, new_status=status, **fields)

    def resolve(self, ticket: Ticket) -> None:
        self.do(TICKET_RESOLVE, ticket, resolution_comment="Done as described.")

    def assign(self, ticket: Ticket, agent: AgentWithToken) -> None:
        self.do(TICKET_ASSIGN, ticket, assigned_agent_id=agent.id)

    def chain(self, *titles: str, **fields: Any) -> list[Ticket]:
        """Tickets of which each waits for the one before."""
        made: list[Ticket] = []
        for _ in titles:
            made.append(self.ticket(blocked_by_ticket_ids=[made[-1].id] if made else None, **fields))
        return made
