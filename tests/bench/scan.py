"""``python -m tests.bench.scan [SHARE]``: scan_commits on 50,000 commits, of which one in SHARE names a ticket."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.other_process import ROOT
from tests.server import installation

COMMITS = 50_000
TICKETS = 200
_SETUP = f"""
import django; django.setup()
from tests.factories import make_agent, make_ticket
from tickets.models import Workflow
workflow = Workflow.objects.get(); agent = make_agent(workflow)
for _ in range({TICKETS}): make_ticket(agent, workflow)
"""


def history(share: int) -> Iterator[bytes]:
    """Commits as ``git fast-import`` reads them, each with one file of a thousand."""
    for number in range(1, COMMITS + 1):
        message = f"Change number {number}\n\nA line that says why it was done, as people write them.\n"
        if number % share == 0:
            message += f"Refs TKT-{number % TICKETS + 1}\n"
        before = f"from :{number - 1}\n" if number > 1 else ""
        yield (
            f"commit refs/heads/main\nmark :{number}\ncommitter A <a@x> {1_600_000_000 + 60 * number} +0000\n"
            f"data {len(message)}\n{message}{before}"
            f"M 644 inline dir{number % 50}/file{number % 1000}.txt\ndata {len(str(number)) + 1}\n{number}\n\n"
        ).encode()


def main(share: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "root" / "big"
        subprocess.run(["git", "init", "-q", "-b", "main", str(repository)], check=True)
        command = ["git", "-C", str(repository), "fast-import", "--quiet"]
        subprocess.run(command, input=b"".join(history(share)), check=True)
        with installation(Path(folder) / "data", {"HEPHAESTUS_REPOSITORY_ROOT": str(repository.parent)}) as site:
            site.manage("create_workflow", "flow", "--name", "Flow", "--repository", str(repository))
            env = {**site.env, "DJANGO_SETTINGS_MODULE": "hephaestus_site.settings"}
            subprocess.run([sys.executable, "-c", _SETUP], cwd=ROOT, env=env, check=True)
            for what in ("first", "again"):
                start = time.monotonic()
                said = site.manage("scan_commits").splitlines()[0]
                seconds = time.monotonic() - start
                print(f"{what}: {said} {seconds:.1f} s with start-up, {COMMITS / seconds:,.0f} commits/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
