"""What parts of the server say of their state at ``/readyz``; none of it makes the server less ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Report = Callable[[], Mapping[str, Any]]
_reports: dict[str, Report] = {}


def register(name: str, report: Report) -> None:
    """Called once by each owner when the process starts. A report holds no secret and no address: anybody may ask."""
    _reports[name] = report


def reports() -> dict[str, Mapping[str, Any]]:
    """Name → what that part says now."""
    return {name: report() for name, report in _reports.items()}
