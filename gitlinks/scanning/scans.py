"""Links the commits of repositories to the tickets that their messages name, and resolves what they close.

A scan goes on where the last one ended: at the commits that the branches then pointed at. What a force push threw
away is gone from there, what it brought is new. To scan anything again changes nothing: a commit links once to a
ticket, and closes it only when it is linked.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.utils import timezone

from gitlinks.authors import Authors
from gitlinks.models import CommitScan, LinkMethod, TicketCommit
from gitlinks.references import Reference, find_references, hint
from gitlinks.repositories import Repository
from gitlinks.repository import Commit, read_many
from gitlinks.scanning.reading import WALK_TIMEOUT, Message, Walked, known_commits, read_heads, walk
from gitlinks.services import commits_link
from tickets.access import Actor, system_actor
from tickets.errors import DomainError
from tickets.models import Agent, Ticket, Workflow
from tickets.models.agents import SYSTEM_AGENT_ID
from tickets.services.status import resolve_in_unit
from tickets.unit import Unit, open_unit, write_transaction

# Messages are looked up together, and links written together: few queries, short transactions.
LOOKED_UP = 500
WRITTEN = 200


@dataclass
class Scan:
    """What a scan found. ``refused`` says which tickets were not resolved, and why."""

    repository: str
    workflow_id: str
    commits: int = 0
    linked: list[tuple[str, str]] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Naming:
    """A commit and the tickets that it names and is not linked to yet: their ids, and whether it closes them."""

    sha: str
    agent_id: str
    tickets: dict[str, bool]


def scan(repository: Repository, workflow: Workflow, *, alone: bool, since: str | None = None) -> Scan:
    """Look through what a repository gained since the last scan for tickets of a workflow.

    ``alone``: the workflow is the repository's only one, so that bare numbers mean its tickets. Five git processes,
    however many commits. Raises RepositoryUnreadable.
    """
    found = Scan(repository.name, workflow.id)
    folder = repository.checked()
    path = str(repository.path)
    last = CommitScan.objects.filter(workflow=workflow, repository=path).first()
    heads = read_heads(folder)
    if last is not None and heads == last.heads and since is None:
        return found
    seen = known_commits(folder, last.heads) if last is not None and since is None else []
    walked = Walked()
    messages = walk(folder, heads, seen, hint=hint({workflow.key_prefix}, numbers=alone), walked=walked, since=since)
    named = list(_naming(messages, workflow, alone=alone))
    found.commits = walked.commits
    if named:
        _link(folder, workflow, named, found)
    with write_transaction():
        CommitScan.objects.update_or_create(
            workflow=workflow, repository=path, defaults={"heads": heads, "scanned_at": timezone.now()}
        )
    return found


def _naming(messages: Iterator[Message], workflow: Workflow, *, alone: bool) -> Iterator[_Naming]:
    """The messages that name tickets which exist, without those that are linked. Two queries for 500 messages."""
    prefixes, numbers = {workflow.key_prefix}, workflow.key_prefix if alone else None
    authors = Authors([workflow.id])
    while chunk := list(itertools.islice(messages, LOOKED_UP)):
        named = [(message, find_references(message.text, prefixes=prefixes, numbers=numbers)) for message in chunk]
        named = [(message, references) for message, references in named if references]
        tickets = _tickets(workflow, [reference for _, references in named for reference in references])
        links = TicketCommit.objects.filter(commit_sha__in=[message.sha for message, _ in named])
        linked = set(links.values_list("commit_sha", "ticket_id"))
        for message, references in named:
            about = {
                tickets[reference.name]: reference.closes
                for reference in references
                if reference.name in tickets and (message.sha, tickets[reference.name]) not in linked
            }
            if about:
                agent_id = authors.find(message.author_name, message.author_email) or SYSTEM_AGENT_ID
                yield _Naming(message.sha, agent_id, about)


def _tickets(workflow: Workflow, references: Sequence[Reference]) -> dict[str, str]:
    """Key or id → id of the tickets that exist."""
    rows = Ticket.objects.filter(workflow=workflow)
    keys = {reference.key for reference in references if reference.key}
    ids = {reference.ticket_id for reference in references if reference.ticket_id}
    found = dict(rows.filter(key__in=keys).values_list("key", "id")) if keys else {}
    return found | {id_: id_ for id_ in rows.filter(pk__in=ids).values_list("pk", flat=True)} if ids else found


def _link(folder: Path, workflow: Workflow, named: Sequence[_Naming], found: Scan) -> None:
    """Read the commits with what they changed, and link them: 200 at a time, each author's in one transaction."""
    kinds = dict(Agent.objects.filter(pk__in={naming.agent_id for naming in named}).values_list("pk", "kind"))
    commits = read_many(folder, [naming.sha for naming in named], timeout=WALK_TIMEOUT)
    pairs = zip(named, commits, strict=True)
    while chunk := list(itertools.islice(pairs, WRITTEN)):
        authors: dict[str, list[tuple[_Naming, Commit]]] = {}
        for naming, commit in chunk:
            authors.setdefault(naming.agent_id, []).append((naming, commit))
        for agent_id, own in authors.items():
            with open_unit(_acting(agent_id, kinds[agent_id]), workflow.id) as unit:
                _link_in_unit(unit, own, found)


def _link_in_unit(unit: Unit, named: Sequence[tuple[_Naming, Commit]], found: Scan) -> None:
    ids = {ticket_id for naming, _ in named for ticket_id in naming.tickets}
    tickets = {ticket.id: unit.adopt(ticket) for ticket in Ticket.objects.filter(pk__in=ids)}
    pairs = [
        (tickets[ticket_id], commit, closes) for naming, commit in named for ticket_id, closes in naming.tickets.items()
    ]
    linked = commits_link(unit, [(ticket, commit) for ticket, commit, _ in pairs], method=LinkMethod.AUTO_DETECTED)
    for (ticket, commit, closes), is_new in zip(pairs, linked, strict=True):
        if is_new:
            found.linked.append((commit.sha, ticket.key))
        if is_new and closes and not ticket.is_resolved:
            try:
                resolve_in_unit(unit, ticket, f"Commit {commit.sha[:12]} says: {commit.subject[:200]}")
                found.resolved.append(ticket.key)
            except DomainError as error:
                found.refused.append(error.message)


def _acting(agent_id: str, kind: str) -> Actor:
    """The author, for whom the system acts: history names both."""
    system = system_actor()
    if agent_id == system.agent_id:
        return system
    return Actor(agent_id=agent_id, kind=kind, via_agent_id=system.agent_id, is_superuser=True)
