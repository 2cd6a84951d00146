"""A change of a workflow's members, their tokens or its settings, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone

from boards.web.ticket.steps import short
from tickets.models import WorkflowHistory


class Said(NamedTuple):
    """A sentence without its people: ``phrase``, then whom it concerns and ``rest``, or ``was`` and ``value``.

    ``details``: what the change consists of.
    """

    icon: str
    phrase: str
    value: str = ""
    was: str = ""
    rest: str = ""
    details: tuple[str, ...] = ()


def workflow_change(row: WorkflowHistory) -> Said:
    """What the change was."""
    match row.change_type:
        case "member_added":
            return Said("user", "added", rest=f"as {row.new_value}")
        case "member_changed":
            return Said("user", "changed the role of", rest=f"from {row.old_value} to {row.new_value}")
        case "member_removed":
            return Said("user", "removed", rest=f"as {row.old_value}")
        case "token_issued":
            return Said("key", "issued a token for", rest=", ".join([*_powers(row.new_value), *_end(row.new_value)]))
        case "token_revoked":
            return Said("key", "revoked a token of", rest=", ".join(_powers(row.old_value)))
    return _setting(row)


def _powers(token: str | None) -> list[str]:
    """What it may do beyond its agent's own."""
    facts = json.loads(token or "{}")
    words = [word for word in ("gateway", "operator") if facts.get(f"is_{word}")]
    return ["as " + " and ".join(words)] if words else []


def _end(token: str | None) -> list[str]:
    """Until which day it opens anything, in the zone of whoever looks."""
    at = json.loads(token or "{}").get("expires_at")
    return [f"until {timezone.localtime(datetime.fromisoformat(at)):%Y-%m-%d}"] if at else []


def _setting(row: WorkflowHistory) -> Said:
    is_on = row.new_value == "true"
    match row.field_name:
        case "name":
            return Said("edit", "renamed the workflow", short(row.new_value), short(row.old_value))
        case "is_active":
            return Said("play", "activated the workflow") if is_on else Said("pause", "deactivated the workflow")
        case "ticket_tracking_enabled":
            return Said("sliders", f"switched ticket tracking {'on' if is_on else 'off'}")
        case "repositories":
            return Said("folder", "changed the repositories", details=tuple(_came_and_went(row)))
    return Said("sliders", f"changed the {row.field_name}")


def _came_and_went(row: WorkflowHistory) -> Iterator[str]:
    try:
        old, new = (json.loads(value or "[]") for value in (row.old_value, row.new_value))
    except ValueError:
        return  # Longer than what is read of a value.
    yield from (f"{path} removed" for path in old if path not in new)
    yield from (f"{path} added" for path in new if path not in old)
