"""Store, read and change boards."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from boards.models import BoardConfig, BoardRevision
from boards.schemas import (
    BoardAnswer,
    BoardChecked,
    BoardDetail,
    ColumnDetail,
    GetBoard,
    TypeDetail,
    UpdateBoard,
    ValidateBoard,
)
from boards.source import FIELDS
from tickets.access import Actor, workflow_for
from tickets.board_source import board_of
from tickets.errors import Conflict
from tickets.ids import new_id
from tickets.models import Role, Ticket, Workflow
from tickets.rules import Board, default_board, parse_board
from tickets.schemas.base import check_text, explain
from tickets.schemas.workflows import CreateWorkflow, WorkflowAnswer
from tickets.selectors.counts import status_counts
from tickets.selectors.directory import workflow_detail
from tickets.services import lifecycle
from tickets.services.workflows import workflow_create
from tickets.unit import Unit, check_version, open_unit, write_transaction


def workflow_create_with_board(*, actor: Actor, request: CreateWorkflow) -> WorkflowAnswer:
    """Create a workflow and its board in one transaction. Raises Invalid for a board that is none."""
    board = read_board(request.board) if request.board is not None else default_board(request.name)
    with write_transaction():
        workflow = workflow_create(actor=actor, request=request)
        now = workflow.created_at
        config = BoardConfig.objects.create(
            id=new_id("board"), workflow=workflow, created_at=now, updated_at=now, **board.as_json()
        )
        _keep_revision(config, actor, changed_at=now)
        workflow.board_revision = new_revision()
        workflow.save(update_fields=["board_revision"])
    return WorkflowAnswer(message=f"Workflow {workflow.id} created.", workflow=workflow_detail(workflow))


def board_get(*, actor: Actor, request: GetBoard) -> BoardAnswer:
    """A workflow's board with the count of tickets per column. Three queries."""
    workflow = workflow_for(actor, request.workflow_id)
    return BoardAnswer(board_config=board_detail(workflow))


def board_detail(workflow: Workflow) -> BoardDetail:
    config = BoardConfig.objects.get(workflow=workflow)
    board = board_of(workflow)
    counts = status_counts(workflow)
    return BoardDetail(
        board_id=config.id,
        workflow_id=workflow.id,
        name=board.name,
        columns=[ColumnDetail(**c.model_dump(), ticket_count=counts.get(c.id, 0)) for c in board.columns],
        ticket_types=[TypeDetail(**kind.model_dump()) for kind in board.ticket_types],
        default_ticket_type=board.default_ticket_type,
        initial_status=board.initial_status,
        resolved_status=board.resolved_status,
        transitions={k: list(v) for k, v in board.transitions.items()} if board.transitions is not None else None,
        settings=board.settings,
        version=config.version,
    )


def board_update(*, actor: Actor, request: UpdateBoard) -> BoardAnswer:
    """Replace a board. Needs a maintainer.

    Raises Invalid with the place of the fault, and Conflict where tickets stand in a column that would change
    its category, or in one, or have a type, that would go without another in its place.
    """
    board = read_board(request.board)
    with open_unit(actor, request.workflow_id, role=Role.MAINTAINER, tracking=False) as unit:
        config = BoardConfig.objects.get(workflow=unit.workflow)
        check_version(config.version, request.expected_version, what="The board")
        if {name: getattr(config, name) for name in FIELDS} != board.as_json():
            old = unit.board
            kinds = _planned_types(unit, old, board, request.change_types)
            moves = _planned_moves(unit, old, board, request.move_tickets)
            _check_categories(unit, old, board, moves)
            for name, value in board.as_json().items():
                setattr(config, name, value)
            config.version += 1
            config.updated_at = unit.now
            config.save()
            unit.workflow.board_revision = new_revision()
            unit.emit("board_updated", version=config.version, name=board.name)
            _keep_revision(config, actor, changed_at=unit.now, event_seq=unit.workflow.event_seq, moved_tickets=moves)
            _move_tickets(unit, moves)
            _change_types(unit, kinds)
    return BoardAnswer(message="Board saved.", board_config=board_detail(unit.workflow))


def board_validate(*, actor: Actor, request: ValidateBoard) -> BoardChecked:
    """Say how a board configuration would be read. Raises Invalid with the place of the fault."""
    return BoardChecked(message="The board is valid.", board=read_board(request.board).as_json())


def new_revision() -> str:
    return uuid.uuid4().hex


def read_board(data: Mapping[str, Any]) -> Board:
    """Parse what a caller sent. Raises Invalid with the field at fault."""
    check_text(data)
    try:
        return parse_board(data)
    except ValidationError as error:
        raise explain(error, Board) from None


def _keep_revision(config: BoardConfig, actor: Actor, **facts: Any) -> None:
    BoardRevision.objects.create(
        workflow_id=config.workflow_id,
        version=config.version,
        agent_id=actor.agent_id,
        via_agent_id=actor.via_agent_id,
        board={name: getattr(config, name) for name in FIELDS},
        **facts,
    )


def _planned_types(unit: Unit, old: Board, new: Board, choice: dict[str, str]) -> dict[str, str]:
    """Type that goes, or whose tickets are to be of another → that other."""
    changes = {}
    for kind in old.types:
        other = choice.get(kind, kind)
        if other == kind and kind in new.types:
            continue
        count = Ticket.objects.filter(workflow=unit.workflow, ticket_type=kind).count()
        if not count:
            continue
        if other not in new.types:
            raise Conflict(
                f"{count} tickets are of type {kind!r}. Say by change_types of which they become.",
                field="change_types",
                allowed=new.types,
            )
        changes[kind] = other
    return changes


def _planned_moves(unit: Unit, old: Board, new: Board, choice: dict[str, str]) -> dict[str, str]:
    """Column that goes, or whose tickets are to stand in another → that other."""
    moves = {}
    for status in old.by_id:
        target = choice.get(status, status)
        if target == status and status in new.by_id:
            continue
        count = Ticket.objects.filter(workflow=unit.workflow, status=status).count()
        if not count:
            continue
        if target not in new.by_id:
            raise Conflict(
                f"{count} tickets stand in {status!r}. Say by move_tickets where they go.",
                field="move_tickets",
                allowed=new.by_id,
            )
        if old.category(status) != new.category(target):
            raise Conflict(
                f"{status!r} is {old.category(status)} and {target!r} is {new.category(target)}. "
                "Choose a column of the same category, or move the tickets first.",
                field="move_tickets",
                allowed=new.statuses(old.category(status)),
            )
        moves[status] = target
    return moves


def _check_categories(unit: Unit, old: Board, new: Board, moves: dict[str, str]) -> None:
    """Of the columns whose tickets stay in them."""
    for status in old.by_id.keys() & new.by_id.keys() - moves.keys():
        if old.category(status) == new.category(status):
            continue
        count = Ticket.objects.filter(workflow=unit.workflow, status=status).count()
        if count:
            raise Conflict(
                f"{count} tickets stand in {status!r}, which is {old.category(status)}; as {new.category(status)} "
                "their times and resolution would be untrue. Move them first.",
                field=f"columns.{new.position[status]}.category",
            )


def _move_tickets(unit: Unit, moves: dict[str, str]) -> None:
    """Carry tickets over to their new column. The category stays, so nothing else about them changes."""
    rows = Ticket.objects.filter(workflow=unit.workflow, status__in=moves).order_by("rank", "id")
    # Read before the first of them moves: two columns may take each other's.
    for ticket in list(rows):
        lifecycle.rename_column(unit, unit.adopt(ticket), moves[ticket.status])


def _change_types(unit: Unit, changes: dict[str, str]) -> None:
    rows = Ticket.objects.filter(workflow=unit.workflow, ticket_type__in=changes).order_by("number")
    for row in rows:
        ticket = unit.adopt(row)
        unit.set(ticket, "ticket_type", changes[row.ticket_type], metadata={"board_changed": True})
        unit.emit("ticket_updated", ticket, fields=["ticket_type"])
