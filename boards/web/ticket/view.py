"""What the page and the dialog of a ticket show, worked out beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Min, Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.safestring import SafeString

from boards.selectors.fleet import Lease, open_leases
from boards.web import look, markdown
from boards.web.board.bar import Bar
from boards.web.ticket.activity import Activity
from gitlinks.models import TicketCommit
from tickets.access import Actor, has_role
from tickets.models import Role, StatusPeriod, Task, Ticket, TicketDependency, TicketHistory, Workflow
from tickets.models.tickets import ApprovalStatus
from tickets.rules import Board, Column, TicketType

MAX_TIES = 100
MAX_PEOPLE = 12


class TicketView:
    """Everything that is shown of a ticket. A fixed number of queries, however much there is."""

    def __init__(self, actor: Actor, workflow: Workflow, board: Board, ticket: Ticket, activity: Activity) -> None:
        """``ticket`` with its assignee, creator, parent and lease holder. ``workflow`` was read before it."""
        self.workflow = workflow
        self.board = board
        self.ticket = ticket
        self.activity = activity
        self.bar = Bar(actor, workflow, board, QueryDict())
        self._actor = actor

    @property
    def may_write(self) -> bool:
        return self.bar.may_write

    @cached_property
    def may_maintain(self) -> bool:
        """Whether the person may decide on approvals and end the leases of others."""
        if not self.may_write:
            return False
        return has_role(self._actor, self.workflow.id, Role.MAINTAINER)

    @cached_property
    def column(self) -> Column | None:
        return self.board.by_id.get(self.ticket.status)

    @cached_property
    def kind(self) -> TicketType:
        """The ticket's type; one that has left the board keeps its name."""
        name = self.ticket.ticket_type
        return self.board.types.get(name) or TicketType(id="gone", name=name)

    @property
    def is_final(self) -> bool:
        return self.column is not None and self.column.category == "final"

    @property
    def is_pending(self) -> bool:
        return self.ticket.approval_status == ApprovalStatus.PENDING

    @property
    def is_refused(self) -> bool:
        return self.ticket.approval_status in (ApprovalStatus.REJECTED, ApprovalStatus.EXPIRED)

    @cached_property
    def description(self) -> SafeString:
        return markdown.render(self.ticket.description, self.activity.names, self.workflow.key_prefix)

    @property
    def has_activity(self) -> bool:
        return bool(self.activity.entries)

    # ── people ──

    @cached_property
    def lease(self) -> Lease | None:
        return open_leases(self.workflow).get(self.ticket.id)

    @property
    def lease_ends_in(self) -> str:
        """How long a live lease has left; "" for one that ran out."""
        ends, now = self.ticket.lease_expires_at, timezone.now()
        return look.age(now, ends) if ends is not None and ends > now else ""

    @property
    def holds_lease(self) -> bool:
        return bool(self.lease_ends_in) and self.ticket.lease_agent_id == self._actor.agent_id

    @property
    def may_release(self) -> bool:
        return bool(self.ticket.lease_agent_id) and (self.holds_lease or self.may_maintain) and self.may_write

    @property
    def may_claim(self) -> bool:
        """Whether claiming has a chance; the operation decides."""
        held = bool(self.lease_ends_in) or self.ticket.assigned_agent_id not in (None, self._actor.agent_id)
        return self.may_write and not (held or self.is_final or self.ticket.is_blocked or self.is_pending)

    @cached_property
    def contributors(self) -> list[tuple[str, str]]:
        """Name and kind of those who did anything, in the order of their first act."""
        acts = TicketHistory.objects.filter(ticket=self.ticket).values_list("agent__name", "agent__kind")
        return list(acts.annotate(first=Min("id")).order_by("first").values_list("agent__name", "agent__kind"))

    @property
    def contributors_shown(self) -> list[tuple[str, str]]:
        return self.contributors[:MAX_PEOPLE]

    @property
    def contributors_left(self) -> int:
        return max(len(self.contributors) - MAX_PEOPLE, 0)

    # ── what it is tied to ──

    @cached_property
    def _dependencies(self) -> list[TicketDependency]:
        rows = TicketDependency.objects.filter(Q(ticket=self.ticket) | Q(blocker=self.ticket), released_at=None)
        return list(rows.select_related("ticket", "blocker").order_by("id")[: 2 * MAX_TIES])

    @property
    def blockers(self) -> list[Ticket]:
        return [row.blocker for row in self._dependencies if row.ticket_id == self.ticket.id]

    @property
    def blocks(self) -> list[Ticket]:
        return [row.ticket for row in self._dependencies if row.ticket_id != self.ticket.id]

    @cached_property
    def sub_tickets(self) -> list[Ticket]:
        return list(Ticket.objects.filter(parent_ticket=self.ticket).order_by("number")[:MAX_TIES])

    @property
    def sub_tickets_done(self) -> int:
        return sum(self.board.category(part.status) == "final" for part in self.sub_tickets if self._known(part))

    def _known(self, ticket: Ticket) -> bool:
        return ticket.status in self.board.by_id

    @cached_property
    def related(self) -> list[Ticket]:
        ids = self.ticket.related_ticket_ids[:MAX_TIES]
        if not ids:
            return []
        found = {row.id: row for row in Ticket.objects.filter(pk__in=ids, workflow_id=self.workflow.id)}
        return [found[ticket_id] for ticket_id in ids if ticket_id in found]

    @cached_property
    def tasks(self) -> list[Task | str]:
        """Tasks made for the ticket or named by it; of one that is not known, its id."""
        named = self.ticket.related_task_ids[:MAX_TIES]
        rows = Task.objects.filter(Q(ticket=self.ticket) | Q(pk__in=named), workflow_id=self.workflow.id)
        found = list(rows.order_by("created_at", "id")[:MAX_TIES])
        known = {task.id for task in found}
        return [*found, *(task_id for task_id in named if task_id not in known)]

    @cached_property
    def commits(self) -> list[TicketCommit]:
        if not self.ticket.commit_count:
            return []
        return list(TicketCommit.objects.filter(ticket=self.ticket).order_by("-commit_timestamp", "id")[:MAX_TIES])

    # ── time ──

    @cached_property
    def _stays(self) -> list[tuple[str, str, datetime, datetime | None]]:
        rows = StatusPeriod.objects.filter(ticket=self.ticket).order_by("entered_at", "id")
        return list(rows.values_list("status", "category", "entered_at", "left_at"))

    @property
    def spent_minutes(self) -> int:
        """Time in active columns."""
        return self._seconds(stay for stay in self._stays if stay[1] == "active") // 60

    @property
    def remaining_minutes(self) -> int:
        return max((self.ticket.estimate_minutes or 0) - self.spent_minutes, 0)

    @property
    def over_minutes(self) -> int:
        """By how much the estimate is exceeded."""
        estimate = self.ticket.estimate_minutes
        return max(self.spent_minutes - estimate, 0) if estimate else 0

    @property
    def spent_percent(self) -> int:
        estimate = self.ticket.estimate_minutes
        return min(100 * self.spent_minutes // estimate, 100) if estimate else 0

    @property
    def time_in_columns(self) -> list[tuple[str, int, bool]]:
        """Name of each column that it has been in, minutes there, and whether it is there now."""
        names = dict.fromkeys(status for status, *_ in self._stays)
        return [
            (
                self.board.by_id[status].name if status in self.board.by_id else status,
                self._seconds(stay for stay in self._stays if stay[0] == status) // 60,
                status == self.ticket.status,
            )
            for status in names
        ]

    @staticmethod
    def _seconds(stays: Iterable[tuple[str, str, datetime, datetime | None]]) -> int:
        now = timezone.now()
        return sum(max(0, int(((left or now) - entered).total_seconds())) for _, _, entered, left in stays)

    # ── for the script ──

    @property
    def for_script(self) -> dict[str, Any]:
        """The rules of the board, and the fields as an edit begins with them."""
        ticket = self.ticket
        return {
            **self.bar.for_script,
            "id": ticket.id,
            "key": ticket.key,
            "version": ticket.version,
            "maintains": self.may_maintain,
            "seq": self.workflow.event_seq,
            "changers": {entry.field: entry.agent.name for entry in self.activity.entries if entry.field},
            "blockers": [other.key for other in self.blockers],
            "values": {
                "title": ticket.title,
                "description": ticket.description,
                "ticket_type": ticket.ticket_type,
                "priority": ticket.priority,
                "status": ticket.status,
                "assigned_agent_id": ticket.assigned_agent_id,
                "parent_ticket_id": ticket.parent_ticket.key if ticket.parent_ticket else None,
                "tags": ticket.tags,
                "story_points": ticket.story_points,
                "estimate_minutes": ticket.estimate_minutes,
                "blocked_reason": ticket.blocked_reason,
            },
        }
