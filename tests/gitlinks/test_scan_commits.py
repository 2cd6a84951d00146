"""Commits are linked to the tickets that they name: once, whatever happens to branches."""

from __future__ import annotations

import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gitlinks.models import CommitScan, TicketCommit
from gitlinks.repositories import repositories_of
from gitlinks.scanning.scans import Scan, scan
from tests.factories import make_agent, make_person, make_ticket, make_workflow
from tests.gitlinks.workshop import Workshop, commit_file, git
from tickets.models import Agent, Ticket, TicketHistory, Workflow
from tickets.operations import TICKET_BLOCK, TICKET_REOPEN, TICKET_RESOLVE, execute


def look(shop: Workshop, **options: Any) -> Scan:
    repository = repositories_of(*Workflow.objects.exclude(repositories=[]))[0]
    alone = len(repository.workflow_ids) == 1
    return scan(repository, shop.workflow, alone=alone, **options)


def ticket(shop: Workshop, **fields: Any) -> Ticket:
    return make_ticket(shop.agent, shop.workflow, **fields)


def commit(shop: Workshop, message: str, author: str | None = None, name: str = "file.py") -> str:
    path = shop.repository / name
    path.write_text(f"{path.read_text() if path.exists() else ''}{message}\n")
    git(shop.repository, "add", name)
    by = [f"--author={author}"] if author else []
    git(shop.repository, "commit", "--quiet", *by, "-m", message)
    return git(shop.repository, "rev-parse", "HEAD")


def links(about: Ticket) -> list[str]:
    return list(
        TicketCommit.objects.filter(ticket=about).order_by("linked_at", "id").values_list("commit_sha", flat=True)
    )


def test_a_commit_is_linked_to_every_ticket_that_it_names(shop: Workshop) -> None:
    first, second, third, fourth = (ticket(shop) for _ in range(4))
    sha = commit(shop, f"Do it\n\n{first.key.lower()} #{second.number} TICKET-{third.number} {fourth.id}")
    found = look(shop)
    assert found.commits == 2
    assert {key for _, key in found.linked} == {each.key for each in (first, second, third, fourth)}
    for each in (first, second, third, fourth):
        each.refresh_from_db()
        assert (links(each), each.commit_count) == ([sha], 1)
    link = TicketCommit.objects.get(ticket=first)
    assert (link.link_method, link.author_name, link.files_list, link.insertions) == (
        "auto_detected", "Ada", ["file.py"], 3,
    )  # fmt: skip
    assert link.agent_id == "system"


def test_again_changes_nothing(shop: Workshop) -> None:
    about = ticket(shop)
    commit(shop, f"Do {about.key}")
    look(shop)
    rows = TicketHistory.objects.count()
    assert look(shop) == Scan("project", shop.workflow.id)
    CommitScan.objects.all().delete()
    assert look(shop).linked == []
    assert TicketHistory.objects.count() == rows


def test_only_what_is_new_is_looked_at(shop: Workshop) -> None:
    about = ticket(shop)
    commit(shop, "Before")
    look(shop)
    sha = commit(shop, f"Do {about.key}")
    found = look(shop)
    assert (found.commits, found.linked) == (1, [(sha, about.key)])


def test_branches_and_merges_count_once(shop: Workshop) -> None:
    about = ticket(shop)
    git(shop.repository, "checkout", "--quiet", "-b", "side")
    side = commit(shop, f"Do {about.key}", name="side.py")
    assert look(shop).linked == [(side, about.key)]
    git(shop.repository, "checkout", "--quiet", "main")
    commit(shop, "Meanwhile")
    git(shop.repository, "merge", "--quiet", "--no-ff", "-m", f"Merge {about.key}", "side")
    merge = git(shop.repository, "rev-parse", "HEAD")
    found = look(shop)
    assert (found.commits, found.linked) == (2, [(merge, about.key)])
    assert TicketCommit.objects.get(commit_sha=merge).files_list == ["side.py"]


@pytest.mark.parametrize("collected", [False, True])
def test_a_rewritten_branch_brings_its_new_commits(shop: Workshop, collected: bool) -> None:
    about = ticket(shop)
    commit(shop, "One")
    old = commit(shop, f"Do {about.key}")
    look(shop)
    git(shop.repository, "commit", "--quiet", "--amend", "-m", f"Do it better: {about.key}")
    if collected:
        # The old commit is gone for good, and with it the mark up to where was scanned.
        git(shop.repository, "reflog", "expire", "--expire=now", "--all")
        git(shop.repository, "gc", "--quiet", "--prune=now")
        with pytest.raises(subprocess.CalledProcessError):
            git(shop.repository, "cat-file", "-e", old)
    new = git(shop.repository, "rev-parse", "HEAD")
    found = look(shop)
    assert found.linked == [(new, about.key)]
    assert found.commits == (3 if collected else 1)
    assert links(about) == [old, new]


def test_a_branch_that_was_deleted_is_forgotten(shop: Workshop) -> None:
    git(shop.repository, "branch", "side")
    look(shop)
    git(shop.repository, "branch", "-D", "side")
    assert look(shop).commits == 0


def test_the_link_is_the_authors(shop: Workshop) -> None:
    about = ticket(shop)
    Agent.objects.filter(pk=shop.agent.id).update(email="Worker@Example.org", name="The Worker")
    person = make_person(shop.workflow, username="grace", email="grace@example.org")
    stranger = make_agent(make_workflow())
    Agent.objects.filter(pk=stranger.id).update(email="stranger@example.org")
    authors = {
        "Whoever <worker@example.org>": shop.agent.id,
        "the worker <x@y>": shop.agent.id,
        f"{shop.agent.id} <x@y>": shop.agent.id,
        "Whoever <grace@example.org>": person.agent.id,
        "grace <x@y>": person.agent.id,
        "Whoever <stranger@example.org>": "system",
    }
    shas = {commit(shop, f"By {author} for {about.key}", author): agent for author, agent in authors.items()}
    look(shop)
    assert dict(TicketCommit.objects.values_list("commit_sha", "agent_id")) == shas
    row = TicketHistory.objects.filter(change_type="commit_linked", agent_id=shop.agent.id).first()
    assert row is not None
    assert row.via_agent_id == "system"


def test_closing_words_resolve_and_unblock(shop: Workshop) -> None:
    first, second = ticket(shop), ticket(shop)
    waiting = ticket(shop, blocked_by_ticket_ids=[first.key])
    sha = commit(shop, f"Fixes {first.key}; see {second.key}")
    found = look(shop)
    assert found.resolved == [first.key]
    for each in (first, second, waiting):
        each.refresh_from_db()
    assert (first.is_resolved, second.is_resolved, waiting.is_blocked) == (True, False, False)
    assert sha[:12] in first.comments.get(comment_type="resolution").comment_text


def test_a_blocked_ticket_is_linked_not_resolved_and_that_is_said(shop: Workshop) -> None:
    first, second = ticket(shop), ticket(shop)
    execute(TICKET_BLOCK, shop.agent.actor, {"ticket_id": first.id, "reason": "Waits for a decision."})
    commit(shop, f"Fixes {first.key}, {second.key}")
    found = look(shop)
    assert (len(found.linked), found.resolved) == (2, [second.key])
    assert first.key in found.refused[0]
    assert "blocked" in found.refused[0]


def test_a_pending_ticket_is_not_resolved(shop: Workshop) -> None:
    about = ticket(shop)
    Ticket.objects.filter(pk=about.pk).update(approval_status="pending_review")
    commit(shop, f"Closes {about.key}")
    found = look(shop)
    assert (len(found.linked), found.resolved, len(found.refused)) == (1, [], 1)


def test_a_ticket_that_was_reopened_stays_open_when_all_is_scanned_again(shop: Workshop) -> None:
    about = ticket(shop)
    commit(shop, f"Fixes {about.key}")
    look(shop)
    execute(TICKET_REOPEN, shop.agent.actor, {"ticket_id": about.id, "comment": "It is still broken."})
    CommitScan.objects.all().delete()
    assert look(shop).resolved == []
    about.refresh_from_db()
    assert not about.is_resolved


def test_a_resolved_ticket_is_linked_and_left_alone(shop: Workshop) -> None:
    about = ticket(shop)
    execute(TICKET_RESOLVE, shop.agent.actor, {"ticket_id": about.id, "resolution_comment": "Done by hand already."})
    commit(shop, f"Fixes {about.key}")
    found = look(shop)
    assert (len(found.linked), found.resolved, found.refused) == (1, [], [])


def test_in_a_repository_of_two_workflows_only_keys_count(shop: Workshop) -> None:
    other = make_workflow(repositories=[str(shop.repository)])
    mine, theirs = ticket(shop), make_ticket(make_agent(other), other)
    commit(shop, f"#{mine.number} alone")
    sha = commit(shop, f"{mine.key} and {theirs.key}")
    out = StringIO()
    call_command("scan_commits", stdout=out)
    assert links(mine) == links(theirs) == [sha]
    assert f"{sha[:12]} → {theirs.key}" in out.getvalue()


def test_a_ticket_of_a_workflow_without_the_repository_is_not_linked(shop: Workshop) -> None:
    other = make_workflow()
    theirs = make_ticket(make_agent(other), other)
    commit(shop, f"{theirs.key} and {theirs.id}")
    assert look(shop).linked == []


def test_strange_commits_are_read(shop: Workshop) -> None:
    about = ticket(shop)
    empty = git(shop.repository, "commit-tree", "HEAD^{tree}", "-p", "HEAD", given=f"Empty {about.key}\n")
    raw = (
        f"tree {git(shop.repository, 'rev-parse', 'HEAD^{tree}')}\nparent {empty}\n"
        "author  <> 1 +0000\ncommitter X <x> 99999999999999 +0000\n\n"
    ).encode() + b"\xff\xfe " + about.key.encode()  # fmt: skip
    done = subprocess.run(
        ["git", "-C", str(shop.repository), "hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
        input=raw, capture_output=True, check=True,
    )  # fmt: skip
    strange = done.stdout.decode().strip()
    git(shop.repository, "update-ref", "refs/heads/strange", strange)
    look(shop)
    assert set(links(about)) == {empty, strange}


def test_many_commits_take_as_many_git_processes_as_few(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    about = ticket(shop)
    counted: list[int] = []
    started = subprocess.Popen

    class Counted(started):  # type: ignore[misc,valid-type]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            counted.append(1)
            super().__init__(*arguments, **options)

    def processes(count: int) -> int:
        script = "".join(
            f"commit refs/heads/main\ncommitter A <a@x> {1_700_000_000 + number} +0000\ndata <<E\nDo {about.key}\nE\n"
            + ("from refs/heads/main^0\n" if number == 0 else "")
            for number in range(count)
        )
        git(shop.repository, "fast-import", "--quiet", "--force", given=script)
        counted.clear()
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", Counted)
            assert len(look(shop).linked) == count
        return len(counted)

    look(shop)
    assert processes(300) == processes(3)


# The command


def test_the_command_says_what_it_found(shop: Workshop) -> None:
    about = ticket(shop)
    sha = commit(shop, f"Fixes {about.key}")
    out = StringIO()
    call_command("scan_commits", repository=str(shop.repository), stdout=out)
    assert "2 new commits, 1 links, 1 tickets resolved" in out.getvalue()
    assert f"{sha[:12]} → {about.key}" in out.getvalue()


def test_since_leaves_out_what_is_older(shop: Workshop) -> None:
    about = ticket(shop)
    commit(shop, f"Refs {about.key}")
    git(shop.repository, "commit", "--quiet", "--amend", "--no-edit", "--date=2001-01-01T00:00:00Z")
    script = f"commit refs/heads/old\ncommitter A <a@x> 1000000000 +0000\ndata <<E\nDo {about.key}\nE\n"
    git(shop.repository, "fast-import", "--quiet", given=script)
    call_command("scan_commits", since="2010-01-01", stdout=StringIO())
    assert links(about) == [git(shop.repository, "rev-parse", "main")]
    # What was left out stays out.
    call_command("scan_commits", stdout=StringIO())
    assert len(links(about)) == 1


@pytest.mark.parametrize("options", [{"repository": "nothing"}, {"workflow": "nothing"}, {"since": "yesterday-ish"}])
def test_what_the_command_does_not_understand_it_says(shop: Workshop, options: dict[str, str]) -> None:
    with pytest.raises(CommandError):
        call_command("scan_commits", stdout=StringIO(), **options)


def test_a_repository_that_cannot_be_read_does_not_hold_up_the_others(shop: Workshop, root: Path) -> None:
    about = ticket(shop)
    commit(shop, f"Do {about.key}")
    (root / "broken").mkdir()
    Workflow.objects.filter(pk=shop.workflow.pk).update(repositories=[str(root / "broken"), str(shop.repository)])
    errors = StringIO()
    with pytest.raises(CommandError):
        call_command("scan_commits", stdout=StringIO(), stderr=errors)
    assert "broken" in errors.getvalue()
    assert len(links(about)) == 1


def test_nothing_of_the_repository_runs(shop: Workshop, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    about = ticket(shop)
    commit_file(shop.repository, ".gitattributes", "* diff=evil\n")
    commit(shop, f"Do {about.key}")
    for key in ("diff.evil.command", "diff.evil.textconv", "core.fsmonitor", "core.pager", "gpg.program"):
        git(shop.repository, "config", key, f"touch {trap}/{key}")
    git(shop.repository, "config", "log.showSignature", "true")
    assert len(look(shop).linked) == 1
    assert list(trap.iterdir()) == []
