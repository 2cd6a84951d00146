"""Look for anything in the database that disagrees with itself."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from tickets.selectors.integrity import integrity_findings


class Command(BaseCommand):
    help = "Hold tickets against their histories, counters against rows, and look for gaps and dangling references."

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        for finding in integrity_findings():
            self.stdout.write(str(finding))
            found += 1
        if found:
            self.stderr.write(f"{found} findings.")
            sys.exit(1)
        self.stdout.write("clean")
