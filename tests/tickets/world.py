"""A workflow with people in it, for tests of what the services do. Operations run as every face runs them."""

from __future__ import annotations

from typing import Any

from tests.factories import AgentWithToken, make_agent, make_person, make_workflow
from tickets.access import Actor, actor_for_user
from tickets.models import Event, Ticket, TicketHistory, Workflow
from tickets.operations import TICKET_CREATE, Operation, execute

CATEGORIES = {
    "todo": "queue",
    "ready": "queue",
    "doing": "active",
    "checking": "active",
    "done": "final",
    "wont": "final",
}


class World:
    """Columns todo, ready (queue), doing, checking (active), done, wont (final); ``settings`` and the rest as given."""

    def __init__(self, *, limits: dict[str, int] | None = None, transitions: Any = None, **settings: Any) -> None:
        columns = [
            {"id": name, "name": name.title(), "category": category, "wip_limit": (limits or {}).get(name)}
            for name, category in CATEGORIES.items()
        ]
        board = {
            "columns": columns,
            "ticket_types": ["task", "bug"],
            "transitions": transitions,
            "settings": settings,
        }
        self.workflow: Workflow = make_workflow(board=board)
        self.agent: AgentWithToken = make_agent(self.workflow)
        self.other: AgentWithToken = make_agent(self.workflow)

    def person(self, role: str = "maintainer") -> Actor:
        """A human of the workflow."""
        return actor_for_user(make_person(self.workflow, role=role))

    def ticket(self, **fields: Any) -> Ticket:
        values = {"title": "A ticket", "description": "Long enough to be a description.", **fields}
        answer = self.do(TICKET_CREATE, workflow_id=self.workflow.id, **values)
        return Ticket.objects.get(pk=answer.ticket_id)

    def do(self, operation: Operation[Any, Any], *about: Ticket | None, **fields: Any) -> Any:
        """Run it (about one ticket or none) as the first agent, or as ``by``; the ticket is read anew."""
        ticket = about[0] if about else None
        by = fields.pop("by", self.agent)
        if ticket is not None:
            fields["ticket_id"] = ticket.id
        try:
            return execute(operation, by.actor if isinstance(by, AgentWithToken) else by, fields)
        finally:
            if ticket is not None:
                ticket.refresh_from_db()

    def events(self, since: int = 0) -> list[str]:
        """Types of the events after ``since``."""
        rows = Event.objects.filter(workflow=self.workflow, seq__gt=since).order_by("seq")
        return list(rows.values_list("type", flat=True))

    @property
    def seq(self) -> int:
        return Workflow.objects.values_list("event_seq", flat=True).get(pk=self.workflow.pk)

    def history(self, ticket: Ticket) -> list[tuple[str, str | None, str | None, str | None]]:
        """(change, field, old, new) of each row after the first."""
        rows = TicketHistory.objects.filter(ticket=ticket).order_by("id")[1:]
        return [(row.change_type, row.field_name, row.old_value, row.new_value) for row in rows]
