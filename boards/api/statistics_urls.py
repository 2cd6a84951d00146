"""Address of the statistics, under /api/tickets/ and /tickets/."""

from __future__ import annotations

from django.urls import URLPattern, path

from boards.operations import STATISTICS_GET
from tickets.api.views import operation_view

statistics_urls: list[URLPattern] = [path("stats/<str:workflow_id>", operation_view(get=STATISTICS_GET))]
