"""Keyword search on SQLite: FTS5, ranked by its BM25."""
# ruff: noqa: S608 - the SQL is put together of constants; every value is a parameter

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from search.filters import Filters
from search.keyword.conditions import Conditions, conditions_of
from search.keyword.hits import KeywordHit, covered
from search.keyword.reading import read
from search.keyword.words import MAX_TERMS, Term

# Of a word in title, description, tags, comment; the tags' is that of the embedding.
# FTS5's own is negative: the lower, the better.
SCORE = "-bm25(search_fts, 3.0, 1.0, 1.5, 1.0)"
# What one word can add to a BM25 score is below its inverse document frequency times this (FTS5 has k1 = 1.2).
_MOST = 2.2
# A query that finds fewer texts is not worth a plan: all are scored.
_FEW = 1000


def find_any(terms: Sequence[Term], filters: Filters, limit: int, *, include_comments: bool) -> list[KeywordHit]:
    """The tickets in which any of the terms occurs, best first.

    Exactly as if all were scored, though only what can be among the best is (MaxScore: Turtle and Flood, "Query
    evaluation: strategies and optimizations", 1995): texts that have but common words score less than the last
    of the best, and are left out where that is certain. Two to four queries.
    """
    scope = _scope(include_comments)
    words, information = _known(terms, scope)
    if not words:
        return []
    total = sum(word.count for word in words)
    wanted = _slack(limit)
    telling = words
    if total > _FEW:
        few = _at_least(words, 2 * wanted)
        threshold = _score_at(few, wanted, scope)
        telling = next((words[:end] for end in range(len(few), len(words)) if _most(words[end:]) < threshold), words)
    if 3 * sum(word.count for word in telling) > 2 * total:
        # Two passes over most of it cost more than one over all.
        telling = words
    rest = words[len(telling) :]
    matches = [f"{scope}({_any(telling)})"]
    if rest:
        matches.append(f"{scope}(({_any(telling)}) AND ({_any(rest)}))")
    hits = _ranked(matches, f"{scope}({_any(words)})", conditions_of(filters), limit, beyond=_most(rest))
    return covered(hits, information)


def find_all(terms: Sequence[Term], filters: Filters, limit: int, *, include_comments: bool) -> list[KeywordHit]:
    """The tickets with a text in which all of the terms occur, best first. One or two queries."""
    match = f"{_scope(include_comments)}({' AND '.join(_quoted(term) for term in terms)})"
    return [KeywordHit(*hit) for hit in _ranked([match], match, conditions_of(filters), limit)]


def match_any(terms: Sequence[Term], *, include_comments: bool) -> str:
    """The FTS5 expression for texts in which any of the terms occurs."""
    return f"{_scope(include_comments)}({' OR '.join(_quoted(term) for term in terms)})"


@dataclass(frozen=True, slots=True)
class _Word:
    """A term with the number of texts that have it, and its inverse document frequency or a little more."""

    quoted: str
    count: int
    idf: float


def _known(terms: Sequence[Term], scope: str) -> tuple[list[_Word], float]:
    """The terms that occur, rarest first, at most ``MAX_TERMS``, and what all words say together. One query."""
    one = "(SELECT COUNT(*) FROM search_fts WHERE search_fts MATCH %s)"
    quoted = [_quoted(term) for term in terms]
    # Ids rise, so the highest is no less than their number.
    sql = f"SELECT (SELECT coalesce(MAX(id), 0) FROM search_documents), {', '.join([one] * len(terms))}"
    ((newest, *counts),) = read(sql, [f"{scope}({text})" for text in quoted])
    # As FTS5 calculates it.
    idf = [max(math.log((newest - count + 0.5) / (count + 0.5)), 1e-6) for count in counts]
    # Phrases say again what their words do.
    information = sum(value for value, term in zip(idf, terms, strict=True) if len(term.words) == 1)
    found = [_Word(text, count, value) for text, count, value in zip(quoted, counts, idf, strict=True) if count]
    # What is in most texts tells them not apart: asked for only where a query has nothing else.
    telling = [word for word in found if word.count <= newest / 2] or found
    return sorted(telling, key=lambda word: word.count)[:MAX_TERMS], information


def _at_least(words: Sequence[_Word], count: int) -> Sequence[_Word]:
    """The rarest words, as few as have that many texts, counted for each."""
    found = 0
    for end, word in enumerate(words, 1):
        found += word.count
        if found >= count:
            return words[:end]
    return words


def _score_at(words: Sequence[_Word], place: int, scope: str) -> float:
    """The score, by these words alone, of the text in that place; 0 where there are fewer. One query."""
    sql = f"SELECT {SCORE} AS score FROM search_fts WHERE search_fts MATCH %s ORDER BY score DESC LIMIT 1 OFFSET %s"
    rows = read(sql, [f"{scope}({_any(words)})", place - 1])
    return float(rows[0][0]) if rows else 0.0


def _most(words: Iterable[_Word]) -> float:
    """What these words can add to a score at most."""
    return sum(_MOST * word.idf for word in words)


def _ranked(
    matches: Sequence[str], whole: str, conditions: Conditions, limit: int, *, beyond: float = 0.0
) -> list[tuple[str, float]]:
    """The best tickets by the best texts that the matches find; by all that ``whole`` does where that is not enough.

    A text's score is the highest that one of the matches gives it; nothing that only ``whole`` finds has a score
    above ``beyond``.
    """
    wanted = _slack(limit)
    one = f"SELECT rowid AS id, {SCORE} AS score FROM search_fts WHERE search_fts MATCH %s"
    texts = one
    if len(matches) > 1:
        texts = f"SELECT id, MAX(score) AS score FROM ({' UNION ALL '.join([one] * len(matches))}) GROUP BY id"
    # Whether the filters let them pass is looked up for the best texts alone: a ticket's row is long.
    sql = (
        f"SELECT d.ticket_id, f.score, {conditions.sql} FROM ({texts} ORDER BY score DESC LIMIT {wanted}) f "
        "CROSS JOIN search_documents d ON d.id = f.id CROSS JOIN tickets t ON t.id = d.ticket_id"
    )
    rows = read(sql, [*conditions.parameters, *matches])
    passed = [(ticket_id, score) for ticket_id, score, passes in rows if passes]
    if len(rows) == wanted:
        # What was not looked at may have the lowest score, too.
        beyond = max(beyond, min(score for _, score, _ in rows))
    elif len(matches) == 1:
        return _hits(passed, limit)
    hits = _hits(((ticket_id, score) for ticket_id, score in passed if score > beyond), limit)
    if len(hits) == limit:
        return hits
    return _filtered(whole, conditions, limit, few=4 * len(passed) < len(rows))


def _filtered(match: str, conditions: Conditions, limit: int, *, few: bool) -> list[tuple[str, float]]:
    """The best of all tickets that a match finds and the filters let pass, who are ``few`` or not. One query."""
    if few:
        passing = f"d.ticket_id IN (SELECT t.id FROM tickets t WHERE {conditions.sql})"
        tickets = ""
    else:
        passing = conditions.sql
        tickets = "CROSS JOIN tickets t ON t.id = d.ticket_id "
    sql = (
        f"WITH found AS MATERIALIZED (SELECT d.ticket_id AS ticket_id, {SCORE} AS score FROM search_fts "
        f"CROSS JOIN search_documents d ON d.id = search_fts.rowid {tickets}"
        f"WHERE search_fts MATCH %s AND {passing}) "
        f"SELECT ticket_id, MAX(score) FROM found GROUP BY ticket_id ORDER BY 2 DESC, 1 LIMIT {limit}"
    )
    return [(ticket_id, score) for ticket_id, score in read(sql, [match, *conditions.parameters])]


def _hits(found: Iterable[tuple[str, float]], limit: int) -> list[tuple[str, float]]:
    """Tickets by their best text, best first."""
    best: dict[str, float] = {}
    for ticket_id, score in found:
        best[ticket_id] = max(score, best.get(ticket_id, 0.0))
    return sorted(best.items(), key=lambda item: (-item[1], item[0]))[:limit]


def _slack(limit: int) -> int:
    """How many texts to look at for so many tickets: some are of the same ticket, some are filtered out."""
    return limit + limit // 2 + 10


def _scope(include_comments: bool) -> str:
    return "" if include_comments else "{title description tags} : "


def _any(words: Sequence[_Word]) -> str:
    return " OR ".join(word.quoted for word in words)


def _quoted(term: Term) -> str:
    """A term as FTS5 reads it: a word consists of letters and digits alone, so nothing needs escaping."""
    return f'"{" ".join(term.words)}"{"*" if term.prefix else ""}'
