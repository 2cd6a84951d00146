"""Imports a file into a workflow, in batches that let other writers have their turns."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import BinaryIO

from django.utils import timezone

from tickets.access import Actor, member_agent, workflow_for
from tickets.board_source import board_of
from tickets.errors import DomainError, Invalid
from tickets.imports.mapping import SOURCE_MAX, Item, Mapper, shortened
from tickets.imports.reading import Format, Line, read_lines, seekable
from tickets.models import AgentKind, Role, Ticket
from tickets.rules import Board
from tickets.schemas.base import check_text
from tickets.services.tickets import create_in_unit
from tickets.unit import Unit, open_unit, require_tracking

# Tickets in one transaction: about 0.2 s in which others wait.
BATCH = 50


@dataclass
class Report:
    """What an import did. ``faults`` and ``notes`` are (place, message)."""

    created: int = 0
    present: int = 0
    faults: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Import:
    """What is imported where, and by whom. ``name`` is the file's; ``source`` overrides what it is kept under."""

    actor: Actor
    workflow_id: str
    stream: BinaryIO
    file_format: Format
    name: str = ""
    source: str | None = None
    strict: bool = False

    @property
    def source_name(self) -> str:
        """What ids are unique within: the repository's issues, or the file by its name."""
        if self.source is not None:
            return shortened(self.source, SOURCE_MAX)
        if self.file_format == "github":
            return "github"
        # A file name may hold bytes that are no text.
        name = os.fsencode(PurePath(self.name).name).decode("utf-8", "replace")
        return shortened(f"{self.file_format}:{name or 'stdin'}", SOURCE_MAX)


def tickets_import(job: Import, *, progress: Callable[[int], object] = lambda _bytes: None) -> Report:
    """Create the tickets that are not there yet; ``progress`` is told how many bytes were read so far.

    A line that cannot be a ticket is a fault of the report and is passed over; with ``strict``, one fault
    and nothing is created. Stopped at any moment and started again, it goes on where it was.
    Raises Forbidden and NotFound for a workflow that the actor cannot write to, Invalid for an unreadable file.
    """
    check_text(job.source, "source")
    if job.source is not None and not job.source.strip():
        raise Invalid("A source needs a name.", field="source")
    workflow = workflow_for(job.actor, job.workflow_id, Role.MEMBER)
    require_tracking(workflow)
    running = _Running(job, workflow.id, seekable(job.stream))
    if job.strict:
        running.check(board_of(workflow))
    if not running.report.faults:
        running.create(progress)
    return running.report


class _Running:
    """One import under way."""

    def __init__(self, job: Import, workflow_id: str, stream: BinaryIO) -> None:
        self._job = job
        self._workflow_id = workflow_id
        self._stream = stream
        self._known = _Known(workflow_id)
        self._members: dict[str, bool] = {}
        self.report = Report()

    def check(self, board: Board) -> None:
        """Find every reason why the file cannot be imported whole."""
        mapper = self._mapper(board, timezone.now())
        arriving: Counter[str] = Counter()
        for line in read_lines(self._stream, self._job.file_format):
            try:
                item = _item(mapper, line)
            except DomainError as error:
                self.report.faults.append((line.place, error.message))
                continue
            present = self._known.of(item.source)
            if item.source_id not in present:
                arriving[item.fields.initial_status or board.initial_status] += 1
                present.add(item.source_id)
        self.report.faults += _full_columns(self._workflow_id, board, arriving)

    def create(self, progress: Callable[[int], object]) -> None:
        lines = read_lines(self._stream, self._job.file_format)
        while batch := list(itertools.islice(lines, BATCH)):
            with open_unit(self._job.actor, self._workflow_id) as unit:
                self._known.follow(unit.workflow.next_number)
                self._create_batch(unit, batch)
                self._known.next_number = unit.workflow.next_number
            progress(self._stream.tell())

    def _create_batch(self, unit: Unit, batch: list[Line]) -> None:
        mapper = self._mapper(unit.board, unit.now)
        report = self.report
        for line in batch:
            try:
                item = _item(mapper, line)
                present = self._known.of(item.source)
                if item.source_id in present:
                    report.present += 1
                    continue
                ticket = create_in_unit(unit, item.fields, source=(item.source, item.source_id)).ticket
            except DomainError as error:
                # Raised before anything was written, so the rest of the batch goes on.
                report.faults.append((line.place, error.message))
                continue
            if item.created_at is not None:
                unit.touch(ticket, created_at=item.created_at)
            present.add(item.source_id)
            report.created += 1
            report.notes += [(line.place, note) for note in item.notes]

    def _mapper(self, board: Board, now: datetime) -> Mapper:
        return Mapper(
            board,
            source=self._job.source_name,
            by_repository=self._job.file_format == "github" and self._job.source is None,
            reviewed=board.settings.ticket_human_review and self._job.actor.kind == AgentKind.AI,
            is_member=self._is_member,
            now=now,
        )

    def _is_member(self, agent_id: str) -> bool:
        if agent_id not in self._members:
            try:
                member_agent(self._workflow_id, agent_id, field="assignee")
                self._members[agent_id] = True
            except DomainError:
                self._members[agent_id] = False
        return self._members[agent_id]


class _Known:
    """Ids that were imported before, by source; read again when somebody else has created tickets."""

    def __init__(self, workflow_id: str) -> None:
        self.next_number = 0
        self._workflow_id = workflow_id
        self._ids: dict[str, set[str]] = {}

    def follow(self, next_number: int) -> None:
        if next_number != self.next_number:
            self._ids = {}

    def of(self, source: str) -> set[str]:
        if source not in self._ids:
            imported = Ticket.objects.filter(workflow_id=self._workflow_id, source=source)
            self._ids[source] = set(imported.values_list("source_id", flat=True))
        return self._ids[source]


def _full_columns(workflow_id: str, board: Board, arriving: Counter[str]) -> Iterator[tuple[str, str]]:
    if not board.settings.enforce_wip_limits:
        return
    for status, count in arriving.items():
        limit = board.by_id[status].wip_limit
        there = Ticket.objects.filter(workflow_id=workflow_id, status=status).count()
        if limit is not None and there + count > limit:
            yield f"column {status}", f"holds {there} tickets and would get {count} more; its limit is {limit}"


def _item(mapper: Mapper, line: Line) -> Item:
    if line.fault:
        raise Invalid(line.fault)
    return mapper.item(line.data)
