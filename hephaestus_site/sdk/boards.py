"""Board configurations as a program writes them, checked by the rules that the server checks them by."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tickets.rules import Category, parse_board


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ColumnConfig(_Config):
    """A column, which is a status. ``order`` defaults to its place in the list.

    Where no column names a ``category``, the first is queue, the last final, the others active.
    """

    id: str
    name: str
    order: int | None = None
    color: str | None = None
    wip_limit: int | None = None
    category: Category | None = None


class TicketTypeConfig(_Config):
    """A kind of ticket."""

    id: str
    name: str
    icon: str = ""
    color: str | None = None


class TicketBoardConfig(_Config):
    """A board. ``settings`` are those of ``BoardSettings``: auto_assign, allow_reopen, track_time and so on.

    Raises pydantic's ValidationError, a ValueError, with the place of the fault.
    """

    name: str = "Board"
    columns: list[ColumnConfig]
    ticket_types: list[TicketTypeConfig]
    initial_status: str | None = None
    default_ticket_type: str | None = None
    resolved_status: str | None = None
    transitions: dict[str, list[str]] | None = None
    settings: dict[str, bool | int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        parse_board(self.as_json())
        return self

    def as_json(self) -> dict[str, Any]:
        """What the server takes."""
        return self.model_dump(mode="json", exclude_none=True)
