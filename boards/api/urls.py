"""Addresses of boards. ``ticket_urls`` stands beside the core's under /api/tickets/ and /tickets/."""

from __future__ import annotations

from django.urls import URLPattern, path

from boards import operations as op
from boards.api.views import BoardCheck, BoardExport, BoardFile, InsightsView
from tickets.api.views import operation_view
from tickets.operations import WORKFLOW_LIST

ticket_urls: list[URLPattern] = [
    path("board-config/<str:workflow_id>", operation_view(get=op.BOARD_GET, name="board_config"))
]

api_urls: list[URLPattern] = [
    path("workflows", operation_view(get=WORKFLOW_LIST, post=op.WORKFLOW_CREATE)),
    path("workflows/<str:workflow_id>/board", operation_view(get=op.BOARD_GET, put=op.BOARD_UPDATE, base=BoardFile)),
    path("workflows/<str:workflow_id>/board/export", BoardExport.as_view()),
    path("workflows/<str:workflow_id>/board/validate", BoardCheck.as_view()),
    path("workflows/<str:workflow_id>/views", operation_view(get=op.VIEW_LIST, post=op.VIEW_SAVE)),
    path("views/<str:view_id>", operation_view(delete=op.VIEW_DELETE)),
    path("workflows/<str:workflow_id>/metrics", operation_view(get=op.METRICS_GET)),
    path("workflows/<str:workflow_id>/insights", operation_view(get=op.INSIGHTS_GET, base=InsightsView)),
    # Here, after all that stands under tickets/: an id may be the name of an operation.
    path("tickets/<str:ticket_id>/agent-prompt", operation_view(get=op.AGENT_PROMPT_GET)),
]
