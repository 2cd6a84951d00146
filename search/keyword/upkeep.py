"""Fills the keyword index, makes it anew, and says what is wrong with it."""
# ruff: noqa: S608 - the SQL is put together of constants; every value is a parameter

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, connection

from search.keyword import schema
from tickets.unit import write_transaction

# Rows that are indexed in one transaction: writers wait for no more than that.
CHUNK = 500
SHOWN = 20
# Pages of the index that are merged in one transaction: 5 ms.
PAGES = 64

# The ids after the parameter, in order.
_MISSING_TICKETS = """
    SELECT t.id FROM tickets t
    WHERE t.id > %s
        AND NOT EXISTS (SELECT 1 FROM search_documents d WHERE d.ticket_id = t.id AND d.comment_id IS NULL)
    ORDER BY t.id"""
_MISSING_COMMENTS = """
    SELECT c.id FROM ticket_comments c
    WHERE c.id > %s AND c.deleted_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM search_documents d WHERE d.comment_id = c.id)
    ORDER BY c.id"""
_SURPLUS = """
    SELECT coalesce(d.comment_id, d.ticket_id) FROM search_documents d
    LEFT JOIN tickets t ON t.id = d.ticket_id
    LEFT JOIN ticket_comments c ON c.id = d.comment_id
    WHERE t.id IS NULL OR (d.comment_id IS NOT NULL AND (c.id IS NULL OR c.deleted_at IS NOT NULL))"""
_STALE = """
    SELECT coalesce(d.comment_id, d.ticket_id) FROM search_documents d
    JOIN tickets t ON t.id = d.ticket_id
    LEFT JOIN ticket_comments c ON c.id = d.comment_id
    WHERE d.terms IS DISTINCT FROM CASE WHEN d.comment_id IS NULL
        THEN search_ticket_terms(t.title, t.description, search_tags(t.tags))
        ELSE search_comment_terms(c.comment_text) END"""
# Each takes the ids as one parameter.
_ADD_TICKETS = {
    "sqlite": f"""
        INSERT OR IGNORE INTO search_documents (ticket_id, tags)
        SELECT t.id, {schema.SQLITE_TAGS.format(row="t")} FROM tickets t
        WHERE t.id IN (SELECT value FROM json_each(%s)) ORDER BY t.id""",
    "postgresql": """
        INSERT INTO search_documents (ticket_id, tags, terms)
        SELECT t.id, words, search_ticket_terms(t.title, t.description, words)
        FROM tickets t, search_tags(t.tags) AS words WHERE t.id = ANY(%s) ORDER BY t.id
        ON CONFLICT DO NOTHING""",
}
_ADD_COMMENTS = {
    "sqlite": """
        INSERT OR IGNORE INTO search_documents (ticket_id, comment_id, tags)
        SELECT c.ticket_id, c.id, '' FROM ticket_comments c
        WHERE c.id IN (SELECT value FROM json_each(%s)) AND c.deleted_at IS NULL ORDER BY c.id""",
    "postgresql": """
        INSERT INTO search_documents (ticket_id, comment_id, tags, terms)
        SELECT c.ticket_id, c.id, '', search_comment_terms(c.comment_text) FROM ticket_comments c
        WHERE c.id = ANY(%s) AND c.deleted_at IS NULL ORDER BY c.id
        ON CONFLICT DO NOTHING""",
}
_ADD_TEXTS = """
    INSERT INTO search_fts (rowid, title, description, tags, comment)
    SELECT id, title, description, tags, comment FROM search_texts WHERE id > %s ORDER BY id"""


def before_migrate(plan: list[tuple[Any, bool]] | None) -> None:
    """Take out of the way what keeps SQLite from rebuilding a table."""
    if plan and connection.vendor == "sqlite":
        schema.remove(connection)


def after_migrate(plan: list[tuple[Any, bool]] | None) -> None:
    """Put everything back, and index what is not indexed: all anew where tickets may have been changed unseen."""
    if not schema.is_made(connection):
        return
    schema.install(connection)
    if any(migration.app_label == "tickets" for migration, _ in plan or ()) or _has_surplus():
        rebuild()
    else:
        fill()


def rebuild() -> None:
    """Make the index anew. Safe beside a running server, whose searches find more and more meanwhile."""
    with write_transaction(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("INSERT INTO search_fts (search_fts) VALUES ('delete-all')")
        cursor.execute("DELETE FROM search_documents")
    fill()


def fill() -> None:
    """Index the tickets and comments that are not indexed."""
    for missing, add in ((_MISSING_TICKETS, _ADD_TICKETS), (_MISSING_COMMENTS, _ADD_COMMENTS)):
        for ids in _chunks(missing):
            with write_transaction(), connection.cursor() as cursor:
                if connection.vendor == "sqlite":
                    cursor.execute("SELECT coalesce(MAX(id), 0) FROM search_documents")
                    (before,) = cursor.fetchone()
                    cursor.execute(add["sqlite"], [json.dumps(ids)])
                    cursor.execute(_ADD_TEXTS, [before])
                else:
                    cursor.execute(add["postgresql"], [ids])


def merge() -> bool:
    """Merge a little of the keyword index on SQLite, where every write adds a part; whether there may be more to do.

    A search looks into each part: one of 10,000 tickets takes a tenth longer where they are left to merge by eights.
    """
    if connection.vendor != "sqlite":
        return False
    with write_transaction(), connection.cursor() as cursor:
        before = _changes(cursor)
        cursor.execute("INSERT INTO search_fts (search_fts, rank) VALUES ('merge', %s)", [PAGES])
        # One change is the row that asked for it.
        return _changes(cursor) - before > 1


def faults() -> list[str]:
    """What is wrong with the index, in words; of a kind at most twenty. Nothing when all is well.

    On SQLite it holds the write lock while the index is held against the texts (1.6 s for 10,000 tickets), so it
    must not be called within a transaction that only reads.
    """
    found = [f"The trigger {name} is missing." for name in schema.missing_triggers(connection)]
    found += [f"The ticket {one} is not in the keyword index." for one in _ids(_MISSING_TICKETS, "")]
    found += [f"The comment {one} is not in the keyword index." for one in _ids(_MISSING_COMMENTS, "")]
    found += [f"The keyword index holds {one}, which is not there." for one in _ids(_SURPLUS)]
    if connection.vendor == "sqlite":
        try:
            with write_transaction(), connection.cursor() as cursor:
                cursor.execute("INSERT INTO search_fts (search_fts, rank) VALUES ('integrity-check', 1)")
        except DatabaseError:
            found.append("The keyword index does not agree with the texts.")
    else:
        found += [f"What the keyword index says of {one} is out of date." for one in _ids(_STALE)]
    return found


def _has_surplus() -> bool:
    """Whether the index holds what is gone: only where rows were deleted past the triggers, as a flush does."""
    surplus = _SURPLUS
    if connection.vendor == "sqlite":
        surplus += """
            UNION ALL SELECT f.id FROM search_fts_docsize f
            LEFT JOIN search_documents d ON d.id = f.id WHERE d.id IS NULL"""
    return bool(_ids(surplus))


def _changes(cursor: Any) -> int:
    cursor.execute("SELECT total_changes()")
    (changes,) = cursor.fetchone()
    return int(changes)


def _ids(sql: str, *parameters: Any, limit: int = SHOWN) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT {limit}", parameters)
        return [one for (one,) in cursor.fetchall()]


def _chunks(missing: str) -> Iterator[list[str]]:
    last = ""
    while ids := _ids(missing, last, limit=CHUNK):
        yield ids
        last = ids[-1]
