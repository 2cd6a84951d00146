"""The locked requirements: complete, and bound to no machine and no registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database


def pins(lock: str) -> set[str]:
    return set(re.findall(r"^\S+==\S+.*?(?= \\$)", (REQUIREMENTS / lock).read_text(), re.MULTILINE))


def test_tests_run_on_the_versions_that_users_run_on() -> None:
    assert pins("runtime.txt") < pins("dev.txt")


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt"])
def test_locks_name_no_address(lock: str) -> None:
    assert not re.findall(r".*(?:://|--index|--find-links|@ file).*", (REQUIREMENTS / lock).read_text())
