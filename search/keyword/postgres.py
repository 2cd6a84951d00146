"""Keyword search on PostgreSQL: full text, ranked by a sum that weighs each word by how rare it is."""
# ruff: noqa: S608 - the SQL is put together of constants; every value is a parameter

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from search.filters import Filters
from search.keyword.conditions import Conditions, conditions_of
from search.keyword.hits import KeywordHit, covered, tickets_of
from search.keyword.reading import read
from search.keyword.words import MAX_TERMS, Term

# ts_rank knows how often a word stands in a text and how long the text is, but not how rare the word is, without
# which a long query finds the common words (nDCG@10 of issues' titles 73.2 instead of 77.6). So each word is
# ranked by itself, and their sum weighted by inverse document frequency. The weights are those of comments,
# description, tags and title; 1 divides by the logarithm of the text's length. The factor makes a word that
# stands once in a description of usual length count as much as with BM25.
_RANK = "30 * ts_rank('{0.33, 0.33, 0.5, 1}', d.terms, to_tsquery('search_words', w.query), 1)"


def find_any(
    terms: Sequence[Term], filters: Filters, limit: int, *, depth: int, include_comments: bool
) -> tuple[list[KeywordHit], int]:
    """The tickets in which any of the terms occurs, best first, and how many there are, up to ``depth``.

    Those that have all the words come first; where they are enough, the others are only counted. Two to four queries
    as a rule.
    """
    known, information = _known(terms, include_comments)
    if not known:
        return [], 0
    conditions = conditions_of(filters)
    terms_with_idf = [(query, idf) for query, idf, _ in known]
    words = [query for query, _, is_word in known if is_word] or [query for query, _, _ in known]
    every = " & ".join(f"({query})" for query in words)
    hits = covered(
        _ranked(terms_with_idf, conditions, limit, include_comments, every=every), information, complete=True
    )
    if len(hits) == limit or len(words) == 1:
        counted = len(hits) == limit < depth
        return hits, _count(terms_with_idf, conditions, depth, include_comments) if counted else len(hits)
    complete = {hit.ticket_id for hit in hits}
    some = _ranked(terms_with_idf, conditions, max(limit, depth), include_comments)
    hits += covered((one for one in some if one[0] not in complete), information, complete=False)
    return hits[:limit], min(len(hits), depth)


def find_all(terms: Sequence[Term], filters: Filters, limit: int, *, include_comments: bool) -> list[KeywordHit]:
    """The tickets with a text in which all of the terms occur, best first. One or two queries."""
    words = [(" & ".join(f"({_query(term)})" for term in terms), 1.0)]
    return [KeywordHit(*hit) for hit in _ranked(words, conditions_of(filters), limit, include_comments)]


def match_any(terms: Sequence[Term]) -> str:
    """The text search query for texts in which any of the terms occurs."""
    return " | ".join(f"({_query(term)})" for term in terms)


def _known(terms: Sequence[Term], include_comments: bool) -> tuple[list[tuple[str, float, bool]], float]:
    """The terms that occur, rarest first, at most ``MAX_TERMS``: inverse document frequency, whether it is one word.

    And what all words say together. One query.
    """
    sql = (
        "SELECT (SELECT coalesce(MAX(id), 0) FROM search_documents), (SELECT COUNT(*) FROM search_documents d "
        f"WHERE d.terms @@ to_tsquery('search_words', w.query){_scope(include_comments)}) "
        "FROM unnest(%s::text[]) WITH ORDINALITY AS w (query, place) ORDER BY w.place"
    )
    queries = [_query(term) for term in terms]
    rows = read(sql, [queries])
    # Ids rise, so the highest is no less than the number of texts.
    newest = max(rows[0][0], *(count for _, count in rows))
    idf = [math.log(1 + (newest - count + 0.5) / (count + 0.5)) for _, count in rows]
    # Phrases say again what their words do.
    information = sum(value for value, term in zip(idf, terms, strict=True) if len(term.words) == 1)
    counted = zip((count for _, count in rows), queries, idf, terms, strict=True)
    found = [word for word in counted if word[0]]
    # What tells texts not apart is asked for only where a query has nothing else.
    telling = [word for word in found if word[3].tells(word[0], newest)] or found
    ordered = sorted(telling, key=lambda word: word[:2])
    return [(query, value, len(term.words) == 1) for _, query, value, term in ordered[:MAX_TERMS]], information


def _ranked(
    words: Sequence[tuple[str, float]],
    conditions: Conditions,
    limit: int,
    include_comments: bool,
    *,
    every: str | None = None,
) -> list[tuple[str, float]]:
    """The best tickets that pass the filters, with their scores; of texts that match ``every`` alone, if given.

    One query as a rule, at most two.
    """
    given: list[Any] = [[query for query, _ in words], [idf for _, idf in words]]
    scored = (
        f"SELECT d.ticket_id, SUM(w.idf * {_RANK}) AS score FROM unnest(%s::text[], %s::float8[]) AS w (query, idf) "
        f"JOIN search_documents d ON d.terms @@ to_tsquery('search_words', w.query){_scope(include_comments)}"
    )
    if every is not None:
        scored += " AND d.terms @@ to_tsquery('search_words', %s)"
        given.append(every)
    if not conditions.narrow:
        # Nearly all pass: it is enough to look at the tickets of the best texts.
        count = limit + limit // 4 + 10
        sql = (
            f"SELECT f.ticket_id, f.score, {conditions.sql} FROM "
            f"({scored} GROUP BY d.id ORDER BY score DESC LIMIT %s) f JOIN tickets t ON t.id = f.ticket_id"
        )
        hits = tickets_of(read(sql, [*conditions.parameters, *given, count]), count, limit)
        if hits is not None:
            return hits
    asked, values = _asked(conditions)
    sql = (
        f"SELECT ticket_id, MAX(score) FROM ({scored} JOIN tickets t ON t.id = d.ticket_id "
        f"WHERE {asked} GROUP BY d.id) texts GROUP BY ticket_id ORDER BY 2 DESC, 1 LIMIT %s"
    )
    return [(ticket_id, score) for ticket_id, score in read(sql, [*given, *values, limit])]


def _count(words: Sequence[tuple[str, float]], conditions: Conditions, depth: int, include_comments: bool) -> int:
    """How many tickets that pass the filters have any of the terms; ``depth`` if more. One query."""
    asked, values = _asked(conditions)
    sql = (
        "SELECT COUNT(*) FROM (SELECT DISTINCT d.ticket_id FROM search_documents d JOIN tickets t "
        f"ON t.id = d.ticket_id WHERE d.terms @@ to_tsquery('search_words', %s){_scope(include_comments)} "
        f"AND {asked} LIMIT %s) found"
    )
    ((count,),) = read(sql, [" | ".join(f"({query})" for query, _ in words), *values, depth])
    return int(count)


def _asked(conditions: Conditions) -> tuple[str, tuple[Any, ...]]:
    sql = " AND ".join(filter(None, (conditions.sql, conditions.updated, conditions.tags)))
    return sql, (*conditions.parameters, *conditions.updated_parameters, *conditions.tag_parameters)


def _scope(include_comments: bool) -> str:
    return "" if include_comments else " AND d.comment_id IS NULL"


def _query(term: Term) -> str:
    """A term as to_tsquery reads it: a word consists of letters and digits alone, so nothing needs escaping."""
    words = [f"'{word}'" for word in term.words]
    return " <-> ".join(words) + (":*" if term.prefix else "")
