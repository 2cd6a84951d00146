"""A task that is done merges its worktree: all of it happens, or nothing."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from gitlinks.models import TicketCommit, Worktree
from gitlinks.worktrees import places, plumbing
from gitlinks.worktrees.merging import INTENTS, merges_recover
from tests.factories import make_agent, make_ticket, make_workflow
from tests.gitlinks.workshop import Workshop, commit_file, git, make_repository, ticket_of
from tickets.errors import Blocked, Conflict, Forbidden
from tickets.models import Task, Workflow
from tickets.operations import TICKET_BLOCK, execute


def worked_on(shop: Workshop, name: str = "new.py", text: str = "x\n", **fields: Any) -> tuple[Task, Worktree]:
    """A task with a commit in its worktree."""
    task = shop.task(**fields)
    worktree = shop.worktree(task)
    commit_file(Path(worktree.path), name, text)
    return task, worktree


def nothing_happened(shop: Workshop, task: Task, tip: str) -> bool:
    task.refresh_from_db()
    linked = TicketCommit.objects.filter(ticket_id=task.ticket_id).exists()
    merged = Worktree.objects.exclude(merge_commit_sha="", merged_at=None).exists()
    return (task.status, ticket_of(task).is_resolved, linked, merged, shop.tip()) == (
        "assigned", False, False, False, tip,
    )  # fmt: skip


def test_done_merges_links_resolves_and_unblocks(real_shop: Workshop) -> None:
    shop = real_shop
    task, worktree = worked_on(shop)
    waiting = make_ticket(shop.agent, blocked_by_ticket_ids=[ticket_of(task).key])
    base, head = shop.tip(), shop.tip(worktree.branch)

    answer = shop.done(task, summary="It works.")

    assert answer.merge_commit_sha == shop.tip()
    assert git(shop.repository, "rev-list", "--parents", "-n1", "main").split()[1:] == [base, head]
    assert answer.unblocked_tickets == [waiting.id]
    ticket = ticket_of(task)
    assert (ticket.is_resolved, ticket.commit_count) == (True, 2)
    links = dict(TicketCommit.objects.filter(ticket=ticket).values_list("commit_sha", "link_method"))
    assert links == {head: "worktree", shop.tip(): "auto_task_completion"}
    merge = TicketCommit.objects.get(commit_sha=shop.tip())
    assert (merge.files_list, merge.insertions, merge.agent_id) == (["new.py"], 1, shop.agent.id)
    assert ticket.key in merge.commit_message
    worktree.refresh_from_db()
    assert (worktree.state, worktree.merge_commit_sha) == ("merged", shop.tip())
    assert shop.intents() == ""


def test_the_checkout_of_the_base_branch_comes_along(shop: Workshop) -> None:
    task, _ = worked_on(shop)
    (shop.repository / "untracked").write_text("mine")
    shop.done(task)
    assert (shop.repository / "new.py").read_text() == "x\n"
    assert git(shop.repository, "status", "--porcelain") == "?? untracked"


def test_a_checkout_of_another_branch_stays_as_it_is(shop: Workshop) -> None:
    git(shop.repository, "checkout", "--quiet", "-b", "other")
    task, _ = worked_on(shop)
    Worktree.objects.update(base_branch="main")
    (shop.repository / "README.md").write_text("changed\n")
    shop.done(task)
    assert not (shop.repository / "new.py").exists()
    assert git(shop.repository, "status", "--porcelain") == "M README.md"
    assert git(shop.repository, "show", "main:new.py") == "x"


@pytest.mark.parametrize("staged", [True, False])
def test_a_checkout_with_changes_is_not_touched(shop: Workshop, staged: bool) -> None:
    task, _ = worked_on(shop)
    tip = shop.tip()
    (shop.repository / "README.md").write_text("changed\n")
    if staged:
        git(shop.repository, "add", "README.md")
    with pytest.raises(Conflict, match=r"not committed: README\.md") as caught:
        shop.done(task)
    assert caught.value.extra["files"] == ["README.md"]
    assert nothing_happened(shop, task, tip)
    assert (shop.repository / "README.md").read_text() == "changed\n"


def test_an_untracked_file_in_the_way_is_not_overwritten(shop: Workshop) -> None:
    task, _ = worked_on(shop)
    tip = shop.tip()
    (shop.repository / "new.py").write_text("mine\n")
    with pytest.raises(Conflict, match="would overwrite"):
        shop.done(task)
    assert nothing_happened(shop, task, tip)
    assert (shop.repository / "new.py").read_text() == "mine\n"
    assert git(shop.repository, "status", "--porcelain") == "?? new.py"
    assert shop.intents() == ""


def test_a_conflict_names_the_files_and_changes_nothing(shop: Workshop) -> None:
    task, worktree = worked_on(shop, "README.md", "one\nTWO\nthree\n")
    tip = commit_file(shop.repository, "README.md", "one\n2\nthree\n")
    with pytest.raises(Conflict, match=r"in conflict: README\.md") as caught:
        shop.done(task)
    assert (caught.value.code, caught.value.extra["files"]) == ("conflict", ["README.md"])
    assert nothing_happened(shop, task, tip)
    assert git(shop.repository, "status", "--porcelain") == ""

    # The way out that the message names.
    path = Path(worktree.path)
    with pytest.raises(Exception, match="merge"):
        git(path, "merge", "--quiet", "main")
    commit_file(path, "README.md", "one\nboth\nthree\n")
    assert shop.done(task).merge_commit_sha == shop.tip()
    assert (shop.repository / "README.md").read_text() == "one\nboth\nthree\n"


@pytest.mark.parametrize("name", ["README.md", "new.py", "sub dir/ü\n.py"])
def test_work_that_is_not_committed_is_named_and_kept(shop: Workshop, name: str) -> None:
    task, worktree = worked_on(shop, "other.py")
    tip, path = shop.tip(), Path(worktree.path) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("not committed\n")
    with pytest.raises(Conflict, match="not committed") as caught:
        shop.done(task)
    assert caught.value.extra["files"] == [name]
    assert nothing_happened(shop, task, tip)
    assert path.read_text() == "not committed\n"


def test_ignored_files_are_no_work(shop: Workshop) -> None:
    task, worktree = worked_on(shop, ".gitignore", "*.log\n")
    (Path(worktree.path) / "run.log").write_text("x")
    (shop.repository / ".git" / "info").mkdir(exist_ok=True)
    (shop.repository / ".git" / "info" / "exclude").write_text("*.tmp\n")
    (Path(worktree.path) / "run.tmp").write_text("x")
    assert shop.done(task).merge_commit_sha


def test_a_worktree_that_left_its_branch_is_not_merged_by_halves(shop: Workshop) -> None:
    task, worktree = worked_on(shop)
    git(Path(worktree.path), "checkout", "--quiet", "-b", "own-idea")
    with pytest.raises(Conflict, match="is on own-idea, not on hephaestus/"):
        shop.done(task)
    git(Path(worktree.path), "checkout", "--quiet", "--detach")
    with pytest.raises(Conflict, match="is on commit"):
        shop.done(task)


def test_a_blocked_ticket_keeps_the_branch_where_it_was(shop: Workshop) -> None:
    task, _ = worked_on(shop)
    tip = shop.tip()
    execute(TICKET_BLOCK, shop.agent.actor, {"ticket_id": task.ticket_id, "reason": "Waits for a decision."})
    with pytest.raises(Blocked):
        shop.done(task)
    assert nothing_happened(shop, task, tip)


def test_a_viewer_makes_no_merge(shop: Workshop) -> None:
    task, _ = worked_on(shop)
    with pytest.raises(Forbidden):
        shop.done(task, make_agent(shop.workflow, role="viewer"))
    assert nothing_happened(shop, task, shop.tip())


def test_the_same_report_twice_merges_once(shop: Workshop) -> None:
    task, _ = worked_on(shop)
    first = shop.done(task, idempotency_key="k")
    assert shop.done(task, idempotency_key="k").merge_commit_sha == first.merge_commit_sha
    assert "already" in shop.done(task).message
    assert git(shop.repository, "rev-list", "--count", "--merges", "main") == "1"


def test_a_worktree_without_commits_has_nothing_to_merge(shop: Workshop) -> None:
    task = shop.task()
    shop.worktree(task)
    tip = shop.tip()
    assert shop.done(task).merge_commit_sha is None
    assert (ticket_of(task).is_resolved, shop.tip()) == (True, tip)


def test_what_was_merged_before_is_linked(shop: Workshop) -> None:
    task, worktree = worked_on(shop)
    merged = shop.merge(worktree)
    assert (merged.merge_commit_sha, len(merged.linked_commits)) == (shop.tip(), 2)
    assert not ticket_of(task).is_resolved
    assert shop.merge(worktree).linked_commits == []
    answer = shop.done(task)
    assert (answer.merge_commit_sha, ticket_of(task).commit_count) == (shop.tip(), 2)


def test_a_folder_that_is_gone_does_not_hold_up_what_was_committed(shop: Workshop) -> None:
    task, worktree = worked_on(shop)
    shutil.rmtree(worktree.path)
    assert shop.done(task).merge_commit_sha == shop.tip()


def test_a_branch_that_is_gone_is_said_to_be(shop: Workshop) -> None:
    task, worktree = worked_on(shop)
    shutil.rmtree(worktree.path)
    git(shop.repository, "update-ref", "-d", f"refs/heads/{worktree.branch}")
    with pytest.raises(Conflict, match="is gone"):
        shop.done(task)


def test_a_repository_that_the_workflow_gave_up_is_not_merged_into(shop: Workshop) -> None:
    task, _ = worked_on(shop)
    Workflow.objects.update(repositories=[])
    with pytest.raises(Conflict, match="no repository of workflow"):
        shop.done(task)


def test_a_task_without_a_ticket_is_merged_too(root: Path, db: None) -> None:
    shop = Workshop(make_repository(root / "project"), ticket_tracking_enabled=False)
    task, _ = worked_on(shop)
    assert shop.done(task).merge_commit_sha == shop.tip()


def test_the_worktree_is_that_of_the_tasks_agent(shop: Workshop) -> None:
    task, other = shop.task(), make_agent(shop.workflow)
    mine, theirs = shop.worktree(task), shop.worktree(task, for_agent_id=other.id)
    commit_file(Path(mine.path), "mine.py", "x\n")
    commit_file(Path(theirs.path), "theirs.py", "x\n")
    shop.done(task, other)
    assert git(shop.repository, "ls-tree", "--name-only", "main").split() == ["README.md", "mine.py"]


def test_with_several_worktrees_of_others_one_has_to_be_chosen(shop: Workshop) -> None:
    task = shop.task(assigned_agent_id=None)
    for _ in range(2):
        shop.worktree(task, for_agent_id=make_agent(shop.workflow).id)
    with pytest.raises(Conflict, match="has 2 worktrees"):
        shop.done(task)


def test_strange_names_make_a_commit_all_the_same(shop: Workshop) -> None:
    task, worktree = worked_on(shop)
    worktree.agent.name = "<>\n"
    worktree.agent.save()
    shop.done(task)
    assert git(shop.repository, "log", "-1", "--format=%an", "main") == shop.agent.id


def test_merges_at_once_follow_one_another(real_shop: Workshop) -> None:
    shop, count = real_shop, 4
    tasks = [worked_on(shop, f"file-{number}.py")[0] for number in range(count)]

    def report(task: Task) -> str:
        try:
            return str(shop.done(task).merge_commit_sha)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        merges = list(pool.map(report, tasks))
    chain = git(shop.repository, "rev-list", "--first-parent", "main").split()
    assert sorted(merges) == sorted(chain[:count])
    assert len(list(shop.repository.glob("file-*.py"))) == count
    assert git(shop.repository, "status", "--porcelain") == ""
    assert set(Task.objects.values_list("status", flat=True)) == {"done"}


def test_two_workflows_on_one_repository_follow_one_another_too(real_shop: Workshop) -> None:
    shop = real_shop
    other = Workshop.__new__(Workshop)
    other.repository, other.workflow = shop.repository, make_workflow(repositories=[str(shop.repository)])
    other.agent = make_agent(other.workflow)
    work = [(each, worked_on(each, f"{each.workflow.id}-{number}.py")[0]) for each in (shop, other) for number in "12"]

    def report(pair: tuple[Workshop, Task]) -> None:
        try:
            pair[0].done(pair[1])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(work)) as pool:
        list(pool.map(report, work))
    assert git(shop.repository, "rev-list", "--count", "--merges", "main") == "4"


def test_a_base_branch_that_moved_meanwhile_is_merged_onto(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that arrives after the merge was made and before it is published."""
    task, _ = worked_on(shop)
    locked = places.lock_until_commit
    arrived: list[str] = []

    def commit_first(repository: str) -> None:
        arrived.append(commit_file(shop.repository, "theirs.py", "x\n"))
        locked(repository)

    monkeypatch.setattr("gitlinks.worktrees.merging.lock_until_commit", commit_first)
    answer = shop.done(task)
    assert git(shop.repository, "rev-parse", "main^1") == arrived[0]
    assert answer.merge_commit_sha == shop.tip()
    assert TicketCommit.objects.filter(commit_sha=shop.tip(), link_method="auto_task_completion").exists()
    assert (shop.repository / "theirs.py").exists()
    assert (shop.repository / "new.py").exists()


def test_a_branch_that_moves_at_the_last_moment_undoes_everything(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(shop.repository, "checkout", "--quiet", "-b", "aside")
    task = shop.task()
    commit_file(Path(shop.worktree(task, base_branch="main").path), "new.py", "x\n")
    move, theirs = plumbing.move_refs, git(shop.repository, "commit-tree", "main^{tree}", "-p", "main", "-m", "Theirs")

    def race(place: Any, reason: str, *transactions: Any) -> None:
        if reason.startswith("merge "):
            git(shop.repository, "update-ref", "refs/heads/main", theirs)
        move(place, reason, *transactions)

    monkeypatch.setattr(plumbing, "move_refs", race)
    with pytest.raises(Conflict, match="could not be moved"):
        shop.done(task)
    assert nothing_happened(shop, task, theirs)
    assert shop.intents() == ""


def test_a_merge_that_others_built_on_before_it_was_recorded_stays_and_is_linked(real_shop: Workshop) -> None:
    shop = real_shop
    task, worktree = worked_on(shop)
    # As a kill between merge and commit leaves it, and then somebody commits.
    git(shop.repository, "merge", "--quiet", "--no-ff", "-m", "Merge", worktree.branch)
    merge = shop.tip()
    git(shop.repository, "update-ref", INTENTS + worktree.id, merge)
    commit_file(shop.repository, "theirs.py", "x\n")

    merges_recover()

    assert git(shop.repository, "merge-base", "main", merge) == merge
    assert shop.intents() == ""
    assert shop.done(task).merge_commit_sha == merge
    assert TicketCommit.objects.filter(commit_sha=merge, link_method="auto_task_completion").exists()


def test_a_git_that_outlives_its_process_moves_nothing_after_the_recovery(
    real_shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = real_shop
    task, _ = worked_on(shop)
    tip, move = shop.tip(), plumbing.move_refs

    def late(place: Any, reason: str, *transactions: Any) -> None:
        if reason.startswith("merge "):
            # What the recovery of another process does while this git has not begun.
            git(shop.repository, "update-ref", "-d", f"{INTENTS}{Worktree.objects.get().id}")
        move(place, reason, *transactions)

    monkeypatch.setattr(plumbing, "move_refs", late)
    with pytest.raises(Conflict, match="could not be moved"):
        shop.done(task)
    assert nothing_happened(shop, task, tip)


def test_an_intent_of_another_installation_is_left_alone(real_shop: Workshop) -> None:
    shop = real_shop
    task, _ = worked_on(shop)
    git(shop.repository, "update-ref", f"{INTENTS}worktree-elsewhere", "main")
    merges_recover()
    shop.done(task)
    assert "worktree-elsewhere" in shop.intents()
