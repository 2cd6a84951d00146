"""The repositories of a workflow, and whether they can be read."""

from __future__ import annotations

from gitlinks.git import RepositoryUnreadable
from gitlinks.repositories import Repository, repositories_of
from gitlinks.repository import read_state
from gitlinks.schemas import ListRepositories, RepositoryDetail, RepositoryList
from tickets.access import Actor, workflow_for


def repository_list(*, actor: Actor, request: ListRepositories) -> RepositoryList:
    """Each repository of the workflow with what its HEAD points at. Two git processes for each."""
    workflow = workflow_for(actor, request.workflow_id)
    return RepositoryList(
        workflow_id=workflow.id, repositories=[_detail(repository) for repository in repositories_of(workflow)]
    )


def _detail(repository: Repository) -> RepositoryDetail:
    try:
        state = read_state(repository.checked())
    except RepositoryUnreadable:
        state = None
    return RepositoryDetail(
        name=repository.name,
        path=str(repository.path),
        readable=state is not None,
        bare=state.bare if state else None,
        branch=state.branch if state else None,
        head_sha=state.head_sha if state else None,
    )
