"""Cards as HTML: each is rendered once for each state that it is in."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from django.template.loader import get_template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from boards.selectors.columns import MAX_CARDS, Card, Sort, cards_of, cursor_of
from boards.selectors.faces import Face, face_of
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
    def heartbeat(self) -> SafeString:
        """The age of the last heartbeat, which the page keeps current."""
        assert self.lease is not None
        moment = self.lease.heartbeat_at.isoformat(timespec="seconds")
        return format_html('<time datetime="{}" data-age>{}</time>', moment, self.lease_age)

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


class Cards:
    """The cards of one board at one moment, in UTF-8. Each is rendered anew only where what it shows has changed."""

    def __init__(self, workflow: Workflow, board: Board, leases: Mapping[str, Lease], sort: Sort = "rank") -> None:
        self._workflow = workflow
        self._sort: Sort = sort
        self._board = board
        self._leases = leases
        self._now = timezone.now()

    def of_faces(self, faces: Iterable[Face]) -> dict[str, bytes]:
        """Ticket id → card. Those not kept are read: two queries for each hundred, none where all are."""
        keys = {face.id: self._key(face) for face in faces}
        found = {ticket_id: _kept[key] for ticket_id, key in keys.items() if key in _kept}
        missing = [ticket_id for ticket_id in keys if ticket_id not in found]
        for start in range(0, len(missing), MAX_CARDS):
            for card in cards_of(self._workflow, missing[start : start + MAX_CARDS]):
                found[card.id] = self.html(card)
        return found

    def html(self, card: Card) -> bytes:
        """One card. Its column must be on the board."""
        face = face_of(card)
        key = self._key(face)
        html = _kept.get(key)
        if html is None:
            if len(_kept) >= MAX_KEPT:
                _kept.clear()
            html = _kept[key] = self._render(card, face)
        return html

    def all_html(self, cards: Iterable[Card]) -> bytes:
        """Cards in the order given."""
        return b"".join([self.html(card) for card in cards])

    def _key(self, face: Face) -> Hashable:
        """All that may change what a card shows; the number and the time it was done come with the version."""
        lease = self._leases.get(face.id)
        return face[:8], self._sort, self._workflow.board_revision, lease, self._lease_age(lease), self._done_age(face)

    def _lease_age(self, lease: Lease | None) -> str:
        return look.age(lease.heartbeat_at, self._now) if lease is not None else ""

    def _done_age(self, face: Face) -> str:
        is_final = face.completed_at is not None and self._board.category(face.status) == "final"
        return look.coarse_age(face.completed_at, self._now) if is_final and face.completed_at else ""

    def _render(self, card: Card, face: Face) -> bytes:
        board, lease = self._board, self._leases.get(card.id)
        minutes = card.estimate_minutes if board.settings.track_time else None
        view = CardView(
            card=card,
            kind=board.types.get(card.ticket_type) or TicketType(id="gone", name=card.ticket_type),
            rank=cursor_of(board.by_id[card.status], card, self._sort),
            classes=" is-blocked" if card.is_blocked else " is-pending" if card.is_pending else "",
            lease=lease,
            lease_age=self._lease_age(lease),
            done_age=self._done_age(face),
            estimate=look.duration(minutes) if minutes else "",
        )
        return get_template("boards/_card.html").render({"view": view, "card": card}).encode()


def with_heat(html: bytes, line: SafeString | None) -> str:
    """A card that has just changed: it glows, and its last line says why."""
    text = html.decode()
    if line is None:
        return text
    head, _, _ = text.replace('class="card', 'class="card is-warm', 1).rpartition("</li>")
    return f"{head}{line}</li>"
