"""Keyword search over titles, descriptions, tags and comments, on either database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from django.db import connection

from search.filters import Filters
from search.keyword import postgres, sqlite
from search.keyword.hits import KeywordHit
from search.keyword.words import Term, phrases_of, terms_of


def keyword_search(
    query: str, filters: Filters, limit: int, *, include_comments: bool = True, prefix: bool = False
) -> list[KeywordHit]:
    """The tickets in which any word of a query occurs, best first, ties by id; the filters apply before the limit.

    Those with a text that has all the words come before the others. Words that nearly every text has, or none, do
    not count, unless there are no others. Any text will do as a query; one without a letter or digit finds nothing.
    With ``prefix`` its last word may be unfinished, as in a box where somebody is typing. A ticket's score is that
    of its best text: its own (title, description, tags) or one of its comments.
    """
    return keyword_page(query, filters, limit, depth=limit, include_comments=include_comments, prefix=prefix)[0]


def keyword_page(
    query: str, filters: Filters, limit: int, *, depth: int, include_comments: bool = True, prefix: bool = False
) -> tuple[list[KeywordHit], int]:
    """What ``keyword_search`` finds, and how many tickets there are, counted up to ``depth``, at least the limit."""
    terms = terms_of(query, prefix=prefix)
    if not terms or limit <= 0:
        return [], 0
    return _backend().find_any(terms, filters, limit, depth=depth, include_comments=include_comments)


def exact_search(query: str, filters: Filters, limit: int, *, include_comments: bool = True) -> list[KeywordHit]:
    """The tickets with a text in which all of a query occurs, best first, ties by id.

    What stands between two spaces must stand together: ``foo_bar.baz()`` as foo, bar, baz next to each other.
    """
    phrases = phrases_of(query)
    if not phrases or limit <= 0:
        return []
    return _backend().find_all(phrases, filters, limit, include_comments=include_comments)


class _Backend(Protocol):
    def find_any(
        self, terms: Sequence[Term], filters: Filters, limit: int, *, depth: int, include_comments: bool
    ) -> tuple[list[KeywordHit], int]: ...

    def find_all(
        self, terms: Sequence[Term], filters: Filters, limit: int, *, include_comments: bool
    ) -> list[KeywordHit]: ...


def _backend() -> _Backend:
    return sqlite if connection.vendor == "sqlite" else postgres
