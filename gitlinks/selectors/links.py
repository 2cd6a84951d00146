"""Reads the links from tickets to commits."""

from __future__ import annotations

from collections.abc import Sequence

from gitlinks.models import TicketCommit
from tickets.schemas.base import utc_text
from tickets.schemas.details import CommitDetail


class StoredCommits:
    """Gives the core the commits of a ticket (``tickets.ports.CommitSource``)."""

    def commits_of(
        self, ticket_id: str, *, offset: int = 0, limit: int, newest_first: bool = False
    ) -> list[CommitDetail]:
        links = TicketCommit.objects.filter(ticket_id=ticket_id)
        ordered = links.order_by("-linked_at", "-id") if newest_first else links.order_by("linked_at", "id")
        return [commit_detail(link) for link in ordered[offset : offset + limit]]

    def commits_by_sha(self, ticket_id: str, shas: Sequence[str]) -> dict[str, CommitDetail]:
        links = TicketCommit.objects.filter(ticket_id=ticket_id, commit_sha__in=shas)
        return {link.commit_sha: commit_detail(link) for link in links}


def commit_detail(link: TicketCommit) -> CommitDetail:
    """A link as every face shows it."""
    return CommitDetail(
        commit_sha=link.commit_sha,
        commit_message=link.commit_message,
        commit_timestamp=utc_text(link.commit_timestamp),
        author_name=link.author_name,
        files_changed=link.files_changed,
        insertions=link.insertions,
        deletions=link.deletions,
        files_list=link.files_list,
        agent_id=link.agent_id,
        linked_at=utc_text(link.linked_at),
        link_method=link.link_method,
        verified=link.verified,
    )
