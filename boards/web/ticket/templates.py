"""Outlines in Markdown for the description of a new ticket, one for each known type."""

from __future__ import annotations

from typing import NamedTuple

from tickets.rules import Board


class Outline(NamedTuple):
    """``id`` is that of the ticket type that it is made for."""

    id: str
    name: str
    text: str


OUTLINES = (
    Outline(
        "bug",
        "Bug",
        "## What happens\n\n\n"
        "## What should happen\n\n\n"
        "## Steps\n\n1. \n2. \n\n"
        "## Where\n\nVersion, machine, and what the log says:\n\n```\n\n```\n",
    ),
    Outline(
        "feature",
        "Feature",
        "## Who needs it, and what for\n\n\n"
        "## What it does\n\n\n"
        "## Accepted when\n\n- [ ] \n- [ ] \n\n"
        "## Not part of it\n\n",
    ),
    Outline(
        "improvement",
        "Improvement",
        "## As it is\n\n\n## As it should be\n\n\n## How it is measured\n\nBefore, after, and by which command:\n\n",
    ),
    Outline("task", "Task", "## What is to be done\n\n\n## Done when\n\n- [ ] \n- [ ] \n\n## To know beforehand\n\n"),
    Outline(
        "spike",
        "Spike",
        "## The question\n\n\n"
        "## What is known\n\n\n"
        "## What to try\n\n- \n\n"
        "## Ends\n\nAfter (time), with (a decision, a note):\n\n",
    ),
)
_BY_TYPE = {outline.id: outline for outline in OUTLINES}
PLAIN = "task"


def outlines_for(board: Board) -> list[Outline]:
    """Those of the board's types, in its order and by its names; the plain one at least."""
    found = [_BY_TYPE[kind.id]._replace(name=kind.name) for kind in board.ticket_types if kind.id in _BY_TYPE]
    return found or [_BY_TYPE[PLAIN]]
