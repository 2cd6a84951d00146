"""Addresses of search. ``ticket_urls`` stands beside the core's under /api/tickets/ and /tickets/."""

from __future__ import annotations

from django.urls import URLPattern, path

from search import operations as op
from tickets.api.views import operation_view

ticket_urls: list[URLPattern] = [
    path("search", operation_view(post=op.TICKET_SEARCH)),
    path("similar", operation_view(post=op.SIMILAR_FIND)),
]

api_urls: list[URLPattern] = [
    path("workflows/<str:workflow_id>/duplicates", operation_view(get=op.DUPLICATES_LIST)),
    path("workflows/<str:workflow_id>/search-index", operation_view(get=op.SEARCH_INDEX_GET)),
]
