"""Past configurations of boards."""

from __future__ import annotations

from datetime import datetime

from boards.models import BoardRevision
from tickets.models import Workflow
from tickets.rules import Board, parse_board


def board_at(workflow: Workflow, moment: datetime) -> Board:
    """The rules in force at a moment; before the first revision that is kept, those of the first.

    Two queries at most. Raises BoardRevision.DoesNotExist for a workflow without a board.
    """
    revisions = BoardRevision.objects.filter(workflow=workflow).order_by("version")
    found = revisions.filter(changed_at__lte=moment).last() or revisions.first()
    if found is None:
        raise BoardRevision.DoesNotExist(workflow.id)
    return parse_board(found.board)
