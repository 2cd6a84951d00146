"""Serve the board; on an empty data folder lay out the demo first."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from boards.demo.layout import Demo, demo_lay_out
from hephaestus_site.management.commands.serve import open_listener
from tickets.models import Agent, Workflow
from tickets.models.agents import SYSTEM_AGENT_ID
from tickets.models.triggers import missing_triggers

# Any number that no other program on the database server uses: "Heph" in ASCII.
START_LOCK = 0x48657068


class Command(BaseCommand):
    help = "Migrate, lay out the demo where there is no workflow, and serve in the foreground."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="leave an empty data folder empty")
        parser.add_argument(
            "--until-stdin-ends", action="store_true", help="stop with the program that holds the standard input"
        )

    def handle(self, *, no_demo: bool, until_stdin_ends: bool, **_: Any) -> None:
        if until_stdin_ends:
            threading.Thread(target=_stop_at_the_end_of_stdin, daemon=True).start()
        # Before the demo, whose password and token are shown once: a start that fails must not use them up.
        open_listener(settings.HOST, settings.PORT).close()
        with _alone():
            if _has_to_migrate():
                call_command("migrate", verbosity=0, interactive=False)
            demo = None if no_demo or Workflow.objects.exists() else demo_lay_out()
        if demo is not None:
            self.stdout.write(_shown_once(_url(), demo))
            self.stdout.flush()
        call_command("serve")


def _stop_at_the_end_of_stdin() -> None:
    """However the other program ends, killed too, the system closes its end of the pipe."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _alone() -> Iterator[None]:
    """Of two starts on one data folder the second waits until the first has laid everything out."""
    with (settings.DATA_DIR / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if connection.vendor != "postgresql":
            yield
            return
        # Several machines may start on one server.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [START_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [START_LOCK])


def _has_to_migrate() -> bool:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return True
    # A start that was killed behind its last migration did not come to what follows them.
    return bool(missing_triggers(connection)) or not Agent.objects.filter(pk=SYSTEM_AGENT_ID).exists()


def _url() -> str:
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(settings.HOST, settings.HOST)  # noqa: S104 - a comparison
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"


def _shown_once(url: str, demo: Demo) -> str:
    login = f"{demo.username}, password {demo.password}" if demo.password else f"{demo.username}, as before"
    lines = [
        "The demo is laid out. This is shown once:",
        "",
        f"  Board   {url}/tickets",
        f"  Login   {login}",
        f"  Agent   {demo.agent_id}",
        f"  Token   {demo.token}",
    ]
    rule = "─" * max(map(len, lines))
    return "\n".join([rule, *lines, rule])
