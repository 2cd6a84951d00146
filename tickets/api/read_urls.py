"""Addresses for reading tickets, under /api/tickets/ and /tickets/.

``read_urls`` comes last, and ``list_urls`` before whatever else takes an id: an id may be anything.
"""

from __future__ import annotations

from django.urls import URLPattern, path

from tickets import operations as op
from tickets.api.exports import TicketExport
from tickets.api.reads import ListedTickets
from tickets.api.views import operation_view

list_view = ListedTickets.as_view()
# The same at further addresses: in the schema it stands once.
same_list_view = ListedTickets.as_view(schema=None)
export_view = TicketExport.as_view()
ticket_view = operation_view(get=op.TICKET_GET)

list_urls: list[URLPattern] = [
    path("", same_list_view),
    path("get", list_view),
    path("export", export_view),
]
read_urls: list[URLPattern] = [
    path("<str:ticket_id>", ticket_view),
    path("<str:ticket_id>/comments", operation_view(get=op.COMMENT_LIST)),
    path("<str:ticket_id>/history", operation_view(get=op.HISTORY_LIST)),
    path("<str:ticket_id>/timeline", operation_view(get=op.TIMELINE)),
    path("<str:ticket_id>/commits", operation_view(get=op.COMMIT_LIST)),
    path("<str:ticket_id>/related", operation_view(get=op.RELATED_LIST)),
    path("<str:ticket_id>/context", operation_view(get=op.TICKET_CONTEXT)),
]
# Under /api/ itself.
api_read_urls: list[URLPattern] = [
    path("tickets", same_list_view),
    path("workflows/<str:workflow_id>/export", export_view),
]
