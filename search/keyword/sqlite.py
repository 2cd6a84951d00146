"""Keyword search on SQLite: FTS5, ranked by its BM25."""
# ruff: noqa: S608 - the SQL is put together of constants; every value is a parameter

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from search.filters import Filters
from search.keyword.conditions import Conditions, conditions_of
from search.keyword.hits import KeywordHit, covered, tickets_of
from search.keyword.reading import read
from search.keyword.words import MAX_TERMS, Term

# The weights of title, description, tags (as in the embedding) and comments. FTS5's own score is negative: the
# lower, the better.
SCORE = "-bm25(search_fts, 3.0, 1.0, 1.5, 1.0)"
# So many texts that have one of the rarest terms are enough to find the best tickets among, and three for each of them.
ENOUGH, ENOUGH_EACH = 100, 3
# To count the texts with a word takes as long as there are many, and says nearly the same until there are many more
# texts: a count from this on is remembered (expression → count, texts then) until their number has changed by a share.
COMMON, GROWTH = 200, 0.01
_common: dict[str, tuple[int, int]] = {}
# In how many texts a term occurs, the term as FTS5 reads it, and whether it is one word.
_Known = tuple[int, str, bool]


class _Match(NamedTuple):
    """An FTS5 expression, and how often it mentions each term: FTS5 adds up what each mention scores."""

    text: str
    mentions: int = 1


def find_any(
    terms: Sequence[Term], filters: Filters, limit: int, *, depth: int, include_comments: bool
) -> tuple[list[KeywordHit], int]:
    """The tickets in which any of the terms occurs, best first, and how many there are, up to ``depth``.

    To score a text takes longest. So those that have all the words come first (which people expect, too, and finds
    the right one a little better), and where they are enough the others are only counted. Two to five queries.
    """
    scope = _scope(include_comments)
    known, information = _known(terms, scope)
    if not known:
        return [], 0
    conditions = conditions_of(filters)
    words = [text for _, text, is_word in known if is_word]
    phrases = [text for _, text, is_word in known if not is_word]
    if not words:
        words, phrases = phrases, []
    match = _match(scope, words, " AND ", phrases)
    hits = covered(_ranked(match, conditions, limit), information, complete=True)
    if len(hits) < limit and len(words) > 1:
        complete = {hit.ticket_id for hit in hits}
        some = _some(known, scope, conditions, limit)
        hits += covered((one for one in some if one[0] not in complete), information, complete=False)
        del hits[limit:]
    return hits, _count(known, scope, conditions, depth) if len(hits) == limit < depth else len(hits)


def forget_counts() -> None:
    """Forget what is remembered of the texts: others stand in their place now."""
    _common.clear()


def find_all(terms: Sequence[Term], filters: Filters, limit: int, *, include_comments: bool) -> list[KeywordHit]:
    """The tickets with a text in which all of the terms occur, best first. One or two queries."""
    match = _match(_scope(include_comments), [_quoted(term) for term in terms], " AND ", [])
    return [KeywordHit(*hit) for hit in _ranked(match, conditions_of(filters), limit)]


def match_any(terms: Sequence[Term], *, include_comments: bool) -> str:
    """The FTS5 expression for texts in which any of the terms occurs."""
    return f"{_scope(include_comments)}({' OR '.join(_quoted(term) for term in terms)})"


def _some(known: Sequence[_Known], scope: str, conditions: Conditions, limit: int) -> list[tuple[str, float]]:
    """The best tickets that have any of the terms. One or two queries as a rule.

    Once enough texts have one of the rarest terms, those with only the others are not looked at: of the best ten
    0.6 % differ then and none of the first, in two thirds of the time. Filters that let few pass come before the score
    anyway.
    """
    rarest, others = _split(known, limit)
    hits: list[tuple[str, float]] = []
    if others and not conditions.narrow:
        hits = _ranked(_match(scope, rarest, " OR ", others), conditions, limit)
    if len(hits) < limit:
        hits = _ranked(_match(scope, [*rarest, *others], " OR ", []), conditions, limit)
    return hits


def _match(scope: str, needed: Sequence[str], joined: str, others: Sequence[str]) -> _Match:
    """Texts with all (joined by AND) or any (OR) of the needed terms; the others only add to the score."""
    if not others:
        return _Match(f"{scope}({joined.join(needed)})")
    return _Match(f"{scope}(({joined.join(needed)}) AND ({' OR '.join([*needed, *others, *others])}))", mentions=2)


def _count(known: Sequence[_Known], scope: str, conditions: Conditions, depth: int) -> int:
    """How many tickets that pass the filters have any of the terms; ``depth`` if more. One query."""
    match = f"{scope}({' OR '.join(text for _, text, _ in known)})"
    sql, parameters = _passing("DISTINCT d.ticket_id", match, conditions)
    ((count,),) = read(f"SELECT COUNT(*) FROM ({sql} LIMIT {depth})", parameters)
    return int(count)


def _split(known: Sequence[_Known], limit: int) -> tuple[list[str], list[str]]:
    """The rarest terms, as many as enough texts have, and the others."""
    texts = 0
    for place, (count, _, _) in enumerate(known):
        if texts >= max(ENOUGH, ENOUGH_EACH * limit):
            return [text for _, text, _ in known[:place]], [text for _, text, _ in known[place:]]
        texts += count
    return [text for _, text, _ in known], []


def _known(terms: Sequence[Term], scope: str) -> tuple[list[_Known], float]:
    """The terms that occur, rarest first, at most ``MAX_TERMS``, and what all words say together. One query."""
    quoted = [_quoted(term) for term in terms]
    newest, counts = _counts([f"{scope}({text})" for text in quoted])
    # As FTS5 calculates it. Phrases say again what their words do.
    information = sum(
        max(math.log((newest - count + 0.5) / (count + 0.5)), 1e-6)
        for count, term in zip(counts, terms, strict=True)
        if len(term.words) == 1
    )
    found = [(count, text, term) for count, text, term in zip(counts, quoted, terms, strict=True) if count]
    # What tells texts not apart is asked for only where a query has nothing else.
    telling = [word for word in found if word[2].tells(word[0], newest)] or found
    return sorted((count, text, len(term.words) == 1) for count, text, term in telling)[:MAX_TERMS], information


def _counts(matches: Sequence[str]) -> tuple[int, list[int]]:
    """How many texts there are (ids rise, so the highest is no less), and how many each expression finds. One query."""
    remembered = {match: known for match in matches if (known := _common.get(match))}
    asked = [match for match in matches if match not in remembered]
    one = "(SELECT COUNT(*) FROM search_fts WHERE search_fts MATCH %s)"
    sql = f"SELECT {', '.join(['(SELECT coalesce(MAX(id), 0) FROM search_documents)', *[one] * len(asked)])}"
    ((newest, *found),) = read(sql, asked)
    if any(abs(newest - then) > then * GROWTH for _, then in remembered.values()):
        _common.clear()
        return _counts(matches)
    counts = dict(zip(asked, found, strict=True))
    _common.update({match: (count, newest) for match, count in counts.items() if count >= COMMON})
    return newest, [counts[match] if match in counts else remembered[match][0] for match in matches]


def _ranked(match: _Match, conditions: Conditions, limit: int) -> list[tuple[str, float]]:
    """The best tickets of a match that pass the filters, with their scores. One query as a rule, at most three."""
    # Some of the best texts are of the same ticket, some of tickets that do not pass.
    texts = limit + limit // 4 + 10
    hits = None
    if not conditions.narrow:
        hits = tickets_of(_best(match.text, conditions, texts), texts, limit)
    if hits is None:
        hits = tickets_of(_best_passing(match.text, conditions, texts), texts, limit)
    if hits is None:
        hits = tickets_of(_best_passing(match.text, conditions, -1), None, limit)
    return [(ticket_id, score / match.mentions) for ticket_id, score in hits or []]


def _best(match: str, conditions: Conditions, texts: int) -> list[tuple[str, float, bool]]:
    """The best texts: their tickets, scores, and whether those pass. One query.

    For filters that let nearly all pass: to ask them of every text would take as long as to score it.
    """
    sql = (
        f"SELECT d.ticket_id, f.score, {conditions.sql} FROM (SELECT rowid AS id, {SCORE} AS score FROM search_fts "
        f"WHERE search_fts MATCH %s ORDER BY score DESC LIMIT {texts}) f "
        "CROSS JOIN search_documents d ON d.id = f.id CROSS JOIN tickets t ON t.id = d.ticket_id"
    )
    return [(ticket_id, score, bool(passes)) for ticket_id, score, passes in read(sql, [*conditions.parameters, match])]


def _best_passing(match: str, conditions: Conditions, texts: int) -> list[tuple[str, float, bool]]:
    """The best of the texts whose tickets pass, no others being scored; all of them where ``texts`` is -1. One query.

    An index holds what the conditions ask for (``search_filters``); with a ticket's row, which is long, it would
    take several times as long. When it was updated is in another, so that those tickets are told by rowid.
    """
    sql, parameters = _passing(f"d.ticket_id, {SCORE} AS score, 1", match, conditions)
    return read(f"{sql} ORDER BY score DESC LIMIT {texts}", parameters)


def _passing(columns: str, match: str, conditions: Conditions) -> tuple[str, list[Any]]:
    """A query of the texts that match and whose tickets pass, with its parameters."""
    sql = (
        f"SELECT {columns} FROM search_fts "
        "CROSS JOIN search_documents d ON d.id = search_fts.rowid CROSS JOIN tickets t ON t.id = d.ticket_id "
        f"WHERE search_fts MATCH %s AND {conditions.sql}"
    )
    parameters = [match, *conditions.parameters]
    if conditions.updated:
        sql += f" AND +t.rowid IN (SELECT t.rowid FROM tickets t WHERE t.workflow_id = %s AND {conditions.updated})"
        parameters += [conditions.workflow_id, *conditions.updated_parameters]
    if conditions.tags:
        sql += f" AND {conditions.tags}"
        parameters += conditions.tag_parameters
    return sql, parameters


def _scope(include_comments: bool) -> str:
    return "" if include_comments else "{title description tags} : "


def _quoted(term: Term) -> str:
    """A term as FTS5 reads it: a word consists of letters and digits alone, so nothing needs escaping."""
    return f'"{" ".join(term.words)}"{"*" if term.prefix else ""}'
