"""A repository, a workflow that has it, and agents with tasks: what tests of worktrees begin with."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from gitlinks.models import Worktree
from gitlinks.worktrees.operations import WORKTREE_CREATE, WORKTREE_MERGE, WORKTREE_REMOVE
from tests.factories import AgentWithToken, make_agent, make_ticket, make_workflow
from tickets.models import Task, Ticket, Workflow
from tickets.operations import TASK_CREATE, TASK_UPDATE_STATUS, execute

_IDENTITY = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]


def git(folder: Path, *arguments: str, given: str | None = None) -> str:
    """What git says, as a person's git would run in that folder."""
    command = ["git", "-C", str(folder), *_IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, input=given).stdout.strip()


def commit_file(folder: Path, name: str, text: str, message: str = "") -> str:
    """Write a file and commit it; the commit's sha."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    git(folder, "add", "--", name)
    git(folder, "commit", "--quiet", "-m", message or f"Write {name}")
    return git(folder, "rev-parse", "HEAD")


def make_repository(folder: Path) -> Path:
    """A repository with main checked out, and one commit."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit_file(folder, "README.md", "one\ntwo\nthree\n")
    return folder


class Workshop:
    """One workflow with one repository."""

    def __init__(self, repository: Path, **fields: Any) -> None:
        self.repository = repository
        self.workflow: Workflow = make_workflow(repositories=[str(repository)], **fields)
        self.agent: AgentWithToken = make_agent(self.workflow)

    def task(self, agent: AgentWithToken | None = None, **fields: Any) -> Task:
        """A task about a new ticket, for the agent."""
        agent = agent or self.agent
        values = {"description": "Do it", "assigned_agent_id": agent.id, **fields}
        if self.workflow.ticket_tracking_enabled:
            values.setdefault("ticket_id", make_ticket(self.agent, self.workflow).id)
        values.setdefault("workflow_id", self.workflow.id)
        return Task.objects.get(pk=execute(TASK_CREATE, self.agent.actor, values).task_id)

    def worktree(self, task: Task, agent: AgentWithToken | None = None, **fields: Any) -> Worktree:
        answer = execute(WORKTREE_CREATE, (agent or self.agent).actor, {"task_id": task.id, **fields})
        return Worktree.objects.get(pk=answer.worktree.worktree_id)

    def done(self, task: Task, agent: AgentWithToken | None = None, **fields: Any) -> Any:
        values = {"task_id": task.id, "status": "done", **fields}
        return execute(TASK_UPDATE_STATUS, (agent or self.agent).actor, values)

    def merge(self, worktree: Worktree) -> Any:
        return execute(WORKTREE_MERGE, self.agent.actor, {"worktree_id": worktree.id})

    def remove(self, worktree: Worktree, **fields: Any) -> Any:
        return execute(WORKTREE_REMOVE, self.agent.actor, {"worktree_id": worktree.id, **fields})

    def tip(self, branch: str = "main") -> str:
        return git(self.repository, "rev-parse", f"refs/heads/{branch}")

    def intents(self) -> str:
        return git(self.repository, "for-each-ref", "refs/hephaestus")


def ticket_of(task: Task) -> Ticket:
    """The task's ticket as it is now."""
    return Ticket.objects.get(pk=task.ticket_id)
