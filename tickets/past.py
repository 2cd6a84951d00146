"""Lets commands happen in the past. Only the demo may: ``make lint`` allows no other import of this."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from tickets.clock import moment


@contextmanager
def at(when: datetime) -> Iterator[None]:
    """Date by this moment what is written inside. A workflow's time never runs backwards, here neither."""
    token = moment.set(when)
    try:
        yield
    finally:
        moment.reset(token)
