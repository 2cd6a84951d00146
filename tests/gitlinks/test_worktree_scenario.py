"""The design's story over REST: agents get tasks with tickets, work in worktrees, and the server does the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gitlinks.workshop import commit_file, git, make_repository
from tests.server import installation


class Agent:
    """An agent as it talks to the server: answers that succeed, or a status and an error."""

    def __init__(self, base_url: str, token: str) -> None:
        self._http = httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def get(self, path: str, **query: Any) -> Any:
        return self._answer(self._http.get(path, params=query))

    def post(self, path: str, **body: Any) -> Any:
        return self._answer(self._http.post(path, json=body))

    def refused(self, path: str, **body: Any) -> tuple[int, Any]:
        answer = self._http.post(path, json=body)
        return answer.status_code, answer.json()["error"]

    @staticmethod
    def _answer(answer: httpx.Response) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "root" / "project")


@pytest.fixture
def agents(tmp_path: Path, repository: Path) -> Iterator[tuple[Agent, Agent]]:
    with installation(tmp_path / "data", {"HEPHAESTUS_REPOSITORY_ROOT": str(repository.parent)}) as site:
        site.manage("create_workflow", "flow", "--name", "Flow", "--repository", str(repository))
        tokens = [site.manage("create_agent", name, "--workflow", "flow").splitlines()[-1] for name in ("ada", "bob")]
        with site.serve() as server:
            yield Agent(server.base_url, tokens[0]), Agent(server.base_url, tokens[1])


def make_ticket(agent: Agent, title: str, **fields: Any) -> Any:
    return agent.post("/api/tickets/create", title=title, description="Long enough to be a description.", **fields)


def make_task(agent: Agent, task_id: str, ticket_id: str, for_agent: str) -> None:
    fields = {"description": "Implement it", "done_definition": "It works", "assigned_agent_id": for_agent}
    agent.post("/api/tasks", task_id=task_id, ticket_id=ticket_id, **fields)


@pytest.mark.slow
def test_a_task_goes_from_its_ticket_to_the_main_branch(agents: tuple[Agent, Agent], repository: Path) -> None:
    ada, bob = agents
    oauth = make_ticket(ada, "Add OAuth support")
    logins = make_ticket(ada, "Log in by OAuth", blocked_by_ticket_ids=[oauth["ticket_id"]])
    other = make_ticket(bob, "Say three better")
    make_task(ada, "task-oauth", oauth["ticket_id"], "ada")
    make_task(bob, "task-three", other["ticket_id"], "bob")

    # What waits cannot be begun.
    status, error = bob.refused(
        "/api/tickets/change-status",
        ticket_id=logins["ticket_id"],
        new_status="in_progress",
        comment="I begin with it.",
    )
    assert (status, error["code"], error["blocking_ticket_ids"]) == (409, "blocked", [oauth["ticket_id"]])

    # Each works in a folder of its own, and both change the same line.
    adas = ada.post("/api/worktrees", task_id="task-oauth")["worktree"]
    bobs = bob.post("/api/worktrees", task_id="task-three")["worktree"]
    assert adas["branch"] == "hephaestus/task-oauth"
    ada.post("/api/tasks/task-oauth/status", status="in_progress")
    first = commit_file(Path(adas["path"]), "oauth/flow.py", "def flow(): ...\n", f"{oauth['key']}: add the flow")
    second = commit_file(Path(adas["path"]), "README.md", "one\ntwo\n3, by OAuth\n", "Tell of it")
    commit_file(Path(bobs["path"]), "README.md", "one\ntwo\nTHREE\n", "Say three louder")
    ada.post("/api/tickets/link-commit", ticket_id=oauth["key"], commit_sha=first[:10])

    # Work that is not committed is not lost on the way.
    (Path(adas["path"]) / "oauth" / "notes.txt").write_text("later")
    status, error = ada.refused("/api/tasks/task-oauth/status", status="done")
    assert (status, error["code"], error["files"]) == (409, "conflict", ["oauth/notes.txt"])
    (Path(adas["path"]) / "oauth" / "notes.txt").unlink()

    done = ada.post("/update_task_status", task_id="task-oauth", status="done", summary="OAuth works.")
    merge = done["merge_commit_sha"]
    assert git(repository, "rev-parse", "main") == merge
    assert done["ticket_resolved"] == oauth["ticket_id"]
    assert done["unblocked_tickets"] == [logins["ticket_id"]]
    assert done["agent_terminated"] is True
    assert (repository / "oauth" / "flow.py").read_text() == "def flow(): ...\n"
    assert git(repository, "status", "--porcelain") == ""

    detail = ada.get(f"/api/tickets/{oauth['ticket_id']}")
    assert (detail["is_resolved"], detail["status"]) == (True, "done")
    assert {commit["commit_sha"]: commit["link_method"] for commit in detail["commits"]} == {
        first: "manual",
        second: "worktree",
        merge: "auto_task_completion",
    }
    assert any("completed and merged" in comment["comment_text"] for comment in detail["comments"])
    diff = ada.get(f"/api/tickets/commit-diff/{merge}")
    assert {file["path"]: file["status"] for file in diff["files"]} == {
        "README.md": "modified",
        "oauth/flow.py": "added",
    }
    waiting = bob.get(f"/api/tickets/{logins['ticket_id']}")
    assert waiting["is_blocked"] is False
    assert any(comment["comment_text"].startswith("Unblocked") for comment in waiting["comments"])
    bob.post(
        "/api/tickets/change-status", ticket_id=logins["key"], new_status="in_progress", comment="Now I begin with it."
    )

    # The second is told where it conflicts; nothing of it has happened.
    status, error = bob.refused("/api/tasks/task-three/status", status="done")
    assert (status, error["code"], error["files"]) == (409, "conflict", ["README.md"])
    assert git(repository, "rev-parse", "main") == merge
    assert bob.get("/api/tasks/task-three")["status"] == "assigned"
    assert bob.get(f"/api/tickets/{other['ticket_id']}")["commits"] == []
    with pytest.raises(Exception, match="merge"):
        git(Path(bobs["path"]), "merge", "--quiet", "main")
    commit_file(Path(bobs["path"]), "README.md", "one\ntwo\nTHREE, by OAuth\n", "Merge main")
    done = bob.post("/api/tasks/task-three/status", status="done")
    assert git(repository, "rev-list", "--first-parent", "main").split()[:2] == [done["merge_commit_sha"], merge]

    events = bob.get("/api/workflows/flow/events", since=0, limit=200)["events"]
    of_oauth = [event["type"] for event in events if event["ticket_id"] == oauth["ticket_id"]]
    assert of_oauth.count("commit_linked") == 3
    assert of_oauth.count("ticket_resolved") == 1
    assert ada.post("/api/worktrees/clean")["kept"] == []
    assert git(repository, "branch", "--list", "hephaestus/*") == ""
    assert not Path(adas["path"]).exists()
