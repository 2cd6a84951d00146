"""Forget old events."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tickets.services.retention import events_prune


class Command(BaseCommand):
    help = "Delete old events of every workflow. Who polls or reconnects from before that starts anew; history stays."

    def add_arguments(self, parser: CommandParser) -> None:
        limit = parser.add_mutually_exclusive_group(required=True)
        limit.add_argument("--keep-days", type=float, metavar="N", help="keep the events of the last N days")
        limit.add_argument("--keep", type=int, metavar="N", help="keep the newest N events of each workflow")

    def handle(self, *args: Any, **options: Any) -> None:
        days, keep = options["keep_days"], options["keep"]
        if (days is not None and not 0 <= days <= 36_500) or (keep is not None and keep < 0):
            raise CommandError("N must not be negative, and no more than 36500 days.")
        self.stdout.write(f"{events_prune(keep_days=days, keep=keep)} events deleted.")
