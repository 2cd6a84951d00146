"""Marks what matches in the texts of tickets, by PostgreSQL's ts_headline."""
# ruff: noqa: S608 - the SQL is put together of constants; every value is a parameter

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from search.keyword.excerpts import Marked, unmark
from search.keyword.marking import BEGINNING, Texts, new_sign
from search.keyword.postgres import match_any
from search.keyword.reading import read
from search.keyword.words import Term

_BEGINNINGS = f"SELECT id, title, left(description, {BEGINNING}) FROM tickets WHERE id = ANY(%s)"
# search_plain keeps each character in its place, so that a mark's place in it is its place in the text.
_HEADLINE = "ts_headline('search_words', search_plain({text}), q.query, %s)"
_MATCHING = f"""
    SELECT t.id, t.title, {_HEADLINE.format(text="t.title")}, t.description, {_HEADLINE.format(text="t.description")},
        ts_filter(d.terms, '{{b}}') @@ q.query
    FROM to_tsquery('search_words', %s) AS q (query), search_documents d JOIN tickets t ON t.id = d.ticket_id
    WHERE d.ticket_id = ANY(%s) AND d.comment_id IS NULL AND d.terms @@ q.query"""
_COMMENTS = f"""
    SELECT best.ticket_id, best.comment_text, {_HEADLINE.format(text="best.comment_text")}
    FROM to_tsquery('search_words', %s) AS q (query), LATERAL (
        SELECT DISTINCT ON (c.ticket_id) c.ticket_id, c.comment_text
        FROM ticket_comments c JOIN search_documents d ON d.comment_id = c.id
        WHERE c.ticket_id = ANY(%s) AND d.terms @@ q.query
        ORDER BY c.ticket_id, ts_rank(d.terms, q.query, 1) DESC, d.id DESC) AS best"""


def mark(terms: Sequence[Term], ticket_ids: Sequence[str], *, include_comments: bool) -> dict[str, Texts]:
    """The texts of these tickets with every occurrence of a term marked. One to three queries."""
    wanted = list(ticket_ids)
    query = match_any(terms) if terms else ""
    sign = new_sign()
    options = f'HighlightAll=true, StartSel="{sign}", StopSel="{sign}"'
    found: dict[str, Texts] = {}
    if terms:
        for ticket_id, title, marked_title, text, marked_text, in_tags in read(
            _MATCHING, [options, options, query, wanted]
        ):
            found[ticket_id] = Texts(
                Marked(title, unmark(marked_title, sign).spans),
                Marked(text, unmark(marked_text, sign).spans),
                in_tags=in_tags,
            )
    if others := [ticket_id for ticket_id in wanted if ticket_id not in found]:
        for ticket_id, title, beginning in read(_BEGINNINGS, [others]):
            found[ticket_id] = Texts(Marked(title), Marked(beginning))
    if terms and include_comments:
        for ticket_id, text, marked_text in read(_COMMENTS, [options, query, wanted]):
            comment = Marked(text, unmark(marked_text, sign).spans)
            found[ticket_id] = replace(found[ticket_id], in_comments=True, comment=comment)
    return found
