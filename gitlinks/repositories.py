"""The local repositories of workflows, and whether they may be read.

A workflow names folders. Each was checked when it was set, and is checked again whenever it is used: in
between, a folder can become a link to somewhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from gitlinks.git import RepositoryUnreadable
from gitlinks.repository import lies_within
from tickets.access import Actor, visible_workflows, workflow_for
from tickets.models import Role, Workflow


@dataclass(frozen=True)
class Repository:
    """A folder with a repository, bare or not, and the workflows among those asked for that name it."""

    path: Path
    workflow_ids: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called where the place on the disk is nobody's business."""
        return self.path.name.removesuffix(".git") or self.path.name

    def checked(self) -> Path:
        """The folder, to be given to git now. One git process.

        Raises RepositoryUnreadable where there is no repository, or where any of it lies outside the allowed root.
        """
        if not lies_within(self.path, settings.REPOSITORY_ROOT):
            raise RepositoryUnreadable(f"{self.name} is no repository under the allowed root.")
        return self.path


def repositories_of(*workflows: Workflow) -> list[Repository]:
    """The repositories that the workflows name, each once, in the order of their first mention. No query."""
    found: dict[Path, list[str]] = {}
    for workflow in workflows:
        for path in workflow.repositories:
            found.setdefault(Path(path), []).append(workflow.id)
    return [Repository(path, tuple(dict.fromkeys(ids))) for path, ids in found.items()]


def repositories_of_actor(actor: Actor, workflow_id: str | None = None, role: Role = Role.VIEWER) -> list[Repository]:
    """Those of the workflow, else of every workflow in which the actor has at least this role. One query.

    Raises NotFound where the actor may not read the workflow named, Forbidden where the role is too low.
    """
    if workflow_id:
        return repositories_of(workflow_for(actor, workflow_id, role))
    return repositories_of(*_naming_some(visible_workflows(actor, role).order_by("pk")))


def repositories_of_all() -> list[Repository]:
    """Those of every active workflow, for commands and housekeeping. One query."""
    return repositories_of(*_naming_some(Workflow.objects.filter(is_active=True).order_by("pk")))


def _naming_some(workflows: Iterable[Workflow]) -> list[Workflow]:
    return [workflow for workflow in workflows if workflow.repositories]
