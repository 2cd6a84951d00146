"""What a board asks of each card before it draws any: whether it is still the one drawn before.

A card's HTML is kept per state (``boards.web.board.cards``). A face is the little that tells the state; only cards
whose face is new are read in full. That takes 1 ms at 200 cards, where reading them all takes 5.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from boards.selectors.columns import Card
from tickets.models import Ticket, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS
from tickets.prepared import Mark, Reading
from tickets.rules import Board, Column

FIELDS = (
    "id", "version", "status", "rank", "title", "comment_count", "commit_count", "assigned_agent__name", "number",
    "completed_at",
)  # fmt: skip


class Face(NamedTuple):
    """A card in short. The version tells nearly every change; rank and the assignee's name have none."""

    id: str
    version: int
    status: str
    rank: str
    title: str
    comment_count: int
    commit_count: int
    assignee_name: str | None
    number: int
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class FacePage:
    """The first faces of one column in its order. ``next_cursor`` as in ``columns.CardPage``."""

    faces: list[Face]
    next_cursor: str | None


def column_faces(workflow: Workflow, board: Board, *, per_column: int) -> list[FacePage]:
    """The first cards of each column, in short. One query a column."""
    return [_page(workflow, column, per_column) for column in board.columns]


def face_of(card: Card) -> Face:
    """The face of a card that was read in full."""
    name = card.assignee.name if card.assignee is not None else None
    return Face(
        card.id, card.version, card.status, card.rank, card.title, card.comment_count, card.commit_count, name,
        card.number, card.completed_at,
    )  # fmt: skip


def _page(workflow: Workflow, column: Column, limit: int) -> FacePage:
    is_final = column.category == "final"
    rows = _first_faces(is_final, limit + 1).rows(workflow_id=workflow.id, status=column.id)
    faces = [_face(row, is_final) for row in rows]
    more = len(faces) > limit
    faces = faces[:limit]
    return FacePage(faces, _cursor(faces[-1], is_final) if more else None)


@functools.lru_cache(maxsize=64)
def _first_faces(is_final: bool, limit: int) -> Reading:
    rows = Ticket.objects.filter(
        workflow_id=Mark("workflow_id"), status=Mark("status"), approval_status__in=VISIBLE_APPROVALS
    )
    if is_final:
        rows = rows.filter(completed_at__isnull=False).order_by("-completed_at", "-number")
    else:
        rows = rows.order_by("rank", "number")
    return Reading(rows.values_list(*FIELDS)[:limit], convert=False)


def _face(row: tuple[Any, ...], is_final: bool) -> Face:
    *plain, completed_at = row
    # Only final columns show the time: elsewhere it need not be read.
    return Face._make((*plain, _aware(completed_at) if is_final else None))


def _aware(moment: datetime) -> datetime:
    """SQLite's times are in UTC and do not say so."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _cursor(face: Face, is_final: bool) -> str:
    if is_final:
        assert face.completed_at is not None
        return f"{face.completed_at.astimezone(UTC).isoformat()}~{face.number}"
    return f"{face.rank}~{face.number}"
