"""The zone in which a person reads times.

It belongs to the browser, as the theme does: a cookie. The server knows it before it writes the first time, no page
asks the database for it, and whoever looks in from another place reads that place's time there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest
from django.utils import timezone

ZONE = "hephaestus_zone"
DEFAULT = "UTC"


@functools.cache
def zone_names() -> tuple[str, ...]:
    """UTC, then the zones that are named for a place, by name. Only UTC where the system has no zones."""
    return (DEFAULT, *sorted(name for name in available_timezones() if _is_place(name)))


def zones_by_region() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Region → its (name, word)."""
    regions: dict[str, list[tuple[str, str]]] = {}
    for name in zone_names()[1:]:
        region, _, place = name.partition("/")
        regions.setdefault(region, []).append((name, place.replace("_", " ").replace("/", ", ")))
    yield from regions.items()


def zone_of(request: HttpRequest) -> str:
    """The name of the zone of whoever asks."""
    name = request.COOKIES.get(ZONE, DEFAULT)
    # Whoever has chosen none does not wait until the system's zones are read.
    return name if name != DEFAULT and name in zone_names() else DEFAULT


def in_zone(request: HttpRequest) -> AbstractContextManager[None]:
    """Within it, times are shown in the zone of whoever asks."""
    return timezone.override(ZoneInfo(zone_of(request)))


def clock(moment: datetime) -> str:
    """Date and time in the current zone, with its name or else how far it is from UTC."""
    local = timezone.localtime(moment)
    name = local.tzname() or DEFAULT
    return f"{local:%Y-%m-%d %H:%M} {'UTC' if name[0] in '+-' else ''}{name}"


def _is_place(name: str) -> bool:
    region, found, _ = name.partition("/")
    return bool(found) and region not in ("Etc", "SystemV", "US", "posix", "right")
