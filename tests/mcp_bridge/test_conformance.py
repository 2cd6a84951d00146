"""The official MCP suite, TypeScript client and Inspector, where npm can get them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import services

SCRIPT = Path(__file__).with_name("conformance.sh")
CANNOT_INSTALL = 77


@pytest.mark.slow
@pytest.mark.sqlite_only  # about the protocol
@pytest.mark.timeout(900)
@pytest.mark.skipif(not services.find_program("npm"), reason="npm is not installed")
def test_official_suite_and_clients_find_nothing_wrong() -> None:
    run = subprocess.run(["sh", str(SCRIPT)], capture_output=True, text=True, check=False)
    if run.returncode == CANNOT_INSTALL:
        pytest.skip(run.stderr.strip())
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("All passed.\n")
