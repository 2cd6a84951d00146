"""The audit's address, read: which changes are asked for, and what is wrong with it."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from django.http import QueryDict

from boards.selectors.audit import KINDS, Wanted
from boards.web.history.moments import DATE, read_local
from tickets.access import Actor, find_ticket
from tickets.errors import DomainError, Invalid, not_one_of
from tickets.models import Membership, Workflow
from tickets.schemas.base import check_text

FIELDS = ("agent", "ticket", "kind", "since", "until")
MAX_LENGTH = 200
MAX_MEMBERS = 300
KIND_WORDS = {
    "created": "New tickets",
    "moved": "Moves between columns",
    "resolved": "Resolved and reopened",
    "assigned": "Assignments",
    "leases": "Claims and releases",
    "edited": "Edited fields",
    "blocked": "Blocks and dependencies",
    "comments": "Comments",
    "commits": "Commits",
    "approvals": "Approvals",
    "board": "Changes of the board",
    "members": "Members and their roles",
    "tokens": "Tokens",
    "settings": "Settings of the workflow",
}


class AuditFilters:
    """What the address asks for. ``errors``: field → what is wrong there; what is wrong does not filter."""

    def __init__(self, actor: Actor, workflow: Workflow, query: QueryDict) -> None:
        self.workflow = workflow
        self.given = {name: value for name in FIELDS if (value := query.get(name, "").strip())}
        self.errors: dict[str, str] = {}
        self._actor = actor
        self.wanted = Wanted(
            agent_id=self._text("agent"),
            ticket_id=self._ticket(),
            kind=self._kind(),
            since=self._moment("since", ends_day=False),
            until=self._moment("until", ends_day=True),
        )

    def require(self) -> Wanted:
        """What is asked for. Raises Invalid where the address has a fault."""
        for field, message in self.errors.items():
            raise Invalid(message, field=field)
        return self.wanted

    @property
    def query(self) -> str:
        """The workflow and what filters, as an address has it."""
        return urlencode({"workflow": self.workflow.id, **self.given})

    @property
    def since_is_day(self) -> bool:
        """Whether the browser's own field for days can hold what is asked for."""
        return _is_day(self.given.get("since", ""))

    @property
    def until_is_day(self) -> bool:
        return _is_day(self.given.get("until", ""))

    @property
    def kinds(self) -> dict[str, str]:
        return KIND_WORDS

    @cached_property
    def members(self) -> list[tuple[str, str]]:
        """Id and name of those whom the field suggests; it takes others too, who were members once."""
        rows = Membership.objects.filter(workflow=self.workflow).order_by("agent__name", "agent_id")
        return list(rows.values_list("agent_id", "agent__name")[:MAX_MEMBERS])

    def _text(self, name: str) -> str | None:
        value = self.given.get(name)
        if value is None:
            return None
        try:
            check_text(value, name)
        except DomainError as error:
            # What no database takes cannot be shown in the field either.
            del self.given[name]
            self.errors[name] = error.message
            return None
        if len(value) > MAX_LENGTH:
            self.given[name] = value[:MAX_LENGTH]
            self.errors[name] = f"At most {MAX_LENGTH} characters."
            return None
        return value

    def _ticket(self) -> str | None:
        reference = self._text("ticket")
        if reference is None:
            return None
        try:
            return find_ticket(self._actor, reference, workflow_id=self.workflow.id, field="ticket").id
        except DomainError as error:
            self.errors["ticket"] = error.message
            return None

    def _kind(self) -> str | None:
        kind = self._text("kind")
        if kind is not None and kind not in KINDS:
            self.errors["kind"] = not_one_of("kind", kind, KINDS).message
            return None
        return kind

    def _moment(self, name: str, *, ends_day: bool) -> datetime | None:
        text = self._text(name)
        if text is None:
            return None
        try:
            return read_local(text, ends_day=ends_day)
        except ValueError as error:
            self.errors[name] = str(error).capitalize() + "."
            return None


def _is_day(text: str) -> bool:
    return not text or DATE.fullmatch(text) is not None
