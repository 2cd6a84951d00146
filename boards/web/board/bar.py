"""The board's bar: what may be filtered and how, the saved views, and what the page's script must know."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, NamedTuple

from django.http import QueryDict
from django.template.loader import get_template
from django.utils.html import json_script
from django.utils.safestring import SafeString

from boards.schemas import ViewDetail
from boards.selectors.arranged import NOBODY
from boards.selectors.views import views_of
from boards.web import look
from boards.web.board import filters
from tickets.access import Actor, has_role
from tickets.models import Agent, AgentKind, Membership, Role, Workflow
from tickets.prepared import Mark, Reading
from tickets.rules import PRIORITIES, Board
from tickets.schemas.tickets import COMMENT_MIN

MAX_PEOPLE = 300
MAX_PARTS = 500

_parts: dict[Hashable, SafeString] = {}


class Member(NamedTuple):
    """Who belongs to the workflow."""

    id: str
    name: str
    kind: str
    role: str


@functools.cache
def _members() -> Reading:
    rows = Membership.objects.filter(workflow_id=Mark("workflow_id")).order_by("agent__name", "agent_id")
    return Reading(rows.values_list("agent_id", "agent__name", "agent__kind", "role")[:MAX_PEOPLE])


class Bar:
    """What stands above the columns. Two queries: the members, and the views."""

    def __init__(self, actor: Actor, workflow: Workflow, board: Board, query: QueryDict) -> None:
        self.workflow = workflow
        self.board = board
        self._actor = actor
        self._query = query

    @cached_property
    def members(self) -> list[Member]:
        """Who may have a ticket: the members, and an administrator who looks and is none. One query, or two."""
        found = [Member(*row) for row in _members().rows(workflow_id=self.workflow.id)]
        me = self._actor.agent_id
        if self._actor.is_superuser and all(row.id != me for row in found):
            name = Agent.objects.values_list("name", flat=True).get(pk=me)
            found.append(Member(me, name, AgentKind.HUMAN, Role.MAINTAINER))
        return found

    @property
    def may_write(self) -> bool:
        """Whether the person may change tickets; the operations decide, this only spares vain offers."""
        return self._has(Role.MEMBER)

    @property
    def may_maintain(self) -> bool:
        """Whether the person may end the leases of others, too."""
        return self._has(Role.MAINTAINER)

    def _has(self, least: Role) -> bool:
        if not (self.workflow.is_active and self.workflow.ticket_tracking_enabled):
            return False
        role = next((row.role for row in self.members if row.id == self._actor.agent_id), None)
        if role is None and len(self.members) == MAX_PEOPLE:  # the list may end before this person
            return has_role(self._actor, self.workflow.id, least)
        return self._actor.is_superuser or (role is not None and Role(role).level >= least.level)

    @property
    def chips(self) -> list[filters.Chip]:
        people = {row.id: row.name for row in self.members}
        return filters.chips(self._query, self.workflow, self.board, people)

    @cached_property
    def views(self) -> list[ViewDetail]:
        return views_of(self._actor, self.workflow.id)

    @property
    def own_views(self) -> list[ViewDetail]:
        return [view for view in self.views if view.owner_agent_id == self._actor.agent_id]

    @property
    def shared_views(self) -> list[ViewDetail]:
        return [view for view in self.views if view.owner_agent_id != self._actor.agent_id]

    @cached_property
    def query(self) -> str:
        """What of the address arranges the board."""
        return filters.kept_query(self._query)

    @property
    def filter_menu(self) -> SafeString:
        return self._rendered("boards/_filter.html", self._people)

    @property
    def arrange_menus(self) -> SafeString:
        return self._rendered("boards/_arrange.html", tuple(view.model_dump_json() for view in self.views))

    @property
    def script_data(self) -> SafeString:
        rest = (self._people, self._actor.agent_id, self.may_write, self.may_maintain)
        return self._kept("data", rest, lambda: SafeString(json_script(self.for_script, "board-data")))

    @property
    def text(self) -> str:
        return self._query.get(filters.TEXT, "")

    @property
    def tag(self) -> str:
        return ", ".join(self._query.getlist("tag"))

    @property
    def agent(self) -> str:
        return self._query.get("agent", "")

    @property
    def blocked(self) -> str:
        return self._query.get("blocked", "")

    @property
    def sort(self) -> str:
        return self._query.get(filters.SORT) or "rank"

    @property
    def lanes(self) -> str:
        return self._query.get(filters.LANES_BY, "")

    @property
    def sorts(self) -> dict[str, str]:
        return filters.SORT_WORDS

    @property
    def lane_choices(self) -> dict[str, str]:
        return {"": "None", **filters.LANE_WORDS}

    @property
    def sort_word(self) -> str:
        return self.sorts.get(self.sort, self.sort)

    @property
    def choices(self) -> list[tuple[str, str, list[tuple[str, str, bool]]]]:
        """The groups of boxes to tick: name in the address, title, (value, word, ticked)."""
        groups = (
            ("type", "Type", [(kind.id, kind.name) for kind in self.board.ticket_types]),
            ("priority", "Priority", [(name, name.capitalize()) for name in PRIORITIES]),
            ("status", "Column", [(column.id, column.name) for column in self.board.columns]),
        )
        return [
            (name, title, [(value, word, value in self._ticked(name)) for value, word in values])
            for name, title, values in groups
        ]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the form of filters does not ask, and must not lose."""
        names = ("sort", "lanes", "state", "parent")
        return [(name, value) for name in names if (value := self._query.get(name))]

    @property
    def for_script(self) -> dict[str, Any]:
        """The rules as far as the page helps people keep them, and who they may name."""
        board = self.board
        return {
            "workflow": self.workflow.id,
            "me": self._actor.agent_id,
            "writes": self.may_write,
            "maintains": self.may_maintain,
            "query": self.query,
            "sort": self.sort,
            "lanes": self.lanes,
            "comment": COMMENT_MIN if board.settings.require_comments_on_status_change else 0,
            "columns": [
                {
                    "id": column.id,
                    "name": column.name,
                    "glyph": look.column_glyph(board, column),
                    "color": column.color,
                    "final": column.category == "final",
                    "to": board.allowed_from(column.id),
                }
                for column in board.columns
            ],
            "priorities": list(PRIORITIES),
            "types": {kind.id: kind.name for kind in board.ticket_types},
            "members": [
                [row.id, row.name, row.kind == AgentKind.HUMAN]
                for row in self.members
                if row.role != Role.VIEWER and row.kind != AgentKind.SYSTEM
            ],
            "nobody": NOBODY,
        }

    @cached_property
    def _people(self) -> tuple[Member, ...]:
        return tuple(self.members)

    def _rendered(self, template: str, rest: Hashable) -> SafeString:
        return self._kept(template, rest, lambda: SafeString(get_template(template).render({"bar": self})))

    def _kept(self, part: str, rest: Hashable, make: Callable[[], SafeString]) -> SafeString:
        """A part of the bar, made anew only where what it shows has changed: the key holds all of that."""
        key = (part, self.workflow.id, self.workflow.board_revision, self.query, self._actor.agent_id, rest)
        found = _parts.get(key)
        if found is None:
            if len(_parts) >= MAX_PARTS:
                _parts.clear()
            found = _parts[key] = make()
        return found

    def _ticked(self, name: str) -> set[str]:
        return {part.strip() for value in self._query.getlist(name) for part in value.split(",")}
