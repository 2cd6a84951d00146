"""Queries for values, compiled once: Django takes longer to compile a statement than SQLite to answer it.

A query is built with ``Mark("name")`` where a value will stand; ``Reading`` (for tuples) and ``RowReading`` (for
instances) keep its statement and are run with the values. What is compiled must not depend on them: an ``IN`` of
three marks is another query than one of four. What each request reads goes through these; everything else is
better off with querysets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import BigIntegerField, Expression, Func, Model, QuerySet, TextField
from django.db.models.query import get_related_populators
from django.db.models.sql.compiler import SQLCompiler

from tickets.statements import run_all

ModelT = TypeVar("ModelT", bound=Model)


class Mark(Expression):
    """Stands in a query for a value that is given when it runs."""

    def __init__(self, name: str) -> None:
        super().__init__(output_field=TextField())
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)

    # Each is itself alone: sets of values in an IN compare them.
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class TimeText(Func):
    """A time in ISO 8601 with ``Z``, where the database can make that cheaply; else as it is.

    SQLite stores times as text in UTC, so that reading them as times only to write them again is avoidable.
    """

    arity = 1
    template = "%(expressions)s"
    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="replace(%(expressions)s, ' ', 'T') || 'Z'", **context)


class Microseconds(Func):
    """A time as microseconds since 1970 in UTC, made where it is stored: to parse 200,000 times takes seconds."""

    arity = 1
    template = "(EXTRACT(EPOCH FROM %(expressions)s) * 1000000)::bigint"
    output_field = BigIntegerField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Any:
        # Such as 2026-03-01 14:05:07.000123, the fraction only where there is one.
        # Apart, since SQLite rounds to milliseconds, and so 0.9996 to the next second.
        whole = "CAST(strftime('%%%%s', substr(%(expressions)s, 1, 19)) AS INTEGER) * 1000000"
        part = "CAST(substr(%(expressions)s, 21) AS INTEGER)"
        return self.as_sql(compiler, connection, template=f"({whole} + {part})", **context)


class Reading:
    """A compiled query for tuples. Safe to share between threads."""

    def __init__(self, query: QuerySet[Any, Any], *, convert: bool = True) -> None:
        """``query`` ends in ``values_list``. Without ``convert`` values come as the driver has them."""
        compiler = query.query.get_compiler(connection=connection)
        self._sql, self._parameters = compiler.as_sql()
        self.compiler = compiler
        self._converters = compiler.get_converters([column[0] for column in compiler.select]) if convert else {}

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """The rows for these values of the marks. One query."""
        return self.run(values)

    def run(self, values: Mapping[str, Any], *, limit: int | None = None, offset: int = 0) -> list[tuple[Any, ...]]:
        """``rows`` with a slice; a query that was compiled with a slice takes none here. One query."""
        sql, parameters = self.statement(values)
        if limit is not None:
            sql += " LIMIT %s OFFSET %s"
            parameters += (limit, offset)
        return self.read(run_all([(sql, parameters)], _fetched)[0])

    def statement(self, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        return self._sql, [_adapted(values[p.name]) if isinstance(p, Mark) else p for p in self._parameters]

    def read(self, found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows as the models have them, of those that the driver gave."""
        if not self._converters:
            return found
        return [tuple(row) for row in self.compiler.apply_converters(found, self._converters)]


class RowReading(Generic[ModelT]):
    """A compiled query for whole rows of a model, with what ``select_related`` names. Safe to share between threads."""

    def __init__(self, query: QuerySet[ModelT]) -> None:
        self._reading = Reading(query)
        compiler = self._reading.compiler
        info = compiler.klass_info
        assert info is not None
        self._model: type[ModelT] = info["model"]
        self._width = len(info["select_fields"])
        self._names = [column[0].target.attname for column in compiler.select[: self._width]]
        self._related = get_related_populators(
            info,
            compiler.select,
            connection.alias,  # type: ignore[call-arg]  # the stubs are of Django 6
        )

    def rows(self, **values: Any) -> list[ModelT]:
        """The rows for these values of the marks. One query."""
        return [self._instance(row) for row in self._reading.run(values)]

    def statement(self, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        return self._reading.statement(values)

    def read(self, found: list[tuple[Any, ...]]) -> list[ModelT]:
        return [self._instance(row) for row in self._reading.read(found)]

    def _instance(self, row: tuple[Any, ...]) -> ModelT:
        made = self._model.from_db(connection.alias, self._names, row[: self._width])
        for related in self._related:
            related.populate(row, made)
        return made


def read_together(*readings: Reading | RowReading[Any], **values: Any) -> list[list[Any]]:
    """The rows of each query, for values of the marks that they share. They are run in this order."""
    found = run_all([reading.statement(values) for reading in readings], _fetched)
    return [reading.read(rows) for reading, rows in zip(readings, found, strict=True)]


def marks(name: str, count: int) -> list[Mark]:
    """That many marks for the values of an ``IN``, to be given as ``numbered(name, values)``."""
    return [Mark(f"{name}.{place}") for place in range(count)]


def numbered(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """The values for ``marks(name, len(values))``."""
    return {f"{name}.{place}": value for place, value in enumerate(values)}


def _fetched(cursor: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _adapted(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
