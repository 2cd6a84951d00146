"""A unit of work: everything that one command changes, written in one transaction.

``write_transaction`` is the only way to write. ``Unit`` holds the locked workflow, collects changes of
tickets with their history rows and events, and writes them at the end: history, event numbers and state
commit together or not at all.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from tickets import clock, rows
from tickets.access import Actor, find_and_lock, find_ticket, workflow_for
from tickets.board_source import board_of
from tickets.errors import Conflict, Forbidden, LeaseLost
from tickets.ids import new_id
from tickets.models import Event, InboxEntry, Role, Ticket, TicketComment, TicketHistory, Workflow
from tickets.rules import Board
from tickets.tally import Counts, add_to, tally_of


class _WriteLock:
    """One writer per data folder, in turns: between threads by a lock, between processes by ``flock``.

    SQLite's own busy timeout alone starves some writers (waits up to 4 s); with the lock the longest
    wait measured was 0.2 s. The kernel frees a flock when its process dies.
    """

    def __init__(self) -> None:
        self._reset()
        # A child process gets a lock of its own: a flock belongs to the open file, which a fork shares.
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._threads = threading.Lock()
        self._file = -1

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._threads:
            if self._file < 0:
                self._file = os.open(settings.DATA_DIR / "write.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)


_write_lock = _WriteLock()


@contextmanager
def write_transaction() -> Iterator[None]:
    """A transaction that may write; inside another one, a savepoint."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic():
            yield
        return
    with _write_lock(), transaction.atomic():
        yield


class Unit:
    """The open transaction of one command on one workflow. Made by ``open_unit`` only."""

    def __init__(self, actor: Actor, workflow: Workflow) -> None:
        self.actor = actor
        self.workflow = workflow
        # Never backwards within a workflow, whatever the clock does: history is ordered by it.
        self.now: datetime = max(clock.now(), workflow.updated_at)
        self._tickets: dict[str, Ticket] = {}
        self._changed: dict[str, set[str]] = {}
        self._created: list[Ticket] = []
        # What each ticket counted for before it was changed.
        self._tallies: dict[str, Counter[tuple[str, str]]] = {}
        # What nothing in this unit reads before it is written.
        self.writes = rows.Writes()
        self._history: list[TicketHistory] = []
        self._events: list[Event] = []
        self._entries: list[InboxEntry] = []
        self._workflow_changed = False

    @property
    def board(self) -> Board:
        return board_of(self.workflow)

    @property
    def changed(self) -> bool:
        """Whether anything was recorded so far."""
        return bool(self._history or self._events or self._created)

    def ticket(self, reference: str, *, field: str = "ticket_id") -> Ticket:
        """A ticket of this workflow. Raises NotFound."""
        return self.adopt(find_ticket(self.actor, reference, workflow_id=self.workflow.id, field=field))

    def ready(self, ticket: Ticket, *, expected_version: int | None, fencing_token: int | None) -> Ticket:
        """The ticket, to be changed by a caller who expects it as it is.

        Raises Conflict (``current_version``) where it is not at ``expected_version``, and LeaseLost where
        ``fencing_token`` is not the one of the actor's live lease.
        """
        check_version(ticket.version, expected_version, what=ticket.key)
        if fencing_token is not None:
            self.check_lease(ticket, fencing_token)
        return self.adopt(ticket)

    def adopt(self, ticket: Ticket) -> Ticket:
        """Take a ticket that a query under the lock has read; the same object for the same id."""
        return self._tickets.setdefault(ticket.id, ticket)

    def check_lease(self, ticket: Ticket, fencing_token: int) -> None:
        live = ticket.lease_expires_at is not None and ticket.lease_expires_at > self.now
        if not live or ticket.lease_agent_id != self.actor.agent_id or ticket.fencing_token != fencing_token:
            holder = ticket.lease_agent_id if live else None
            raise LeaseLost(
                f"The lease on {ticket.key} with token {fencing_token} has ended"
                + (f"; {holder!r} holds it now." if holder else ". Claim the ticket again."),
                field="fencing_token",
                extra={"lease_agent_id": holder},
            )

    def set(
        self,
        ticket: Ticket,
        field: str,
        value: Any,
        *,
        change_type: str = "field_updated",
        history_field: str | None = None,
        description: str = "",
        metadata: dict[str, Any] | None = None,
    ) -> bool:
        """Change one field and record it. False, and nothing recorded, where the value is the same."""
        old = getattr(ticket, field)
        if old == value:
            return False
        name = history_field or field
        self.touch(ticket, **{field: value})
        self.record(
            ticket, change_type, field_name=name, old=old, new=value, description=description, metadata=metadata
        )
        return True

    def touch(self, ticket: Ticket, **values: Any) -> None:
        """Change derived fields (counters, times, lease), which have no history row of their own."""
        if ticket.id not in self._tallies:
            self._tallies[ticket.id] = tally_of(ticket)
        for field, value in values.items():
            setattr(ticket, field, value)
        self._changed.setdefault(ticket.id, set()).update(values)
        self._tickets.setdefault(ticket.id, ticket)

    def add(self, ticket: Ticket) -> None:
        """A new ticket, written with the rest: ``writes.run`` where a query is to find it before."""
        ticket.number = self.workflow.next_number
        ticket.key = f"{self.workflow.key_prefix}-{ticket.number}"
        self.workflow.next_number += 1
        self._workflow_changed = True
        self.writes.insert([ticket])
        self._tickets[ticket.id] = ticket
        self._tallies[ticket.id] = Counter()
        self._created.append(ticket)

    def record(
        self,
        ticket: Ticket,
        change_type: str,
        *,
        field_name: str | None = None,
        old: Any = None,
        new: Any = None,
        description: str = "",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Append a history row."""
        self._changed.setdefault(ticket.id, set())
        self._history.append(
            TicketHistory(
                ticket_id=ticket.id,
                workflow_id=self.workflow.id,
                agent_id=self.actor.agent_id,
                via_agent_id=self.actor.via_agent_id,
                change_type=change_type,
                field_name=field_name,
                old_value=encode_value(old),
                new_value=encode_value(new),
                change_description=description,
                metadata=metadata or {},
                changed_at=self.now,
            )
        )

    def emit(self, event_type: str, ticket: Ticket | None = None, **data: Any) -> None:
        """Append an event; it gets the workflow's next sequence number."""
        self.workflow.event_seq += 1
        self._workflow_changed = True
        if ticket is not None:
            data = {"key": ticket.key, "title": ticket.title, "status": ticket.status, **data}
        self._events.append(
            Event(
                workflow_id=self.workflow.id,
                seq=self.workflow.event_seq,
                type=event_type,
                ticket_id=ticket.id if ticket is not None else None,
                agent_id=self.actor.agent_id,
                data=data,
                timestamp=self.now,
            )
        )
        for recipient in _recipients(event_type, ticket, data) - {self.actor.agent_id}:
            entry = InboxEntry(workflow_id=self.workflow.id, recipient=recipient, seq=self.workflow.event_seq)
            self._entries.append(entry)

    def comment(
        self,
        ticket: Ticket,
        text: str,
        comment_type: str,
        *,
        parent_id: str | None = None,
        mentions: list[str] | None = None,
        attachments: list[str] | None = None,
    ) -> TicketComment:
        """Add a comment with its history row and event."""
        comment = TicketComment(
            id=new_id("comment"),
            ticket_id=ticket.id,
            agent_id=self.actor.agent_id,
            via_agent_id=self.actor.via_agent_id,
            parent_id=parent_id,
            comment_text=text,
            comment_type=comment_type,
            created_at=self.now,
            mentions=mentions or [],
            attachments=attachments or [],
        )
        self.writes.insert([comment])
        self.touch(ticket, comment_count=ticket.comment_count + 1)
        excerpt = text if len(text) <= 200 else text[:199] + "…"
        # Not the text: a deleted comment's text must not live on in the append-only history.
        self.record(ticket, "commented", new=comment.id, metadata={"comment_type": comment_type})
        self.emit(
            "comment_added", ticket, comment_id=comment.id, comment_type=comment_type, preview=excerpt,
            mentions=comment.mentions,
        )  # fmt: skip
        return comment

    def flush(self) -> None:
        """Write what was collected. Each changed ticket gets one new version, whatever changed in it."""
        created = {ticket.id for ticket in self._created}
        for ticket_id, fields in self._changed.items():
            ticket = self._tickets[ticket_id]
            if ticket_id not in created:
                ticket.version += 1
                ticket.updated_at = self.now
                fields |= {"version", "updated_at"}
            if fields:
                self.writes.update(ticket, fields)
        self.writes.insert(self._history)
        for event in self._events:
            if event.ticket_id in self._tickets:
                event.data["version"] = self._tickets[event.ticket_id].version
        self.writes.insert(self._events)
        self.writes.insert(self._entries)
        if self._workflow_changed or self._history:
            workflow = self.workflow
            workflow.updated_at = self.now
            workflow.ticket_counts = self._counts()
            self.writes.update(workflow, ("next_number", "event_seq", "board_revision", "ticket_counts", "updated_at"))
            if self._events:
                self._announce(workflow.id, workflow.event_seq)
        self.writes.run()
        self._changed, self._created, self._history, self._events, self._tallies = {}, [], [], [], {}
        self._entries = []

    def _counts(self) -> Counts:
        change: Counter[tuple[str, str]] = Counter()
        for ticket_id, before in self._tallies.items():
            change.update(tally_of(self._tickets[ticket_id]))
            change.subtract(before)
        return add_to(self.workflow.ticket_counts, change)

    @staticmethod
    def _announce(workflow_id: str, seq: int) -> None:
        from tickets.live import notify

        transaction.on_commit(lambda: notify(workflow_id, seq), robust=True)


# Whoever has the ticket or made it may want to know.
_OF_THE_TICKET = frozenset({"ticket_unblocked", "ticket_approved", "ticket_rejected", "ticket_expired"})


def _recipients(event_type: str, ticket: Ticket | None, data: dict[str, Any]) -> set[str]:
    """Whom an event may concern; the inbox looks at it more closely."""
    found = {data.get("assigned_agent_id"), data.get("task_agent_id"), *data.get("mentions", ())}
    if ticket is not None and event_type in _OF_THE_TICKET:
        found |= {ticket.assigned_agent_id, ticket.created_by_agent_id}
    return {recipient for recipient in found if recipient}


@contextmanager
def open_unit(
    actor: Actor,
    workflow_id: str | None = None,
    *,
    role: Role = Role.MEMBER,
    tracking: bool = True,
) -> Iterator[Unit]:
    """Lock the workflow, run the block, write what it collected, commit.

    ``tracking`` refuses an inactive workflow and one without ticket tracking (Forbidden).
    Raises NotFound or Forbidden where the actor lacks the role.
    """
    with write_transaction():
        workflow = workflow_for(actor, workflow_id, role, lock=True)
        if tracking:
            require_tracking(workflow)
        unit = Unit(actor, workflow)
        yield unit
        unit.flush()


@contextmanager
def open_ticket(
    actor: Actor,
    reference: str,
    *,
    role: Role = Role.MEMBER,
    expected_version: int | None = None,
    fencing_token: int | None = None,
    field: str = "ticket_id",
) -> Iterator[tuple[Unit, Ticket]]:
    """``open_unit`` for the workflow of a ticket, with that ticket."""
    with write_transaction():
        ticket = find_and_lock(actor, reference, role, field=field)
        workflow = ticket.workflow
        require_tracking(workflow)
        unit = Unit(actor, workflow)
        yield unit, unit.ready(ticket, expected_version=expected_version, fencing_token=fencing_token)
        unit.flush()


def require_tracking(workflow: Workflow) -> None:
    if not workflow.is_active:
        raise Forbidden(f"Workflow {workflow.id!r} is not active: its tickets cannot be changed.")
    if not workflow.ticket_tracking_enabled:
        raise Forbidden(f"Ticket tracking is not enabled in workflow {workflow.id!r}.")


def check_version(current: int, expected: int | None, *, what: str) -> None:
    """Raise Conflict where ``expected`` is given and is not ``current``."""
    if expected is not None and expected != current:
        raise Conflict(
            f"{what} is at version {current}, not {expected}. Read it again and repeat your change.",
            field="expected_version",
            extra={"current_version": current},
        )


def encode_value(value: Any) -> str | None:
    """A value as history stores it: text as it is, times in ISO 8601, the rest as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return json.dumps(value, ensure_ascii=False)
