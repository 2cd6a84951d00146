"""Addresses: REST under /api, the design's own paths without it, and what watches over the server."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from boards.api import urls as boards_api
from boards.api.statistics_urls import statistics_urls
from tickets.api import service
from tickets.api import urls as tickets_api
from tickets.api.errors import unknown_address
from tickets.api.read_urls import api_read_urls, read_urls

# read_urls last: an id of a ticket may look like anything.
ticket_urls = [*boards_api.ticket_urls, *statistics_urls, *tickets_api.ticket_urls, *read_urls]
api_urls: list[URLPattern | URLResolver] = [
    path("ping", service.ping),
    path("schema/", service.Schema.as_view(), name="api-schema"),
    path("docs/", service.Docs.as_view(), name="api-docs"),
    path("tickets/", include(ticket_urls)),
    *api_read_urls,
    *boards_api.api_urls,
    *tickets_api.api_urls,
    re_path(r"^(?P<rest>.*)$", unknown_address),
]
urlpatterns = [
    path("api/", include(api_urls)),
    path("tickets/", include(ticket_urls)),
    path("livez", service.livez),
    path("readyz", service.readyz),
]

handler400 = "tickets.api.errors.handler400"
handler403 = "tickets.api.errors.handler403"
handler404 = "tickets.api.errors.handler404"
handler500 = "tickets.api.errors.handler500"
