"""The keyword index: an FTS5 table on SQLite, a column with an index on PostgreSQL.

Triggers and contents follow each migration run (``search.keyword.schema``, ``search.keyword.upkeep``).
"""

from __future__ import annotations

from typing import Any

from django.db import migrations

from search.keyword import schema

# External content: the text is read where it is shown, through a view, and not stored twice. automerge: with 8
# instead of 4 segments a level, writing costs half as much on average, and searching the same (measured).
SQLITE = (
    """CREATE VIRTUAL TABLE search_fts USING fts5(
        title, description, tags, comment,
        content='search_texts', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2')""",
    "INSERT INTO search_fts (search_fts, rank) VALUES ('automerge', 8)",
)
SQLITE_UNDONE = ("DROP TABLE search_fts", "DROP INDEX IF EXISTS search_filters")
# English stems without a list of stop words: a query may consist of nothing else.
POSTGRES = (
    "CREATE TEXT SEARCH DICTIONARY search_stems (TEMPLATE = snowball, LANGUAGE = english)",
    "CREATE TEXT SEARCH CONFIGURATION search_words (COPY = pg_catalog.english)",
    """ALTER TEXT SEARCH CONFIGURATION search_words
        ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, word, hword, hword_part WITH search_stems""",
    "ALTER TABLE search_documents ADD COLUMN terms tsvector NOT NULL DEFAULT ''",
    "CREATE INDEX documents_terms ON search_documents USING gin (terms)",
)
POSTGRES_UNDONE = (
    "ALTER TABLE search_documents DROP COLUMN terms",
    "DROP TEXT SEARCH CONFIGURATION search_words",
    "DROP TEXT SEARCH DICTIONARY search_stems",
)


def make(apps: Any, editor: Any) -> None:
    # None is indexed yet, also where the migration was undone and is made again.
    editor.execute("DELETE FROM search_documents")
    for statement in SQLITE if editor.connection.vendor == "sqlite" else POSTGRES:
        editor.execute(statement)


def unmake(apps: Any, editor: Any) -> None:
    schema.remove(editor.connection)
    for statement in SQLITE_UNDONE if editor.connection.vendor == "sqlite" else POSTGRES_UNDONE:
        editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("search", "0001_initial")]

    operations = [migrations.RunPython(make, unmake, elidable=False)]
