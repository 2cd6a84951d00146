"""Copy the database into a file while the server runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tickets.backup import BackupError, backup


class Command(BaseCommand):
    help = "Write a consistent copy of the database into FILE. The secret key file is not part of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--force", action="store_true", help="overwrite FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"].expanduser().absolute()
        try:
            size = backup(file, force=options["force"])
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{file}: {size} bytes. The file secret_key of the data folder is not part of it.")
