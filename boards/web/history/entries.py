"""What the audit says of each change: a sentence, where it leads, what it was before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from urllib.parse import urlencode

from django.utils import timezone

from boards.models import BoardRevision
from boards.selectors.audit import Position, Row
from boards.web.history.board import board_changes
from boards.web.history.workflow import workflow_change
from boards.web.ticket.steps import Entry, short, step, tied_keys
from gitlinks.models import TicketCommit
from tickets.models import Agent, Ticket, TicketComment, TicketHistory, Workflow, WorkflowHistory
from tickets.rules import Board, Column, parse_board
from tickets.schemas.base import utc_text

COMMENTS = ("commented", "comment_edited", "comment_deleted")
MAX_REVISIONS = 200


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change as the page shows it. ``can_compare``: there is more of it than the line says.

    ``details``: what it consists of. ``subject``: whose membership or token changed, with ``rest`` behind the name.
    ``page``: the path and the name of the one that shows what changed, where that is no ticket.
    """

    workflow_id: str
    step: Entry
    position: Position
    agent: Agent
    via: Agent | None
    ticket: Ticket | None = None
    can_compare: bool = False
    details: tuple[str, ...] = ()
    subject: Agent | None = None
    rest: str = ""
    page: tuple[str, str] = ("", "")

    @property
    def id(self) -> str:
        return self.step.id

    @property
    def at(self) -> datetime:
        return self.step.at

    @property
    def day(self) -> date:
        """In the zone of whoever looks."""
        return timezone.localtime(self.at).date()

    @property
    def page_address(self) -> str:
        narrowed = {"q": self.subject.id} if self.subject is not None else {}
        return f"{self.page[0]}?" + urlencode({"workflow": self.workflow_id, **narrowed})

    @property
    def address(self) -> str:
        """Of the board right after the change."""
        return "/board-at?" + urlencode({"workflow": self.workflow_id, "at": utc_text(self.at)})


class Words:
    """Puts changes of one workflow into words, columns by the names of ``board``. Five queries a page at most."""

    def __init__(self, workflow: Workflow, board: Board) -> None:
        self.workflow = workflow
        self.board = _with_other_columns(workflow, board)

    def entries(self, rows: Sequence[Row]) -> list[AuditEntry]:
        """In the order of the rows."""
        history = [row for row in rows if isinstance(row, TicketHistory)]
        keys = tied_keys(history)
        messages = _messages(history)
        comments = _comments(history)
        earlier = self._earlier([row for row in rows if isinstance(row, BoardRevision)])

        def entry(row: Row) -> AuditEntry:
            if isinstance(row, TicketHistory):
                return self._told(row, keys, messages, comments)
            if isinstance(row, WorkflowHistory):
                return self._around(row)
            return self._changed(row, earlier.get(row.version - 1))

        return [entry(row) for row in rows]

    def _told(
        self,
        row: TicketHistory,
        keys: Mapping[str, str],
        messages: Mapping[tuple[str, str], str],
        comments: Mapping[str, str],
    ) -> AuditEntry:
        said = {sha: text for (ticket_id, sha), text in messages.items() if ticket_id == row.ticket_id}
        told = _plain(step(self.board, row, said, keys), row, comments)
        return AuditEntry(
            workflow_id=row.workflow_id,
            step=told,
            position=Position.of(row),
            agent=row.agent,
            via=row.via_agent,
            ticket=row.ticket,
            can_compare=told.is_text,
        )

    def _around(self, row: WorkflowHistory) -> AuditEntry:
        said = workflow_change(row)
        told = Entry(f"w{row.pk}", row.changed_at, row.agent, said.icon, said.phrase, said.value, said.was)
        return AuditEntry(
            workflow_id=self.workflow.id,
            step=told,
            position=Position.of(row),
            agent=row.agent,
            via=row.via_agent,
            details=said.details,
            subject=row.subject_agent,
            rest=said.rest,
            page=("/agents", row.subject_agent.id) if row.subject_agent is not None else ("/tickets", "The workflow"),
        )

    def _changed(self, row: BoardRevision, before: BoardRevision | None) -> AuditEntry:
        if before is not None:
            found = board_changes(parse_board(before.board), parse_board(row.board), row.moved_tickets)
            phrase, details = "changed the board", tuple(found)
        else:
            phrase = "created the board" if row.version == 1 else "changed the board; what it was before is not kept"
            details = ()
        told = Entry(f"b{row.pk}", row.changed_at, row.agent, "board", phrase)
        return AuditEntry(
            workflow_id=row.workflow_id,
            step=told,
            position=Position.of(row),
            agent=row.agent,
            via=row.via_agent,
            details=details,
            page=("/board-settings", "The board"),
        )

    def _earlier(self, rows: Iterable[BoardRevision]) -> dict[int, BoardRevision]:
        versions = [row.version - 1 for row in rows]
        if not versions:
            return {}
        found = BoardRevision.objects.filter(workflow=self.workflow, version__in=versions)
        return {row.version: row for row in found}


def _with_other_columns(workflow: Workflow, board: Board) -> Board:
    """The board with the columns that it has at other times, for the words of its past. One query."""
    revisions = BoardRevision.objects.filter(workflow=workflow).order_by("-version")
    others: dict[str, Column] = {}
    for kept in revisions.values_list("board", flat=True)[:MAX_REVISIONS]:
        for column in parse_board(kept).columns:
            if column.id not in board.by_id:
                others.setdefault(column.id, column)
    # Not validated: two columns may bear one place, and nothing moves into these.
    return Board.model_construct(**{**dict(board), "columns": (*board.columns, *others.values())}) if others else board


def _plain(told: Entry, row: TicketHistory, comments: Mapping[str, str]) -> Entry:
    """What the timeline of a ticket says otherwise, or shows by its comments."""
    change, metadata = row.change_type, row.metadata
    if change in COMMENTS:
        phrase = {"commented": "commented", "comment_edited": "edited a comment"}.get(change, "deleted a comment")
        text = comments.get(row.new_value or "")
        return replace(told, icon="comment", phrase=phrase, value=short(text))
    if change == "field_updated" and row.field_name == "rank":
        return replace(told, icon="sort", phrase="moved it within its column", value="", was="")
    if change == "created":
        source = row.ticket.source
        return replace(told, icon="plus", phrase="imported it from" if source else "created it", value=source)
    if change == "released" and row.old_value != row.agent_id:
        ran_out = metadata.get("reason") == "expired"
        phrase = "closed the lapsed lease of" if ran_out else "ended the lease of"
        return replace(told, phrase=phrase, value=row.old_value or "")
    if change == "status_changed" and metadata.get("board_changed"):
        return replace(told, phrase="carried it over, with a change of the board,")
    if change in ("approved", "rejected") and row.change_description:
        return replace(told, value=short(row.change_description))
    if change == "field_updated" and not (told.value or told.was or told.is_text):
        return replace(told, phrase=f"emptied {told.phrase.removeprefix('changed ')}")
    return told


def _messages(rows: Iterable[TicketHistory]) -> dict[tuple[str, str], str]:
    """(Ticket, sha) → the first line of what the commit says."""
    linked = [row for row in rows if row.change_type == "commit_linked"]
    if not linked:
        return {}
    found = TicketCommit.objects.filter(
        ticket__in={row.ticket_id for row in linked}, commit_sha__in={row.new_value for row in linked}
    )
    texts = found.values_list("ticket_id", "commit_sha", "commit_message")
    return {(ticket_id, sha): text.partition("\n")[0] for ticket_id, sha, text in texts}


def _comments(rows: Iterable[TicketHistory]) -> dict[str, str]:
    """Comment → what it says now, in one line; what was deleted is nowhere any more."""
    ids = [row.new_value for row in rows if row.change_type in COMMENTS and row.new_value]
    if not ids:
        return {}
    found = TicketComment.objects.filter(pk__in=ids).values_list("pk", "comment_text", "deleted_at")
    return {
        id_: " ".join(text[:1000].split()) if deleted is None else "(deleted since)" for id_, text, deleted in found
    }
