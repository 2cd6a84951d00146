"""Let a repository's commits be looked through for tickets as they are made."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gitlinks.git import RepositoryUnreadable
from gitlinks.repositories import Repository, repositories_of_all
from gitlinks.scanning.hooks import ForeignHook, hook_block, hook_install


class Command(BaseCommand):
    help = (
        "Write a git hook that runs scan_commits in the background: post-receive in a bare repository, post-commit in "
        "any other. A hook that somebody else wrote is left alone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repository", metavar="PATH", help="only this one, by path or name")

    def handle(self, *, repository: str | None, **_: Any) -> None:
        path = Path(repository).expanduser().resolve() if repository else None
        known = repositories_of_all()
        found = [each for each in known if repository in (None, each.name) or each.path == path]
        if not found:
            raise CommandError(
                "No active workflow names such a repository. Set one: manage.py set_repositories WORKFLOW PATH."
            )
        failures = [why for each in found if (why := self._install(each))]
        if failures:
            raise CommandError("\n".join(failures))

    def _install(self, repository: Repository) -> str | None:
        """Install it; None, or why not."""
        command = [
            sys.executable,
            str(settings.BASE_DIR / "manage.py"),
            "scan_commits",
            f"--repository={repository.path}",
        ]
        block = hook_block(command, _environment())
        try:
            path = hook_install(repository.checked(), block)
        except ForeignHook as hook:
            return f"{hook.path} is not this program's to write. Add these lines to that hook:\n\n{hook.block}"
        except (RepositoryUnreadable, OSError) as error:
            return f"{repository.path}: {error}"
        self.stdout.write(f"{path} written.")
        if "DATABASE_URL" in os.environ:
            # It holds a password, and anybody may read a hook.
            self.stdout.write("It needs DATABASE_URL in the environment of whoever commits.")
        return None


def _environment() -> dict[str, str]:
    """What the hook's command needs to find this installation."""
    found = {
        "HEPHAESTUS_DATA_DIR": str(settings.DATA_DIR),
        "HEPHAESTUS_REPOSITORY_ROOT": str(settings.REPOSITORY_ROOT),
    }
    if named := os.environ.get("HEPHAESTUS_CONFIG"):
        found["HEPHAESTUS_CONFIG"] = str(Path(named).expanduser().absolute())
    return found
