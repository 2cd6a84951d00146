"""The rules of a board: one typed, immutable value, parsed from what people write.

``parse_board`` is the only way in; whatever it returns is consistent. The core asks these objects,
never JSON.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

Category = Literal["queue", "active", "final"]
CATEGORIES: tuple[Category, ...] = ("queue", "active", "final")
PRIORITIES: tuple[str, ...] = ("critical", "high", "medium", "low")
PRIORITY_RANK = {name: rank for rank, name in enumerate(PRIORITIES)}

_SLUG = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,49}$"
_HEX = re.compile(r"^#(?:[0-9a-f]{3}|[0-9a-f]{6})$")
# The CSS names that people write for a column; "#gray" in the design's example is one of them.
NAMED_COLORS = {
    "gray": "#6b7280", "grey": "#6b7280", "slate": "#64748b", "red": "#ef4444", "orange": "#f97316",
    "amber": "#f59e0b", "yellow": "#eab308", "green": "#10b981", "teal": "#14b8a6", "cyan": "#06b6d4",
    "blue": "#3b82f6", "indigo": "#6366f1", "violet": "#8b5cf6", "purple": "#8b5cf6", "pink": "#ec4899",
    "black": "#111827", "white": "#f9fafb", "brown": "#92400e",
}  # fmt: skip
DEFAULT_COLOR = NAMED_COLORS["gray"]
SETTING_NAMES: frozenset[str]


def parse_color(value: str) -> str:
    """A colour as ``#rrggbb`` or ``#rgb``; a name, or what is nearly one (``#gray``), becomes its colour.

    Raises ValueError where it is neither.
    """
    text = value.strip().lower()
    if _HEX.match(text):
        return text
    near = difflib.get_close_matches(text.lstrip("#")[:50], NAMED_COLORS, n=1)
    if near:
        return NAMED_COLORS[near[0]]
    raise ValueError(f"{value!r} is no colour. Use #rrggbb or one of: {', '.join(sorted(NAMED_COLORS))}.")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Column(_Frozen):
    """One column of the board, which is one status of its tickets."""

    id: str = Field(pattern=_SLUG)
    name: str = Field(min_length=1, max_length=100)
    order: int = Field(ge=0, le=10_000)
    color: str = DEFAULT_COLOR
    wip_limit: int | None = Field(default=None, ge=1, le=100_000)
    category: Category = "active"

    _color = field_validator("color")(parse_color)


class TicketType(_Frozen):
    """A kind of ticket that the board takes."""

    id: str = Field(pattern=_SLUG)
    name: str = Field(min_length=1, max_length=100)
    icon: str = Field(default="", max_length=16)
    color: str = DEFAULT_COLOR

    _color = field_validator("color")(parse_color)


class BoardSettings(_Frozen):
    """The switches of a board. Times in seconds."""

    auto_assign: bool = False
    require_comments_on_status_change: bool = False
    allow_reopen: bool = True
    track_time: bool = False
    resolve_on_final: bool = True
    enforce_wip_limits: bool = False
    ticket_human_review: bool = False
    approval_timeout_seconds: int = Field(default=1800, ge=1, le=31_536_000)


SETTING_NAMES = frozenset(BoardSettings.model_fields)


class Board(_Frozen):
    """A board's rules. Columns are sorted by ``order``; categories and defaults are filled in."""

    name: str = Field(min_length=1, max_length=200)
    columns: tuple[Column, ...] = Field(min_length=1, max_length=50)
    ticket_types: tuple[TicketType, ...] = Field(min_length=1, max_length=50)
    default_ticket_type: str
    initial_status: str
    resolved_status: str
    transitions: dict[str, tuple[str, ...]] | None = None
    settings: BoardSettings = BoardSettings()

    @field_validator("columns")
    @classmethod
    def _in_order(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        # After all else was read, so that a fault's place is the one in what was written.
        _refuse(_twice(columns))
        return tuple(sorted(columns, key=lambda column: column.order))

    @field_validator("ticket_types")
    @classmethod
    def _types_once(cls, kinds: tuple[TicketType, ...]) -> tuple[TicketType, ...]:
        _refuse(_twice(kinds))
        return kinds

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        return _with_defaults(data) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = [
            *_strange(("default_ticket_type",), self.default_ticket_type, self.types),
            *_strange(("initial_status",), self.initial_status, self.by_id),
            *_strange(("resolved_status",), self.resolved_status, self.by_id),
        ]
        if self.resolved_status in self.by_id and self.by_id[self.resolved_status].category != "final":
            faults.append((("resolved_status",), f"{self.resolved_status!r} is not a final column."))
        for origin, targets in (self.transitions or {}).items():
            faults += _strange(("transitions", origin), origin, self.by_id)
            for position, target in enumerate(targets):
                faults += _strange(("transitions", origin, position), target, self.by_id)
        _refuse(faults)
        return self

    @cached_property
    def by_id(self) -> dict[str, Column]:
        """Columns by id, in their order."""
        return {column.id: column for column in self.columns}

    @cached_property
    def types(self) -> dict[str, TicketType]:
        return {kind.id: kind for kind in self.ticket_types}

    @cached_property
    def position(self) -> dict[str, int]:
        """Column id → 0-based place on the board."""
        return {column.id: place for place, column in enumerate(self.columns)}

    def statuses(self, category: Category) -> list[str]:
        """Ids of the columns of one category, in order."""
        return [column.id for column in self.columns if column.category == category]

    def category(self, status: str) -> Category:
        return self.by_id[status].category

    def allowed_from(self, status: str) -> list[str]:
        """Where a ticket may go from here, in column order, without where it is."""
        others = [column.id for column in self.columns if column.id != status]
        if self.transitions is None:
            return others
        return [other for other in others if other in self.transitions.get(status, ())]

    def find_status(self, text: str) -> str | None:
        """The column meant by an id or a name, forgiving case, spaces, hyphens and underscores."""
        if text in self.by_id:
            return text
        wanted = _fold(text)
        for column in self.columns:
            if wanted in (_fold(column.id), _fold(column.name)):
                return column.id
        return None

    def as_json(self) -> dict[str, Any]:
        """The stored and exported form; ``parse_board`` reads it back unchanged."""
        return self.model_dump(mode="json")


def parse_board(data: Mapping[str, Any]) -> Board:
    """Validate a board as people write it. Raises pydantic's ValidationError."""
    return Board.model_validate(data)


def default_board(name: str = "Board") -> Board:
    """The design's first example: backlog, todo, in_progress, review, done."""
    return parse_board(
        {
            "name": name,
            "columns": [
                {"id": "backlog", "name": "Backlog", "order": 0, "color": "#9ca3af", "category": "queue"},
                {"id": "todo", "name": "To Do", "order": 1, "color": "#6b7280", "category": "queue"},
                {"id": "in_progress", "name": "In Progress", "order": 2, "color": "#3b82f6", "category": "active"},
                {"id": "review", "name": "Review", "order": 3, "color": "#f59e0b", "category": "active"},
                {"id": "done", "name": "Done", "order": 4, "color": "#10b981", "category": "final"},
            ],
            "ticket_types": [
                {"id": "bug", "name": "Bug", "icon": "🐛", "color": "#ef4444"},
                {"id": "feature", "name": "Feature", "icon": "✨", "color": "#3b82f6"},
                {"id": "improvement", "name": "Improvement", "icon": "📈", "color": "#10b981"},
                {"id": "task", "name": "Task", "icon": "📋", "color": "#6b7280"},
                {"id": "spike", "name": "Spike", "icon": "🔬", "color": "#8b5cf6"},
            ],
            "default_ticket_type": "task",
            "initial_status": "backlog",
        }
    )


def _with_defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    board = dict(data)
    board.setdefault("name", "Board")
    columns = board.get("columns")
    if isinstance(columns, (list, tuple)) and columns and all(isinstance(column, Mapping) for column in columns):
        board["columns"] = _with_categories([dict(column) for column in columns])
    kinds = board.get("ticket_types")
    if isinstance(kinds, (list, tuple)):
        # The design's table holds plain ids; its SDK holds objects.
        board["ticket_types"] = [
            {"id": kind, "name": kind.replace("_", " ").capitalize()} if isinstance(kind, str) else kind
            for kind in kinds
        ]
    # The design's table keeps the switches as columns of their own beside the rest.
    loose = {name: board.pop(name) for name in list(board) if name in SETTING_NAMES}
    named = board.get("settings")
    if loose and (named is None or isinstance(named, Mapping)):
        board["settings"] = {**loose, **(named or {})}
    if board.get("settings") is None:
        board.pop("settings", None)
    _default_choices(board)
    return board


def _with_categories(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for place, column in enumerate(columns):
        if column.get("order") is None:
            column["order"] = place
    if all(column.get("category") is None for column in columns):
        in_order = _sorted(columns)
        for place, column in enumerate(in_order):
            last = place == len(in_order) - 1
            column["category"] = "final" if last else "queue" if place == 0 else "active"
    for column in columns:
        if column.get("category") is None:
            column["category"] = "active"
        if column.get("color") is None:
            column.pop("color", None)
    return columns


def _sorted(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if all(isinstance(column["order"], int) for column in columns):
        return sorted(columns, key=lambda column: column["order"])
    return columns


def _default_choices(board: dict[str, Any]) -> None:
    columns, kinds = board.get("columns"), board.get("ticket_types")
    if isinstance(columns, list) and columns and all(isinstance(column, dict) for column in columns):
        in_order = _sorted(columns)
        if board.get("initial_status") is None:
            board["initial_status"] = in_order[0].get("id")
        if board.get("resolved_status") is None:
            finals = [column.get("id") for column in in_order if column.get("category") == "final"]
            if not finals:
                _refuse([(("columns",), "A board needs at least one column of category 'final'.")])
            board["resolved_status"] = finals[0]
    if board.get("default_ticket_type") is None and isinstance(kinds, list) and kinds:
        ids = [kind.get("id") for kind in kinds if isinstance(kind, Mapping)]
        board["default_ticket_type"] = "task" if "task" in ids else (ids[0] if ids else None)


def _fold(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text).casefold()


# Where a fault is, and what it is.
_Fault = tuple[tuple[str | int, ...], str]


def _twice(items: Iterable[Column | TicketType]) -> list[_Fault]:
    seen: set[str] = set()
    faults: list[_Fault] = []
    for place, item in enumerate(items):
        if item.id in seen:
            faults.append(((place, "id"), f"The id {item.id!r} stands twice."))
        seen.add(item.id)
    return faults


def _strange(place: tuple[str | int, ...], value: str, known: Mapping[str, object]) -> list[_Fault]:
    return [] if value in known else [(place, f"{value!r} is not one of: {', '.join(known)}.")]


def _refuse(faults: list[_Fault]) -> None:
    """Raise ValidationError with each fault at its place; nothing where there is none."""
    if faults:
        errors = [
            InitErrorDetails(
                type=PydanticCustomError("value_error", "{message}", {"message": message}), loc=place, input=None
            )
            for place, message in faults
        ]
        raise ValidationError.from_exception_data("Board", errors)
