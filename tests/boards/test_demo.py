"""The demo: true history, every state of a board, commits that exist."""

from __future__ import annotations

import io
import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction
from django.db.models import Count
from django.test import override_settings
from django.utils import timezone

from boards.demo import checkout
from boards.demo.calendar import Calendar
from boards.demo.content import CommitRule, read_boards
from boards.demo.layout import demo_lay_out
from boards.models import BoardRevision
from gitlinks.git import RepositoryUnreadable
from gitlinks.models import TicketCommit
from gitlinks.repository import lies_within, read_commits
from tickets.access import authenticate_token
from tickets.models import (
    Agent,
    Claim,
    Event,
    Membership,
    StatusPeriod,
    Ticket,
    TicketComment,
    TicketHistory,
    Workflow,
)
from tickets.schemas.tickets import CreateTicket, NextTicket
from tickets.selectors.replay import present, replay
from tickets.services.blocking import live_blocker_ids
from tickets.services.claims import ticket_next
from tickets.services.tickets import ticket_create

MAIN = "demo-hephaestus"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def made_repository(base: Path) -> Path:
    """A checkout of the project's shape with a history of its own."""
    folder = base / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for name, subject in [
        ("tickets/models/tickets.py", "Add models"),
        ("tickets/services/claims.py", "Add claims"),
        ("README.md", "Say how to start"),
    ]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one\ntwo\n", encoding="utf-8")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", f"{subject}\n\nBecause \x01 of it.")
    return folder


@pytest.fixture
def repository(tmp_path: Path, settings: Any) -> Path:
    settings.BASE_DIR, settings.REPOSITORY_ROOT = made_repository(tmp_path), tmp_path
    return cast(Path, settings.BASE_DIR)


@pytest.fixture(scope="class")
def read_only_demo(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Laid out once for all that only read it, with the repository that it has its commits from."""
    base = tmp_path_factory.mktemp("demo")
    repository = made_repository(base)
    with (
        django_db_blocker.unblock(),
        override_settings(BASE_DIR=repository, REPOSITORY_ROOT=base),
        transaction.atomic(),
    ):
        assert demo_lay_out() is not None
        yield repository
        transaction.set_rollback(True)


@pytest.mark.usefixtures("read_only_demo")
class TestWhatItHolds:
    def test_every_history_replays_and_events_have_no_gap(self) -> None:
        for ticket in Ticket.objects.all():
            assert replay(ticket.history.order_by("id")) == present(ticket, live_blocker_ids(ticket.id)), ticket
            assert ticket.comment_count == ticket.comments.count()
            assert ticket.commit_count == ticket.commits.count()
        for workflow in Workflow.objects.all():
            numbers = list(Event.objects.filter(workflow=workflow).order_by("seq").values_list("seq", flat=True))
            assert numbers == list(range(1, workflow.event_seq + 1))

    def test_it_shows_every_state_that_a_board_can_show(self) -> None:
        tickets = Ticket.objects.filter(workflow_id=MAIN)
        per_column = dict(tickets.order_by().values_list("status").annotate(Count("id")))
        assert set(per_column) == {"backlog", "todo", "in_progress", "review", "done"}
        assert tickets.filter(open_blocker_count__gt=0).exists()
        assert tickets.filter(is_manually_blocked=True).exclude(blocked_reason="").exists()
        assert tickets.filter(is_resolved=True, completed_at__isnull=False, started_at__isnull=False).exists()
        assert tickets.filter(lease_agent__isnull=False).count() >= 2
        assert tickets.filter(parent_ticket__isnull=False).count() > 15
        assert set(tickets.values_list("priority", flat=True)) == {"critical", "high", "medium", "low"}
        assert set(tickets.values_list("ticket_type", flat=True)) == {"bug", "feature", "improvement", "task", "spike"}
        assert TicketComment.objects.filter(parent__isnull=False, ticket__workflow_id=MAIN).exists()
        assert TicketComment.objects.filter(reactions__isnull=False).exists()
        states = set(Ticket.objects.values_list("approval_status", flat=True))
        assert states == {"none", "approved", "rejected", "pending_review"}
        assert StatusPeriod.objects.filter(ticket__workflow_id=MAIN, category="active", left_at__isnull=False).exists()

    def test_it_has_a_past_of_four_weeks_that_ends_now(self) -> None:
        now = timezone.now()
        for workflow in Workflow.objects.all():
            written = list(TicketHistory.objects.filter(workflow=workflow).order_by("id"))
            times = [row.changed_at for row in written]
            assert times == sorted(times)
            assert times[-1] <= now
            assert workflow.created_at <= times[0] - timedelta(minutes=5)
            assert all(time.weekday() < 5 for time in times if time < now - timedelta(hours=4))
            revision = BoardRevision.objects.get(workflow=workflow)
            assert revision.changed_at == workflow.created_at
        written = list(TicketHistory.objects.filter(workflow_id=MAIN).order_by("id"))
        assert timedelta(days=25) < now - written[0].changed_at < timedelta(days=31)
        assert now - written[-1].changed_at < timedelta(minutes=2)
        assert len({row.changed_at.date() for row in written}) > 18
        assert {"reopened", "blocked", "unblocked", "claimed", "released"} <= {row.change_type for row in written}
        assert Claim.objects.filter(end_reason="expired").exists(), "a lease was lost"
        assert not Ticket.objects.filter(lease_expires_at__lte=now).exists(), "what is held now is held"
        assert set(Membership.objects.exclude(agent_id="system").values_list("created_at", flat=True)) <= set(
            Workflow.objects.values_list("created_at", flat=True)
        )
        out = io.StringIO()
        call_command("check_integrity", stdout=out)
        assert out.getvalue().strip() == "clean"

    def test_mentions_name_tickets_and_agents_that_exist(self) -> None:
        for comment in TicketComment.objects.all():
            assert "[[" not in comment.comment_text
            for key in re.findall(r"#([A-Z]+-\d+)", comment.comment_text):
                assert Ticket.objects.get(key=key).id in comment.mentions

    def test_ids_begin_with_demo_and_texts_are_worth_reading(self) -> None:
        assert all(id_.startswith("demo-") for id_ in Workflow.objects.values_list("id", flat=True))
        agents = Agent.objects.exclude(kind="system").exclude(user__isnull=False).values_list("id", flat=True)
        assert all(id_.startswith("demo-") for id_ in agents)
        assert all(len(ticket.description) >= 40 for ticket in Ticket.objects.filter(workflow_id=MAIN))
        assert Workflow.objects.get(pk=MAIN).key_prefix == "TKT"

    def test_commits_are_those_of_the_checkout_that_touch_the_tickets_files(self, read_only_demo: Path) -> None:
        log = git(read_only_demo, "log", "--format=%H %s").splitlines()
        subjects = dict(line.split(" ", 1) for line in log)
        linked = {(row.ticket.title, row.commit_sha): row for row in TicketCommit.objects.select_related("ticket")}
        assert {sha for _, sha in linked} <= set(subjects)
        titles: dict[str, set[str]] = {subjects[sha]: set() for sha in subjects}
        for title, sha in linked:
            titles[subjects[sha]].add(title)
        assert any("Models" in title for title in titles["Add models"])
        assert any("Claims" in title for title in titles["Add claims"])
        assert titles["Say how to start"] == set()
        row = next(row for (_, sha), row in linked.items() if subjects[sha] == "Add models")
        assert row.files_list == ["tickets/models/tickets.py"]
        assert (row.files_changed, row.insertions, row.deletions) == (1, 2, 0)
        assert (row.author_name, row.link_method) == ("Ada", "auto_detected")
        assert row.commit_message == "Add models\n\nBecause \x01 of it."
        assert Workflow.objects.get(pk=MAIN).repositories == [str(read_only_demo)]


@pytest.mark.parametrize("now", ["2026-11-23T00:00:30", "2026-11-22T12:00:00", "2026-03-01T06:30:00"])
def test_a_story_keeps_its_order_whenever_it_is_told(now: str) -> None:
    """A Monday just begun, a Sunday, a month's first day: what a ticket's content tells comes in that order."""
    calendar = Calendar(datetime.fromisoformat(f"{now}+00:00"))
    assert calendar.moment("1d 23:00").weekday() < 5
    for board in read_boards():
        for ticket in board.tickets:
            moves = [
                calendar.moment(text) for text in (board.begun, ticket.created, *(move.at for move in ticket.moves))
            ]
            assert moves == sorted(moves), ticket.name
            for comment in ticket.comments:
                said = [
                    calendar.moment(text) for text in (ticket.created, comment.at, *(one.at for one in comment.replies))
                ]
                assert said == sorted(said), ticket.name


def test_the_printed_agent_finds_work_and_creates_without_review(db: None, repository: Path) -> None:
    demo = demo_lay_out()
    assert demo is not None
    actor = authenticate_token(demo.token)
    answer = ticket_next(actor=actor, request=NextTicket())
    assert answer.ticket_id is not None
    request = CreateTicket(title="Made by hand", description="Through the printed token.")
    assert ticket_create(actor=actor, request=request).approval_status == "none"


def test_the_administrator_is_made_once(db: None, repository: Path) -> None:
    get_user_model().objects.create_superuser("boss", password="secret")
    laid_out = demo_lay_out()
    assert laid_out is not None
    assert (laid_out.username, laid_out.password) == ("boss", None)
    assert get_user_model().objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("lack", ["no repository", "outside the root", "a broken repository", "no git"])
def test_without_readable_commits_the_demo_goes_without(
    lack: str, repository: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    match lack:
        case "no repository":
            (repository / ".git").rename(tmp_path / "elsewhere")
        case "outside the root":
            settings.REPOSITORY_ROOT = repository / "tickets"
        case "a broken repository":
            (repository / ".git" / "HEAD").write_text("nonsense", encoding="utf-8")
        case "no git":
            monkeypatch.setenv("PATH", str(tmp_path))
    assert demo_lay_out() is not None
    assert not TicketCommit.objects.exists()
    assert Ticket.objects.filter(workflow_id=MAIN).count() == len(read_boards()[0].tickets)


def test_a_worktree_whose_repository_lies_outside_the_root_is_not_read(repository: Path, tmp_path: Path) -> None:
    inside = tmp_path / "root" / "worktree"
    git(repository, "worktree", "add", "--quiet", str(inside))
    assert lies_within(inside, tmp_path)
    assert not lies_within(inside, tmp_path / "root")


def test_a_rule_means_files_below_a_path_or_words_of_the_subject(repository: Path) -> None:
    commits = read_commits(repository, limit=10)[::-1]

    def found(**rule: list[str]) -> list[str]:
        return [commit.subject for commit in checkout.commits_of(CommitRule(**rule), commits)]

    assert found(paths=["tickets/"]) == ["Add models", "Add claims"]
    assert found(words=["how to start"]) == ["Say how to start"]
    assert found(paths=["boards/"], words=["Because"]) == []


def test_nothing_of_a_repositorys_configuration_is_run(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n", encoding="utf-8")
    trap.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "diff.external", "diff.x.textconv", "gpg.program", "diff.x.command"):
        git(repository, "config", name, str(trap))
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "core.alternateRefsCommand", str(trap))
    (repository / ".git" / "info" / "attributes").write_text("* diff=x\n", encoding="utf-8")
    assert len(read_commits(repository, limit=10)) == 3
    assert lies_within(repository, tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_a_folder_that_is_no_repository_is_unreadable(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(RepositoryUnreadable):
            read_commits(folder, limit=1)


def test_odd_commits_are_read_as_git_has_them(repository: Path) -> None:
    (repository / 'a b\t"ü').write_text("x", encoding="utf-8")
    (repository / "binary").write_bytes(b"\0\1\2")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Odd names")
    git(repository, "commit", "--quiet", "--allow-empty", "--allow-empty-message", "-m", "")
    git(repository, "rm", "--quiet", "README.md")
    git(repository, "commit", "--quiet", "-m", "1\t2\tlooks like a count")
    newest, empty, odd = read_commits(repository, limit=3)
    assert (newest.subject, newest.files, newest.deletions) == ("1\t2\tlooks like a count", ("README.md",), 2)
    assert (empty.message, empty.files) == ("", ())
    assert (set(odd.files), odd.insertions) == ({'a b\t"ü', "binary"}, 1)
