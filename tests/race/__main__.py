"""``python -m tests.race [race|fleet]``: run it, print the figures and what was checked. Ends with 1 where it fails."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.race.fleet import Fleet
from tests.race.race import Race
from tests.services import postgres_server


def main() -> int:
    arguments = _arguments()
    if arguments.database == "postgres" and "DATABASE_URL" not in os.environ:
        return _on_postgres(sys.argv[1:])
    if arguments.database == "sqlite":
        os.environ.pop("DATABASE_URL", None)
    with tempfile.TemporaryDirectory(prefix="hephaestus-race-") as folder:
        figures, checks = arguments.plan(arguments).run(Path(folder) / "data")
    print(f"{arguments.command}, {arguments.database}\n{figures}")
    print(*checks, sep="\n")
    failed = sum(bool(check.wrong) for check in checks)
    print(f"{failed} of {len(checks)} do not hold." if failed else "All of it holds.")
    return 1 if failed else 0


def _on_postgres(arguments: list[str]) -> int:
    """The same once more, beside a server of its own."""
    with postgres_server() as url:
        command = [sys.executable, "-m", "tests.race", *arguments]
        return subprocess.run(command, env={**os.environ, "DATABASE_URL": url}, check=False).returncode


def _race(arguments: argparse.Namespace) -> Race:
    return Race(arguments.bridges, arguments.http, arguments.count)


def _fleet(arguments: argparse.Namespace) -> Fleet:
    return Fleet(arguments.agents, arguments.tickets, arguments.seconds, serving=arguments.processes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.race", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    commands = parser.add_subparsers(dest="command", required=True)
    race = commands.add_parser("race", parents=[common], help="bridges and HTTP clients write at once")
    race.add_argument("--bridges", type=int, default=Race.bridges)
    race.add_argument("--http", type=int, default=Race.http)
    race.add_argument("--count", type=int, default=Race.count, help="creates, claims and edits each")
    race.set_defaults(plan=_race)
    fleet = commands.add_parser("fleet", parents=[common], help="many agents finish a graph of tickets")
    fleet.add_argument("--agents", type=int, default=Fleet.agents)
    fleet.add_argument("--tickets", type=int, default=Fleet.tickets)
    fleet.add_argument("--seconds", type=float, default=Fleet.seconds, help="how long they have")
    fleet.add_argument("--processes", type=int, default=Fleet.serving, help="web processes that serve them")
    fleet.set_defaults(plan=_fleet)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
