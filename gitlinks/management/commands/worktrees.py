"""List, merge, remove and clean up the worktrees of agents."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gitlinks.worktrees import operations
from gitlinks.worktrees.merging import merges_recover
from tickets.access import system_actor
from tickets.management.refusals import refusals
from tickets.models import Workflow
from tickets.operations import execute

SHOWN = 200


class Command(BaseCommand):
    help = "The folders in which agents do tasks, each with a branch of its own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        listed = commands.add_parser("list", help="those that are there, newest first")
        listed.add_argument("--workflow", metavar="ID")
        created = commands.add_parser("create", help="make one for a task; its folder is the last line")
        created.add_argument("task_id", metavar="TASK")
        created.add_argument("--agent", metavar="ID", help="default: the task's")
        created.add_argument("--repository", metavar="PATH", help="needed where the workflow has several")
        created.add_argument("--base-branch", metavar="NAME", help="default: what the repository's HEAD is on")
        merged = commands.add_parser("merge", help="merge one into its base branch; its task stays as it is")
        merged.add_argument("worktree_id", metavar="WORKTREE")
        removed = commands.add_parser("remove", help="remove one; commits that are not merged stay on its branch")
        removed.add_argument("worktree_id", metavar="WORKTREE")
        removed.add_argument("--discard", action="store_true", help="also what is not committed; it is lost then")
        cleaned = commands.add_parser(
            "clean", help="remove those whose task or agent has ended or whose folder is gone"
        )
        cleaned.add_argument("--workflow", metavar="ID", help="default: all")
        commands.add_parser("recover", help="end what a killed process left between merge and database; servers do it")

    def handle(self, *, command: str, **options: Any) -> None:
        with refusals():
            getattr(self, f"_{command}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        fields = {"workflow_id": options["workflow"], "limit": SHOWN}
        answer = execute(operations.WORKTREE_LIST, system_actor(), fields)
        for row in answer.worktrees:
            self.stdout.write(
                f"{row.worktree_id}  {row.state:<7}  {row.branch} from {row.base_branch}  {row.agent_id}  {row.path}"
            )
        if answer.has_more:
            self.stdout.write(f"… and {answer.total_count - len(answer.worktrees)} more")

    def _create(self, options: dict[str, Any]) -> None:
        fields = {
            "task_id": options["task_id"],
            "for_agent_id": options["agent"],
            "repository": options["repository"],
            "base_branch": options["base_branch"],
        }
        answer = execute(operations.WORKTREE_CREATE, system_actor(), fields)
        self.stderr.write(answer.message)
        self.stdout.write(answer.worktree.path)

    def _merge(self, options: dict[str, Any]) -> None:
        fields = {"worktree_id": options["worktree_id"]}
        self.stdout.write(execute(operations.WORKTREE_MERGE, system_actor(), fields).message)

    def _remove(self, options: dict[str, Any]) -> None:
        fields = {"worktree_id": options["worktree_id"], "discard": options["discard"]}
        self.stdout.write(execute(operations.WORKTREE_REMOVE, system_actor(), fields).message)

    def _clean(self, options: dict[str, Any]) -> None:
        wanted = options["workflow"]
        workflows = [wanted] if wanted else list(Workflow.objects.values_list("pk", flat=True))
        kept = []
        for workflow_id in workflows:
            answer = execute(operations.WORKTREES_CLEAN, system_actor(), {"workflow_id": workflow_id})
            self.stdout.write(f"{workflow_id}: {answer.message}")
            kept += answer.kept
        for each in kept:
            self.stdout.write(f"  {each.worktree_id} stays: {each.reason}")

    def _recover(self, _options: dict[str, Any]) -> None:
        merges_recover()
        self.stdout.write("Done. What could not be recovered is in the log.")
