"""``/guardian``: what needs attention in a workflow, why, and buttons that do something about it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from boards.insights.answer import insights_get
from boards.insights.schemas import KINDS, MAX_LIMIT, SEVERITIES, Finding, GetInsights, InsightsFound, Kind
from boards.web.frame import Frame, workflow_page
from boards.web.pages import fragment
from tickets.access import Actor, has_role, workflow_for
from tickets.errors import not_one_of
from tickets.models import Agent, Role, Ticket, Workflow
from tickets.schemas.base import parse

SHOWN = 10  # findings of a kind; all of one kind are an address of their own
SHOWN_TICKETS = 3
# The design's two watchers: the guardian looks after tickets, the conductor after who works on what.
AUDIENCES: Mapping[str, tuple[Kind, ...]] = {
    "guardian": (
        "stuck", "blocked_too_long", "blocked_chain", "blocker_unattended", "unassigned", "expired_lease",
        "silent_agent", "pending_review", "agent_velocity",
    ),
    "conductor": (
        "duplicates", "reassignment", "agent_overloaded", "agent_idle", "cross_agent_dependency", "critical_path",
    ),
}  # fmt: skip
WORDS: Mapping[Kind, tuple[str, str]] = {
    "agent_idle": ("Idle agents", "They have nothing to do while there is work that they could take."),
    "agent_overloaded": ("Overloaded agents", "They have more than half as much again as the average."),
    "agent_velocity": ("Pace of agents", "What each completed in a day and in a week."),
    "blocked_chain": ("Chains of blocked work", "Three tickets and more that wait for one another."),
    "blocked_too_long": ("Blocked for long", "They have been blocked beyond the threshold."),
    "blocker_unattended": ("Blockers that nobody works on", "Other tickets wait for these."),
    "critical_path": ("Critical path", "The longest chain of open work: nothing ends sooner than it does."),
    "cross_agent_dependency": ("Agents that wait for agents", "One agent's tickets wait for another's."),
    "duplicates": ("Possible duplicates", "Two tickets say about the same."),
    "expired_lease": ("Leases that ran out", "Nothing has happened to these tickets since."),
    "pending_review": ("Reviews about to expire", "Their time for a decision runs out."),
    "reassignment": ("Work to hand over", "Moves that even out the load, or take over from who is gone."),
    "silent_agent": ("Silent agents", "They hold a ticket and have done nothing for a while."),
    "stuck": ("Stuck in their column", "Longer there than tickets usually are."),
    "unassigned": ("Urgent and nobody's", "Critical and high tickets that are ready and have no owner."),
}
# What the graph shows as well.
TIED = ("blocked_chain", "blocked_too_long", "blocker_unattended", "critical_path", "cross_agent_dependency")
GLYPHS = {"high": "p-critical", "medium": "warn", "low": "info", "info": "info"}
# Where evidence says since when.
SINCE = (
    "blocked_since", "entered_at", "ready_since", "lease_expired_at", "last_act_at", "requested_at", "waiting_since",
)  # fmt: skip
# What the sentence of a finding says already, or means nothing to people.
UNSAID = ("measure", "category", "past_stays", "looked_at", "is_there")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
UNITS = {"24h": "in 24 hours", "7d": "in 7 days"}


class Piece(NamedTuple):
    """A part of a sentence: plain text, the key of a ticket, or a time."""

    text: str
    is_key: bool = False
    time: datetime | None = None


@dataclass(frozen=True)
class FindingView:
    """A finding as it is shown. ``titles``: of tickets by id; ``may``: whether the person may do what it suggests."""

    finding: Finding
    titles: Mapping[str, str]
    names: Mapping[str, str]
    may: bool

    @cached_property
    def id(self) -> str:
        """The same for the same finding in each answer."""
        finding = self.finding
        about = (finding.kind, *finding.ticket_ids[:2], *finding.agent_ids, finding.evidence.get("measure"))
        return hashlib.blake2s(repr(about).encode(), digest_size=8).hexdigest()

    @property
    def glyph(self) -> str:
        return GLYPHS[self.finding.severity]

    @property
    def message(self) -> list[Piece]:
        return list(self._pieces(self.finding.message))

    @property
    def tickets(self) -> list[tuple[str, str]]:
        """Key and title of the first tickets."""
        pairs = zip(self.finding.ticket_ids, self.finding.keys, strict=True)
        return [(key, self.titles[id_]) for id_, key in list(pairs)[:SHOWN_TICKETS] if id_ in self.titles]

    @property
    def more_keys(self) -> list[str]:
        return self.finding.keys[SHOWN_TICKETS:]

    @property
    def agents(self) -> list[str]:
        return [self.names.get(agent_id, agent_id) for agent_id in self.finding.agent_ids]

    @property
    def around(self) -> str:
        """The ticket around which the graph shows what the finding speaks of; "" where it is no matter of it."""
        return self.finding.keys[0] if self.finding.kind in TIED and self.finding.keys else ""

    @property
    def since(self) -> datetime | None:
        found = next((self.finding.evidence[name] for name in SINCE if self.finding.evidence.get(name)), None)
        return datetime.fromisoformat(found) if found else None

    @property
    def evidence(self) -> list[tuple[str, list[Piece]]]:
        """What it is known by: name and value."""
        return [
            (_named(name), pieces)
            for name, value in self.finding.evidence.items()
            if name not in UNSAID and (pieces := list(self._value(value)))
        ]

    @property
    def call(self) -> str:
        """What the button sends, as JSON for the script; "" where nothing is suggested."""
        suggestion = self.finding.suggestion
        if suggestion is None:
            return ""
        call = {
            "path": suggestion.path.removeprefix("/api/"),
            "arguments": {**suggestion.arguments, "expected_version": suggestion.version},
            "undo": suggestion.undo,
        }
        return json.dumps(call, ensure_ascii=False)

    @property
    def does(self) -> str:
        """The suggestion as the word of a button."""
        return self.finding.suggestion.description.removesuffix(".") if self.finding.suggestion else ""

    @property
    def says(self) -> str:
        """What carrying it out would write on the ticket."""
        arguments = self.finding.suggestion.arguments if self.finding.suggestion else {}
        names = ("comment_text", "comment", "resolution_comment", "update_comment")
        return next((str(arguments[name]) for name in names if arguments.get(name)), "")

    def _value(self, value: Any) -> Iterator[Piece]:
        if value is None or value in ("", [], {}):
            return
        if isinstance(value, bool):
            yield Piece("yes" if value else "no")
        elif isinstance(value, str) and TIME.match(value):
            yield Piece(value, time=datetime.fromisoformat(value))
        elif isinstance(value, dict):
            yield from self._pieces(", ".join(f"{name}: {_told(part)}" for name, part in value.items()))
        elif isinstance(value, list):
            yield from self._pieces(", ".join(map(_told, value)))
        else:
            yield from self._pieces(_told(value))

    def _pieces(self, text: str) -> Iterator[Piece]:
        """Keys of its tickets become links."""
        at = 0
        for match in self._key.finditer(text):
            if match.start() > at:
                yield Piece(text[at : match.start()])
            yield Piece(match.group(), is_key=True)
            at = match.end()
        if at < len(text):
            yield Piece(text[at:])

    @cached_property
    def _key(self) -> re.Pattern[str]:
        prefix = self.finding.keys[0].rpartition("-")[0] if self.finding.keys else ""
        return re.compile(rf"(?<![\w-]){re.escape(prefix)}-[1-9][0-9]*(?![\w-])") if prefix else re.compile(r"(?!)")


@dataclass(frozen=True)
class Group:
    """The findings of one kind, the most severe first; ``total`` also counts those that are not shown."""

    kind: Kind
    total: int
    rows: list[FindingView]
    all_address: str

    @property
    def title(self) -> str:
        return WORDS[self.kind][0]

    @property
    def meaning(self) -> str:
        return WORDS[self.kind][1]

    @property
    def left(self) -> int:
        return self.total - len(self.rows)


class Findings:
    """What the page shows. Queries: those of the insights, titles, names, and the person's role."""

    def __init__(self, request: HttpRequest, actor: Actor, workflow: Workflow) -> None:
        query = request.GET
        self._actor = actor
        self._workflow = workflow
        self.audience = query.get("for", "")
        if self.audience and self.audience not in AUDIENCES:
            raise not_one_of("for", self.audience[:100], AUDIENCES)
        self.kind = query.get("kind", "")
        if self.kind and self.kind not in KINDS:
            raise not_one_of("kind", self.kind[:100], KINDS)
        kinds = [self.kind] if self.kind else list(AUDIENCES.get(self.audience, KINDS))
        limit = MAX_LIMIT if self.kind else SHOWN
        asked = {"workflow_id": workflow.id, "kind": kinds, "limit": limit}
        self.found: InsightsFound = insights_get(actor=actor, request=parse(GetInsights, asked))

    @property
    def total(self) -> int:
        return sum(self.found.counts.values())

    @cached_property
    def groups(self) -> list[Group]:
        """By their most severe finding, then by kind."""
        found = self.found.findings
        titles, names = self._titles(found), self._names(found)
        ordered = sorted(found, key=lambda one: KINDS.index(one.kind))  # stable: within a kind the severest first
        groups = [
            Group(
                kind,
                self.found.counts[kind],
                [FindingView(one, titles, names, self._may(one)) for one in some],
                self.address(kind=kind),
            )
            for kind, some in groupby(ordered, key=lambda one: one.kind)
        ]
        return sorted(groups, key=lambda group: SEVERITIES.index(group.rows[0].finding.severity))

    @property
    def audiences(self) -> list[tuple[str, str, str, bool]]:
        """Id, name, address, whether it is the one shown."""
        choices = {"": "All", "guardian": "Guardian", "conductor": "Conductor"}
        return [
            (name, word, self.address(audience=name), name == self.audience and not self.kind)
            for name, word in choices.items()
        ]

    @property
    def kind_title(self) -> str:
        return next((words[0] for kind, words in WORDS.items() if kind == self.kind), "")

    def address(self, *, audience: str = "", kind: str = "") -> str:
        asked = {"workflow": self._workflow.id, "for": audience, "kind": kind}
        return "/guardian?" + urlencode({name: value for name, value in asked.items() if value})

    def _may(self, finding: Finding) -> bool:
        if finding.suggestion is None:
            return False
        return self._maintains if finding.suggestion.role == "maintainer" else self._writes

    @cached_property
    def _writes(self) -> bool:
        return has_role(self._actor, self._workflow.id, Role.MEMBER)

    @cached_property
    def _maintains(self) -> bool:
        return has_role(self._actor, self._workflow.id, Role.MAINTAINER)

    def _titles(self, found: Iterable[Finding]) -> dict[str, str]:
        ids = {ticket_id for one in found for ticket_id in one.ticket_ids[:SHOWN_TICKETS]}
        return dict(Ticket.objects.filter(workflow=self._workflow, pk__in=ids).values_list("id", "title"))

    @staticmethod
    def _names(found: Iterable[Finding]) -> dict[str, str]:
        ids = {agent_id for one in found for agent_id in one.agent_ids}
        return dict(Agent.objects.filter(pk__in=ids).values_list("id", "name"))


@workflow_page
def guardian_page(request: HttpRequest, frame: Frame) -> HttpResponseBase:
    """The page: findings by kind and severity."""
    seq = frame.workflow.event_seq
    context = {"view": Findings(request, frame.actor, frame.workflow), "seq": seq, "is_live": True}
    return frame.render(request, "boards/guardian.html", "guardian", context)


@fragment
def guardian_findings(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The findings as they are now."""
    workflow = workflow_for(actor, request.GET.get("workflow"))
    return render(
        request, "boards/guardian_findings.html", {"view": Findings(request, actor, workflow), "workflow": workflow}
    )


def _named(name: str) -> str:
    words = [UNITS.get(word, word) for word in name.split("_")]
    return " ".join(words).capitalize()


def _told(value: Any) -> str:
    """A value of evidence in a line of text."""
    if isinstance(value, dict):
        if {"before", "after"} <= value.keys():
            return f"{value['before']} → {value['after']}"
        if {"ticket", "waits_for"} <= value.keys():
            return f"{value['ticket']} waits for {value['waits_for']}"
        return ", ".join(f"{name} {_told(part)}" for name, part in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
