"""Gives the core the rules in force (``tickets.board_source.BoardSource``)."""

from __future__ import annotations

from boards.models import BoardConfig
from tickets.errors import NotFound
from tickets.models import Workflow
from tickets.rules import Board, parse_board

FIELDS = (
    "name", "columns", "ticket_types", "default_ticket_type", "initial_status", "resolved_status", "transitions",
    "settings",
)  # fmt: skip


class StoredBoards:
    """Parsed boards, kept per process.

    A copy is good for one ``board_revision``: every request reads the workflow's row anyway, so a change by
    any process drops all copies at once. Revisions are random, so one that was rolled back never returns.
    """

    def __init__(self) -> None:
        self._parsed: dict[str, tuple[str, Board]] = {}

    def board_of(self, workflow: Workflow) -> Board:
        cached = self._parsed.get(workflow.id)
        if cached is not None and cached[0] == workflow.board_revision:
            return cached[1]
        row = BoardConfig.objects.filter(workflow_id=workflow.id).values(*FIELDS).first()
        if row is None:
            raise NotFound(f"Workflow {workflow.id!r} has no board.", field="workflow_id")
        board = parse_board(row)
        self._parsed[workflow.id] = (workflow.board_revision, board)
        return board
