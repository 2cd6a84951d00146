"""Addresses: pages, REST under /api, the design's own paths without it, and what watches over the server."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from boards.api import urls as boards_api
from boards.api.statistics_urls import statistics_urls
from boards.web.account.attempts import AdminSignInForm
from boards.web.board.pages import board_page
from boards.web.ticket.page import ticket_page
from boards.web.urls import web_urls
from gitlinks.api import urls as gitlinks_api
from gitlinks.api.worktrees import worktree_urls
from search.api import urls as search_api
from tickets.api import service
from tickets.api import urls as tickets_api
from tickets.api.errors import unknown_address
from tickets.api.negotiation import page_or_api
from tickets.api.read_urls import api_read_urls, list_urls, list_view, read_urls, ticket_view
from tickets.api.tasks import compat_task_urls, task_urls

admin.site.login_form = AdminSignInForm

operation_urls = [
    *boards_api.ticket_urls,
    *search_api.ticket_urls,
    *gitlinks_api.ticket_urls,
    *statistics_urls,
    *tickets_api.ticket_urls,
    *list_urls,
]
api_urls: list[URLPattern | URLResolver] = [
    path("ping", service.ping),
    path("schema/", service.Schema.as_view(), name="api-schema"),
    path("docs/", service.Docs.as_view(), name="api-docs"),
    # An address for reading takes any id, so it comes after the names of operations.
    path("tickets/", include([*operation_urls, *read_urls])),
    *api_read_urls,
    *boards_api.api_urls,
    *search_api.api_urls,
    *gitlinks_api.api_urls,
    *tickets_api.api_urls,
    *task_urls,
    *worktree_urls,
    re_path(r"^(?P<rest>.*)$", unknown_address),
]
# The same without /api; where people read, browsers get the page.
design_urls: list[URLPattern | URLResolver] = [
    *compat_task_urls,
    path("tickets", page_or_api(board_page, list_view)),
    path("tickets/", include(operation_urls)),
    path("tickets/<str:ticket_id>", page_or_api(ticket_page, ticket_view)),
    path("tickets/", include(read_urls)),
]
urlpatterns = [
    *web_urls,
    path("admin/", admin.site.urls),
    path("api/", include(api_urls)),
    *design_urls,
    path("livez", service.livez),
    path("readyz", service.readyz),
]

handler400 = "tickets.api.errors.handler400"
handler403 = "tickets.api.errors.handler403"
handler404 = "tickets.api.errors.handler404"
handler500 = "tickets.api.errors.handler500"
