"""A process that is killed while it finishes a task: afterwards both the branch and the database say so, or neither."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gitlinks.dying import STEPS
from tests.gitlinks.workshop import commit_file, git, make_repository
from tests.server import Installation, Server, installation

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds


@dataclass
class Site:
    """An installation with a workflow that has a repository, and an agent in it."""

    installed: Installation
    repository: Path
    token: str

    def client(self, server: Server) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=server.base_url, headers=headers, timeout=PATIENCE)

    def tip(self) -> str:
        return git(self.repository, "rev-parse", "main")

    def intents(self) -> str:
        return git(self.repository, "for-each-ref", "refs/hephaestus")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    repository = make_repository(tmp_path / "root" / "project")
    with installation(tmp_path / "data", {"HEPHAESTUS_REPOSITORY_ROOT": str(tmp_path / "root")}) as installed:
        installed.manage("create_workflow", "flow", "--name", "Flow", "--repository", str(repository))
        token = installed.manage("create_agent", "worker", "--workflow", "flow").splitlines()[-1]
        yield Site(installed, repository, token)


def ask(client: httpx.Client, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = client.post(path, json=body or {}) if body is not None else client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def make_work(client: httpx.Client, number: int = 1) -> tuple[str, str]:
    """A task whose worktree holds a commit; ids of task and ticket."""
    ticket = ask(client, "/api/tickets/create", {"title": f"Ticket {number}", "description": "Long enough to be one."})
    fields = {"description": "Do it", "ticket_id": ticket["ticket_id"], "assigned_agent_id": "worker"}
    task = ask(client, "/api/tasks", fields)
    tree = ask(client, "/api/worktrees", {"task_id": task["task_id"]})["worktree"]
    commit_file(Path(tree["path"]), f"file-{number}.py", "x\n")
    return task["task_id"], ticket["ticket_id"]


def wait_until_settled(site: Site) -> None:
    deadline = time.monotonic() + PATIENCE
    while site.intents():
        assert time.monotonic() < deadline, "the server recovers nothing"
        time.sleep(0.1)


def is_whole(site: Site, client: httpx.Client, task: str, ticket: str, before: str) -> bool:
    """Whether the task is done; asserts that branch, checkout, task, ticket and links agree on it."""
    status = ask(client, f"/api/tasks/{task}")["task"]["status"]
    detail = ask(client, f"/api/tickets/{ticket}")
    linked = {commit["commit_sha"] for commit in detail["commits"]}
    done = bool(status == "done")
    assert detail["is_resolved"] == done
    assert (site.tip() != before) == done
    assert (site.tip() in linked) == done
    assert done or not linked
    assert git(site.repository, "status", "--porcelain") == ""
    return done


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.slow
def test_a_kill_at_any_step_leaves_both_or_neither(site: Site, step: str) -> None:
    with site.installed.serve() as server, site.client(server) as client:
        task, ticket = make_work(client)
    before = site.tip()

    killed = subprocess.run(
        [sys.executable, "-m", "tests.gitlinks.dying", step, task, "worker"],
        cwd=ROOT,
        env={**site.installed.env, "DJANGO_SETTINGS_MODULE": "hephaestus_site.settings"},
        check=False,
        timeout=PATIENCE,
    )
    assert killed.returncode == -signal.SIGKILL
    assert bool(site.intents()) == (step != STEPS[0])

    with site.installed.serve() as server, site.client(server) as client:
        wait_until_settled(site)
        assert is_whole(site, client, task, ticket, before) == (step == "after the commit")
        # Whoever was not answered repeats, and gets the one merge.
        ask(client, f"/api/tasks/{task}/status", {"status": "done"})
        assert is_whole(site, client, task, ticket, before)
        assert git(site.repository, "rev-list", "--count", "--merges", "main") == "1"


@pytest.mark.parametrize("step", ["after the checkout came along", "after the branch moved"])
@pytest.mark.slow
def test_the_next_merge_recovers_where_no_worker_runs(site: Site, step: str) -> None:
    with site.installed.serve("--no-worker") as server, site.client(server) as client:
        first, second = make_work(client, 1), make_work(client, 2)
        subprocess.run(
            [sys.executable, "-m", "tests.gitlinks.dying", step, first[0], "worker"],
            cwd=ROOT,
            env={**site.installed.env, "DJANGO_SETTINGS_MODULE": "hephaestus_site.settings"},
            check=False,
            timeout=PATIENCE,
        )
        before = git(site.repository, "rev-list", "--max-parents=0", "main")
        ask(client, f"/api/tasks/{second[0]}/status", {"status": "done"})
        assert git(site.repository, "rev-parse", "main^1") == before
        assert not (site.repository / "file-1.py").exists()
        assert git(site.repository, "status", "--porcelain") == ""
        ask(client, f"/api/tasks/{first[0]}/status", {"status": "done"})
        assert (site.repository / "file-1.py").exists()
        assert site.intents() == ""


@pytest.mark.slow
def test_servers_killed_at_random_moments_lose_and_halve_nothing(site: Site) -> None:
    moments = random.Random(5)
    for round_ in range(1, 3):
        with site.installed.serve() as server, site.client(server) as client:
            wait_until_settled(site)
            work = [make_work(client, 10 * round_ + number) for number in range(3)]

            def report(address: str, task: str) -> None:
                headers = {"Authorization": f"Bearer {site.token}"}
                try:
                    httpx.post(f"{address}/api/tasks/{task}/status", json={"status": "done"}, headers=headers)
                except httpx.HTTPError:
                    return

            threads = [threading.Thread(target=report, args=(server.base_url, task)) for task, _ in work]
            for thread in threads:
                thread.start()
            time.sleep(moments.uniform(0.05, 0.6))
            server.kill()
            for thread in threads:
                thread.join()
        with site.installed.serve() as server, site.client(server) as client:
            wait_until_settled(site)
            merged = set(git(site.repository, "rev-list", "--merges", "main").split())
            for task, ticket in work:
                done = ask(client, f"/api/tasks/{task}")["task"]["status"] == "done"
                commits = ask(client, f"/api/tickets/{ticket}")["commits"]
                links = {each["commit_sha"] for each in commits if each["link_method"] == "auto_task_completion"}
                assert bool(links) == done
                assert links <= merged
                merged -= links
                if not done:
                    ask(client, f"/api/tasks/{task}/status", {"status": "done"})
                    commits = ask(client, f"/api/tickets/{ticket}")["commits"]
                    links = {each["commit_sha"] for each in commits if each["link_method"] == "auto_task_completion"}
                    assert len(links) == 1
            assert git(site.repository, "status", "--porcelain") == ""
    # Every merge on the branch belongs to a task: three in each round.
    assert git(site.repository, "rev-list", "--count", "--merges", "main") == "6"
