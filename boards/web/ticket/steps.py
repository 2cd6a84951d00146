"""A step in what happened to a ticket, in words: a row of history, or a comment."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.utils.safestring import SafeString

from boards.web import look
from boards.web.board.heat import FIELD_WORDS
from tickets.errors import NotFound
from tickets.models import Ticket, TicketComment, TicketHistory
from tickets.rules import Board, Column

VALUE_SHOWN = 80
# Lines of a text in a comparison; longer texts are compared so far.
MAX_LINES = 4000
NOTHING: Mapping[str, str] = MappingProxyType({})
ASSIGNED = "assigned_agent_id"
# Fields that hold ids of tickets.
TIES = ("blocked_by_ticket_ids", "parent_ticket_id", "related_ticket_ids")
KEYS_SHOWN = 8

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
