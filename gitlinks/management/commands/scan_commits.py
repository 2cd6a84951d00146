"""Look through the repositories' new commits for tickets."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from gitlinks.git import RepositoryUnreadable
from gitlinks.repositories import Repository, repositories_of_all
from gitlinks.scanning.scans import Scan, scan
from tickets.errors import DomainError
from tickets.models import Workflow

WATCH_SECONDS = 2.0


class Command(BaseCommand):
    help = (
        "Link commits to the tickets that their messages name (TKT-12; #12 where the repository has one workflow), and "
        "resolve those that they close (fixes TKT-12). Goes on where the last run ended; again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repository", metavar="PATH", help="only this one, by path or name")
        parser.add_argument("--workflow", metavar="ID", help="only for the tickets of this workflow")
        parser.add_argument(
            "--since",
            metavar="WHEN",
            help="only commits since a time in ISO 8601, or of so many days; for a first run on a long history",
        )
        parser.add_argument("--watch", action="store_true", help="go on until Ctrl-C, looking every two seconds")

    def handle(self, *, repository: str | None, workflow: str | None, since: str | None, watch: bool, **_: Any) -> None:
        moment = _moment(since) if since else None
        pairs = _pairs(repository, workflow)
        if not pairs:
            raise CommandError(
                "No active workflow with ticket tracking names such a repository. "
                "Set one: manage.py set_repositories WORKFLOW PATH."
            )
        failed = self._scan_all(pairs, moment, quiet=False)
        if watch:
            self._watch(repository, workflow)
        elif failed:
            raise CommandError("Not every repository could be read; the messages are above.")

    def _watch(self, repository: str | None, workflow: str | None) -> None:
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        self.stdout.write("Watching. Stop with Ctrl-C.")
        self.stdout.flush()
        while not stopped.wait(WATCH_SECONDS):
            # Read anew: workflows gain and lose repositories.
            self._scan_all(_pairs(repository, workflow), None, quiet=True)

    def _scan_all(self, pairs: list[tuple[Repository, Workflow]], since: str | None, *, quiet: bool) -> bool:
        """Scan each; whether one failed. ``quiet`` says nothing of those with nothing new."""
        failed = False
        for repository, workflow in pairs:
            try:
                found = scan(repository, workflow, alone=len(repository.workflow_ids) == 1, since=since)
            except (RepositoryUnreadable, DomainError) as error:
                failed = True
                self.stderr.write(f"{repository.path} for {workflow.id}: {error}")
                continue
            if found.commits or not quiet:
                self._report(found)
        return failed

    def _report(self, found: Scan) -> None:
        self.stdout.write(
            f"{found.repository} for {found.workflow_id}: {found.commits} new commits, {len(found.linked)} links, "
            f"{len(found.resolved)} tickets resolved."
        )
        for sha, key in found.linked:
            self.stdout.write(f"  {sha[:12]} → {key}")
        for key in found.resolved:
            self.stdout.write(f"  {key} resolved")
        for why in found.refused:
            self.stdout.write(f"  Not resolved: {why}")
        self.stdout.flush()


def _pairs(repository: str | None, workflow: str | None) -> list[tuple[Repository, Workflow]]:
    """Each repository with each of its workflows that tracks tickets."""
    workflows = {row.id: row for row in Workflow.objects.filter(is_active=True, ticket_tracking_enabled=True)}
    path = Path(repository).expanduser().resolve() if repository else None
    return [
        (each, workflows[workflow_id])
        for each in repositories_of_all()
        if repository in (None, each.name) or each.path == path
        for workflow_id in each.workflow_ids
        if workflow_id in workflows and workflow in (None, workflow_id)
    ]


def _moment(text: str) -> str:
    """A time as git reads it. Git itself takes what it does not understand for now."""
    try:
        if text.isdecimal():
            return (timezone.now() - timedelta(days=int(text))).isoformat()
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise CommandError(
            f"--since {text!r} is neither a number of days nor a time such as 2030-01-31T12:00Z."
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
