"""Keyword search on PostgreSQL: full text, ranked by a sum that weighs each word by how rare it is."""
# ruff: noqa: S608 - the SQL is put together of constants; every value is a parameter

from __future__ import annotations

import math
from collections.abc import Sequence

from search.filters import Filters
from search.keyword.conditions import Conditions, conditions_of
from search.keyword.hits import KeywordHit, covered
from search.keyword.reading import read
from search.keyword.words import FEW, MAX_TERMS, Term

# ts_rank knows how often a word stands in a text and how long the text is, but not how rare the word is, without
# which a long query finds the common words (nDCG@10 of issues' titles 73.2 instead of 77.6). So each word is
# ranked by itself, and their sum weighted by inverse document frequency. The weights are those of comments,
# description, tags and title; 1 divides by the logarithm of the text's length. The factor makes a word that
# stands once in a description of usual length count as much as with BM25.
_RANK = "30 * ts_rank('{0.33, 0.33, 0.5, 1}', d.terms, to_tsquery('search_words', w.query), 1)"


def find_any(terms: Sequence[Term], filters: Filters, limit: int, *, include_comments: bool) -> list[KeywordHit]:
    """The tickets in which any of the terms occurs, best first. Two queries."""
    words, idf_of_unknown = _known([_query(term) for term in terms], include_comments)
    if not words:
        return []
    idf = dict(words)
    # Phrases say again what their words do.
    information = sum(idf.get(_query(term), idf_of_unknown) for term in terms if len(term.words) == 1)
    return covered(_ranked(words, conditions_of(filters), limit, include_comments), information)


def find_all(terms: Sequence[Term], filters: Filters, limit: int, *, include_comments: bool) -> list[KeywordHit]:
    """The tickets with a text in which all of the terms occur, best first. Two queries."""
    words, _ = _known([" & ".join(f"({_query(term)})" for term in terms)], include_comments)
    hits = _ranked(words, conditions_of(filters), limit, include_comments) if words else []
    return [KeywordHit(*hit) for hit in hits]


def match_any(terms: Sequence[Term]) -> str:
    """The text search query for texts in which any of the terms occurs."""
    return " | ".join(f"({_query(term)})" for term in terms)


def _known(queries: Sequence[str], include_comments: bool) -> tuple[list[tuple[str, float]], float]:
    """The queries that find something, rarest first, with their inverse document frequency, and that of others.

    One query.
    """
    sql = (
        "SELECT w.query, (SELECT coalesce(MAX(id), 0) FROM search_documents), (SELECT COUNT(*) FROM search_documents d "
        f"WHERE d.terms @@ to_tsquery('search_words', w.query){_scope(include_comments)}) "
        "FROM unnest(%s::text[]) AS w (query)"
    )
    rows = read(sql, [list(queries)])
    found = [(count, query, newest) for query, newest, count in rows if count]
    # What is in most texts tells them not apart: asked for only where a query has nothing else.
    counted = sorted([word for word in found if word[0] <= max(word[2] / 2, FEW)] or found)
    words = [
        # Ids rise, so the highest is no less than the number of texts.
        (query, math.log(1 + (max(newest, count) - count + 0.5) / (count + 0.5)))
        for count, query, newest in counted[:MAX_TERMS]
    ]
    return words, math.log(2 + 2 * rows[0][1]) if rows else 0.0


def _ranked(
    words: Sequence[tuple[str, float]], conditions: Conditions, limit: int, include_comments: bool
) -> list[tuple[str, float]]:
    asked = " AND ".join(filter(None, (conditions.sql, conditions.updated, conditions.tags)))
    sql = (
        f"SELECT ticket_id, MAX(score) FROM (SELECT d.ticket_id, SUM(w.idf * {_RANK}) AS score "
        "FROM unnest(%s::text[], %s::float8[]) AS w (query, idf) "
        "JOIN search_documents d ON d.terms @@ to_tsquery('search_words', w.query) "
        "JOIN tickets t ON t.id = d.ticket_id "
        f"WHERE {asked}{_scope(include_comments)} GROUP BY d.id) texts "
        "GROUP BY ticket_id ORDER BY 2 DESC, 1 LIMIT %s"
    )
    queries, weights = [query for query, _ in words], [idf for _, idf in words]
    asked_for = (*conditions.parameters, *conditions.updated_parameters, *conditions.tag_parameters)
    return [(ticket_id, score) for ticket_id, score in read(sql, [queries, weights, *asked_for, limit])]


def _scope(include_comments: bool) -> str:
    return "" if include_comments else " AND d.comment_id IS NULL"


def _query(term: Term) -> str:
    """A term as to_tsquery reads it: a word consists of letters and digits alone, so nothing needs escaping."""
    words = [f"'{word}'" for word in term.words]
    return " <-> ".join(words) + (":*" if term.prefix else "")
