"""Writes rows by statements that are built once.

Django compiles each statement anew, which takes several times what the database needs to run it and was most
of a write's time. What each request does goes through these; everything else is better off with querysets.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.models import CharField, Field, Model, TextField

from tickets.statements import Statement, run_all

_TEXTS = (CharField, TextField)


class Writes:
    """Writes that wait to go to the database together, in the order in which they were added."""

    def __init__(self) -> None:
        self._statements: list[Statement] = []
        # Place of an update of one row → that row.
        self._updated: dict[int, Model] = {}

    def add(self, sql: str, parameters: Sequence[Any]) -> None:
        """Any statement that changes rows."""
        self._statements.append((sql, parameters))

    def insert(self, rows: Sequence[Model]) -> None:
        """Insert complete rows of one model, without signals. A key that the database makes stays unknown."""
        if not rows:
            return
        database = connections[DEFAULT_DB_ALIAS]
        fields, start, row_form = _insert_form(type(rows[0]))
        size = database.ops.bulk_batch_size(list(fields), list(rows)) if len(rows) > 1 else 1
        for first in range(0, len(rows), size):
            batch = rows[first : first + size]
            values = [value for row in batch for value in _values(row, fields, database)]
            self.add(start + ", ".join([row_form] * len(batch)), values)
            for row in batch:
                row._state.adding, row._state.db = False, database.alias

    def update(self, row: Model, names: Iterable[str]) -> None:
        """Write these fields (by ``attname``) of a row, as they are now, without signals."""
        fields, statement = _update_form(type(row), frozenset(names))
        self._updated[len(self._statements)] = row
        self.add(statement, [*_values(row, fields, connections[DEFAULT_DB_ALIAS]), row.pk])

    def run(self) -> None:
        """Write. Raises DatabaseError where a row that was to be updated is not there."""
        statements, updated = self._statements, self._updated
        self._statements, self._updated = [], {}
        if not statements:
            return
        counts = run_all(statements, lambda cursor: cursor.rowcount)
        for place, row in updated.items():
            if counts[place] != 1:
                raise DatabaseError(f"{row._meta.db_table} has no row {row.pk!r}")


def insert(rows: Sequence[Model]) -> None:
    """``Writes.insert`` at once."""
    writes = Writes()
    writes.insert(rows)
    writes.run()


def _values(row: Model, fields: Iterable[Field[Any, Any]], database: Any) -> list[Any]:
    values = []
    for field in fields:
        value = getattr(row, field.attname)
        # What the drivers take as it is: asking the field would return it, which is most of what is written.
        if value is not None and not (isinstance(field, _TEXTS) and type(value) is str):
            value = field.get_db_prep_save(value, database)
        values.append(value)
    return values


@functools.cache
def _insert_form(model: type[Model]) -> tuple[tuple[Field[Any, Any], ...], str, str]:
    """The fields, the statement up to VALUES, and the placeholders of one row."""
    fields = tuple(field for field in model._meta.concrete_fields if not field.db_returning)
    columns = ", ".join(f'"{field.column}"' for field in fields)
    row_form = f"({', '.join(['%s'] * len(fields))})"
    return fields, f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ', row_form  # noqa: S608 - names of models


@functools.cache
def _update_form(model: type[Model], names: frozenset[str]) -> tuple[tuple[Field[Any, Any], ...], str]:
    fields = tuple(field for field in model._meta.concrete_fields if field.attname in names)
    if len(fields) != len(names):
        raise ValueError(f"{model.__name__} has not all of the fields {sorted(names)}")
    columns = ", ".join(f'"{field.column}" = %s' for field in fields)
    key = model._meta.pk.column
    return fields, f'UPDATE "{model._meta.db_table}" SET {columns} WHERE "{key}" = %s'  # noqa: S608 - names of models
