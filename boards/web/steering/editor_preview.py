"""A board as it would look, with the workflow's own cards in it: drawn, and nothing kept."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import cycle, islice

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from boards.selectors.columns import Card, column_cards
from boards.selectors.fleet import open_leases
from boards.selectors.uses import Uses
from boards.web.board.cards import Cards
from boards.web.board.view import EMPTY, Count
from tickets.models import Workflow
from tickets.rules import PRIORITIES, Board, Column

SHOWN = 4  # cards of a column


@dataclass(frozen=True, slots=True)
class PreviewColumn:
    """One column with its first cards, as HTML."""

    column: Column
    count: Count
    cards: SafeString

    @property
    def more(self) -> int:
        return max(self.count.total - SHOWN, 0)

    @property
    def empty_text(self) -> str:
        return EMPTY[self.column.category]


class Preview:
    """``board`` in the place of ``present``. ``moves`` and ``kinds`` as ``UpdateBoard`` has them."""

    def __init__(
        self,
        workflow: Workflow,
        present: Board,
        board: Board,
        *,
        uses: Uses,
        moves: Mapping[str, str],
        kinds: Mapping[str, str],
    ) -> None:
        self.board = board
        self._workflow = workflow
        self._present = present
        self._uses = uses
        self._moves = moves
        self._kinds = kinds
        self._drawn = Cards(self._as_if(), board, open_leases(workflow))

    def html(self) -> str:
        return render_to_string(
            "boards/editor_preview.html",
            {"board": self.board, "columns": list(self._columns()), "is_example": self._is_empty},
        )

    @property
    def _is_empty(self) -> bool:
        return not self._uses.columns

    def _as_if(self) -> Workflow:
        """The workflow under a revision of its own, so that its cards are not taken for those of the board in force."""
        shows = [
            self._workflow.board_revision,
            self.board.model_dump(mode="json", include={"ticket_types": True, "settings": {"track_time"}}),
            [(column.id, column.category) for column in self.board.columns],
            sorted(self._moves.items()),
            sorted(self._kinds.items()),
        ]
        drawn = copy.copy(self._workflow)
        drawn.board_revision = hashlib.sha256(json.dumps(shows).encode()).hexdigest()[:32]
        return drawn

    def _columns(self) -> Iterable[PreviewColumn]:
        for column in self.board.columns:
            cards = self._examples(column) if self._is_empty else self._cards(column)
            total = (
                len(cards) if self._is_empty else sum(self._uses.columns[source] for source in self._sources(column))
            )
            # The HTML comes from the template of a card, which has escaped every text in it.
            html = SafeString(self._drawn.all_html(cards).decode())
            yield PreviewColumn(column, Count(column, total), html)

    def _sources(self, column: Column) -> list[str]:
        """The columns in force whose tickets would stand here."""
        return [status for status in self._present.by_id if self._moves.get(status, status) == column.id]

    def _cards(self, column: Column) -> list[Card]:
        found: list[Card] = []
        for source in self._sources(column):
            if len(found) < SHOWN and self._uses.columns[source]:
                found += column_cards(self._workflow, self._present, source, limit=SHOWN - len(found)).cards
        return [
            replace(card, status=column.id, ticket_type=self._kinds.get(card.ticket_type, card.ticket_type))
            for card in found
        ]

    def _examples(self, column: Column) -> list[Card]:
        """Without tickets, one card of each type, spread over the columns."""
        places = list(islice(cycle(self.board.columns), len(self.board.ticket_types)))
        return [
            _example(self._workflow, column, number, kind.id, kind.name)
            for number, (place, kind) in enumerate(zip(places, self.board.ticket_types, strict=True), start=1)
            if place.id == column.id
        ]


def _example(workflow: Workflow, column: Column, number: int, kind: str, name: str) -> Card:
    now = timezone.now()
    return Card(
        id=f"example-{kind}-{number}",
        key=f"{workflow.key_prefix}-{number}",
        number=number,
        status=column.id,
        ticket_type=kind,
        priority=PRIORITIES[number % len(PRIORITIES)],
        title=f"Example: {name}",
        tags=[],
        rank="",
        version=1,
        created_at=now,
        updated_at=now,
        completed_at=now if column.category == "final" else None,
        comment_count=0,
        commit_count=0,
        story_points=None,
        estimate_minutes=90,
        is_blocked=False,
        blocked_reason="",
        is_resolved=column.category == "final",
        approval_status="none",
        lease_agent_id=None,
        lease_expires_at=None,
        assignee=None,
    )
