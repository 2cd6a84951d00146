"""Write links from tickets to commits."""

from __future__ import annotations

from gitlinks.models import LinkMethod, TicketCommit
from gitlinks.repository import MAX_FILES, Commit
from tickets.ids import new_id
from tickets.models import Ticket
from tickets.unit import Unit


def commit_link(unit: Unit, ticket: Ticket, commit: Commit, *, method: LinkMethod = LinkMethod.MANUAL) -> bool:
    """Link a commit to a ticket inside an open unit. False, and nothing changed, where it is linked already."""
    if TicketCommit.objects.filter(ticket=ticket, commit_sha=commit.sha).exists():
        return False
    TicketCommit.objects.create(
        id=new_id("commit"),
        ticket=ticket,
        agent_id=unit.actor.agent_id,
        commit_sha=commit.sha,
        commit_message=commit.message,
        commit_timestamp=commit.committed_at,
        author_name=commit.author_name[:300],
        files_changed=len(commit.files),
        insertions=commit.insertions,
        deletions=commit.deletions,
        files_list=list(commit.files[:MAX_FILES]),
        linked_at=unit.now,
        link_method=method,
    )
    unit.touch(ticket, commit_count=ticket.commit_count + 1)
    unit.record(
        ticket, "commit_linked", field_name="commit_sha", new=commit.sha, metadata={"link_method": method.value}
    )
    unit.emit(
        "commit_linked",
        ticket,
        commit_sha=commit.sha,
        commit_message=commit.subject[:200],
        author_name=commit.author_name[:300],
        files_changed=len(commit.files),
        insertions=commit.insertions,
        deletions=commit.deletions,
        link_method=method.value,
    )
    return True
