"""Addresses of the WebSocket face."""

from __future__ import annotations

from channels.routing import URLRouter
from django.urls import re_path

from tickets.consumers import refuse, workflow_events

websockets = URLRouter(
    [
        re_path(r"^ws/workflows/(?P<workflow_id>[^/]+)/?$", workflow_events),  # type: ignore[list-item, arg-type]
        re_path(r"", refuse),  # type: ignore[list-item, arg-type]  # ASGI applications, not views
    ]
)
