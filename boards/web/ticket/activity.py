"""What happened to a ticket: comments with their replies, and history, in the order of time, a page at a time."""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from boards.web import look, markdown
from boards.web.board.heat import FIELD_WORDS
from gitlinks.models import TicketCommit
from tickets.errors import Invalid, NotFound
from tickets.models import CommentReaction, Ticket, TicketComment, TicketHistory
from tickets.rules import Board, Column

PAGE = 40
EVERYTHING = 2000
MAX_REPLIES = 500
# Above every id of a history row.
NEWEST_OF_ALL = 10**17
VALUE_SHOWN = 80
# Lines of a text in a comparison; longer texts are compared so far.
MAX_LINES = 4000
NO_TEXT = SafeString("")
NOTHING: Mapping[str, str] = MappingProxyType({})
ASSIGNED = "assigned_agent_id"
# Fields that hold ids of tickets.
TIES = ("blocked_by_ticket_ids", "parent_ticket_id", "related_ticket_ids")
KEYS_SHOWN = 8

Show = Literal["all", "comments", "history"]
SHOWS: tuple[Show, ...] = ("all", "comments", "history")

PHRASES = {
    "created": ("plus", "created the ticket"),
    "resolved": ("check", "resolved it"),
    "reopened": ("undo", "reopened it"),
    "claimed": ("key", "claimed it"),
    "released": ("key", "released it"),
    "approved": ("approve", "approved it"),
    "rejected": ("ban", "rejected it"),
    "expired": ("clock", "its approval ran out"),
    "commit_linked": ("commit", "linked a commit"),
    "comment_edited": ("edit", "edited a comment"),
    "comment_deleted": ("x", "deleted a comment"),
    "unassigned": ("user", "unassigned it"),
}


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji under a comment. ``mine``: the person who looks gave it too."""

    emoji: str
    count: int
    mine: bool
    names: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment with its replies. ``to`` is who it replies to, where that is not the comment it stands under."""

    comment: TicketComment
    html: SafeString
    is_own: bool
    reactions: list[Reaction]
    replies: list[Remark]
    to: str = ""

    @property
    def is_deleted(self) -> bool:
        return self.comment.deleted_at is not None


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the timeline: a comment, or what happened. ``field`` is the one that changed, if it is one.

    ``is_text``: there is more of it than the line says, and before and after can be compared.
    """

    id: str
    at: datetime
    agent: Any
    icon: str = ""
    phrase: str = ""
    value: str = ""
    was: str = ""
    sha: str = ""
    origin: Column | None = None
    target: Column | None = None
    history_id: int | None = None
    field: str = ""
    is_text: bool = False
    remark: Remark | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: after these, going back in time. Written as ``history~time~comment``."""

    history_id: int
    comment_at: datetime
    comment_id: str

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises Invalid."""
        history_id, _, rest = text.partition("~")
        at, _, comment_id = rest.partition("~")
        try:
            moment = parse_datetime(at)
        except ValueError:
            moment = None
        if not (history_id.isascii() and history_id.isdigit() and len(history_id) < 19 and moment and moment.tzinfo):
            raise Invalid("The cursor cannot be read. Take it from the page before.", field="before")
        return cls(int(history_id), moment, comment_id)

    def __str__(self) -> str:
        return f"{self.history_id}~{self.comment_at.isoformat()}~{self.comment_id}"


@dataclass
class Activity:
    """A page of a ticket's timeline. At most seven queries, however much there is. ``names``: of members, by id."""

    ticket: Ticket
    board: Board
    me: str
    names: Mapping[str, str]
    show: Show = "all"
    before: Cursor | None = None
    limit: int = PAGE

    @cached_property
    def entries(self) -> list[Entry]:
        """Oldest first."""
        return sorted([*self._shown[0], *self._threads], key=lambda entry: (entry.at, entry.id))

    @cached_property
    def next_cursor(self) -> str | None:
        """Where what is older begins; None where nothing is."""
        steps, roots, has_more = self._shown
        if not has_more:
            return None
        before = self.before
        last_step = min((step.history_id for step in steps if step.history_id is not None), default=None)
        history_id = last_step if last_step is not None else before.history_id if before else NEWEST_OF_ALL
        if roots:
            return str(Cursor(history_id, roots[-1].created_at, roots[-1].id))
        if before is not None:
            return str(Cursor(history_id, before.comment_at, before.comment_id))
        # No comment was among the newest: what comes next is older than the last step.
        return str(Cursor(history_id, steps[-1].at, "~"))

    @cached_property
    def _shown(self) -> tuple[list[Entry], list[TicketComment], bool]:
        """Steps and first comments of threads, newest first, no more than fit; and whether there are older ones."""
        rows = list(self._history()[: self.limit + 1]) if self.show != "comments" else []
        roots = list(self._roots()[: self.limit + 1]) if self.show != "history" else []
        times = sorted([row.changed_at for row in rows] + [root.created_at for root in roots], reverse=True)
        if len(times) > self.limit:
            oldest = times[self.limit - 1]
            rows = [row for row in rows if row.changed_at >= oldest][: self.limit]
            roots = [root for root in roots if root.created_at >= oldest][: self.limit]
        messages = self._messages(row.new_value for row in rows if row.change_type == "commit_linked")
        keys = tied_keys(rows)
        steps = [step(self.board, row, messages, keys, self.names) for row in _said_once(rows)]
        return steps, roots, len(times) > self.limit

    @cached_property
    def _threads(self) -> list[Entry]:
        if self.show == "history":
            return []
        steps, roots, has_more = self._shown
        shown = {root.id: root for root in roots}
        replies = self._replies()
        if self.before is None and has_more:
            # An old comment with a new reply is shown in its old place.
            oldest = min([step.at for step in steps] + [root.created_at for root in roots], default=None)
            late = {
                root_id
                for root_id, answers in replies.items()
                if root_id not in shown and oldest and answers[-1].created_at >= oldest
            }
            shown |= {comment.id: comment for comment in self._comments().filter(pk__in=late)} if late else {}
        everyone = [*shown.values(), *(reply for root_id in shown for reply in replies.get(root_id, ()))]
        reactions = self._reactions([comment.id for comment in everyone])
        authors = {comment.id: comment.agent.name for comment in everyone}

        def remark(comment: TicketComment, answers: Iterable[TicketComment] = ()) -> Remark:
            parent_id = comment.parent_id
            return Remark(
                comment,
                markdown.render(comment.comment_text, self.names, self.ticket.key.rpartition("-")[0])
                if comment.deleted_at is None
                else NO_TEXT,
                comment.agent_id == self.me,
                reactions.get(comment.id, []),
                [remark(answer) for answer in answers],
                authors.get(parent_id, "") if parent_id and parent_id not in shown else "",
            )

        return [
            Entry(root.id, root.created_at, root.agent, remark=remark(root, replies.get(root.id, ())))
            for root in shown.values()
        ]

    def _messages(self, shas: Iterable[str | None]) -> dict[str, str]:
        """Sha → the first line of what the commit says. One query; none for no commits."""
        wanted = [sha for sha in shas if sha]
        if not wanted:
            return {}
        rows = TicketCommit.objects.filter(ticket=self.ticket, commit_sha__in=wanted)
        return {sha: text.partition("\n")[0] for sha, text in rows.values_list("commit_sha", "commit_message")}

    def _history(self) -> QuerySet[TicketHistory]:
        # What another row says already: the rank of a card, and what a comment's own entry shows.
        silent = Q(change_type="commented") | Q(change_type="field_updated", field_name__in=("rank", "is_resolved"))
        rows = TicketHistory.objects.filter(ticket=self.ticket).exclude(silent).select_related("agent")
        if self.before is not None:
            rows = rows.filter(id__lt=self.before.history_id)
        return rows.order_by("-id")

    def _comments(self) -> QuerySet[TicketComment]:
        return TicketComment.objects.filter(ticket=self.ticket).select_related("agent")

    def _roots(self) -> QuerySet[TicketComment]:
        rows = self._comments().filter(parent=None)
        if self.before is not None:
            at, last = self.before.comment_at, self.before.comment_id
            rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=last))
        return rows.order_by("-created_at", "-id")

    def _replies(self) -> dict[str, list[TicketComment]]:
        """First comment of a thread → its replies, oldest first, those to replies among them."""
        rows = list(self._comments().exclude(parent=None).order_by("-created_at", "-id")[:MAX_REPLIES])
        parents = {row.id: row.parent_id or "" for row in rows}
        threads: defaultdict[str, list[TicketComment]] = defaultdict(list)
        for row in reversed(rows):
            root = row.parent_id or ""
            while root in parents:
                root = parents[root]
            threads[root].append(row)
        return threads

    def _reactions(self, comment_ids: list[str]) -> dict[str, list[Reaction]]:
        if not comment_ids:
            return {}
        found: dict[str, dict[str, list[tuple[str, str]]]] = {}
        rows = CommentReaction.objects.filter(comment_id__in=comment_ids).order_by("id")
        for comment_id, emoji, agent_id, name in rows.values_list("comment_id", "emoji", "agent_id", "agent__name"):
            found.setdefault(comment_id, {}).setdefault(emoji, []).append((agent_id, name))
        return {
            comment_id: [
                Reaction(emoji, len(who), any(id_ == self.me for id_, _ in who), ", ".join(name for _, name in who))
                for emoji, who in given.items()
            ]
            for comment_id, given in found.items()
        }


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a comparison. ``sign``: "+", "-", " ", or "…" where lines were left out."""

    sign: str
    text: str


def compared(ticket: Ticket, history_id: int) -> list[Line]:
    """A changed text before and after, line by line. One query. Raises NotFound."""
    row = TicketHistory.objects.filter(ticket=ticket, pk=history_id, change_type="field_updated").first()
    if row is None:
        raise NotFound(f"{ticket.key} has no such change.")
    before, after = ((value or "").splitlines()[:MAX_LINES] for value in (row.old_value, row.new_value))
    return list(_lines(difflib.unified_diff(before, after, lineterm="", n=2)))


def _lines(diff: Iterator[str]) -> Iterator[Line]:
    for number, line in enumerate(diff):
        if number < 2:
            continue  # the names of files, which it has none of
        if line.startswith("@@"):
            if number > 2:
                yield Line("…", "")
        else:
            yield Line(line[:1], line[1:])


def _said_once(rows: Iterable[TicketHistory]) -> Iterator[TicketHistory]:
    """Without the reason of a block where the block itself, of the same moment, tells it."""
    found = list(rows)
    blocks = {row.changed_at for row in found if row.change_type in ("blocked", "unblocked")}
    return (row for row in found if row.field_name != "blocked_reason" or row.changed_at not in blocks)


def step(
    board: Board,
    row: TicketHistory,
    messages: Mapping[str, str],
    keys: Mapping[str, str] = NOTHING,
    names: Mapping[str, str] = NOTHING,
) -> Entry:
    """One row of history in words.

    ``messages``: of commits by their sha; ``keys``: of tickets, ``names``: of agents, by their ids. What is not among
    them, and a column that ``board`` lacks, is named by its id.
    """
    if row.field_name in TIES:
        return _tie(row, keys)
    key, at, agent = f"h{row.id}", row.changed_at, row.agent
    if row.change_type == "status_changed":
        origin, target = board.by_id.get(row.old_value or ""), board.by_id.get(row.new_value or "")
        if target is None:
            value = short(row.new_value)
            return Entry(key, at, agent, "arrow", "moved it to", value, history_id=row.id, field="status")
        return Entry(
            key, at, agent, "arrow", "moved it", origin=origin, target=target, history_id=row.id, field="status"
        )
    if row.change_type == "assigned":
        name = names.get(row.new_value or "") or row.new_value
        return Entry(key, at, agent, "user", "assigned it to", short(name), history_id=row.id, field=ASSIGNED)
    if row.change_type in ("blocked", "unblocked"):
        text = row.change_description
        phrase = f"{row.change_type} it" + (":" if text else "")
        return Entry(key, at, agent, "lock", phrase, text, history_id=row.id)
    if row.change_type == "field_updated":
        return _field_step(board, row)
    icon, phrase = PHRASES.get(row.change_type, ("edit", row.change_type.replace("_", " ")))
    sha = row.new_value or "" if row.change_type == "commit_linked" else ""
    field = ASSIGNED if row.change_type == "unassigned" else ""
    return Entry(key, at, agent, icon, phrase, short(messages.get(sha)), sha=sha, history_id=row.id, field=field)


def _field_step(board: Board, row: TicketHistory) -> Entry:
    name = row.field_name or "it"
    phrase = f"changed the {FIELD_WORDS.get(name, name.replace('_', ' '))}"
    is_text = name == "description" or max(len(row.old_value or ""), len(row.new_value or "")) > VALUE_SHOWN
    value, was = (
        ("", "") if name == "description" else (_said(board, name, row.new_value), _said(board, name, row.old_value))
    )
    return Entry(
        f"h{row.id}",
        row.changed_at,
        row.agent,
        "edit",
        phrase,
        value,
        was,
        history_id=row.id,
        field=name,
        is_text=is_text,
    )


def _said(board: Board, field: str, value: str | None) -> str:
    """A stored value as the ticket itself shows it."""
    if field == "estimate_minutes" and value and value.isdigit():
        return look.duration(int(value))
    if field == "ticket_type" and value in board.types:
        return board.types[value].name
    return short(value)


def tied_keys(rows: Iterable[TicketHistory]) -> dict[str, str]:
    """Id → key of the tickets that the rows name. One query; none where they name none."""
    tied = [row for row in rows if row.field_name in TIES]
    ids = {id_ for row in tied for value in (row.old_value, row.new_value) for id_ in _ids(value, row.field_name)}
    return dict(Ticket.objects.filter(pk__in=ids).values_list("pk", "key")) if ids else {}


def _tie(row: TicketHistory, keys: Mapping[str, str]) -> Entry:
    """A change of what a ticket waits for, belongs to or is related to: the keys that came or went."""
    old, new = (_ids(value, row.field_name) for value in (row.old_value, row.new_value))
    came, went = [id_ for id_ in new if id_ not in old], [id_ for id_ in old if id_ not in new]
    named = ", ".join(keys.get(id_, id_) for id_ in (came or went)[:KEYS_SHOWN])
    field = row.field_name or ""
    if field == "blocked_by_ticket_ids":
        phrase, icon = ("made it wait for" if came else "freed it from", "lock")
        named += f" ({row.change_description})" if row.change_description else ""
    elif field == "parent_ticket_id":
        phrase, icon = ("made it part of" if came else "took it out of", "blocks")
    else:
        phrase, icon = ("related it to" if came else "no longer relates it to", "link")
    return Entry(f"h{row.id}", row.changed_at, row.agent, icon, phrase, named, history_id=row.id, field=field)


def _ids(value: str | None, field: str | None) -> list[str]:
    """The ids of tickets in a value; those that a cut value holds whole."""
    if not value:
        return []
    if field == "parent_ticket_id":
        return [value]
    try:
        found: Any = json.loads(value)
    except ValueError:
        found = value.strip("[").split(",")[:-1]
    return [str(id_).strip(' "') for id_ in found]


def short(value: str | None) -> str:
    """A stored value as people read it: lists with commas, nothing as nothing, no longer than a line."""
    if value is None:
        return ""
    text = value
    if value[:1] in "[{":
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if isinstance(parsed, Iterable) and not isinstance(parsed, dict):
            text = ", ".join(str(item) for item in parsed)
    return text if len(text) <= VALUE_SHOWN else text[: VALUE_SHOWN - 1] + "…"
