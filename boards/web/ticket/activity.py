"""What happened to a ticket: comments with their replies, and history, in the order of time, a page at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from boards.web import markdown
from boards.web.ticket.steps import Entry, Reaction, Remark, step, tied_keys
from gitlinks.models import TicketCommit
from tickets.errors import Invalid
from tickets.models import CommentReaction, Ticket, TicketComment, TicketHistory
from tickets.rules import Board

PAGE = 40
EVERYTHING = 2000
MAX_REPLIES = 500
# Above every id of a history row.
NEWEST_OF_ALL = 10**17
NO_TEXT = SafeString("")

Show = Literal["all", "comments", "history"]
SHOWS: tuple[Show, ...] = ("all", "comments", "history")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: after these, going back in time. Written as ``history~time~comment``."""

    history_id: int
    comment_at: datetime
    comment_id: str

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises Invalid."""
        history_id, _, rest = text.partition("~")
        at, _, comment_id = rest.partition("~")
        try:
            moment = parse_datetime(at)
        except ValueError:
            moment = None
        if not (history_id.isascii() and history_id.isdigit() and len(history_id) < 19 and moment and moment.tzinfo):
            raise Invalid("The cursor cannot be read. Take it from the page before.", field="before")
        return cls(int(history_id), moment, comment_id)

    def __str__(self) -> str:
        return f"{self.history_id}~{self.comment_at.isoformat()}~{self.comment_id}"


@dataclass
class Activity:
    """A page of a ticket's timeline. At most seven queries, however much there is. ``names``: of members, by id."""

    ticket: Ticket
    board: Board
    me: str
    names: Mapping[str, str]
    show: Show = "all"
    before: Cursor | None = None
    limit: int = PAGE

    @cached_property
    def entries(self) -> list[Entry]:
        """Oldest first."""
        return sorted([*self._shown[0], *self._threads], key=lambda entry: (entry.at, entry.id))

    @cached_property
    def next_cursor(self) -> str | None:
        """Where what is older begins; None where nothing is."""
        steps, roots, has_more = self._shown
        if not has_more:
            return None
        before = self.before
        last_step = min((step.history_id for step in steps if step.history_id is not None), default=None)
        history_id = last_step if last_step is not None else before.history_id if before else NEWEST_OF_ALL
        if roots:
            return str(Cursor(history_id, roots[-1].created_at, roots[-1].id))
        if before is not None:
            return str(Cursor(history_id, before.comment_at, before.comment_id))
        # No comment was among the newest: what comes next is older than the last step.
        return str(Cursor(history_id, steps[-1].at, "~"))

    @cached_property
    def _shown(self) -> tuple[list[Entry], list[TicketComment], bool]:
        """Steps and first comments of threads, newest first, no more than fit; and whether there are older ones."""
        rows = list(self._history()[: self.limit + 1]) if self.show != "comments" else []
        roots = list(self._roots()[: self.limit + 1]) if self.show != "history" else []
        times = sorted([row.changed_at for row in rows] + [root.created_at for root in roots], reverse=True)
        if len(times) > self.limit:
            oldest = times[self.limit - 1]
            rows = [row for row in rows if row.changed_at >= oldest][: self.limit]
            roots = [root for root in roots if root.created_at >= oldest][: self.limit]
        messages = self._messages(row.new_value for row in rows if row.change_type == "commit_linked")
        keys = tied_keys(rows)
        steps = [step(self.board, row, messages, keys, self.names) for row in _said_once(rows)]
        return steps, roots, len(times) > self.limit

    @cached_property
    def _threads(self) -> list[Entry]:
        if self.show == "history":
            return []
        steps, roots, has_more = self._shown
        shown = {root.id: root for root in roots}
        replies = self._replies()
        if self.before is None and has_more:
            # An old comment with a new reply is shown in its old place.
            oldest = min([step.at for step in steps] + [root.created_at for root in roots], default=None)
            late = {
                root_id
                for root_id, answers in replies.items()
                if root_id not in shown and oldest and answers[-1].created_at >= oldest
            }
            shown |= {comment.id: comment for comment in self._comments().filter(pk__in=late)} if late else {}
        everyone = [*shown.values(), *(reply for root_id in shown for reply in replies.get(root_id, ()))]
        reactions = self._reactions([comment.id for comment in everyone])
        authors = {comment.id: comment.agent.name for comment in everyone}

        def remark(comment: TicketComment, answers: Iterable[TicketComment] = ()) -> Remark:
            parent_id = comment.parent_id
            return Remark(
                comment,
                markdown.render(comment.comment_text, self.names, self.ticket.key.rpartition("-")[0])
                if comment.deleted_at is None
                else NO_TEXT,
                comment.agent_id == self.me,
                reactions.get(comment.id, []),
                [remark(answer) for answer in answers],
                authors.get(parent_id, "") if parent_id and parent_id not in shown else "",
            )

        return [
            Entry(root.id, root.created_at, root.agent, remark=remark(root, replies.get(root.id, ())))
            for root in shown.values()
        ]

    def _messages(self, shas: Iterable[str | None]) -> dict[str, str]:
        """Sha → the first line of what the commit says. One query; none for no commits."""
        wanted = [sha for sha in shas if sha]
        if not wanted:
            return {}
        rows = TicketCommit.objects.filter(ticket=self.ticket, commit_sha__in=wanted)
        return {sha: text.partition("\n")[0] for sha, text in rows.values_list("commit_sha", "commit_message")}

    def _history(self) -> QuerySet[TicketHistory]:
        # What another row says already: the rank of a card, and what a comment's own entry shows.
        silent = Q(change_type="commented") | Q(change_type="field_updated", field_name__in=("rank", "is_resolved"))
        rows = TicketHistory.objects.filter(ticket=self.ticket).exclude(silent).select_related("agent")
        if self.before is not None:
            rows = rows.filter(id__lt=self.before.history_id)
        return rows.order_by("-id")

    def _comments(self) -> QuerySet[TicketComment]:
        return TicketComment.objects.filter(ticket=self.ticket).select_related("agent")

    def _roots(self) -> QuerySet[TicketComment]:
        rows = self._comments().filter(parent=None)
        if self.before is not None:
            at, last = self.before.comment_at, self.before.comment_id
            rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=last))
        return rows.order_by("-created_at", "-id")

    def _replies(self) -> dict[str, list[TicketComment]]:
        """First comment of a thread → its replies, oldest first, those to replies among them."""
        rows = list(self._comments().exclude(parent=None).order_by("-created_at", "-id")[:MAX_REPLIES])
        parents = {row.id: row.parent_id or "" for row in rows}
        threads: defaultdict[str, list[TicketComment]] = defaultdict(list)
        for row in reversed(rows):
            root = row.parent_id or ""
            while root in parents:
                root = parents[root]
            threads[root].append(row)
        return threads

    def _reactions(self, comment_ids: list[str]) -> dict[str, list[Reaction]]:
        if not comment_ids:
            return {}
        found: dict[str, dict[str, list[tuple[str, str]]]] = {}
        rows = CommentReaction.objects.filter(comment_id__in=comment_ids).order_by("id")
        for comment_id, emoji, agent_id, name in rows.values_list("comment_id", "emoji", "agent_id", "agent__name"):
            found.setdefault(comment_id, {}).setdefault(emoji, []).append((agent_id, name))
        return {
            comment_id: [
                Reaction(emoji, len(who), any(id_ == self.me for id_, _ in who), ", ".join(name for _, name in who))
                for emoji, who in given.items()
            ]
            for comment_id, given in found.items()
        }


def _said_once(rows: Iterable[TicketHistory]) -> Iterator[TicketHistory]:
    """Without the reason of a block where the block itself, of the same moment, tells it."""
    found = list(rows)
    blocks = {row.changed_at for row in found if row.change_type in ("blocked", "unblocked")}
    return (row for row in found if row.field_name != "blocked_reason" or row.changed_at not in blocks)
