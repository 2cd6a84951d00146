"""Attention: what waits for a person in a workflow, with what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone

from boards.insights.advice import Advice
from boards.insights.dependencies import REASONS, blocker_unattended
from boards.insights.facts import Facts
from boards.insights.found import Found
from boards.insights.reading import read_facts
from boards.insights.schemas import GetInsights
from boards.selectors.attention import Line, lines_of, ownerless
from boards.selectors.fleet import Lease
from boards.web import look
from boards.web.board.bar import Bar
from boards.web.frame import Frame, workflow_page
from boards.web.pages import fragment
from tickets.access import Actor, workflow_for
from tickets.board_source import board_of
from tickets.errors import not_one_of
from tickets.models import Workflow
from tickets.rules import Board
from tickets.schemas.inbox import MAX_ITEMS, GetInbox, Inbox, InboxItem
from tickets.selectors.directory import approvals_waiting
from tickets.selectors.inbox import inbox_get

SHOWN = 8
# Of one group that is shown alone.
MOST = 200
KEYS_SHOWN = 4
# A lease's state that says that its agent is lost.
LOST = ("stale", "offline")


class Kind(NamedTuple):
    """A group: its id in the address, glyph, title, and what it holds, in words."""

    id: str
    icon: str
    title: str
    hint: str


KINDS = (
    Kind("approvals", "approve", "Approvals", "An agent made it; nothing happens before a maintainer decides."),
    Kind("inbox", "comment", "For you", "Mentions of you, and what became of your tickets."),
    Kind("stale", "stale", "Lost agents", "The lease ran out without a heartbeat, and nobody has taken over."),
    Kind("blocked", "lock", "Blocked by nobody's work", "Others wait for it, and nobody works on it."),
    Kind("ownerless", "p-high", "Urgent, without an owner", "High or critical, free to take, and nobody has it."),
)
IDS = tuple(kind.id for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that waits. ``line`` is its ticket, None for news of a task; the rest is what its kind needs."""

    id: str
    since: datetime
    line: Line | None
    reason: str = ""
    until: datetime | None = None
    agent_id: str = ""
    agent: str = ""
    lease: Lease | None = None
    item: InboxItem | None = None
    waiting: tuple[str, ...] = ()
    more_waiting: int = 0
    ask: str = ""

    @property
    def why(self) -> str:
        """Why nobody works on it."""
        return REASONS[self.reason]

    @property
    def expires_in(self) -> str:
        """How long there is left to decide."""
        return look.age(timezone.now(), self.until) if self.until is not None else ""


@dataclass(frozen=True)
class Group:
    """A kind with its true number and the rows that are shown. ``has_more``: of news, only the oldest are counted."""

    kind: Kind
    total: int
    rows: list[Row] = field(default_factory=list)
    has_more: bool = False

    @property
    def left(self) -> int:
        return self.total - len(self.rows)


class Attention:
    """What waits in a workflow. ``found`` takes ten queries, ``groups`` one more; none depends on how much there is.

    They are: requests for approval, four of the inbox, four of the facts about what waits for what, tickets
    without an owner; then the lines of what is shown. A ticket is in one group only, the first that fits.
    """

    def __init__(self, actor: Actor, workflow: Workflow, names: Mapping[str, str] | None = None) -> None:
        self._actor = actor
        self._workflow = workflow
        self._names = names or {}
        self._now = timezone.now()

    @cached_property
    def total(self) -> int:
        return sum(len(found) for found in self.found.values())

    @cached_property
    def has_more(self) -> bool:
        return self._inbox.has_more

    @cached_property
    def found(self) -> dict[str, list[Any]]:
        """Kind → what there is of it, unshown: rows of queries, news, leases, findings, ids."""
        unattended = blocker_unattended(self._facts, GetInsights(), self._advice)
        heads = {head.tickets[0].id: head for head in sorted(unattended, key=lambda head: head.order)}
        lost = {ticket_id: lease for ticket_id, lease in self._facts.leases.items() if lease.state in LOST}
        approvals = list(approvals_waiting(self._workflow).values_list(*_APPROVAL))
        seen = lost.keys() | {row[0] for row in approvals}
        free = ownerless(self._workflow, self._now).values_list("id", flat=True)
        return {
            "approvals": approvals,
            "inbox": list(self._inbox.items),
            "stale": sorted(lost.items(), key=lambda pair: pair[1].heartbeat_at),
            "blocked": [head for ticket_id, head in heads.items() if ticket_id not in seen],
            "ownerless": [ticket_id for ticket_id in free if ticket_id not in seen | heads.keys()],
        }

    def groups(self, only: str | None = None) -> list[Group]:
        """All groups with their first rows, the empty ones too; with ``only``, that one, at length."""
        most = SHOWN if only is None else MOST
        kinds = [kind for kind in KINDS if only in (None, kind.id)]
        shown = {kind.id: self.found[kind.id][:most] for kind in kinds}
        lines = lines_of(self._workflow, {one for kind in kinds for one in _ids(kind.id, shown[kind.id])})
        makers: dict[str, Callable[[Any, Mapping[str, Line]], Row | None]] = {
            "approvals": self._approval,
            "inbox": self._news,
            "stale": self._lost,
            "blocked": self._blocker,
            "ownerless": self._free,
        }
        groups = []
        for kind in kinds:
            # What has gone since it was found makes no row: its event brings the next look.
            rows = [row for one in shown[kind.id] if (row := makers[kind.id](one, lines)) is not None]
            more = kind.id == "inbox" and self._inbox.has_more
            groups.append(Group(kind, len(self.found[kind.id]), rows, more))
        return groups

    @cached_property
    def _facts(self) -> Facts:
        return read_facts(self._workflow, self._now, only_tied=True)

    @cached_property
    def _advice(self) -> Advice:
        return Advice(self._facts)

    @cached_property
    def _inbox(self) -> Inbox:
        return inbox_get(actor=self._actor, request=GetInbox(workflow_id=self._workflow.id, limit=MAX_ITEMS))

    def _approval(self, row: tuple[Any, ...], lines: Mapping[str, Line]) -> Row | None:
        ticket_id, requested_at, expires_at, agent_id, agent = row
        line = lines.get(ticket_id)
        return line and Row(
            f"approvals:{ticket_id}", requested_at, line, until=expires_at, agent_id=agent_id, agent=agent
        )

    def _news(self, item: InboxItem, lines: Mapping[str, Line]) -> Row:
        agent_id = item["agent_id"]
        return Row(
            f"inbox:{item['seq']}",
            datetime.fromisoformat(item["timestamp"]),
            lines.get(item["ticket_id"] or ""),
            agent_id=agent_id,
            agent=self._names.get(agent_id, agent_id),
            item=item,
        )

    def _lost(self, found: tuple[str, Lease], lines: Mapping[str, Line]) -> Row | None:
        ticket_id, lease = found
        line = lines.get(ticket_id)
        return line and Row(
            f"stale:{ticket_id}", lease.heartbeat_at, line, agent_id=lease.agent_id, agent=lease.agent_name, lease=lease
        )

    def _blocker(self, head: Found, lines: Mapping[str, Line]) -> Row | None:
        ticket, *waiting = head.tickets
        line = lines.get(ticket.id)
        if line is None:
            return None
        reason = str(head.tell()[1]["reason"])
        since = [self._facts.waiting_since[one.id] for one in waiting]
        keys = tuple(one.key for one in waiting[:KEYS_SHOWN])
        owner = {"not_started": line.assignee_id, "blocked_by_hand": line.assignee_id or line.creator_id}.get(reason)
        return Row(
            f"blocked:{ticket.id}",
            min(since),
            line,
            reason=reason,
            waiting=keys,
            more_waiting=len(waiting) - len(keys),
            ask=owner if owner is not None and owner in self._names else "",
        )

    def _free(self, ticket_id: str, lines: Mapping[str, Line]) -> Row | None:
        line = lines.get(ticket_id)
        return line and Row(f"ownerless:{ticket_id}", line.created_at, line)


# Of a request for approval: ticket, since when, until when, who asks.
_APPROVAL = ("ticket_id", "requested_at", "expires_at", "requested_by_agent_id", "requested_by_agent__name")


@workflow_page
def attention_page(request: HttpRequest, frame: Frame) -> HttpResponse:
    """``/attention``: all groups, or at length the one of ``?group=``."""
    return frame.render(
        request, "boards/attention.html", "attention", _context(request, frame.actor, frame.workflow, frame.board)
    )


@fragment
def attention_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The groups alone, for the page that is open."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    context = {"workflow": workflow, **_context(request, actor, workflow, board_of(workflow))}
    return render(request, "boards/attention_groups.html", context)


@fragment
def attention_count(request: HttpRequest, actor: Actor) -> HttpResponse:
    """``{"count": 4, "has_more": false}``: how much waits."""
    attention = Attention(actor, workflow_for(actor, request.GET.get("workflow")))
    return JsonResponse({"count": attention.total, "has_more": attention.has_more})


def _context(request: HttpRequest, actor: Actor, workflow: Workflow, board: Board) -> dict[str, Any]:
    only = request.GET.get("group") or None
    if only is not None and only not in IDS:
        raise not_one_of("group", only[:100], IDS)
    bar = Bar(actor, workflow, board, QueryDict())
    attention = Attention(actor, workflow, {member.id: member.name for member in bar.members})
    return {
        # Read before the rest: what happens meanwhile comes again as an event.
        "seq": workflow.event_seq,
        "is_live": True,
        "bar": bar,
        "board": board,
        "me": actor.agent_id,
        "attention": attention,
        "groups": attention.groups(only),
        "only": only,
    }


def _ids(kind: str, found: Iterable[Any]) -> Iterable[str]:
    """The tickets that these are about."""
    for one in found:
        if kind == "inbox":
            if one["ticket_id"]:
                yield one["ticket_id"]
        elif kind == "blocked":
            yield one.tickets[0].id
        else:
            yield one if isinstance(one, str) else one[0]
