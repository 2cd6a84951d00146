"""``manage.py export_tickets``: a workflow's tickets as a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tickets.access import system_actor
from tickets.errors import DomainError
from tickets.exports import FORMATS, Export
from tickets.schemas.base import parse
from tickets.schemas.lists import ExportFilters


class Command(BaseCommand):
    help = "Write a workflow's tickets as JSON, CSV or Markdown, to standard output or a file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workflow", required=True, metavar="ID")
        parser.add_argument("--format", choices=FORMATS, default="json")
        parser.add_argument("--output", metavar="FILE", help="default: standard output")
        parser.add_argument("--status", metavar="COLUMN", action="append", help="only these columns")
        parser.add_argument("--tags", metavar="TAG", action="append", help="only tickets with all these tags")

    def handle(self, *args: Any, **options: Any) -> None:
        named = {"workflow_id": options["workflow"], "format": options["format"]}
        filters = {name: options[name] for name in ("status", "tags") if options[name]}
        try:
            export = Export(system_actor(), parse(ExportFilters, {**named, **filters}))
        except DomainError as error:
            raise CommandError(error.message) from None
        if options["output"] is None:
            _print(export)
            return
        self._write_file(export, Path(options["output"]))

    def _write_file(self, export: Export, target: Path) -> None:
        """The whole file or none: it gets its name when it is complete."""
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with unfinished.open("wb") as file:
                for part in export.parts():
                    file.write(part)
            unfinished.replace(target)
        except OSError as error:
            raise CommandError(f"{target}: {error.strerror}") from None
        finally:
            unfinished.unlink(missing_ok=True)
        self.stderr.write(f"Wrote {target}.")


def _print(export: Export) -> None:
    """Write to standard output until its reader, such as ``head``, has enough."""
    try:
        for part in export.parts():
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it ends.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
