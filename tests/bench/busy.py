"""Fills an empty database with tickets that have lived: moved, reopened, blocked, claimed, discussed.

``python -m tests.bench.busy N`` does as ``tests.bench.load``, which gives tickets a past of a row or two; figures over
history need one of twenty. Rows stand in the order of time, as commands write them, and tickets agree with their
histories in all that the statistics read.
"""

from __future__ import annotations

import argparse
import random
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

# Sets Django up.
from tests.bench import load
from tests.bench.fixture import Fixture
from tickets import rows
from tickets.access import system_actor
from tickets.models import StatusPeriod, Ticket, TicketHistory, Workflow
from tickets.rules import PRIORITIES, PRIORITY_RANK, Board
from tickets.schemas.workflows import CreateWorkflow
from tickets.selectors.replay import snapshot
from tickets.tally import count_anew
from tickets.unit import encode_value

CHUNK = 2000
# Twenty history rows a ticket, over half a year.
CHANGES, DAYS = 18, 180
# What happens to a ticket, and how often.
SHARES = {"move": 30, "commented": 25, "title": 15, "claim": 8, "assign": 6, "block": 4, "commit": 4}


@dataclass
class Past:
    """What was collected so far, to be written in the order of time."""

    workflow: Workflow
    board: Board
    agents: list[str]
    random: random.Random
    tickets: list[Ticket] = field(default_factory=list)
    history: list[TicketHistory] = field(default_factory=list)
    periods: list[StatusPeriod] = field(default_factory=list)

    def ticket(self, number: int, start: datetime, end: datetime, changes: int) -> None:
        """A ticket made at ``start`` whose changes are spread until ``end``."""
        pick = self.random
        priority = pick.choice(PRIORITIES)
        ticket = Ticket(
            id=f"ticket-00000000-0000-4000-8000-{number:012d}",
            workflow_id=self.workflow.id,
            number=number,
            key=f"{self.workflow.key_prefix}-{number}",
            created_by_agent_id=pick.choice(self.agents),
            title=f"Something to do about part {number}",
            description="It does not do what it should. " * 12,
            ticket_type=pick.choice(list(self.board.types)),
            priority=priority,
            priority_rank=PRIORITY_RANK[priority],
            status=self.board.initial_status,
            rank=f"a{number:08d}",
            story_points=pick.choice([None, 1, 2, 3, 5]),
            created_at=start,
            updated_at=start,
        )
        self.tickets.append(ticket)
        self._record(ticket, start, "created", (None, None, snapshot(ticket)))
        entered = start
        for at in sorted(start + (end - start) * pick.random() for _ in range(changes)):
            entered = self._change(ticket, at, entered)
            ticket.updated_at = at
            ticket.version += 1
        self.periods.append(self._stay(ticket, entered, None))

    def _change(self, ticket: Ticket, at: datetime, entered: datetime) -> datetime:
        kind = self.random.choices(list(SHARES), list(SHARES.values()))[0]
        if kind == "move":
            return self._move(ticket, at, entered)
        if kind == "commented":
            ticket.comment_count += 1
            self._record(ticket, at, "commented", (None, None, f"comment-{len(self.history)}"))
        elif kind == "title":
            self._record(ticket, at, "field_updated", ("title", ticket.title, f"Part {ticket.number} once more"))
        elif kind == "claim":
            holder = self.random.choice(self.agents)
            self._record(ticket, at, "claimed", ("lease_agent_id", None, holder))
            reason = self.random.choice(["released", "released", "expired"])
            self._record(ticket, at, "released", ("lease_agent_id", holder, None), reason=reason)
        elif kind == "assign":
            old, ticket.assigned_agent_id = ticket.assigned_agent_id, self.random.choice(self.agents)
            self._record(ticket, at, "assigned", ("assigned_agent_id", old, ticket.assigned_agent_id))
        elif kind == "block":
            ticket.is_blocked = ticket.is_manually_blocked = not ticket.is_blocked
            change = "blocked" if ticket.is_blocked else "unblocked"
            self._record(ticket, at, change, ("is_blocked", not ticket.is_blocked, ticket.is_blocked))
        else:
            ticket.commit_count += 1
            self._record(ticket, at, "commit_linked", (None, None, f"{len(self.history):040x}"))
        return entered

    def _move(self, ticket: Ticket, at: datetime, entered: datetime) -> datetime:
        """Mostly a column on, at times a column back."""
        columns = list(self.board.by_id)
        place = columns.index(ticket.status) + (1 if self.random.random() < 0.8 else -1)
        target = columns[max(0, min(place, len(columns) - 1))]
        if target == ticket.status:
            return entered
        origin, category = ticket.status, self.board.category(target)
        self.periods.append(self._stay(ticket, entered, at))
        ticket.status = target
        if category == "active" and ticket.started_at is None:
            ticket.started_at = at
        final = category == "final"
        if final != ticket.is_resolved:
            ticket.is_resolved = final
            ticket.resolved_at = ticket.completed_at = at if final else None
            self._record(ticket, at, "resolved" if final else "reopened", ("is_resolved", not final, final))
        self._record(ticket, at, "status_changed", ("status", origin, target))
        return at

    def _stay(self, ticket: Ticket, entered: datetime, left: datetime | None) -> StatusPeriod:
        category = self.board.category(ticket.status)
        return StatusPeriod(
            ticket_id=ticket.id, status=ticket.status, category=category, entered_at=entered, left_at=left
        )

    def _record(
        self,
        ticket: Ticket,
        at: datetime,
        change: str,
        field: tuple[str | None, Any, Any] = (None, None, None),
        **metadata: str,
    ) -> None:
        """``field``: its name, what it was, what it became."""
        name, old, new = field
        self.history.append(
            TicketHistory(
                ticket_id=ticket.id,
                workflow_id=self.workflow.id,
                agent_id=self.random.choice(self.agents),
                change_type=change,
                field_name=name,
                old_value=encode_value(old),
                new_value=encode_value(new),
                metadata=metadata,
                changed_at=at,
            )
        )

    def write(self) -> None:
        # Python sorts stably: what one command wrote stays in its order.
        self.history.sort(key=lambda row: row.changed_at)
        for collected in (self.tickets, self.periods, self.history):
            for first in range(0, len(collected), CHUNK):
                with transaction.atomic():
                    rows.insert(collected[first : first + CHUNK])


def fill(workflow: Workflow, board: Board, agents: list[str], *, tickets: int, changes: int, days: int) -> int:
    """Give an empty workflow that many tickets with a past of ``days``; returns how many history rows there are."""
    now = timezone.now()
    past = Past(workflow, board, agents, random.Random(tickets))
    for number in range(1, tickets + 1):
        start = now - timedelta(days=days) * (1 - (number - 1) / tickets)
        end = min(now, start + timedelta(days=days / 3))
        past.ticket(number, start, end, changes)
    past.write()
    Workflow.objects.filter(pk=workflow.pk).update(
        next_number=tickets + 1, ticket_counts=count_anew(workflow.pk), updated_at=now
    )
    return len(past.history)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tickets", type=int)
    tickets = parser.parse_args().tickets
    call_command("migrate", verbosity=0)
    # Its models need Django, which load sets up.
    from boards.services.configuration import workflow_create_with_board

    operator = system_actor()
    workflow_create_with_board(actor=operator, request=CreateWorkflow(workflow_id=load.WORKFLOW_ID, name="Bench"))
    agents = [f"agent-{number}" for number in range(load.AGENTS)]
    tokens = [load._agent(operator, agent_id) for agent_id in agents]
    workflow = Workflow.objects.get(pk=load.WORKFLOW_ID)
    changes = fill(workflow, load.BOARD, agents, tickets=tickets, changes=CHANGES, days=DAYS)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    sys.stderr.write(f"{tickets} tickets, {changes} history rows\n")
    queue = Ticket.objects.filter(workflow=workflow, status="backlog").order_by("number")
    fixture = Fixture(
        workflow_id=workflow.id,
        tokens=tokens,
        cookie=f"{settings.SESSION_COOKIE_NAME}={load._session()}",
        ticket_ids=list(queue.values_list("pk", flat=True)[: load.SAMPLE]),
        seq=workflow.event_seq,
        queries=["nothing"],
    )
    sys.stdout.write(fixture.as_json() + "\n")


if __name__ == "__main__":
    main()
