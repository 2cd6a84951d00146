"""A keyword index of documents that are no tickets, for measuring how well the search finds."""
# ruff: noqa: S608 - the SQL is put together of constants; every value is a parameter

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice

from django.db import connection, transaction

from search.keyword import schema
from search.keyword.sqlite import forget_counts

_CHUNK = 500
_LIKE_REAL = ("tickets", "ticket_comments", "ticket_tags")
_SHADOWED = (*_LIKE_REAL, "search_documents")


class Scratch:
    """Takes documents while the index is there."""

    def add(self, documents: Iterable[tuple[str, str, str]], workflow_id: str) -> None:
        """Index documents (id, title, text) as tickets of a workflow, which need not exist.

        An empty title is no text.
        """
        left = iter(documents)
        while chunk := list(islice(left, _CHUNK)):
            rows = [(document_id, workflow_id, title, text, "[]", "none") for document_id, title, text in chunk]
            with _transaction(), connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO tickets (id, workflow_id, title, description, tags, approval_status) "
                    "VALUES (%s, %s, %s, %s, %s, %s)",
                    rows,
                )
        if connection.vendor != "sqlite":
            _run("ANALYZE pg_temp.tickets, pg_temp.search_documents")


@contextmanager
def scratch_index() -> Iterator[Scratch]:
    """Within it, on this connection, the index is empty and takes documents; nothing is left of it.

    Temporary tables stand before the real ones of the same name, so that the search runs as it is.
    """
    sqlite = connection.vendor == "sqlite"
    with _no_kept_plans():
        try:
            _make_sqlite() if sqlite else _make_postgres()
            forget_counts()
            yield Scratch()
        finally:
            _drop(sqlite)
            forget_counts()


def _make_sqlite() -> None:
    for table in _LIKE_REAL:
        _run(f"CREATE TEMP TABLE {table} AS SELECT * FROM main.{table} LIMIT 0")
    _run("CREATE TEMP TABLE search_documents (id INTEGER PRIMARY KEY, ticket_id TEXT, comment_id TEXT, tags TEXT)")
    _run("CREATE UNIQUE INDEX temp.scratch_documents ON search_documents (ticket_id) WHERE comment_id IS NULL")
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM main.sqlite_master WHERE name = 'search_fts'")
        (made,) = cursor.fetchone()
    _run(made.replace("search_fts", "temp.search_fts", 1))
    schema.install(connection, temporary=True)


def _make_postgres() -> None:
    for table in _LIKE_REAL:
        _run(f"CREATE TEMP TABLE {table} AS SELECT * FROM public.{table} LIMIT 0")
    _run("CREATE TEMP TABLE search_documents (LIKE public.search_documents INCLUDING ALL)")
    _run("CREATE UNIQUE INDEX scratch_tickets ON pg_temp.tickets (id)")
    schema.install(connection, temporary=True)


def _drop(sqlite: bool) -> None:
    if sqlite:
        _run("DROP VIEW IF EXISTS temp.search_texts")
        _run("DROP TABLE IF EXISTS temp.search_fts")
    for table in _SHADOWED:
        # With their triggers.
        _run(f"DROP TABLE IF EXISTS {'temp' if sqlite else 'pg_temp'}.{table}")
    if not sqlite:
        schema.remove_temporary_functions(connection)


def _run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@contextmanager
def _no_kept_plans() -> Iterator[None]:
    """PostgreSQL goes by the tables that a plan was made for, although others stand before them now."""
    if connection.vendor == "sqlite":
        yield
        return
    connection.ensure_connection()
    driver = connection.connection
    threshold, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        yield
    finally:
        driver.prepare_threshold = threshold


@contextmanager
def _sqlite_transaction() -> Iterator[None]:
    """Not atomic(), whose BEGIN IMMEDIATE would shut out other writers of the real tables."""
    _run("BEGIN")
    try:
        yield
    except BaseException:
        _run("ROLLBACK")
        raise
    _run("COMMIT")


def _transaction() -> AbstractContextManager[None]:
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        return _sqlite_transaction()
    return transaction.atomic()
