"""Runs statements that are built once and sent often.

PostgreSQL plans each statement anew, which takes several times what it needs to follow the plan, so here it
keeps the plans (per connection, from the fifth use on); and it gets statements that do not wait for each
other's results in one message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

ResultT = TypeVar("ResultT")
# SQL with a ``%s`` for each parameter.
Statement = tuple[str, Sequence[Any]]


def run_all(statements: Sequence[Statement], take: Callable[[Any], ResultT]) -> list[ResultT]:
    """Run the statements in this order; returns what ``take`` gets from the cursor of each.

    Each sees what those before it did. Where one fails, none after it is run.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor == "postgresql":
        return [take(cursor) for cursor in _run_in_one_message(database, statements)]
    taken = []
    with database.cursor() as cursor:
        for sql, parameters in statements:
            cursor.execute(sql, parameters)
            taken.append(take(cursor))
    return taken


def _run_in_one_message(database: BaseDatabaseWrapper, statements: Sequence[Statement]) -> list[CursorWrapper]:
    from django.db.backends.postgresql.base import ServerBindingCursor

    cursors = [database.cursor() for _ in statements]
    together = database.connection.pipeline() if len(statements) > 1 else nullcontext()
    with database.wrap_database_errors, together:
        for cursor, (sql, parameters) in zip(cursors, statements, strict=True):
            # Django's own puts the parameters into the SQL, of which no plan can be kept.
            cursor.cursor = ServerBindingCursor(database.connection)  # type: ignore[call-arg]  # stubs of psycopg 2
            cursor.execute(sql, parameters)
    return cursors
