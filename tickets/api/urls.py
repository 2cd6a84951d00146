"""Addresses of the core. ``ticket_urls`` is served twice: under /api/tickets/ and, as in the design, /tickets/."""

from __future__ import annotations

from django.urls import URLPattern, path

from tickets import operations as op
from tickets.api.views import operation_view

ticket_urls: list[URLPattern] = [
    path("create", operation_view(post=op.TICKET_CREATE)),
    path("update", operation_view(post=op.TICKET_UPDATE)),
    path("change-status", operation_view(post=op.TICKET_CHANGE_STATUS)),
    path("move", operation_view(post=op.TICKET_MOVE)),
    path("resolve", operation_view(post=op.TICKET_RESOLVE)),
    path("reopen", operation_view(post=op.TICKET_REOPEN)),
    path("assign", operation_view(post=op.TICKET_ASSIGN)),
    path("block", operation_view(post=op.TICKET_BLOCK)),
    path("unblock", operation_view(post=op.TICKET_UNBLOCK)),
    path("claim", operation_view(post=op.TICKET_CLAIM)),
    path("heartbeat", operation_view(post=op.TICKET_HEARTBEAT)),
    path("release", operation_view(post=op.TICKET_RELEASE)),
    path("next", operation_view(post=op.TICKET_NEXT)),
    path("approve", operation_view(post=op.TICKET_APPROVE)),
    path("reject", operation_view(post=op.TICKET_REJECT)),
    path("bulk-create", operation_view(post=op.TICKETS_CREATE)),
    path("bulk-update", operation_view(post=op.TICKETS_UPDATE)),
    path("comment", operation_view(post=op.COMMENT_ADD)),
    path("comments/<str:comment_id>", operation_view(patch=op.COMMENT_EDIT, delete=op.COMMENT_DELETE)),
    path("comments/<str:comment_id>/reactions", operation_view(post=op.COMMENT_REACT)),
]

_agent, _wanted = {"agent_id": "for_agent_id"}, {"agent_id": "wanted_agent_id"}
api_urls: list[URLPattern] = [
    path("workflows/<str:workflow_id>", operation_view(get=op.WORKFLOW_GET, patch=op.WORKFLOW_UPDATE)),
    path("workflows/<str:workflow_id>/members", operation_view(get=op.MEMBERSHIP_LIST, post=op.MEMBERSHIP_SET)),
    path("workflows/<str:workflow_id>/events", operation_view(get=op.EVENT_LIST)),
    path("workflows/<str:workflow_id>/approvals", operation_view(get=op.APPROVAL_LIST)),
    path("workflows/<str:workflow_id>/claims", operation_view(get=op.CLAIM_LIST)),
    path("agents", operation_view(get=op.AGENT_LIST, post=op.AGENT_CREATE)),
    path("agents/<str:agent_id>", operation_view(get=op.AGENT_GET, patch=op.AGENT_UPDATE, path_fields=_wanted)),
    path("agents/<str:agent_id>/tokens", operation_view(get=op.TOKEN_LIST, post=op.TOKEN_ISSUE, path_fields=_agent)),
    path("tokens/<str:token_id>/revoke", operation_view(post=op.TOKEN_REVOKE)),
    path("me", operation_view(get=op.WHO_AM_I)),
    path("inbox", operation_view(get=op.INBOX_GET)),
    path("inbox/ack", operation_view(post=op.INBOX_ACKNOWLEDGE)),
]
