"""The form of the search page: what may be asked for, what the address asks for, and addresses that ask otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple
from urllib.parse import urlencode

from django.http import QueryDict

from boards.selectors.arranged import NOBODY
from boards.selectors.searched import FILTERS, MODE, SEARCH_ADDRESS, SEVERAL, TEXT
from boards.web.board.bar import Member
from search.schemas import MAX_QUERY
from tickets.rules import PRIORITIES, Board

# Name → title, and what it does.
MODES = {
    "hybrid": ("Both", "Meaning and words together. The best start for most searches."),
    "semantic": ("Meaning", "Tickets that say the same in other words. For what you can only describe."),
    "keyword": ("Words", "The very words, names and error codes. For what you can quote."),
}
APPROVALS = {
    "none": "Needs none",
    "pending_review": "Waits",
    "approved": "Approved",
    "rejected": "Rejected",
    "expired": "Expired",
}
DATES = {"created_after": "Created from", "created_before": "Created before", "updated_after": "Changed since"}


def search_address(workflow_id: str, query: str) -> str:
    """The page of a search."""
    return "/search?" + urlencode({"workflow": workflow_id}) + (f"&{query}" if query else "")


class Choice(NamedTuple):
    """A box to tick."""

    value: str
    word: str
    is_ticked: bool


class Group(NamedTuple):
    """Boxes of one name, of which several may be ticked."""

    name: str
    title: str
    choices: list[Choice]


class SearchForm:
    """What the address fills in, and what there is to choose. No query."""

    text_limit = MAX_QUERY

    def __init__(self, workflow_id: str, board: Board, members: Sequence[Member], query: QueryDict) -> None:
        self.workflow_id = workflow_id
        self.members = members
        self._board = board
        self._query = query

    @property
    def text(self) -> str:
        return self._query.get(TEXT, "")

    @property
    def mode(self) -> str:
        return self._query.get(MODE, "").strip().lower() or "hybrid"

    @property
    def modes(self) -> list[tuple[str, str, str]]:
        """Name, title, explanation."""
        return [(name, title, what) for name, (title, what) in MODES.items()]

    @property
    def former_agent(self) -> str:
        """Whose tickets are asked for, where that is no member (any more)."""
        asked = self.chosen["agent"]
        return "" if asked == NOBODY or asked in {member.id for member in self.members} else asked

    @property
    def groups(self) -> list[Group]:
        board = self._board
        return [
            self._group("status", "Column", [(column.id, column.name) for column in board.columns]),
            self._group("type", "Type", [(kind.id, kind.name) for kind in board.ticket_types]),
            self._group("priority", "Priority", [(name, name.capitalize()) for name in PRIORITIES]),
        ]

    @property
    def approvals(self) -> Group:
        return self._group("approval", "Approval", list(APPROVALS.items()))

    @property
    def dates(self) -> list[tuple[str, str, str]]:
        """Name, title and the day that is asked for."""
        return [(name, title, self._query.get(name, "").strip()[:10]) for name, title in DATES.items()]

    @property
    def tag(self) -> str:
        return ", ".join(value for value in self._query.getlist("tag") if value)

    @property
    def chosen(self) -> dict[str, str]:
        """The value of each name of which there is one."""
        return {name: self._query.get(name, "").strip() for name in SEARCH_ADDRESS}

    @cached_property
    def query(self) -> str:
        """What of the address says what is sought: what a saved search keeps."""
        return self._with()

    @property
    def is_asked(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.text.strip()) or bool(self.filters_in_force)

    @property
    def filters_in_force(self) -> int:
        return sum(len(self._values(name)) for name in FILTERS)

    @property
    def has_more_open(self) -> bool:
        """Whether one of the rarer filters is in force, which are folded away otherwise."""
        return any(self._values(name) for name in ("approval", "rejected", "comments", *DATES))

    @property
    def address(self) -> str:
        return self.address_of(self.query)

    @property
    def without_filters(self) -> str:
        return self.address_of(self._with(**dict.fromkeys(FILTERS, "")))

    @property
    def by_both(self) -> str:
        """The same search by meaning and words."""
        return self.address_of(self._with(mode=""))

    @property
    def with_all(self) -> str:
        """The same search with as many results as there can be."""
        return f"{self.address}&limit=50"

    @property
    def exports(self) -> list[tuple[str, str]]:
        """The word and the address of each file to download."""
        base = "/search/export?" + urlencode({"workflow": self.workflow_id}) + (f"&{self.query}" if self.query else "")
        words = {"csv": "CSV, for spreadsheets", "json": "JSON, for programs", "markdown": "Markdown, for reading"}
        return [(word, f"{base}&format={name}") for name, word in words.items()]

    def address_of(self, query: str) -> str:
        return search_address(self.workflow_id, query)

    def _with(self, **changes: str) -> str:
        pairs = [
            (name, value)
            for name in SEARCH_ADDRESS
            for value in ([changes[name]] if name in changes else self._query.getlist(name))
            if value.strip() and (name, value) != (MODE, "hybrid")
        ]
        return urlencode(pairs)

    def _values(self, name: str) -> list[str]:
        values = [value.strip() for value in self._query.getlist(name) if value.strip()]
        if name in SEVERAL:
            return [part.strip() for value in values for part in value.split(",") if part.strip()]
        return values[-1:]

    def _group(self, name: str, title: str, values: list[tuple[str, str]]) -> Group:
        ticked = {part.casefold() for part in self._values(name)}
        choices = [Choice(value, word, bool(ticked & {value.casefold(), word.casefold()})) for value, word in values]
        return Group(name, title, choices)
