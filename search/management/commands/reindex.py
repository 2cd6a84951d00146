"""``manage.py reindex``: make the index anew, or only what of it is out of date."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from search import keyword
from search.models import IndexJob
from search.providers import make, provider, use
from search.providers.base import EmbeddingProvider
from search.selectors.state import index_lag
from search.services import indexing
from search.services.server_sync import server_forget, server_sync
from tickets.models import Workflow

# How often a provider that is down is asked again, and how long before the command gives up, in seconds.
ASK_EVERY = 2.0
GIVE_UP = 60.0


class Command(BaseCommand):
    help = (
        "Make the embeddings and the keyword index anew. Safe while the server runs; stopped and run again with "
        "--changed-only, it goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workflow", metavar="ID", help="only this workflow; default: all")
        parser.add_argument("--changed-only", action="store_true", help="only tickets whose index is out of date")
        parser.add_argument("--provider", choices=("local", "openai", "voyage"), help="default: EMBEDDING_PROVIDER")

    def handle(self, *, workflow: str | None, changed_only: bool, **options: Any) -> None:
        if workflow is not None and not Workflow.objects.filter(pk=workflow).exists():
            raise CommandError(f"There is no workflow {workflow!r}.")
        with ExitStack() as stack:
            if options["provider"] not in (None, provider().name):
                stack.enter_context(use(self._provider(options["provider"])))
            if provider().name == "none":
                raise CommandError("EMBEDDING_PROVIDER is none: there is nothing to embed with. Name a --provider.")
            self._reindex(workflow, changed_only=changed_only)

    def _reindex(self, workflow: str | None, *, changed_only: bool) -> None:
        if not changed_only and workflow is None:
            keyword.rebuild()
            server_forget()
        while indexing.jobs_collect():
            pass
        indexing.jobs_add(workflow, changed_only=changed_only)
        made = self._run(workflow)
        server_sync()
        self.stdout.write(f"{made} tickets indexed.")

    def _provider(self, name: str) -> EmbeddingProvider:
        """Another provider than the configured one."""
        self.stderr.write(
            f"The server embeds with another provider as long as its EMBEDDING_PROVIDER is not {name}: "
            "it would make its own vectors again."
        )
        try:
            return make(settings.EMBEDDING_BY(name))
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error

    def _run(self, workflow: str | None) -> int:
        jobs = IndexJob.objects.all() if workflow is None else IndexJob.objects.filter(workflow_id=workflow)
        total = left = jobs.count()
        idle_since = time.monotonic()
        # disable=None: no bar where standard error is no terminal.
        with tqdm(total=total, unit="ticket", desc="Indexing", file=sys.stderr, disable=None) as bar:
            while left:
                indexing.jobs_run()
                now = jobs.count()
                if now < left:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > GIVE_UP:
                    error = index_lag(workflow).error or "Another process holds the jobs."
                    raise CommandError(f"{now} of {total} tickets are not indexed: {error} Their jobs remain.")
                else:
                    time.sleep(ASK_EVERY if IndexJob.objects.exclude(error="").exists() else 0.1)
                total = max(total, now)
                bar.update(max(0, left - now))
                left = now
        return total
