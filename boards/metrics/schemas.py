"""What can be asked of a workflow's figures, and how they are answered."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, Field

from tickets.schemas.base import Answer, Request, Timestamp

MAX_DAYS = 366

# Lengths of time are in seconds, where nothing else is said, shares in percent.
Unit = Literal["text", "date", "count", "seconds", "milliseconds", "percent"]
Cell = str | int | float | None


class GetMetrics(Request):
    """Figures of a workflow over days in UTC. Rejected and expired tickets are not counted.

    An agent's tickets are those that are assigned to it now; claims, comments and searches are its own.
    """

    workflow_id: str = Field(min_length=1, max_length=100)
    days: int = Field(default=30, ge=1, le=MAX_DAYS, description="So many up to last_day; not with first_day.")
    first_day: date | None = Field(default=None, description="Such as 2026-03-01.")
    last_day: date | None = Field(default=None, description="Today, unless given.")
    assigned_agent_id: str | None = Field(default=None, max_length=100, description="An agent's id, or none.")
    ticket_type: str | None = Field(default=None, max_length=50)


class FigureColumn(BaseModel):
    """A column of a figure's table. ``color``: of a board's column or ticket type, where it stands for one."""

    id: str
    name: str
    unit: Unit
    color: str | None = None


class Figure(BaseModel):
    """A table; its rows hold a value for each of the columns. ``colors``: of the rows, where they have some."""

    id: str
    columns: list[FigureColumn]
    rows: list[list[Cell]]
    colors: list[str] | None = None


class BlockedTicket(BaseModel):
    ticket_id: str
    key: str
    title: str
    seconds: int


class Bottleneck(BaseModel):
    """The column whose tickets wait longer, together, than when the days began, and grew most in that.

    ``days``: for how many days their number has risen; ``waiting_seconds``: their mean wait so far.
    """

    status: str
    name: str
    tickets: int
    days: int
    waiting_seconds: int
    grew_seconds: int


class Headline(BaseModel):
    """The figures at the top. Those ``_before`` are of as many days just before."""

    completed: int
    completed_before: int
    cycle_median: float | None = Field(description="Seconds from creation to completion.")
    cycle_median_before: float | None
    cycle_p85: float | None
    in_progress: int
    wip_limit: int | None = Field(description="Of all active columns together; null where one has none.")
    blocked: int
    longest_blocked: BlockedTicket | None
    reopened: int
    completed_ever: int = Field(description="Tickets completed within the days, also those reopened since.")
    open: int
    likely_done: date | None = Field(description="85 % of the simulated runs are done by then.")
    even_odds: date | None = Field(description="Half of them are.")


class MetricsAnswer(Answer):
    workflow_id: str
    as_of: Timestamp
    first_day: date
    last_day: date
    headline: Headline
    bottleneck: Bottleneck | None
    figures: list[Figure]

    @cached_property
    def as_json(self) -> str:
        """Written once for all pages that hold the answer while it is kept."""
        return self.model_dump_json()
