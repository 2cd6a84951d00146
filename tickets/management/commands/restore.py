"""Put a backup in the place of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tickets.backup import BackupError, restore


class Command(BaseCommand):
    help = "Put a backup in the place of the database, and bring it up to date. Stop the server first."
    # The database may be broken: that may be why there is something to restore.
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--force", action="store_true", help="restore although a server uses the data folder")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"].expanduser().absolute()
        try:
            old = restore(file, force=options["force"])
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored from {file}." + (f" The old database is kept as {old}." if old else ""))
        self.stdout.write("Without the secret_key file of its time, everybody signs in again; tokens stay valid.")
