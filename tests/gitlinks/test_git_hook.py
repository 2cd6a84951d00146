"""The git hook: written with care, quick for whoever commits, and it links."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command

from gitlinks.scanning.hooks import BEGIN, END, hook_block
from tests.gitlinks.workshop import Workshop, commit_file, git, make_repository
from tests.server import Installation, installation
from tickets.models import Workflow

PATIENCE = 60.0  # seconds


def install(**options: Any) -> str:
    out = StringIO()
    call_command("install_git_hook", stdout=out, **options)
    return out.getvalue()


def hook_of(shop: Workshop) -> Path:
    return shop.repository / ".git" / "hooks" / "post-commit"


def test_it_is_written_once_and_can_be_run(shop: Workshop) -> None:
    said = install(repository=str(shop.repository))
    hook = hook_of(shop)
    assert str(hook) in said
    assert os.access(hook, os.X_OK)
    first = hook.read_text()
    install()
    assert hook.read_text() == first
    assert first.count(BEGIN) == first.count(END) == 1


def test_a_bare_repository_gets_one_for_what_it_receives(root: Path, db: None) -> None:
    source = make_repository(root / "source")
    git(root, "clone", "--quiet", "--bare", str(source), "bare.git")
    Workshop(root / "bare.git")
    install()
    assert (root / "bare.git" / "hooks" / "post-receive").exists()
    assert not (root / "bare.git" / "hooks" / "post-commit").exists()


def test_a_foreign_hook_stays_and_the_lines_to_add_are_shown(shop: Workshop) -> None:
    hook = hook_of(shop)
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nmake lint\n")
    with pytest.raises(CommandError) as caught:
        install()
    assert hook.read_text() == "#!/bin/sh\nmake lint\n"
    block = str(caught.value)
    assert BEGIN in block
    assert "scan_commits" in block

    # Once the lines are there, they are ours to renew, and the rest is not.
    hook.write_text(f"#!/bin/sh\nmake lint\n{BEGIN}\nold\n{END}\necho done\n")
    install()
    text = hook.read_text()
    assert text.startswith(f"#!/bin/sh\nmake lint\n{BEGIN}\n")
    assert text.endswith(f"{END}\necho done\n")
    assert "old" not in text


@pytest.mark.parametrize("place", ["configured", "linked folder", "linked file"])
def test_hooks_that_are_elsewhere_are_not_written(shop: Workshop, tmp_path: Path, place: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    hooks = shop.repository / ".git" / "hooks"
    if place == "configured":
        git(shop.repository, "config", "core.hooksPath", str(elsewhere))
    elif place == "linked folder":
        for each in hooks.iterdir():
            each.unlink()
        hooks.rmdir()
        hooks.symlink_to(elsewhere)
    else:
        (hooks / "post-commit").symlink_to(elsewhere / "post-commit")
    with pytest.raises(CommandError, match="Add these lines"):
        install()
    assert list(elsewhere.iterdir()) == []


def test_a_repository_of_no_workflow_is_refused(shop: Workshop) -> None:
    Workflow.objects.update(repositories=[])
    with pytest.raises(CommandError, match="set_repositories"):
        install(repository=str(shop.repository))


@pytest.mark.parametrize(
    "name", ["plain", "with space", "qu'ote", 'do"uble', "$(touch x)", "`touch x`", "new\nline", "-n"]
)
def test_any_path_is_one_word_for_the_shell(tmp_path: Path, name: str) -> None:
    record = tmp_path / "record"
    program = tmp_path / "program"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\0" "$1" "$WHERE" "$GIT_DIR" >{record}.new && mv {record}.new {record}\n'
    )
    program.chmod(0o755)
    block = hook_block([str(program), name], {"WHERE": name})
    done = subprocess.run(
        ["sh", "-e"], input=f"{block}echo committed\n", cwd=tmp_path, env={**os.environ, "GIT_DIR": "/elsewhere"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "committed\n"
    deadline = time.monotonic() + PATIENCE
    while not record.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert record.read_text().split("\0") == [name, name, "", ""]
    assert not (tmp_path / "x").exists()


def test_a_command_that_is_gone_fails_no_commit(shop: Workshop) -> None:
    hook = hook_of(shop)
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n" + hook_block(["/nowhere/python", "manage.py"], {}))
    hook.chmod(0o755)
    sha = commit_file(shop.repository, "new.py", "x\n")
    assert shop.tip() == sha


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Installation, Path, str]]:
    repository = make_repository(tmp_path / "the root" / "it's a project")
    with installation(tmp_path / "data dir", {"HEPHAESTUS_REPOSITORY_ROOT": str(tmp_path / "the root")}) as site:
        site.manage("create_workflow", "flow", "--name", "Flow", "--repository", str(repository))
        yield site, repository, site.manage("create_agent", "worker", "--workflow", "flow").splitlines()[-1]


@pytest.mark.slow
@pytest.mark.sqlite_only  # on PostgreSQL the committer's environment names the database
def test_a_commit_is_linked_by_the_hook(site: tuple[Installation, Path, str]) -> None:
    installed, repository, token = site
    installed.manage("install_git_hook")
    headers = {"Authorization": f"Bearer {token}"}
    with (
        installed.serve() as server,
        httpx.Client(base_url=server.base_url, headers=headers, timeout=PATIENCE) as client,
    ):
        body = {"title": "A ticket", "description": "Long enough to be one."}
        ticket = client.post("/api/tickets/create", json=body).json()
        sha = commit_file(repository, "new.py", "x\n", f"Fixes {ticket['key']}")
        deadline = time.monotonic() + PATIENCE
        while not (detail := client.get(f"/api/tickets/{ticket['ticket_id']}").json())["is_resolved"]:
            assert time.monotonic() < deadline, "the hook links nothing"
            time.sleep(0.2)
    assert [commit["commit_sha"] for commit in detail["commits"]] == [sha]
    assert detail["commits"][0]["link_method"] == "auto_detected"
