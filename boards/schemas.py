"""Requests and answers about boards."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field

from tickets.rules import BoardSettings, Category
from tickets.schemas.base import Answer, Request, WriteRequest
from tickets.schemas.tickets import trimmed


class GetBoard(Request):
    """A workflow's board with the number of tickets per column."""

    workflow_id: str | None = Field(default=None, max_length=100)


class ColumnDetail(BaseModel):
    """A column with the number of tickets in it now."""

    id: str
    name: str
    order: int
    wip_limit: int | None
    color: str
    category: Category
    ticket_count: int


class TypeDetail(BaseModel):
    id: str
    name: str
    icon: str
    color: str


class BoardDetail(BaseModel):
    """The design's board configuration and what the contract adds."""

    board_id: str
    workflow_id: str
    name: str
    columns: list[ColumnDetail]
    ticket_types: list[TypeDetail]
    default_ticket_type: str
    initial_status: str
    resolved_status: str
    transitions: dict[str, list[str]] | None
    settings: BoardSettings
    version: int


class BoardAnswer(Answer):
    board_config: BoardDetail


class UpdateBoard(WriteRequest):
    """Replace a workflow's board configuration. Columns with tickets that vanish need ``move_tickets``, types
    with tickets ``change_types``."""

    workflow_id: str = Field(max_length=100)
    board: dict[str, Any]
    move_tickets: dict[str, str] = Field(
        default_factory=dict, description="Column, of those that were → column that takes its tickets."
    )
    change_types: dict[str, str] = Field(
        default_factory=dict, description="Ticket type, of those that were → type that its tickets get."
    )
    expected_version: int | None = Field(default=None, ge=0, le=2**31 - 1)


class ValidateBoard(Request):
    """Check a board configuration and say how it would be read, without keeping it."""

    board: dict[str, Any]


class BoardChecked(Answer):
    board: dict[str, Any]


class GetStatistics(Request):
    """Count a workflow's tickets. Rejected and expired ones are not counted; days are days in UTC."""

    workflow_id: str = Field(min_length=1, max_length=100)


class TicketStats(BaseModel):
    """The design's statistics. ``by_agent`` counts assignees; the last seven days include today."""

    total_tickets: int
    by_status: dict[str, int] = Field(description="Every column in its order, the empty ones too.")
    by_type: dict[str, int]
    by_priority: dict[str, int]
    by_agent: dict[str, int]
    blocked_count: int
    resolved_count: int
    avg_comments_per_ticket: float
    avg_commits_per_ticket: float
    created_today: int
    completed_today: int
    velocity_last_7_days: int


class StatisticsAnswer(Answer):
    workflow_id: str
    stats: TicketStats


ViewKind = Literal["board", "search"]
VIEW_KINDS = get_args(ViewKind)


class ListViews(Request):
    """The saved views of a workflow's board, or its saved searches: your own, and those that others share."""

    workflow_id: str = Field(min_length=1, max_length=100)
    kind: ViewKind = Field(default="board", description="board (default), search")


class ViewDetail(BaseModel):
    """``query`` is what follows ``?workflow=…&`` in the address of the kind's page: ``/tickets`` or ``/search``."""

    view_id: str
    name: str
    query: str
    is_shared: bool
    owner_agent_id: str
    owner_name: str
    kind: ViewKind = "board"


class ViewList(Answer):
    views: list[ViewDetail]


class SaveView(WriteRequest):
    """Keep an arrangement of the board, or a search, under a name; one of yours by that name is replaced."""

    workflow_id: str = Field(min_length=1, max_length=100)
    name: Annotated[str, trimmed(1, 60)]
    query: str = Field(default="", max_length=2000, description="Such as type=bug&priority=high&sort=updated.")
    is_shared: bool = Field(default=False, description="true: all who may read the workflow see it.")
    kind: ViewKind = Field(default="board", description="board (default), search: what the query arranges.")


class ViewAnswer(Answer):
    view: ViewDetail


class DeleteView(WriteRequest):
    """Forget a saved view or search of yours."""

    view_id: str = Field(min_length=1, max_length=60)


class ViewDeleted(Answer):
    """Forgetting what is not there succeeds and changes nothing."""
