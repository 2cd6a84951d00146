"""``manage.py mcp_bridge``: the agents' protocol on standard input and output, or over HTTP."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Serve coding agents by the Model Context Protocol, on standard input and output or over HTTP."
    # They would read the database before the first answer.
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own type

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--transport", choices=("stdio", "http"), default="stdio")
        parser.add_argument("--agent-id", help="who calls; without a token where the database is opened here")
        parser.add_argument("--token", default="", help="better given by HEPHAESTUS_TOKEN: others see arguments")
        parser.add_argument("--workflow", help="the workflow that is meant where a call names none")
        parser.add_argument("--url", help="forward to the /mcp of a server elsewhere, and open no database")
        parser.add_argument("--host", default="127.0.0.1", help="address for --transport http")
        parser.add_argument("--port", type=int, default=0, help="port for --transport http; 0 takes a free one")

    def handle(self, *, transport: str, agent_id: str | None, token: str, workflow: str | None, **options: Any) -> None:
        token = token or os.environ.get("HEPHAESTUS_TOKEN", "")
        url: str | None = options["url"]
        if transport == "http":
            if url:
                raise CommandError("--url is for --transport stdio: agents can reach that server over HTTP themselves.")
            self._serve_http(options["host"], options["port"], token, agent_id, workflow)
        elif url:
            if not token:
                raise CommandError("--url needs a token: HEPHAESTUS_TOKEN or --token.")
            self._forward(url, token, agent_id, workflow)
        elif not token and not agent_id:
            raise CommandError("Say who calls: HEPHAESTUS_TOKEN (or --token), or --agent-id.")
        else:
            self._serve_stdio(token, agent_id, workflow)

    def _serve_stdio(self, token: str, agent_id: str | None, workflow: str | None) -> None:
        from mcp_bridge.greeting import greet
        from mcp_bridge.wire import claim_wire

        wire = claim_wire()
        greeted = greet(wire)
        # Only now: this takes most of the start.
        from mcp_bridge.credentials import Local
        from mcp_bridge.local import serve

        serve(wire, Local(token, agent_id, workflow), greeted)

    def _forward(self, url: str, token: str, agent_id: str | None, workflow: str | None) -> None:
        from mcp_bridge.wire import claim_wire

        wire = claim_wire()
        from mcp_bridge.forward import forward

        forward(wire, url, token, agent_id, workflow)

    def _serve_http(self, host: str, port: int, token: str, agent_id: str | None, workflow: str | None) -> None:
        from mcp_bridge.credentials import Local
        from mcp_bridge.standalone import serve

        fallback = Local(token, agent_id, workflow) if token or agent_id else None
        serve(host, port, fallback, self.stdout.write)
