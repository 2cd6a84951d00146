"""Addresses that behave as a test of the server needs it. See ``tests.probe_settings``."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from tickets.access import system_actor
from tickets.models import Agent
from tickets.unit import open_unit

PART = b"x" * 64_000

_opened = itertools.count()
_connections = 0


def _count(**_: object) -> None:
    global _connections
    _connections = next(_opened) + 1


connection_created.connect(_count)


def pid(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"pid": os.getpid()})


def database(_request: HttpRequest) -> HttpResponse:
    """Asks the database; says how many connections this process has opened so far."""
    return JsonResponse({"agents": Agent.objects.count(), "connections": _connections})


def break_connection(_request: HttpRequest) -> HttpResponse:
    """Closes the thread's connection behind Django's back, as a restarted database does."""
    connection.ensure_connection()
    assert connection.connection
    connection.connection.close()
    return HttpResponse()


def sleep(request: HttpRequest) -> HttpResponse:
    time.sleep(float(request.GET["seconds"]))
    return HttpResponse(b"rested")


async def async_view(_request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return JsonResponse({"agents": await Agent.objects.acount()})


@csrf_exempt
def length(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"length": len(request.body)})


def emit(_request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Writes an event in this process."""
    with open_unit(system_actor(), workflow_id) as unit:
        unit.emit("board_updated", pid=os.getpid())
    return JsonResponse({"seq": unit.workflow.event_seq})


def stream(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """An endless answer; a file of that name in the data folder says how far it has come, and that it ended."""

    def tell(progress: object) -> None:
        # Renamed, so that nobody reads it half written.
        new = Path(settings.DATA_DIR) / f".{name}"
        new.write_text(str(progress))
        new.rename(new.with_name(name))

    def parts() -> Iterator[bytes]:
        try:
            for number in itertools.count(1):
                yield b"%d " % Agent.objects.count() + PART
                tell(number)
        finally:
            tell("ended")

    async def async_parts() -> AsyncIterator[bytes]:
        try:
            for number in itertools.count(1):
                yield PART
                tell(number)
        finally:
            tell("ended")

    return StreamingHttpResponse(async_parts() if "async" in request.GET else parts())


def numbers(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(f"{number}\n" for number in range(int(request.GET["count"])))


urlpatterns = [
    path("probe/pid", pid),
    path("probe/database", database),
    path("probe/break", break_connection),
    path("probe/sleep", sleep),
    path("probe/async", async_view),
    path("probe/length", length),
    path("probe/emit/<str:workflow_id>", emit),
    path("probe/stream/<str:name>", stream),
    path("probe/numbers", numbers),
    path("", include("hephaestus_site.urls")),
]
