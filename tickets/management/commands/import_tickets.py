"""Create tickets from a file of issues."""

from __future__ import annotations

import contextlib
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from tickets.access import Actor, system_actor
from tickets.imports.reading import FORMATS
from tickets.imports.running import Import, Report, tickets_import
from tickets.management.refusals import refusals
from tickets.models import Agent

# Lines of each kind that are told of one by one.
MAX_SHOWN = 1000


class Command(BaseCommand):
    help = (
        "Create tickets from FILE. Only a title is required of a line. Run again, it changes nothing; "
        "stopped and run again, it goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="- reads standard input")
        parser.add_argument("--format", choices=FORMATS, required=True, help="github: JSON of GitHub issues")
        parser.add_argument("--workflow", metavar="ID", required=True)
        parser.add_argument("--agent", metavar="ID", help="who creates them; default: the system")
        parser.add_argument("--strict", action="store_true", help="one bad line, and nothing is imported")
        parser.add_argument("--source", metavar="NAME", help="what the lines' ids are unique within; default: the file")

    def handle(self, *, file: str, verbosity: int, **options: Any) -> None:
        with refusals(), _opened(file) as stream:
            job = Import(
                actor=_actor(options["agent"]),
                workflow_id=options["workflow"],
                stream=stream,
                file_format=options["format"],
                name="" if file == "-" else file,
                source=options["source"],
                strict=options["strict"],
            )
            report = self._run(job, None if file == "-" else Path(file).stat().st_size)
        self._tell(report, strict=job.strict, workflow_id=job.workflow_id)

    def _run(self, job: Import, size: int | None) -> Report:
        # disable=None: no bar where standard error is no terminal.
        with tqdm(total=size, unit="B", unit_scale=True, desc="Importing", file=sys.stderr, disable=None) as bar:
            try:
                return tickets_import(job, progress=lambda position: bar.update(position - bar.n))
            except KeyboardInterrupt:
                raise CommandError("Interrupted. Run the same command again to go on.", returncode=130) from None

    def _tell(self, report: Report, *, strict: bool, workflow_id: str) -> None:
        for kind, found in (("note", report.notes), ("bad line", report.faults)):
            for place, message in found[:MAX_SHOWN]:
                self.stderr.write(f"{place}: {message}" if kind == "bad line" else f"{place}: note: {message}")
            if len(found) > MAX_SHOWN:
                self.stderr.write(f"… and {len(found) - MAX_SHOWN} more of the kind: {kind}")
        if strict and report.faults:
            raise CommandError(f"Nothing was imported: {len(report.faults)} bad lines.")
        self.stdout.write(
            f"{workflow_id}: {report.created} tickets created, {report.present} were there already, "
            f"{len(report.faults)} bad lines skipped."
        )


@contextlib.contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        yield stream


def _actor(agent_id: str | None) -> Actor:
    if agent_id is None:
        return system_actor()
    agent = Agent.objects.filter(pk=agent_id).first()
    if agent is None:
        raise CommandError(f"There is no agent {agent_id!r}. create_agent makes one.")
    return Actor(agent_id=agent.id, kind=agent.kind)
