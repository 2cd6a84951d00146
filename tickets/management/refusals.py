"""How a management command says that something was refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from tickets.errors import DomainError


@contextmanager
def refusals() -> Iterator[None]:
    """Turn domain errors into one line on standard error and exit code 1, without a traceback."""
    try:
        yield
    except DomainError as error:
        raise CommandError(error.message) from error
