"""What is shown of a ticket that was found: the part of its text that matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from search.keyword import marking_postgres, marking_sqlite
from search.keyword.excerpts import excerpt, whole
from search.keyword.words import MAX_TERMS, shown_of, terms_of


@dataclass(frozen=True, slots=True)
class Preview:
    """About 200 characters of a ticket. ``html`` is escaped and has no tag but ``<mark>`` around what matched.

    ``title_html`` is the whole title in the same form. ``matched_in``: which of title, description, comments, tags hold
    a word of the query.
    """

    text: str
    html: str
    matched_in: tuple[str, ...]
    title_html: str


def previews(
    query: str, ticket_ids: Sequence[str], *, include_comments: bool = True, prefix: bool = False
) -> dict[str, Preview]:
    """What to show of each ticket: of its description, else of a comment, else of its title, what matches best.

    A ticket in which no word of the query occurs, since it was found by meaning, shows how its description begins,
    and its ``matched_in`` is empty. Ids of no ticket are left out. At most three queries.
    """
    if not ticket_ids:
        return {}
    terms = shown_of(terms_of(query, prefix=prefix))[:MAX_TERMS]
    backend = marking_sqlite if connection.vendor == "sqlite" else marking_postgres
    found = backend.mark(terms, ticket_ids, include_comments=include_comments)
    return {
        ticket_id: Preview(*excerpt(texts.shown), texts.matched_in, whole(texts.title))
        for ticket_id, texts in found.items()
    }
