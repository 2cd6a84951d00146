"""Finds whom and what a comment mentions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.db.models import Q

from tickets.access import Actor, visible_tickets
from tickets.errors import Invalid, NotFound
from tickets.ids import parse_ticket_reference
from tickets.models import Agent, Task

_AGENT = re.compile(r"(?<![\w@/.])@([A-Za-z0-9][A-Za-z0-9._:-]{0,99})")
_TICKET = re.compile(
    r"(?<![\w#/])#((?:ticket-)?[0-9a-f]{8}-[0-9a-f-]{27}|[A-Za-z][A-Za-z0-9]{1,9}-[1-9][0-9]{0,9})\b", re.IGNORECASE
)
_TASK = re.compile(r"\b(task-[A-Za-z0-9][A-Za-z0-9._:-]{0,90})")
MAX_MENTIONS = 50
# Of each kind; a text of 100,000 characters could name more than a query takes.
MAX_NAMES = 500


def find_mentions(actor: Actor, workflow_id: str, text: str, named: Iterable[str] = ()) -> list[str]:
    """Ids of the agents, tickets and tasks of this workflow that are named or stand in the text.

    At most three queries. Names in the text that mean nothing are ignored; a named one raises Invalid.
    """
    explicit = [name.lstrip("@#") for name in named]
    agents = [name.rstrip(".:-") for name in _AGENT.findall(text)]
    tasks = [name.rstrip(".:-") for name in _TASK.findall(text)]
    found = [
        *_agents(workflow_id, _first([*explicit, *agents])),
        *_tickets(actor, workflow_id, _first([*explicit, *_TICKET.findall(text)])),
        *_tasks(workflow_id, _first([*explicit, *tasks])),
    ]
    known = {alias.casefold() for _, aliases in found for alias in aliases}
    for name in explicit:
        if name.casefold() not in known:
            raise Invalid(f"{name!r} is no agent, ticket or task of workflow {workflow_id!r}.", field="mentions")
    return list(dict.fromkeys(id_ for id_, _ in found))[:MAX_MENTIONS]


def _first(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))[:MAX_NAMES]


def _agents(workflow_id: str, names: list[str]) -> list[tuple[str, tuple[str, ...]]]:
    if not names:
        return []
    rows = Agent.objects.filter(Q(memberships__workflow_id=workflow_id) | Q(user__is_superuser=True), id__in=names)
    return [(id_, (id_,)) for id_ in rows.values_list("id", flat=True).distinct()]


def _tickets(actor: Actor, workflow_id: str, names: list[str]) -> list[tuple[str, tuple[str, ...]]]:
    ids, keys = [], []
    for name in names:
        try:
            parsed = parse_ticket_reference(name)
        except (Invalid, NotFound):
            continue
        ids += [parsed.id] if parsed.id else []
        keys += [parsed.key] if parsed.key else []
    if not ids and not keys:
        return []
    rows = visible_tickets(actor).filter(Q(id__in=ids) | Q(key__in=keys), workflow_id=workflow_id)
    return [(t.id, (t.id, t.id.removeprefix("ticket-"), t.key)) for t in rows.only("id", "key")]


def _tasks(workflow_id: str, names: list[str]) -> list[tuple[str, tuple[str, ...]]]:
    if not names:
        return []
    rows = Task.objects.filter(workflow_id=workflow_id, id__in=names).values_list("id", flat=True)
    return [(id_, (id_,)) for id_ in rows]
