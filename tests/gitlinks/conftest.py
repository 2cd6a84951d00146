"""A workshop in a repository root of its own, and worktrees in a folder of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.gitlinks.workshop import Workshop, make_repository


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    """Where repositories may be."""
    settings.REPOSITORY_ROOT = tmp_path / "root"
    settings.REPOSITORY_ROOT.mkdir()
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    return tmp_path / "root"


@pytest.fixture
def shop(root: Path, db: None) -> Workshop:
    return Workshop(make_repository(root / "project"))


@pytest.fixture
def real_shop(root: Path, transactional_db: None) -> Workshop:
    """One whose transactions commit, as what follows a commit needs it."""
    return Workshop(make_repository(root / "project"))
