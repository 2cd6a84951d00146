"""What could be done about a finding, as calls that can be carried out as they stand.

Nothing that stands on a ticket gets into a call: a comment that is proposed names tickets and agents by id alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from boards.insights.facts import URGENT, Facts, TicketFacts
from boards.insights.load import Crew
from boards.insights.schemas import Suggestion
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.rules import PRIORITIES

PATHS = {
    "comment_add": "/api/tickets/comment",
    "ticket_assign": "/api/tickets/assign",
    "ticket_change_status": "/api/tickets/change-status",
    "ticket_release": "/api/tickets/release",
    "ticket_resolve": "/api/tickets/resolve",
    "ticket_update": "/api/tickets/update",
}


NO_DECIDER = (
    "No person who could decide on it is a maintainer here. Decide on it under Approvals, "
    "or make a person a maintainer under Agents."
)


class Advice:
    """Makes suggestions for one answer: work is handed out so that they do not all name the same agent."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.crew = Crew(facts.load)

    def advance(self, ticket: TicketFacts, why: str) -> Suggestion | None:
        """What gets somebody to work on a ticket that waits for no other; ``why`` is a sentence without names.

        None where it waits for a review that nobody may decide on.
        """
        if ticket.is_pending:
            return self.decide(ticket, why)
        if ticket.by_hand:
            return self.ask(ticket, [ticket.assignee or ticket.creator], f"Does the block still hold? {why}")
        if ticket.is_completed:
            return self.resolve(ticket)
        owner = ticket.holder(self._facts.now) or ticket.assignee
        if self._facts.is_there(owner):
            return self.ask(ticket, [owner], f"How far is it? {why}")
        if ticket.category == "active" and owner is None:
            return self.requeue(ticket) or self.assign(ticket) or self.ask(ticket, [], why)
        return self.assign(ticket, avoid=[owner] if owner else []) or self.hasten(ticket) or self.ask(ticket, [], why)

    def assign(self, ticket: TicketFacts, *, avoid: Collection[str] = ()) -> Suggestion | None:
        """Give it to the agent with the least to do; None where there is no other."""
        agent_id = self.crew.taker(ticket.id, avoid=avoid)
        return self.assign_to(ticket, agent_id) if agent_id is not None else None

    def assign_to(self, ticket: TicketFacts, agent_id: str) -> Suggestion:
        return _suggest(
            "ticket_assign",
            ticket,
            f"Assign {ticket.key} to {agent_id}.",
            undo={"assigned_agent_id": ticket.assignee},
            assigned_agent_id=agent_id,
        )

    def ask(self, ticket: TicketFacts, agents: Iterable[str | None], text: str) -> Suggestion:
        """Ask on the ticket; members among those named are mentioned, so that it reaches their inbox."""
        known = [a for a in dict.fromkeys(agents) if a and a in self._facts.agents]
        members = [agent_id for agent_id in known if self._facts.agents[agent_id].role is not None]
        comment = " ".join([*(f"@{agent_id}" for agent_id in members), f"#{ticket.key}:", text])
        who = f"Ask {', '.join(members)}" if members else "Ask"
        return _suggest("comment_add", ticket, f"{who} about {ticket.key}.", comment_text=comment, mentions=members)

    def decide(self, ticket: TicketFacts, why: str) -> Suggestion | None:
        """Remind those who may decide on a ticket that waits for review; None where there is nobody."""
        people = [person for person in self._facts.people if person != ticket.creator]
        return self.ask(ticket, people, f"Please approve or reject it. {why}") if people else None

    def hasten(self, ticket: TicketFacts) -> Suggestion | None:
        """Raise its priority by one, so that it is picked sooner; None where it is high already."""
        if ticket.priority_rank <= URGENT:
            return None
        higher = PRIORITIES[ticket.priority_rank - 1]
        return _suggest(
            "ticket_update",
            ticket,
            f"Raise the priority of {ticket.key} from {ticket.priority} to {higher}.",
            undo={"updates": {"priority": ticket.priority}},
            updates={"priority": higher},
        )

    def requeue(self, ticket: TicketFacts) -> Suggestion | None:
        """Put it back where any agent finds it; None where the board or its state does not allow that."""
        facts = self._facts
        if ticket.is_blocked or ticket.is_pending:
            return None
        column = next((c for c in reversed(facts.board.allowed_from(ticket.status)) if self._has_room(c)), None)
        if column is None:
            return None
        back = {"new_status": ticket.status, "comment": f"Back in {ticket.status}: the move to {column} is undone."}
        return _suggest(
            "ticket_change_status",
            ticket,
            f"Move {ticket.key} from {ticket.status} back to {column}, where next_ticket finds it.",
            undo=back if ticket.status in facts.board.allowed_from(column) else None,
            new_status=column,
            comment=f"Back to {column}: nobody works on it.",
        )

    def release(self, ticket: TicketFacts, holder: str) -> Suggestion:
        """End another agent's lease."""
        return _suggest(
            "ticket_release",
            ticket,
            f"End the lease of {holder} on {ticket.key}, so that another agent can have it.",
            role="maintainer",
            comment=f"Lease ended: @{holder} has been silent.",
        )

    def resolve(self, ticket: TicketFacts) -> Suggestion | None:
        """Resolve what stands in a final column and still blocks others; None where it may not be."""
        if ticket.is_blocked or ticket.approval not in VISIBLE_APPROVALS or ticket.is_pending:
            return None
        return _suggest(
            "ticket_resolve",
            ticket,
            f"Resolve {ticket.key}: it is in {ticket.status} and others still wait for it.",
            resolution_comment=f"Done since it came to {ticket.status}; resolved so that others can go on.",
        )

    def relate(self, ticket: TicketFacts, other: TicketFacts) -> Suggestion:
        """Tie two tickets together that say the same."""
        return _suggest(
            "ticket_update",
            ticket,
            f"Tie {ticket.key} to {other.key}, which says the same; then resolve one of them.",
            undo={"updates": {"related_ticket_ids_remove": [other.id]}},
            updates={"related_ticket_ids_add": [other.id]},
            update_comment=f"Possible duplicate of #{other.key}.",
        )

    def _has_room(self, status: str) -> bool:
        """Whether it is a queue column that takes one more ticket."""
        column = self._facts.board.by_id[status]
        if column.category != "queue":
            return False
        if column.wip_limit is None or not self._facts.board.settings.enforce_wip_limits:
            return True
        return sum(ticket.status == status for ticket in self._facts.open) < column.wip_limit


def _suggest(
    operation: str,
    ticket: TicketFacts,
    description: str,
    *,
    role: Any = "member",
    undo: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Suggestion:
    return Suggestion(
        operation=operation,
        path=PATHS[operation],
        arguments={"ticket_id": ticket.id, **arguments},
        undo={"ticket_id": ticket.id, **undo} if undo is not None else None,
        description=description,
        role=role,
        version=ticket.version,
    )
