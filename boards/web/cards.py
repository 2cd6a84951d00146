"""Cards as HTML: each is rendered once for each state that it is in."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.template.loader import get_template
from django.utils import timezone
from django.utils.safestring import SafeString

from boards.selectors.columns import Card, cursor_of
from boards.selectors.fleet import Lease
from boards.web import look
from tickets.models import Workflow
from tickets.rules import Board, TicketType

TAGS_SHOWN = 4
KEYS_SHOWN = 2
MAX_KEPT = 8000  # about 1.3 KB each


@dataclass(frozen=True, slots=True)
class CardView:
    """What the template of a card asks for, worked out beforehand."""

    card: Card
    kind: TicketType
    rank: str
    classes: str
    lease: Lease | None
    lease_age: str
    done_age: str
    estimate: str

    @property
    def tags(self) -> list[str]:
        return self.card.tags[:TAGS_SHOWN]

    @property
    def more_tags(self) -> list[str]:
        return self.card.tags[TAGS_SHOWN:]

    @property
    def tags_in_foot(self) -> bool:
        """Whether the tags take the place of who has it: a row less for cards that nobody has."""
        return bool(self.card.tags) and self.card.assignee is None and not self.lacks_owner

    @property
    def priority_icon(self) -> str:
        return f"p-{self.card.priority}"

    @property
    def blocked_by(self) -> tuple[str, ...]:
        return self.card.blocked_by_keys[:KEYS_SHOWN]

    @property
    def more_blockers(self) -> int:
        return len(self.card.blocked_by_keys) - len(self.blocked_by)

    @property
    def lacks_owner(self) -> bool:
        """Whether it matters that nobody has it: urgent, open and free to take."""
        card = self.card
        urgent = card.priority in ("critical", "high")
        return urgent and card.assignee is None and not (card.is_resolved or card.is_pending or card.is_blocked)


_kept: dict[Hashable, bytes] = {}


def card_html(workflow: Workflow, board: Board, card: Card, lease: Lease | None, now: datetime) -> bytes:
    """One card in UTF-8, rendered anew only where something that it shows has changed.

    Whatever may change without a new version of the ticket is part of the key.
    """
    lease_age = look.age(lease.heartbeat_at, now) if lease is not None else ""
    is_final = board.category(card.status) == "final"
    done_age = look.coarse_age(card.completed_at, now) if is_final and card.completed_at else ""
    key = (
        card.id, card.version, card.updated_at, card.status, card.rank, card.assignee, card.blocked_by_keys,
        card.is_blocked, workflow.board_revision, lease, lease_age, done_age,
    )  # fmt: skip
    html = _kept.get(key)
    if html is None:
        if len(_kept) >= MAX_KEPT:
            _kept.clear()
        html = _kept[key] = _render(board, card, lease, lease_age, done_age)
    return html


def cards_html(workflow: Workflow, board: Board, cards: Iterable[Card], leases: Mapping[str, Lease]) -> bytes:
    """Cards in the order given."""
    now = timezone.now()
    return b"".join([card_html(workflow, board, card, leases.get(card.id), now) for card in cards])


def with_heat(html: bytes, line: SafeString | None) -> str:
    """A card that has just changed: it glows, and its last line says why."""
    text = html.decode()
    if line is None:
        return text
    head, _, _ = text.replace('class="card', 'class="card is-warm', 1).rpartition("</li>")
    return f"{head}{line}</li>"


def _render(board: Board, card: Card, lease: Lease | None, lease_age: str, done_age: str) -> bytes:
    view = CardView(
        card=card,
        kind=board.types.get(card.ticket_type) or TicketType(id="gone", name=card.ticket_type),
        rank=cursor_of(board.by_id[card.status], card),
        classes=" is-blocked" if card.is_blocked else " is-pending" if card.is_pending else "",
        lease=lease,
        lease_age=lease_age,
        done_age=done_age,
        estimate=look.duration(card.estimate_minutes) if card.estimate_minutes and board.settings.track_time else "",
    )
    return get_template("boards/_card.html").render({"view": view, "card": card}).encode()
