"""Create a workflow with its board."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from boards.services.configuration import workflow_create_with_board
from tickets.access import system_actor
from tickets.management.refusals import refusals
from tickets.schemas.base import parse
from tickets.schemas.workflows import CreateWorkflow

MAX_BOARD_BYTES = 1024 * 1024


class Command(BaseCommand):
    help = "Create a workflow. Without --board its columns are backlog, todo, in_progress, review and done."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workflow_id", metavar="ID")
        parser.add_argument("--name", required=True)
        parser.add_argument(
            "--key-prefix", metavar="PREFIX", help="2 to 10 capitals and digits; default: made from the id"
        )
        parser.add_argument("--board", metavar="FILE", type=Path, help="board configuration in JSON or YAML")
        parser.add_argument(
            "--repository", metavar="PATH", action="append", default=[], help="local git repository; may be repeated"
        )
        parser.add_argument("--no-tracking", action="store_true", help="start without tickets")

    def handle(self, *, board: Path | None, **options: Any) -> None:
        with refusals():
            request = parse(
                CreateWorkflow,
                {
                    "workflow_id": options["workflow_id"],
                    "name": options["name"],
                    "key_prefix": options["key_prefix"],
                    "board": {"name": options["name"], **_read_board(board)} if board is not None else None,
                    "repositories": options["repository"],
                    "ticket_tracking_enabled": False if options["no_tracking"] else None,
                },
            )
            answer = workflow_create_with_board(actor=system_actor(), request=request)
        self.stdout.write(f"{answer.message} Its tickets are {answer.workflow.key_prefix}-1 and so on.")


def _read_board(path: Path) -> dict[str, Any]:
    """The file's content. Raises CommandError with the line at fault."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BOARD_BYTES + 1)
        if len(content) > MAX_BOARD_BYTES:
            raise CommandError(f"{path.name} is over {MAX_BOARD_BYTES} bytes: that is no board.")
        text = content.decode("utf-8-sig")
        data = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path.name} is not UTF-8 (byte {error.start + 1}).") from error
    except json.JSONDecodeError as error:
        message = f"{path.name}, line {error.lineno}, column {error.colno}: {error.msg}."
        raise CommandError(message) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CommandError(f"{path.name} is neither JSON nor YAML: {error}") from error
    if not isinstance(data, dict):
        raise CommandError(f"{path.name} holds no object with columns and ticket_types.")
    return data
