"""What a search shows: its results, one ticket in brief, and why something is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.safestring import SafeString, mark_safe

from boards.selectors.searched import search_asked
from boards.web import look, markdown
from boards.web.board.bar import Bar, Member
from boards.web.finding.form import SearchForm
from search.operations import TICKET_SEARCH
from search.schemas import SearchResult, TicketsFound
from tickets.access import Actor
from tickets.errors import DomainError
from tickets.models import Agent, Ticket, TicketDependency, Workflow
from tickets.operations import execute
from tickets.rules import Board, Column, TicketType

SHOWN = 20
TAGS_SHOWN = 3
MAX_BLOCKERS = 5
# So much of a description is shown beside the results.
BEGINNING = 1200
PLACES = {"title": "title", "description": "description", "comments": "comments", "tags": "tags"}
# What a row must have to be shown.
FACTS = (
    "ticket_id", "key", "title", "status", "priority", "ticket_type", "updated_at", "assigned_agent_id", "tags",
    "is_blocked", "is_resolved", "comment_count", "commit_count",
)  # fmt: skip


class Facts:
    """What the last line of a result says: where the ticket stands now. ``row`` has ``FACTS``, ``people`` its owner."""

    def __init__(self, row: Mapping[str, Any], board: Board, people: Mapping[str, Member]) -> None:
        self.row = row
        self._board = board
        self._people = people

    @property
    def column(self) -> Column | None:
        return self._board.by_id.get(self.row["status"])

    @property
    def kind(self) -> TicketType:
        """The ticket's type; one that has left the board keeps its name."""
        name = self.row["ticket_type"]
        return self._board.types.get(name) or TicketType(id="gone", name=name)

    @property
    def priority_icon(self) -> str:
        return f"p-{self.row['priority']}"

    @property
    def assignee(self) -> Member | None:
        """Who has it."""
        agent_id = self.row["assigned_agent_id"]
        return None if agent_id is None else self._people[agent_id]

    @property
    def updated(self) -> datetime:
        return datetime.fromisoformat(self.row["updated_at"])

    @property
    def tags(self) -> list[str]:
        return list(self.row["tags"][:TAGS_SHOWN])

    @property
    def more_tags(self) -> list[str]:
        return list(self.row["tags"][TAGS_SHOWN:])


@dataclass(frozen=True)
class Hit:
    """A result with why it was found."""

    row: SearchResult
    facts: Facts
    found: TicketsFound

    @property
    def title(self) -> SafeString:
        return mark_safe(self.row["title_html"])  # noqa: S308 - escaped by the search, with <mark> alone

    @property
    def text(self) -> str:
        """What the ticket says under its title: where it matches, else how it begins."""
        if self.row["matched_in"] and not {"description", "comments"} & set(self.row["matched_in"]):
            return look.unmarked(self.row["description"])  # the preview repeats the title
        return mark_safe(look.unmarked(self.row["preview_html"]))  # noqa: S308 - escaped by the search, with <mark> alone

    @property
    def is_from_comment(self) -> bool:
        matched = self.row["matched_in"]
        return "comments" in matched and "description" not in matched

    @property
    def percent(self) -> int:
        return round(100 * self.row["relevance_score"])

    @property
    def why(self) -> str:
        """What of the ticket matches; "" where nothing was looked for but filters."""
        query = self.found.query.strip()
        if not query:
            return ""
        if query.casefold() in (self.row["key"].casefold(), self.row["ticket_id"].casefold()):
            return "its key"
        if self.row["matched_in"]:
            return ", ".join(PLACES.get(place, place) for place in self.row["matched_in"])
        return "" if self.found.search_type == "keyword" else "meaning"


class SearchView:
    """A search as the address asks for it. Queries: the members, those of the operation where anything is asked, and
    one where a ticket is somebody else's.

    ``fault`` is why there is no answer; ``found`` is None with it, and where nothing is asked yet.
    """

    def __init__(self, actor: Actor, workflow: Workflow, board: Board, query: QueryDict) -> None:
        members = members_of(actor, workflow, board)
        self.workflow = workflow
        self.board = board
        self.form = SearchForm(workflow.id, board, members, query)
        self.found: TicketsFound | None = None
        self.fault: DomainError | None = None
        if self.form.is_asked:
            try:
                self.found = execute(TICKET_SEARCH, actor, {"limit": SHOWN, **search_asked(query, workflow.id)})
            except DomainError as error:
                self.fault = error

    @property
    def status(self) -> int:
        return self.fault.status if self.fault is not None else 200

    @property
    def hits(self) -> list[Hit]:
        if self.found is None:
            return []
        people = people_of(self.form.members, self.found.results)
        return [Hit(row, Facts(row, self.board, people), self.found) for row in self.found.results]

    @property
    def has_text(self) -> bool:
        return bool(self.form.text.strip())

    @property
    def is_cut(self) -> bool:
        """Whether more was found than is shown."""
        return self.found is not None and self.found.total_found > len(self.found.results)

    @property
    def may_show_more(self) -> bool:
        return self.is_cut and self.found is not None and len(self.found.results) <= SHOWN


@dataclass(frozen=True)
class Brief:
    """A ticket beside the results: how it begins, where it stands, what stops it."""

    ticket: Ticket
    facts: Facts
    description: SafeString
    is_cut: bool
    blockers: list[Ticket]


def brief_of(ticket: Ticket, board: Board, members: Iterable[Member]) -> Brief:
    """One query: the blockers; another one where the ticket is no member's. ``ticket`` with creator and workflow."""
    row = {name: getattr(ticket, "id" if name == "ticket_id" else name) for name in FACTS}
    people = people_of(members, [row])
    begins, is_cut = _beginning(ticket.description)
    waits_for = TicketDependency.objects.filter(ticket=ticket, released_at=None).select_related("blocker")
    return Brief(
        ticket=ticket,
        facts=Facts(row, board, people),
        description=markdown.render(begins, people, ticket.workflow.key_prefix),
        is_cut=is_cut,
        blockers=[dependency.blocker for dependency in waits_for.order_by("id")[:MAX_BLOCKERS]],
    )


def members_of(actor: Actor, workflow: Workflow, board: Board) -> list[Member]:
    return Bar(actor, workflow, board, QueryDict()).members


def people_of(members: Iterable[Member], rows: Iterable[Mapping[str, Any]]) -> dict[str, Member]:
    """The members by id, and who else has one of the tickets: an administrator, a former member. At most one query."""
    people = {member.id: member for member in members}
    others = {row["assigned_agent_id"] for row in rows} - people.keys() - {None}
    if others:
        found = Agent.objects.filter(pk__in=others).values_list("id", "name", "kind")
        people |= {agent_id: Member(agent_id, name, kind, "") for agent_id, name, kind in found}
    return people


def _beginning(text: str) -> tuple[str, bool]:
    """The first lines of a text, whole ones where they are not too long."""
    text = text.strip()
    if len(text) <= BEGINNING:
        return text, False
    head = text[:BEGINNING]
    whole, _, _ = head.rpartition("\n")
    return (whole if len(whole) > BEGINNING // 2 else head) + "…", True
