"""Runs statements that are built once and sent often.

PostgreSQL plans each statement anew, which takes several times what it needs to follow the plan, so here it
keeps the plans (per connection, from the fifth use on); and it gets statements that do not wait for each
other's results in one message.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import SQLiteCursorWrapper

ResultT = TypeVar("ResultT")
# SQL with a ``%s`` for each parameter.
Statement = tuple[str, Sequence[Any]]


def run_all(statements: Sequence[Statement], take: Callable[[Any], ResultT]) -> list[ResultT]:
    """Run the statements in this order; returns what ``take`` gets from the driver's cursor of each.

    Each sees what those before it did. Where one fails, none after it is run.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor == "postgresql":
        return _run_in_one_message(database, statements, take)
    taken = []
    with database.cursor() as cursor:
        cursor.cursor = database.connection.cursor(factory=_SQLiteCursor)
        for sql, parameters in statements:
            cursor.execute(sql, parameters)
            taken.append(take(cursor.cursor))
    return taken


def _run_in_one_message(
    database: BaseDatabaseWrapper, statements: Sequence[Statement], take: Callable[[Any], ResultT]
) -> list[ResultT]:
    from django.db.backends.postgresql.base import ServerBindingCursor

    cursors = []
    with database.cursor() as cursor:
        together = database.connection.pipeline() if len(statements) > 1 else nullcontext()
        with database.wrap_database_errors, together:
            for sql, parameters in statements:
                # Django's own puts the parameters into the SQL, of which no plan can be kept.
                cursor.cursor = ServerBindingCursor(database.connection)  # type: ignore[call-arg]  # stubs of psycopg 2
                cursor.execute(sql, parameters)
                cursors.append(cursor.cursor)
        return [take(one) for one in cursors]


class _SQLiteCursor(SQLiteCursorWrapper):
    """Puts SQLite's placeholders into a statement once, and not each time."""

    @staticmethod
    @functools.lru_cache(maxsize=1000)
    def convert_query(query: str, *, param_names: Iterable[str] | None = None) -> str:
        converted: str = SQLiteCursorWrapper.convert_query(None, query, param_names=param_names)  # type: ignore[arg-type]
        return converted
