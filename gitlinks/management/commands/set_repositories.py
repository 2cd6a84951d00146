"""Say which local repositories a workflow has."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gitlinks.schemas import ListRepositories
from gitlinks.selectors.repositories import repository_list
from tickets.access import system_actor
from tickets.management.refusals import refusals
from tickets.schemas.base import parse
from tickets.schemas.workflows import UpdateWorkflow
from tickets.services.workflows import workflow_update


class Command(BaseCommand):
    help = "Set a workflow's repositories: folders under HEPHAESTUS_REPOSITORY_ROOT. Without any, it has none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workflow_id", metavar="ID")
        parser.add_argument("repositories", metavar="PATH", nargs="*")

    def handle(self, *, workflow_id: str, repositories: list[str], **_: Any) -> None:
        actor = system_actor()
        with refusals():
            updates = {"repositories": repositories}
            request = parse(UpdateWorkflow, {"workflow_id": workflow_id, "updates": updates})
            answer = workflow_update(actor=actor, request=request)
            found = repository_list(actor=actor, request=parse(ListRepositories, {"workflow_id": workflow_id}))
        self.stdout.write(answer.message)
        for repository in found.repositories:
            state = repository.branch or repository.head_sha or "empty"
            self.stdout.write(f"{repository.path}: {state if repository.readable else 'git cannot read it here'}")
