"""Where the core gets a board's rules from: ``boards`` stores them and registers itself here at start-up."""

from __future__ import annotations

from typing import Protocol

from tickets.errors import NotAvailable
from tickets.models import Workflow
from tickets.rules import Board


class BoardSource(Protocol):
    """Stores boards; owned by ``boards``."""

    def board_of(self, workflow: Workflow) -> Board:
        """The rules in force. May be cached by ``(workflow.id, workflow.board_revision)``."""


_source: BoardSource | None = None


def register(source: BoardSource) -> None:
    """Called once by the owner when the process starts."""
    global _source
    _source = source


def board_of(workflow: Workflow) -> Board:
    """The rules in force in a workflow. Raises NotAvailable where nobody stores boards."""
    if _source is None:
        raise NotAvailable("No board is available: the boards app is not installed.")
    return _source.board_of(workflow)
