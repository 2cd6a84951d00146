"""What the core needs from the rooms above it, as small protocols.

The owners register their implementation at start-up (``AppConfig.ready``). Where none is registered,
the operation that needs it answers ``not_available``; nothing is faked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tickets.errors import NotAvailable

if TYPE_CHECKING:
    from tickets.access import Actor
    from tickets.models import Task, Ticket, Workflow
    from tickets.schemas.details import CommitDetail
    from tickets.unit import Unit


class Draft(Protocol):
    """What a ticket that is about to be created says."""

    @property
    def title(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def tags(self) -> Sequence[str] | None: ...


class PreparedTicket(Protocol):
    """What search knows of a ticket before it is created."""

    @property
    def similar(self) -> Sequence[dict[str, Any]]:
        """Tickets that are about the same, at most five, best first; fields as ``SimilarTicket``."""

    @property
    def is_compared(self) -> bool:
        """Whether meanings were compared; if not, only equal text was looked for."""

    @property
    def duplicate(self) -> dict[str, Any] | None:
        """The one of them that says the same beyond doubt."""


class TicketIndex(Protocol):
    """Keeps what tickets mean and finds those alike; owned by ``search``. None of it fails for being down."""

    def prepare(self, *, workflow: Workflow, drafts: Sequence[Draft]) -> Sequence[PreparedTicket]:
        """Look for what is alike before tickets are created. Called outside any transaction.

        Waits at most 0.8 s for embeddings, of however many tickets.
        """

    def refused(self, *, actor: Actor, workflow: Workflow, prepared: PreparedTicket) -> None:
        """Count that the ticket was not created since it is a duplicate."""

    def add(self, *, unit: Unit, ticket: Ticket, prepared: PreparedTicket | None) -> bool:
        """Index a new ticket inside the unit's transaction; whether its embedding is there already."""

    def alike(self, *, ticket: Ticket, limit: int) -> Sequence[dict[str, Any]]:
        """Tickets of the same workflow that are about the same, best first; fields as ``SimilarTicket``."""

    def opened(self, *, actor: Actor, search_id: str, ticket: Ticket) -> None:
        """Count that a result of a search was opened."""


class PreparedLink(Protocol):
    """A commit that was read and can be linked."""

    def link(self, *, unit: Unit, ticket: Ticket) -> bool:
        """Write the link (``manual``) inside the unit's transaction. False, and nothing changed, where it is there."""


class CommitLinks(Protocol):
    """Ties commits to tickets; owned by ``gitlinks``."""

    def prepare(self, *, workflow: Workflow, commit_sha: str) -> PreparedLink:
        """Read the commit. Raises NotFound or Invalid where there is none. Called outside any transaction."""


class PreparedMerge(Protocol):
    """A merge that is made but that nobody sees yet."""

    @property
    def commit_sha(self) -> str:
        """The merge commit."""

    def link(self, *, unit: Unit, ticket: Ticket) -> object:
        """Write the link to the ticket (``auto_task_completion``) inside the unit's transaction.

        May merge anew what moved since it was prepared: ``commit_sha`` is settled after it, or after ``publish``.
        """

    def publish(self) -> None:
        """Move the main branch to the merge commit: the last step before the transaction commits.

        Raises Conflict where the branch has moved on since; whatever it raises undoes the transaction.
        """


class WorktreeMerges(Protocol):
    """Merges the worktree in which an agent did a task; owned by ``gitlinks``."""

    def prepare(self, *, workflow: Workflow, task: Task, agent_id: str) -> PreparedMerge | None:
        """Make the merge commit without moving any branch; None where the task has no worktree.

        Raises Conflict where it does not merge cleanly. Called outside any transaction.
        """


class CommitSource(Protocol):
    """Tells which commits are linked to tickets; owned by ``gitlinks``. Checks no permission."""

    def commits_of(
        self, ticket_id: str, *, offset: int = 0, limit: int, newest_first: bool = False
    ) -> list[CommitDetail]:
        """Commits in the order of linking. One indexed query."""

    def commits_by_sha(self, ticket_id: str, shas: Sequence[str]) -> dict[str, CommitDetail]:
        """Those of a ticket's commits that are named (whole shas, as history's ``commit_linked`` has them)."""


_index: TicketIndex | None = None
_commits: CommitLinks | None = None
_worktrees: WorktreeMerges | None = None
_commit_source: CommitSource | None = None


def register(
    *,
    index: TicketIndex | None = None,
    commits: CommitLinks | None = None,
    worktrees: WorktreeMerges | None = None,
    commit_source: CommitSource | None = None,
) -> None:
    """Called once by each owner when the process starts."""
    global _index, _commits, _worktrees, _commit_source
    _index = index or _index
    _commits = commits or _commits
    _worktrees = worktrees or _worktrees
    _commit_source = commit_source or _commit_source


def ticket_index() -> TicketIndex | None:
    """None where search is not installed: creating a ticket does not depend on it."""
    return _index


def commit_links() -> CommitLinks:
    if _commits is None:
        raise NotAvailable("Linking commits is not available yet. Leave commit_sha out.", field="commit_sha")
    return _commits


def worktree_merges() -> WorktreeMerges | None:
    """None where no task has a worktree."""
    return _worktrees


def commit_source() -> CommitSource | None:
    """None where no commit can be linked either."""
    return _commit_source
