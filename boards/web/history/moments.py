"""Times as people write them into an address or a form: in their own zone, unless they say which."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from tickets.schemas.lists import read_moment

DATE = re.compile(r"\d{4}-\d\d-\d\d")


def read_local(text: str, *, ends_day: bool = False) -> datetime:
    """A date (its midnight; with ``ends_day`` the next one) or a time, in UTC. Raises ValueError."""
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = read_moment(text)
    try:
        if moment.tzinfo is None:
            moment = timezone.make_aware(moment + timedelta(days=ends_day and bool(DATE.fullmatch(text))))
        # There and back: what cannot be shown in the zone of whoever asks is no time to ask for.
        return timezone.localtime(moment).astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError("the time is outside the years 1 to 9999") from None
