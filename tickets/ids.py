"""Ids and keys: how they are made and how what a caller typed is read."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from tickets.errors import Invalid

# Chosen by callers for workflows, agents and tasks. No slash, no space: ids stand in addresses and mentions.
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"
PREFIX_PATTERN = r"^[A-Z][A-Z0-9]{1,9}$"
# What they ask for, in words.
PATTERN_WORDS = {
    ID_PATTERN: "a letter or digit, then up to 99 letters, digits or . _ : -",
    PREFIX_PATTERN: "a capital, then 1 to 9 capitals or digits, such as SHOP",
}
RESERVED_PREFIXES = frozenset({"TICKET"})

_UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
_ID_PREFIX = re.compile(r"^[0-9a-f-]{8,36}$")
_KEY = re.compile(r"^([A-Z][A-Z0-9]{1,9})-([1-9][0-9]{0,9})$")


def new_id(kind: str) -> str:
    """A fresh id such as ``ticket-5b0c…`` (kind, hyphen, uuid4)."""
    return f"{kind}-{uuid.uuid4()}"


@dataclass(frozen=True)
class TicketReference:
    """What a caller wrote for a ticket, read once. A text may be a key and a prefix of an id at once."""

    id: str | None = None
    key: str | None = None
    id_prefix: str | None = None


def parse_ticket_reference(text: str, *, field: str = "ticket_id") -> TicketReference:
    """Read a ticket id, a key (any case) or a prefix of an id (8 characters or more).

    Raises Invalid where the text can be none of the three.
    """
    value = text.strip()
    key = value.upper()
    bare = value.lower().removeprefix("ticket-")
    if _UUID.match(bare):
        return TicketReference(id=f"ticket-{bare}")
    id_prefix = f"ticket-{bare}" if _ID_PREFIX.match(bare) else None
    if _KEY.match(key):
        return TicketReference(key=key, id_prefix=id_prefix)
    if id_prefix:
        return TicketReference(id_prefix=id_prefix)
    shown = value if len(value) <= 60 else value[:60] + "…"
    raise Invalid(
        f"{shown!r} is not a ticket id. Use its id, its key such as TKT-12, "
        "or the first 8 or more characters of its id.",
        field=field,
    )


def prefix_candidates(workflow_id: str, name: str) -> list[str]:
    """Key prefixes to try for a workflow, best first: initials of the name, then letters, then numbered."""
    words = re.findall(r"[A-Za-z0-9]+", name) or re.findall(r"[A-Za-z0-9]+", workflow_id)
    initials = "".join(word[0] for word in words).upper()[:5]
    letters = "".join(re.findall(r"[A-Za-z0-9]", workflow_id)).upper()
    found = [initials, letters[:3], letters[:4], letters[:5]]
    stem = next((c for c in found if re.match(PREFIX_PATTERN, c)), "WF")[:6]
    found += [f"{stem}{number}" for number in range(2, 1000)]
    return [c for c in found if re.match(PREFIX_PATTERN, c) and c not in RESERVED_PREFIXES]
