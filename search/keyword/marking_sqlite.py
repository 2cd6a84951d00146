"""Marks what matches in the texts of tickets, by FTS5's highlight."""
# ruff: noqa: S608 - the SQL is put together of constants; every value is a parameter

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from search.keyword.excerpts import Marked, unmark
from search.keyword.marking import BEGINNING, Texts, new_sign
from search.keyword.reading import read
from search.keyword.sqlite import SCORE, match_any
from search.keyword.words import Term

_BEGINNINGS = f"""
    SELECT id, title, substr(description, 1, {BEGINNING}) FROM tickets
    WHERE id IN (SELECT value FROM json_each(%s))"""
_DOCUMENTS = """
    SELECT id FROM search_documents WHERE comment_id IS NULL AND ticket_id IN (SELECT value FROM json_each(%s))"""
_WITH_COMMENTS = f"""{_DOCUMENTS}
    UNION ALL SELECT x.id FROM ticket_comments c CROSS JOIN search_documents x ON x.comment_id = c.id
    WHERE c.ticket_id IN (SELECT value FROM json_each(%s))"""
_HIGHLIGHTED = ", ".join(
    f"CASE WHEN d.comment_id IS NULL THEN highlight(search_fts, {column}, %s, %s) END" for column in range(3)
)
# One scan of all that matches; the + keeps SQLite from one for each ticket, which takes three times as long.
_MATCHING = f"""
    SELECT d.id, d.ticket_id, d.comment_id IS NULL, {_HIGHLIGHTED}
    FROM search_fts CROSS JOIN search_documents d ON d.id = search_fts.rowid
    WHERE search_fts MATCH %s AND +search_fts.rowid IN"""
_SCORES = f"""
    SELECT rowid, {SCORE} AS score FROM search_fts
    WHERE search_fts MATCH %s AND +rowid IN (SELECT value FROM json_each(%s)) ORDER BY score, rowid"""
_COMMENT_TEXTS = """
    SELECT rowid, highlight(search_fts, 3, %s, %s) FROM search_fts
    WHERE search_fts MATCH %s AND rowid IN (SELECT value FROM json_each(%s))"""


def mark(terms: Sequence[Term], ticket_ids: Sequence[str], *, include_comments: bool) -> dict[str, Texts]:
    """The texts of these tickets with every occurrence of a term marked. One to four queries."""
    wanted = json.dumps(list(ticket_ids))
    match = match_any(terms, include_comments=include_comments) if terms else ""
    sign = new_sign()
    found: dict[str, Texts] = {}
    comments: dict[int, str] = {}
    if terms:
        documents = [wanted, wanted] if include_comments else [wanted]
        matching = f"{_MATCHING} ({_WITH_COMMENTS if include_comments else _DOCUMENTS})"
        for document, ticket_id, own, *texts in read(matching, [*[sign] * 6, match, *documents]):
            if own:
                title, description, tags = (unmark(text, sign) for text in texts)
                found[ticket_id] = Texts(title, description, in_tags=bool(tags.spans))
            else:
                comments[document] = ticket_id
    if others := [ticket_id for ticket_id in ticket_ids if ticket_id not in found]:
        for ticket_id, title, beginning in read(_BEGINNINGS, [json.dumps(others)]):
            found[ticket_id] = Texts(Marked(title), Marked(beginning))
    for ticket_id in set(comments.values()):
        found[ticket_id] = replace(found[ticket_id], in_comments=True)
    # Only where it is shown, since to score takes as long as to find.
    candidates = {one: ticket_id for one, ticket_id in comments.items() if not found[ticket_id].description.spans}
    if candidates:
        best = {candidates[one]: one for one, _ in read(_SCORES, [match, json.dumps(list(candidates))])}
        for document, text in read(_COMMENT_TEXTS, [sign, sign, match, json.dumps(list(best.values()))]):
            ticket_id = candidates[document]
            found[ticket_id] = replace(found[ticket_id], comment=unmark(text, sign))
    return found
