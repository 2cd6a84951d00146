"""What time it is for a command that writes."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime

from django.utils import timezone

moment: ContextVar[datetime | None] = ContextVar("moment", default=None)


def now() -> datetime:
    """The present, but inside ``tickets.past.at``."""
    return moment.get() or timezone.now()
