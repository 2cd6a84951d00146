"""Reads the arguments of a tool call. The worst that they cause is Invalid, and it says what would be right."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tickets.errors import Invalid

Detail = Literal["concise", "full"]
DEFAULT_ROWS = 10
MAX_ROWS = 100
MAX_TOKENS = 8000


class Own(BaseModel):
    """Arguments that are the tool's own and not its operation's."""

    model_config = ConfigDict(extra="forbid")


class ListOptions(Own):
    """How much of a list: ``cursor`` goes on where the last answer ended."""

    detail: Detail = "concise"
    limit: int = Field(default=DEFAULT_ROWS, ge=1, le=MAX_ROWS)
    cursor: str | None = Field(default=None, max_length=20)

    @property
    def offset(self) -> int:
        """Rows before this page. Raises Invalid."""
        text = self.cursor or "0"
        if not (text.isascii() and text.isdecimal()) or len(text) > 8:
            raise Invalid("cursor is not one that an answer gave as next_cursor.", field="cursor")
        return int(text)


class TicketOptions(Own):
    """How much of a ticket; ``context`` brings what is around it, as much as ``max_tokens`` holds."""

    detail: Detail = "concise"
    context: bool = False
    max_tokens: int | None = Field(default=None, ge=300, le=MAX_TOKENS)


class ClaimOptions(Own):
    action: Literal["claim", "heartbeat", "release"] = "claim"


class InboxOptions(Own):
    """``acknowledge`` takes the cursor up to which everything is done."""

    acknowledge: int | None = Field(default=None, ge=0, le=2**63 - 1)


def read_arguments(value: Any) -> dict[str, Any]:
    """The arguments as an object; null means absent. Raises Invalid.

    A text that holds the object is taken too: some models send their arguments encoded twice.
    """
    if value is None:
        return {}
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if not isinstance(value, Mapping):
        raise Invalid('The arguments must be a JSON object, such as {"ticket_id": "TKT-1"}.', field="arguments")
    return {name: item for name, item in value.items() if item is not None}


def refuse_unknown(
    arguments: Mapping[str, Any], known: Iterable[str], shown: Iterable[str], nested: Mapping[str, Iterable[str]]
) -> None:
    """Raise Invalid for the first argument that the tool does not take, with the one that was meant.

    ``nested`` says which arguments take an object, and with what in it.
    """
    names = list(known)
    for name in arguments:
        if name in names:
            continue
        field = str(name)[:100]
        for outer, inner in nested.items():
            if name in inner:
                raise Invalid(
                    f"{field!r} belongs into {outer}: {json.dumps({outer: {field: '…'}}, ensure_ascii=False)}.",
                    field=field,
                    allowed=shown,
                )
        near = difflib.get_close_matches(field, names, n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise Invalid(
            f"Unknown argument {field!r}.{hint}",
            field=field,
            allowed=shown,
            extra={"did_you_mean": near[0]} if near else None,
        )
