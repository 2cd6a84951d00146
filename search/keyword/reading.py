"""Runs a statement for rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tickets.statements import run_all


def read(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement that is built alike each time. One query."""
    return run_all([(sql, parameters)], _fetched)[0]


def _fetched(cursor: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
