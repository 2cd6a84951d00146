"""The address of the view that ``tests.bench.bare`` serves."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path


async def answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b'{"success": true}', content_type="application/json")


urlpatterns = [path("", answer)]
