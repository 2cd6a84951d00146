"""The texts of tickets with what matches a query marked in them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from search.keyword.excerpts import Marked

# Of a description in which nothing matches so many characters are read: its beginning is shown.
BEGINNING = 400


@dataclass(frozen=True, slots=True)
class Texts:
    """What of a ticket may be shown.

    ``comment`` is the best of the comments that match, read only where nothing in the description does.
    """

    title: Marked
    description: Marked
    comment: Marked | None = None
    in_tags: bool = False
    in_comments: bool = False

    @property
    def matched_in(self) -> tuple[str, ...]:
        matches = {
            "title": bool(self.title.spans),
            "description": bool(self.description.spans),
            "comments": self.in_comments,
            "tags": self.in_tags,
        }
        return tuple(name for name, matched in matches.items() if matched)

    @property
    def shown(self) -> Marked:
        """The text to show a part of: the description, else a comment, else the title."""
        if self.description.spans:
            return self.description
        if self.comment is not None:
            return self.comment
        return self.title if self.title.spans or not self.description.text.strip() else self.description


def new_sign() -> str:
    """What the database puts before and after a match: nobody can have written it into a text before."""
    return f"\x02{secrets.token_hex(8)}"
