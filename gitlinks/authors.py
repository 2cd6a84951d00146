"""Tells which agent wrote a commit."""

from __future__ import annotations

from collections.abc import Iterable

from tickets.models import Agent


class Authors:
    """The members of workflows, found by what commits say of their authors. One query when it is made."""

    def __init__(self, workflow_ids: Iterable[str]) -> None:
        members = Agent.objects.filter(memberships__workflow_id__in=list(workflow_ids)).order_by("id").distinct()
        self._by_email: dict[str, str] = {}
        self._by_name: dict[str, str] = {}
        rows = list(members.values_list("id", "name", "email", "user__username", "user__email"))
        for agent_id, _, email, username, users_email in rows:
            self._by_name[agent_id.casefold()] = agent_id
            if username:
                self._by_name.setdefault(username.casefold(), agent_id)
            for address in filter(None, (email, users_email)):
                self._by_email.setdefault(address.casefold(), agent_id)
        # An id comes before what another agent is called.
        for agent_id, name, *_ in rows:
            self._by_name.setdefault(name.casefold(), agent_id)

    def find(self, name: str, email: str) -> str | None:
        """The agent of that e-mail address, else the one whose id or name it is."""
        return self._by_email.get(email.strip().casefold()) or self._by_name.get(name.strip().casefold())
