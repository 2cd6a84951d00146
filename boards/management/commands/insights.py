"""Print what needs attention in a workflow; for cron."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from boards.insights.answer import insights_get
from boards.insights.schemas import KINDS, MAX_LIMIT, SEVERITIES, Finding, GetInsights
from tickets.access import system_actor
from tickets.management.refusals import refusals
from tickets.schemas.base import parse

# Not 1, with which commands fail.
FOUND = 2


class Command(BaseCommand):
    help = f"Print what needs attention in a workflow. With --fail-on, exit code {FOUND} says that there is some."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workflow", required=True, metavar="ID")
        parser.add_argument("--kind", action="append", choices=KINDS, help="may be repeated; default: all")
        parser.add_argument("--limit", type=int, metavar="N", help=f"findings of each kind, 1 to {MAX_LIMIT}")
        parser.add_argument("--stuck-hours", type=float, metavar="H", help="a stay in any column that is too long")
        parser.add_argument("--blocked-hours", type=float, metavar="H", help="being blocked so long is too long")
        parser.add_argument("--silent-minutes", type=float, metavar="M", help="of an agent that holds a lease")
        parser.add_argument("--expiring-minutes", type=float, metavar="M", help="time left of a review")
        parser.add_argument("--json", action="store_true", help="the answer as REST has it")
        parser.add_argument("--fail-on", choices=SEVERITIES, help=f"exit code {FOUND} for a finding so severe, or more")

    def handle(self, *, workflow: str, json: bool, fail_on: str | None, **options: Any) -> None:
        asked = {name: options[name] for name in GetInsights.model_fields if name in options}
        with refusals():
            answer = insights_get(actor=system_actor(), request=parse(GetInsights, {"workflow_id": workflow, **asked}))
        if json:
            self.stdout.write(answer.model_dump_json(indent=2))
        else:
            for finding in answer.findings:
                self.stdout.write(_line(finding))
            for kind in answer.truncated:
                self.stdout.write(f"{kind}: {answer.counts[kind]} in all; --limit shows more.")
            self.stdout.write(answer.message)
        # Of each kind the most severe are shown, so that none is missed here.
        severe = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on is not None else ()
        if any(finding.severity in severe for finding in answer.findings):
            sys.exit(FOUND)


def _line(finding: Finding) -> str:
    text = f"{finding.severity:<6} {finding.kind}: {finding.message}"
    return f"{text}\n       {finding.suggestion.description}" if finding.suggestion is not None else text
