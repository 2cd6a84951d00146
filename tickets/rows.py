"""Writes rows by statements that are built once.

Django compiles each statement anew, which takes several times what the database needs to run it and was most
of a write's time. What each request does goes through these; everything else is better off with querysets.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import Field, Model


def insert(rows: Sequence[Model]) -> None:
    """Insert complete rows of one model, without signals. A key that the database makes stays unknown."""
    if not rows:
        return
    fields, start, row_form = _insert_form(type(rows[0]))
    size = connection.ops.bulk_batch_size(list(fields), list(rows))
    for first in range(0, len(rows), size):
        batch = rows[first : first + size]
        values = [field.get_db_prep_save(getattr(row, field.attname), connection) for row in batch for field in fields]
        with connection.cursor() as cursor:
            cursor.execute(start + ", ".join([row_form] * len(batch)), values)
        for row in batch:
            row._state.adding, row._state.db = False, connection.alias


def update(row: Model, names: Iterable[str]) -> None:
    """Write these fields (by ``attname``) of a row, without signals. Raises DatabaseError where it is not there."""
    fields, statement = _update_form(type(row), frozenset(names))
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, row.pk])
        if cursor.rowcount != 1:
            raise DatabaseError(f"{row._meta.db_table} has no row {row.pk!r}")


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
