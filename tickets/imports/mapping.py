"""What a line of an import file means as a ticket of a certain board."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from tickets.errors import DomainError, Invalid
from tickets.imports.reading import TITLE_COLUMNS
from tickets.rules import PRIORITIES, Board
from tickets.schemas.base import check_text, parse
from tickets.schemas.tickets import DESCRIPTION_MAX, MAX_TAGS, CreateTicketFields

TITLE_MIN, TITLE_MAX, TAG_MAX = 3, 500, 50
SOURCE_MAX, SOURCE_ID_MAX = 50, 300
# By any of these names a line may give the field; the first that is there counts.
NAMES = {
    "id": ("id", "source_id", "ticket_id", "number", "key"),
    "title": TITLE_COLUMNS,
    "description": ("description", "body", "text", "details"),
    "type": ("ticket_type", "type", "issue_type", "kind"),
    "label": ("label",),
    "labels": ("labels",),
    "tags": ("tags",),
    "repo": ("repo", "repository", "repository_url"),
    "priority": ("priority",),
    "status": ("status", "state"),
    "assignee": ("assigned_agent_id", "assignee", "assigned_to"),
    "created_at": ("created_at", "created"),
    "story_points": ("story_points",),
    "estimate_minutes": ("estimate_minutes",),
}
PRIORITY_WORDS = {
    "urgent": "critical", "blocker": "critical", "highest": "critical", "p0": "critical",
    "major": "high", "important": "high", "p1": "high",
    "normal": "medium", "default": "medium", "p2": "medium",
    "minor": "low", "trivial": "low", "lowest": "low", "p3": "low", "p4": "low",
}  # fmt: skip
OPEN_WORDS, CLOSED_WORDS = {"open", "new", "reopened"}, {"closed", "resolved", "fixed", "done", "completed"}
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class ImportedFields(CreateTicketFields):
    """A new ticket's fields, except that a description may be as short as it was."""

    description: Annotated[str, Field(max_length=DESCRIPTION_MAX)]


@dataclass
class Item:
    """A line as a ticket. ``notes`` say what of the line could not be kept as it was."""

    source: str
    source_id: str
    fields: ImportedFields
    created_at: datetime | None = None
    notes: list[str] = field(default_factory=list)


class Mapper:
    """Reads lines for one board.

    ``is_member`` says whether tickets may be given to an agent; ``reviewed`` tickets wait for a person first,
    so none of them can be closed already.
    """

    def __init__(
        self,
        board: Board,
        *,
        source: str,
        by_repository: bool,
        reviewed: bool,
        is_member: Callable[[str], bool],
        now: datetime,
    ) -> None:
        self._board = board
        self._types = {alias.casefold(): kind.id for kind in board.ticket_types for alias in (kind.name, kind.id)}
        self._source = source
        self._by_repository = by_repository
        self._reviewed = reviewed
        self._is_member = is_member
        self._now = now

    def item(self, data: dict[str, Any]) -> Item:
        """Raises DomainError where the line cannot be a ticket."""
        given = {name: _first(data, aliases) for name, aliases in NAMES.items()}
        notes: list[str] = []
        repository = _repository(given["repo"])
        source_id = _source_id(given["id"], data)
        kind, labels = self._type(given)
        fields = {
            "title": _title(given["title"], source_id, notes),
            "description": _description(given["description"], notes),
            "ticket_type": kind,
            "tags": _tags([repository, *labels, *_words(given["tags"])], notes),
            "priority": _priority(given["priority"], notes),
            "initial_status": self._status(given["status"], notes),
            "assigned_agent_id": self._assignee(given["assignee"], notes),
            "story_points": _number(given["story_points"], "story_points", notes),
            "estimate_minutes": _number(given["estimate_minutes"], "estimate_minutes", notes),
        }
        return Item(
            source=self._source_of(repository),
            source_id=source_id,
            # The absent stay absent, so that the board's defaults apply.
            fields=parse(ImportedFields, {name: value for name, value in fields.items() if value is not None}),
            created_at=self._created_at(given["created_at"], notes),
            notes=notes,
        )

    def _source_of(self, repository: str) -> str:
        if self._by_repository and repository:
            return shortened(f"{self._source}:{repository}", SOURCE_MAX)
        return self._source

    def _type(self, given: dict[str, Any]) -> tuple[str, list[str]]:
        """The type, and the labels that are none: they become tags."""
        labels = [*_words(given["type"], split=False), *_words(given["label"], split=False), *_words(given["labels"])]
        known = [kind for label in labels if (kind := self._types.get(label.casefold()))]
        kind = known[0] if known else self._board.default_ticket_type
        return kind, [label for label in labels if self._types.get(label.casefold()) != kind]

    def _status(self, value: Any, notes: list[str]) -> str:
        text = _word(value)
        status = self._board.find_status(text) if text else self._board.initial_status
        if status is None and text.casefold() in CLOSED_WORDS:
            status = self._board.resolved_status
        if status is None and text.casefold() not in OPEN_WORDS:
            notes.append(f"the board has no status {text[:60]!r}: put into {self._board.initial_status!r}")
        status = status or self._board.initial_status
        if self._reviewed and self._board.category(status) == "final":
            notes.append(f"waits for review first: put into {self._board.initial_status!r} instead of {status!r}")
            return self._board.initial_status
        return status

    def _assignee(self, value: Any, notes: list[str]) -> str | None:
        agent_id = _word(value)
        if not agent_id:
            return None
        if self._is_member(agent_id):
            return agent_id
        notes.append(f"{agent_id[:60]!r} is no member of the workflow: assigned to nobody")
        return None

    def _created_at(self, value: Any, notes: list[str]) -> datetime | None:
        if value is None:
            return None
        try:
            when = datetime.fromisoformat(str(value).strip())
            when = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            when = None
        if when is None or not EARLIEST <= when <= self._now:
            notes.append(f"created_at {str(value)[:60]!r} is no time of the past in ISO 8601: created now")
            return None
        return when


def shortened(text: str, limit: int) -> str:
    """The text, or its beginning and a hash of the whole where it is too long to be kept."""
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{text[: limit - 17]}~{digest}"


def _first(data: dict[str, Any], names: Iterable[str]) -> Any:
    return next((data[name] for name in names if data.get(name) not in (None, "", [], {})), None)


def _word(value: Any) -> str:
    """A value that is a word, or an object that carries one, as GitHub's labels and people do."""
    if isinstance(value, list):
        return _word(value[0]) if value else ""
    if isinstance(value, dict):
        return _word(_first(value, ("nameWithOwner", "full_name", "login", "name", "id")))
    return "" if value is None or isinstance(value, bool) else str(value).strip()


def _words(value: Any, *, split: bool = True) -> list[str]:
    """A list of words, also from one text with commas or semicolons, or with JSON in it as in a CSV cell."""
    if isinstance(value, str) and split:
        if value.lstrip().startswith("["):
            try:
                return _words(json.loads(value))
            except (ValueError, RecursionError):
                pass
        value = value.replace(";", ",").split(",")
    values = value if isinstance(value, list) else [value]
    return [word for word in map(_word, values) if word]


def _repository(value: Any) -> str:
    return _word(value).removeprefix("https://api.github.com/repos/").removeprefix("https://github.com/")


def _source_id(value: Any, data: dict[str, Any]) -> str:
    """The line's own id; without one, a hash of its content, so that the same line is the same ticket."""
    own = _word(value)
    if own:
        check_text(own, "id")
        return shortened(own, SOURCE_ID_MAX)
    content = json.dumps(data, sort_keys=True, ensure_ascii=True, default=str)
    return "sha256:" + hashlib.sha256(content.encode("ascii")).hexdigest()


def _title(value: Any, source_id: str, notes: list[str]) -> str:
    if value is None:
        raise Invalid("title is required.", field="title")
    if not isinstance(value, str):
        raise Invalid("title must be text.", field="title")
    title = " ".join(value.split())
    if not title:
        raise Invalid("title is required.", field="title")
    if len(title) > TITLE_MAX:
        notes.append(f"the title of {len(title):,} characters was cut to {TITLE_MAX}")
        title = title[: TITLE_MAX - 1].rstrip() + "…"
    if len(title) < TITLE_MIN:
        # A title of one character exists in the wild; its id makes it long enough to be found again.
        title = f"{title} ({source_id[:40]})"
    return title


def _description(value: Any, notes: list[str]) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    text = text.replace("\r\n", "\n")
    if len(text) <= DESCRIPTION_MAX:
        return text
    notes.append(f"the description of {len(text):,} characters was cut to {DESCRIPTION_MAX:,}")
    mark = f"\n\n*[Cut when it was imported: the original has {len(text):,} characters.]*"
    return text[: DESCRIPTION_MAX - len(mark)] + mark


def _tags(words: list[str], notes: list[str]) -> list[str]:
    tags: dict[str, str] = {}
    for word in words:
        tag = " ".join(word.split())
        if len(tag) > TAG_MAX:
            notes.append(f"the tag {tag[:20]!r}… of {len(tag)} characters was cut to {TAG_MAX}")
            tag = tag[:TAG_MAX].rstrip()
        if tag:
            tags.setdefault(tag.casefold(), tag)
    if len(tags) > MAX_TAGS:
        notes.append(f"{len(tags) - MAX_TAGS} of {len(tags)} tags were left out: {MAX_TAGS} is the most")
    return list(tags.values())[:MAX_TAGS]


def _priority(value: Any, notes: list[str]) -> str | None:
    text = _word(value).casefold()
    if not text or text in PRIORITIES:
        return text or None
    if text not in PRIORITY_WORDS:
        notes.append(f"the priority {text[:60]!r} is none of {', '.join(PRIORITIES)}: medium")
    return PRIORITY_WORDS.get(text, "medium")


def _number(value: Any, name: str, notes: list[str]) -> int | None:
    if value is None:
        return None
    try:
        number = int(str(value).strip())
        parse(CreateTicketFields, {"title": "…" * 3, "description": "…" * 10, name: number})
    except (ValueError, DomainError):
        notes.append(f"{name} {str(value)[:60]!r} is no number that fits: left out")
        return None
    return number
