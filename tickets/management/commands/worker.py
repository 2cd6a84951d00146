"""``manage.py worker``: the background jobs in a process of their own."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from tickets.worker import Worker


class Command(BaseCommand):
    help = "Run the background jobs until SIGTERM. For deployments whose web processes run `serve --no-worker`."

    def handle(self, **_options: Any) -> None:
        worker = Worker()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        self.stdout.write("Working. Stop with Ctrl-C.")
        self.stdout.flush()
        worker.run()
