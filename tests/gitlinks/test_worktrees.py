"""Worktrees: one for an agent and a task, nothing in them is lost, nobody's program runs."""

from __future__ import annotations

import shutil
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gitlinks.models import Worktree
from gitlinks.worktrees.managing import worktrees_clean_everywhere
from gitlinks.worktrees.operations import WORKTREE_CREATE, WORKTREE_LIST, WORKTREES_CLEAN
from gitlinks.worktrees.places import worktrees_folder
from tests.factories import api_client, make_agent, make_workflow
from tests.gitlinks.workshop import Workshop, commit_file, git, make_repository
from tickets.errors import Conflict, Forbidden, Invalid, NotFound
from tickets.models import Agent, AgentState, Task, Workflow
from tickets.operations import TASK_UPDATE_STATUS, execute


def test_a_worktree_has_the_files_of_the_base_branch_on_a_branch_of_its_own(shop: Workshop) -> None:
    worktree = shop.worktree(shop.task(task_id="task-1"))
    path = Path(worktree.path)
    assert path.is_relative_to(worktrees_folder())
    assert (path / "README.md").read_text() == "one\ntwo\nthree\n"
    assert git(path, "symbolic-ref", "HEAD") == "refs/heads/hephaestus/task-1"
    assert git(path, "status", "--porcelain") == ""
    assert (worktree.base_branch, worktree.base_sha, worktree.state) == ("main", shop.tip(), "open")


def test_there_is_one_for_an_agent_and_a_task(shop: Workshop) -> None:
    task, other = shop.task(), make_agent(shop.workflow)
    first = shop.worktree(task)
    assert shop.worktree(task).pk == first.pk
    second = shop.worktree(task, for_agent_id=other.id)
    assert second.pk != first.pk
    assert second.branch == f"{first.branch}-2"


def test_a_branch_that_is_there_already_is_left_alone(shop: Workshop) -> None:
    git(shop.repository, "branch", "hephaestus/task-1")
    assert shop.worktree(shop.task(task_id="task-1")).branch == "hephaestus/task-1-2"


@pytest.mark.parametrize("task_id", ["a..b", "x.lock", "a:b", "9", "a-.", "t" * 100])
def test_any_task_id_makes_a_branch_that_git_takes(shop: Workshop, task_id: str) -> None:
    worktree = shop.worktree(shop.task(task_id=task_id))
    assert git(Path(worktree.path), "rev-parse", "HEAD") == shop.tip()


def test_a_bare_repository_will_do(root: Path, db: None) -> None:
    source = make_repository(root / "source")
    git(root, "clone", "--quiet", "--bare", str(source), "bare.git")
    shop = Workshop(root / "bare.git")
    task = shop.task()
    path = Path(shop.worktree(task).path)
    commit_file(path, "new.py", "x\n")
    shop.done(task)
    assert git(root / "bare.git", "show", "main:new.py") == "x"


def test_a_base_branch_may_be_named(shop: Workshop) -> None:
    git(shop.repository, "branch", "release/1")
    commit_file(shop.repository, "later.py", "x\n")
    worktree = shop.worktree(shop.task(), base_branch="release/1")
    assert worktree.base_branch == "release/1"
    assert not (Path(worktree.path) / "later.py").exists()


@pytest.mark.parametrize("name", ["nothing", "-b", "--output=x", "HEAD", "main@{1}", "ma*", "refs/heads/main", "a b"])
def test_what_is_no_branch_is_refused(shop: Workshop, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        shop.worktree(shop.task(), base_branch=name)
    assert caught.value.field == "base_branch"
    assert not Worktree.objects.exists()


def test_a_detached_head_asks_for_the_base_branch(shop: Workshop) -> None:
    git(shop.repository, "checkout", "--quiet", "--detach")
    with pytest.raises(Invalid, match="Name the base branch"):
        shop.worktree(shop.task())
    assert shop.worktree(shop.task(), base_branch="main").base_branch == "main"


def test_of_several_repositories_one_has_to_be_named(root: Path, db: None) -> None:
    shop = Workshop(make_repository(root / "one"))
    Workflow.objects.update(repositories=[str(root / "one"), str(make_repository(root / "two"))])
    with pytest.raises(Invalid) as caught:
        shop.worktree(shop.task())
    assert (caught.value.field, caught.value.allowed) == ("repository", ["one", "two"])
    assert shop.worktree(shop.task(), repository="two").repository == str(root / "two")
    with pytest.raises(Invalid, match="no repository of the workflow"):
        shop.worktree(shop.task(), repository=str(root))


def test_a_workflow_without_a_repository_says_so(shop: Workshop) -> None:
    Workflow.objects.update(repositories=[])
    with pytest.raises(Invalid, match="has no repository"):
        shop.worktree(shop.task())


def test_a_repository_that_became_a_link_out_of_the_root_is_refused(shop: Workshop, tmp_path: Path) -> None:
    shutil.move(shop.repository, tmp_path / "outside")
    shop.repository.symlink_to(tmp_path / "outside")
    with pytest.raises(Conflict, match="under the allowed root"):
        shop.worktree(shop.task())


def test_an_ended_task_gets_no_worktree(shop: Workshop) -> None:
    task = shop.task()
    execute(TASK_UPDATE_STATUS, shop.agent.actor, {"task_id": task.id, "status": "failed"})
    with pytest.raises(Conflict, match="is failed"):
        shop.worktree(task)


def test_viewers_and_strangers_make_none(shop: Workshop) -> None:
    task = shop.task()
    with pytest.raises(Forbidden):
        shop.worktree(task, make_agent(shop.workflow, role="viewer"))
    stranger = make_agent(make_workflow())
    with pytest.raises(NotFound):
        shop.worktree(task, stranger)
    with pytest.raises(Invalid, match="no member"):
        shop.worktree(task, for_agent_id=stranger.id)
    shop.worktree(task)
    assert execute(WORKTREE_LIST, stranger.actor, {}).worktrees == []
    with pytest.raises(NotFound):
        execute(WORKTREE_LIST, stranger.actor, {"workflow_id": shop.workflow.id})


def test_a_folder_that_is_gone_is_made_again_with_what_was_committed(shop: Workshop) -> None:
    task = shop.task()
    first = shop.worktree(task)
    commit_file(Path(first.path), "kept.py", "x\n")
    shutil.rmtree(first.path)
    again = shop.worktree(task)
    assert again.pk == first.pk
    assert (Path(again.path) / "kept.py").exists()


def test_a_folder_whose_making_was_killed_is_made_whole(shop: Workshop) -> None:
    task = shop.task()
    first = shop.worktree(task)
    # As a kill leaves it: some files, and no index yet, since git writes that last.
    index = shop.repository / ".git" / "worktrees" / Path(first.path).name / "index"
    index.unlink()
    (Path(first.path) / "README.md").unlink()
    shop.worktree(task)
    assert git(Path(first.path), "status", "--porcelain") == ""


def test_a_failure_of_git_leaves_no_trace(shop: Workshop) -> None:
    # A branch of that name leaves no room for branches below it.
    git(shop.repository, "branch", "hephaestus")
    with pytest.raises(Conflict, match="git could not do it"):
        shop.worktree(shop.task())
    assert not Worktree.objects.exists()
    assert [each for each in worktrees_folder().iterdir() if each.is_dir()] == []
    assert git(shop.repository, "worktree", "list").count("\n") == 0


# Removing


def test_removing_keeps_commits_that_are_not_merged(shop: Workshop) -> None:
    worktree = shop.worktree(shop.task())
    sha = commit_file(Path(worktree.path), "new.py", "x\n")
    answer = shop.remove(worktree)
    assert "stays" in answer.message
    assert not Path(worktree.path).exists()
    assert shop.tip(worktree.branch) == sha
    assert answer.worktree.state == "removed"
    assert shop.remove(worktree).worktree.removed_at == answer.worktree.removed_at


def test_removing_deletes_a_branch_without_work(shop: Workshop) -> None:
    worktree = shop.worktree(shop.task())
    shop.remove(worktree)
    assert git(shop.repository, "branch", "--list", "hephaestus/*") == ""
    assert git(shop.repository, "worktree", "list").count("\n") == 0


def test_removing_keeps_the_commits_of_a_detached_head(shop: Workshop) -> None:
    worktree = shop.worktree(shop.task())
    git(Path(worktree.path), "checkout", "--quiet", "--detach")
    sha = commit_file(Path(worktree.path), "new.py", "x\n")
    shop.remove(worktree)
    assert shop.tip(f"{worktree.branch}-detached") == sha


@pytest.mark.parametrize("name", ["README.md", "new.py"])
def test_work_that_is_not_committed_is_not_removed_unless_asked(shop: Workshop, name: str) -> None:
    worktree = shop.worktree(shop.task())
    (Path(worktree.path) / name).write_text("mine\n")
    with pytest.raises(Conflict, match=name):
        shop.remove(worktree)
    assert (Path(worktree.path) / name).read_text() == "mine\n"
    shop.remove(worktree, discard=True)
    assert not Path(worktree.path).exists()


def test_a_folder_that_the_repository_forgot_is_not_deleted_unless_asked(shop: Workshop) -> None:
    task = shop.task()
    worktree = shop.worktree(task)
    (Path(worktree.path) / "new.py").write_text("mine\n")
    shutil.rmtree(shop.repository / ".git" / "worktrees" / Path(worktree.path).name)
    with pytest.raises(Conflict, match="knows nothing of"):
        shop.remove(worktree)
    with pytest.raises(Conflict, match="knows nothing of"):
        shop.worktree(task)
    assert (Path(worktree.path) / "new.py").read_text() == "mine\n"
    shop.remove(worktree, discard=True)
    assert not Path(worktree.path).exists()


def test_a_folder_that_became_a_link_takes_nothing_with_it(shop: Workshop, tmp_path: Path) -> None:
    worktree = shop.worktree(shop.task())
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    shutil.rmtree(worktree.path)
    Path(worktree.path).symlink_to(precious)
    shop.remove(worktree)
    assert (precious / "file").read_text() == "mine"
    assert not Path(worktree.path).is_symlink()


# Cleaning up


def test_cleaning_removes_what_nobody_needs_and_says_what_it_keeps(shop: Workshop) -> None:
    ended, dirty, gone, running, left = (shop.task() for _ in range(5))
    other = make_agent(shop.workflow)
    trees = {task.id: shop.worktree(task) for task in (ended, dirty, gone, running)}
    trees[left.id] = shop.worktree(left, for_agent_id=other.id)
    (Path(trees[dirty.id].path) / "x.py").write_text("x")
    Task.objects.filter(pk__in=[ended.pk, dirty.pk]).update(status="failed")
    shutil.rmtree(trees[gone.id].path)
    Agent.objects.filter(pk=other.id).update(state=AgentState.TERMINATED)

    answer = execute(WORKTREES_CLEAN, shop.agent.actor, {"workflow_id": shop.workflow.id})

    assert set(answer.removed) == {trees[task.id].pk for task in (ended, gone, left)}
    assert [kept.worktree_id for kept in answer.kept] == [trees[dirty.id].pk]
    assert "x.py" in answer.kept[0].reason
    assert Path(trees[running.id].path).is_dir()
    assert (Path(trees[dirty.id].path) / "x.py").exists()


def test_housekeeping_waits_a_day(shop: Workshop) -> None:
    task = shop.task()
    worktree = shop.worktree(task)
    execute(TASK_UPDATE_STATUS, shop.agent.actor, {"task_id": task.id, "status": "failed"})
    worktrees_clean_everywhere()
    assert Path(worktree.path).is_dir()
    Task.objects.update(updated_at="2020-01-01T00:00:00Z")
    worktrees_clean_everywhere()
    assert not Path(worktree.path).exists()


# Over REST


def test_the_operations_have_addresses(shop: Workshop) -> None:
    client, task = api_client(shop.agent), shop.task()
    made = client.write("/api/worktrees", {"task_id": task.id})
    assert made.status_code == 200
    tree = made.json()["worktree"]
    commit_file(Path(tree["path"]), "new.py", "x\n")
    listed = client.get("/api/worktrees", {"task": task.id, "state": "open"}).json()
    assert [row["worktree_id"] for row in listed["worktrees"]] == [tree["worktree_id"]]
    merged = client.write(f"/api/worktrees/{tree['worktree_id']}/merge").json()
    assert merged["merge_commit_sha"] == shop.tip()
    assert len(merged["linked_commits"]) == 2
    assert client.get("/api/worktrees", {"state": "merged"}).json()["total_count"] == 1
    removed = client.write(f"/api/worktrees/{tree['worktree_id']}/remove").json()
    assert removed["worktree"]["state"] == "removed"
    assert client.write("/api/worktrees/clean").json()["removed"] == []
    assert client.write("/api/worktrees/nothing/merge").status_code == 404


# A repository that wants to run programs

HOOKS = ("post-checkout", "reference-transaction", "post-index-change", "pre-merge-commit", "post-merge", "post-commit")


@pytest.fixture
def trap(shop: Workshop, tmp_path: Path) -> Path:
    """A folder that stays empty as long as no program of the repository's runs."""
    trap = tmp_path / "trap"
    trap.mkdir()
    lines = ["*.x filter=evil merge=evil diff=evil text", "*.y filter=eq=al merge=eq=al"]
    commit_file(shop.repository, ".gitattributes", "\n".join(lines) + "\n")
    commit_file(shop.repository, "a.x", "1\n2\n3\n4\n5\n")
    commit_file(shop.repository, "a.y", "1\n2\n3\n4\n5\n")
    for hook in HOOKS:
        path = shop.repository / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {trap}/{hook}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    for name in ("evil", "eq=al"):
        for key in (f"filter.{name}.clean", f"filter.{name}.smudge", f"filter.{name}.process"):
            git(shop.repository, "config", key, f"touch {trap}/{key.replace('=', '')}; cat")
        git(shop.repository, "config", f"merge.{name}.driver", f"touch {trap}/driver; false")
        git(shop.repository, "config", f"diff.{name}.textconv", f"touch {trap}/textconv; cat")
        git(shop.repository, "config", f"diff.{name}.command", f"touch {trap}/command")
    git(shop.repository, "config", "core.fsmonitor", f"touch {trap}/fsmonitor; false")
    git(shop.repository, "config", "alias.merge-tree", f"!touch {trap}/alias")
    git(shop.repository, "config", "gpg.program", f"touch {trap}/gpg; false")
    git(shop.repository, "config", "commit.gpgSign", "true")
    git(shop.repository, "config", "extensions.worktreeConfig", "true")
    for each in trap.iterdir():
        each.unlink()
    return trap


def edit_by_hand(worktree: Worktree, name: str, text: str) -> None:
    """A commit in the worktree, made by a git that takes no notice of the traps."""
    path = Path(worktree.path)
    (path / name).write_text(text)
    blob = git(path, "hash-object", "-w", "--no-filters", str(path / name))
    quiet = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    git(path, *quiet, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    tree = git(path, *quiet, "write-tree")
    sha = git(path, *quiet, "commit-tree", tree, "-p", "HEAD", "-m", f"Write {name}")
    git(path, *quiet, "update-ref", f"refs/heads/{worktree.branch}", sha)


def test_nothing_of_the_repository_runs_from_the_worktree_to_its_removal(shop: Workshop, trap: Path) -> None:
    task = shop.task()
    worktree = shop.worktree(task)
    for name in ("a.x", "a.y"):
        assert (Path(worktree.path) / name).read_text() == "1\n2\n3\n4\n5\n"
        edit_by_hand(worktree, name, "1\n2\n3\n4\nfive\n")
    # Both sides changed the same file, elsewhere: a merge driver would be asked.
    other = shop.worktree(shop.task())
    for name in ("a.x", "a.y"):
        edit_by_hand(other, name, "one\n2\n3\n4\n5\n")
    for each in trap.iterdir():
        each.unlink()

    shop.merge(other)
    shop.done(task)
    for name in ("a.x", "a.y"):
        assert git(shop.repository, "cat-file", "blob", f"main:{name}") == "one\n2\n3\n4\nfive"
        assert (shop.repository / name).read_text() == "one\n2\n3\n4\nfive\n"
    (Path(worktree.path) / "a.x").write_text("not committed\n")
    with pytest.raises(Conflict, match=r"a\.x"):
        shop.remove(worktree)
    shop.remove(worktree, discard=True)
    assert sorted(each.name for each in trap.iterdir()) == []


def test_configuration_that_only_the_worktree_sees_runs_nothing_either(shop: Workshop, trap: Path) -> None:
    task = shop.task()
    worktree = shop.worktree(task)
    admin = shop.repository / ".git" / "worktrees" / Path(worktree.path).name
    (admin / "config.worktree").write_text(f'[filter "evil"]\n\tclean = touch {trap}/late; cat\n')
    include = f'[includeIf "onbranch:{worktree.branch}"]\n\tpath = {trap.parent}/included\n'
    (trap.parent / "included").write_text(f'[filter "evil"]\n\tclean = touch {trap}/included; cat\n')
    with (shop.repository / ".git" / "config").open("a") as file:
        file.write(include)
    (Path(worktree.path) / "a.x").write_text("changed\n")
    with pytest.raises(Conflict, match=r"a\.x"):
        shop.done(task)
    assert sorted(each.name for each in trap.iterdir()) == []


def test_the_traps_are_real(shop: Workshop, trap: Path) -> None:
    """A git that takes the configuration at its word does run them; else the tests above would prove nothing."""
    git(shop.repository, "-c", "core.fsmonitor=false", "checkout", "--quiet", "-b", "other")
    (shop.repository / "a.x").write_text("changed\n")
    (shop.repository / "a.y").write_text("changed\n")
    # Status would ask no filter about a file whose size tells enough.
    git(shop.repository, "-c", "core.fsmonitor=false", "add", "a.x", "a.y")
    sprung: set[Any] = {each.name for each in trap.iterdir()}
    assert {"post-checkout", "reference-transaction", "filter.evil.process"} <= sprung


def test_a_working_tree_that_is_said_to_be_elsewhere_is_not_written(shop: Workshop, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    task = shop.task()
    worktree = shop.worktree(task)
    commit_file(Path(worktree.path), "new.py", "x\n")
    # The base branch looks as if it were checked out in a folder that is none of git's.
    git(shop.repository, "checkout", "--quiet", "-b", "aside")
    other = shop.worktree(shop.task())
    admin = shop.repository / ".git" / "worktrees" / Path(other.path).name
    (admin / "HEAD").write_text("ref: refs/heads/main\n")
    (admin / "gitdir").write_text(f"{elsewhere}/.git\n")
    (elsewhere / ".git").write_text(f"gitdir: {admin}\n")
    before = shop.tip()
    with pytest.raises(Conflict, match="where the server does not write"):
        shop.done(task)
    assert shop.tip() == before
    assert [each.name for each in elsewhere.iterdir()] == [".git"]
    assert execute(WORKTREE_CREATE, shop.agent.actor, {"task_id": task.id}).worktree.state == "open"


# The command


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("worktrees", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command_makes_lists_merges_and_removes(shop: Workshop) -> None:
    task = shop.task(task_id="task-1")
    path = Path(command("create", "task-1").splitlines()[-1])
    commit_file(path, "new.py", "x\n")
    worktree = Worktree.objects.get(task=task)
    assert worktree.agent_id == shop.agent.id
    assert f"{worktree.id}  open     hephaestus/task-1 from main" in command("list")
    assert "is merged into main" in command("merge", worktree.id)
    assert "Worktree removed." in command("remove", worktree.id)
    assert command("list", "--workflow", shop.workflow.id) == ""
    assert "0 removed, 0 kept" in command("clean")
    assert "Done" in command("recover")
    with pytest.raises(CommandError, match="No worktree"):
        command("remove", "nothing")
