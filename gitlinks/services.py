"""Write links from tickets to commits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gitlinks.finding import find_commit, reading
from gitlinks.models import LinkMethod, TicketCommit
from gitlinks.repositories import repositories_of
from gitlinks.repository import MAX_FILES, SHA_LENGTHS, Commit, read_commit
from gitlinks.schemas import CommitLinked, LinkCommit
from gitlinks.selectors.links import commit_detail
from tickets.access import Actor, find_ticket
from tickets.errors import Invalid, NotFound
from tickets.ids import new_id
from tickets.models import Role, Ticket, Workflow
from tickets.unit import Unit, open_ticket

MAX_MESSAGE = 100_000
MAX_PATH = 1000


def commit_link(unit: Unit, ticket: Ticket, commit: Commit, *, method: LinkMethod = LinkMethod.MANUAL) -> bool:
    """Link a commit to a ticket inside an open unit. False, and nothing changed, where it is linked already."""
    return _link(unit, ticket, _row(unit, commit, method))


def commits_link(unit: Unit, pairs: Sequence[tuple[Ticket, Commit]], *, method: LinkMethod) -> list[bool]:
    """The same for many pairs, with one query and one statement for all of them. Their answers in this order."""
    links = TicketCommit.objects.filter(commit_sha__in={commit.sha for _, commit in pairs})
    linked = set(links.values_list("ticket_id", "commit_sha"))
    rows, answers = [], []
    for ticket, commit in pairs:
        is_new = (ticket.id, commit.sha) not in linked
        answers.append(is_new)
        if is_new:
            linked.add((ticket.id, commit.sha))
            rows.append(_prepare(unit, ticket, _row(unit, commit, method)))
    unit.writes.insert(rows)
    return answers


def _row(unit: Unit, commit: Commit, method: LinkMethod) -> TicketCommit:
    return TicketCommit(
        agent_id=unit.actor.agent_id,
        commit_sha=commit.sha,
        commit_message=commit.message[:MAX_MESSAGE],
        commit_timestamp=commit.committed_at,
        author_name=commit.author_name[:300],
        files_changed=len(commit.files),
        insertions=commit.insertions,
        deletions=commit.deletions,
        files_list=[path[:MAX_PATH] for path in commit.files[:MAX_FILES]],
        link_method=method,
    )


def commit_link_unverified(unit: Unit, ticket: Ticket, sha: str, message: str) -> bool:
    """The same for a commit that no repository has: its message is the caller's, its time now, the rest unknown."""
    link = TicketCommit(
        agent_id=unit.actor.agent_id,
        commit_sha=sha,
        commit_message=message,
        commit_timestamp=unit.now,
        link_method=LinkMethod.MANUAL,
        verified=False,
    )
    return _link(unit, ticket, link)


def _link(unit: Unit, ticket: Ticket, link: TicketCommit) -> bool:
    if TicketCommit.objects.filter(ticket=ticket, commit_sha=link.commit_sha).exists():
        return False
    _prepare(unit, ticket, link).save(force_insert=True)
    return True


def _prepare(unit: Unit, ticket: Ticket, link: TicketCommit) -> TicketCommit:
    """The row, to be inserted, with the history row and the event of its own."""
    link.id = new_id("commit")
    link.ticket = ticket
    link.linked_at = unit.now
    unit.touch(ticket, commit_count=ticket.commit_count + 1)
    method = LinkMethod(link.link_method).value
    unit.record(ticket, "commit_linked", field_name="commit_sha", new=link.commit_sha, metadata={"link_method": method})
    unit.emit(
        "commit_linked",
        ticket,
        commit_sha=link.commit_sha,
        commit_message=link.commit_message.split("\n", 1)[0][:200],
        author_name=link.author_name,
        files_changed=link.files_changed,
        insertions=link.insertions,
        deletions=link.deletions,
        link_method=method,
        verified=link.verified,
    )
    return link


@dataclass(frozen=True)
class ReadCommit:
    """A commit as a repository has it (``tickets.ports.PreparedLink``)."""

    commit: Commit

    @property
    def sha(self) -> str:
        return self.commit.sha

    def link(self, *, unit: Unit, ticket: Ticket) -> bool:
        return commit_link(unit, ticket, self.commit)


@dataclass(frozen=True)
class ToldCommit:
    """A commit that is only known by what the caller says."""

    sha: str
    message: str

    def link(self, *, unit: Unit, ticket: Ticket) -> bool:
        return commit_link_unverified(unit, ticket, self.sha, self.message)


@dataclass(frozen=True)
class LinkedCommit:
    """A commit that the ticket is linked to already."""

    sha: str

    def link(self, *, unit: Unit, ticket: Ticket) -> bool:
        return False


class CommitLinking:
    """Ties commits to tickets (``tickets.ports.CommitLinks``)."""

    def prepare(self, *, workflow: Workflow, commit_sha: str) -> ReadCommit:
        found = find_commit(repositories_of(workflow), commit_sha)
        with reading(found.repository):
            return ReadCommit(read_commit(found.folder, found.sha))


def ticket_commit_link(*, actor: Actor, request: LinkCommit) -> CommitLinked:
    """Link a commit to a ticket.

    Raises NotFound for a commit that no repository of the ticket's workflow has, and Invalid where several begin
    with the digits given (``candidates``).
    """
    return ticket_commit_link_prepare(actor=actor, request=request)()


def ticket_commit_link_prepare(*, actor: Actor, request: LinkCommit) -> Callable[[], CommitLinked]:
    """Read the commit from the repository; returns what then links it."""
    ticket = find_ticket(actor, request.ticket_id, role=Role.MEMBER)
    return functools.partial(_link_to_ticket, actor, request, _prepared(ticket, request))


def _prepared(ticket: Ticket, request: LinkCommit) -> ReadCommit | ToldCommit | LinkedCommit:
    sha = request.commit_sha
    if TicketCommit.objects.filter(ticket=ticket, commit_sha=sha).exists():
        # Also when the repository has lost it since.
        return LinkedCommit(sha)
    try:
        return CommitLinking().prepare(workflow=ticket.workflow, commit_sha=sha)
    except NotFound as error:
        message = (request.commit_message or "").strip()
        if not message:
            hint = " With commit_message and the whole sha it can be linked unverified."
            raise NotFound(error.message + hint, field="commit_sha") from None
        if len(sha) not in SHA_LENGTHS:
            hint = " To link it unverified, give the whole sha: 40 digits, or 64."
            raise Invalid(error.message + hint, field="commit_sha") from None
        return ToldCommit(sha, message)


def _link_to_ticket(
    actor: Actor, request: LinkCommit, prepared: ReadCommit | ToldCommit | LinkedCommit
) -> CommitLinked:
    with open_ticket(
        actor, request.ticket_id, expected_version=request.expected_version, fencing_token=request.fencing_token
    ) as (unit, ticket):
        linked = prepared.link(unit=unit, ticket=ticket)
        link = TicketCommit.objects.get(ticket=ticket, commit_sha=prepared.sha)
    told = "" if link.verified else " No repository of the workflow has it: it is unverified."
    return CommitLinked(
        message=f"{ticket.key}: {link} {'linked' if linked else 'was linked already'}.{told}",
        ticket_id=ticket.id,
        key=ticket.key,
        version=ticket.version,
        commit_sha=link.commit_sha,
        linked=linked,
        verified=link.verified,
        commit=commit_detail(link),
    )
