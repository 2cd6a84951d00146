"""Asks the person at a client before a model decides in their name on a ticket that waits for review.

Never required: where a client cannot ask, the credential alone decides, as over REST. Since 2026-07-28 the question
is an answer that the client comes back from, which takes no session; before, it is a request of ours, which takes
a way back: over stdio there is one, over streamable HTTP without sessions there is none.
"""

from __future__ import annotations

from typing import Any

import mcp_types as types
import structlog
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from mcp_bridge.credentials import Credential
from mcp_bridge.text import quoted
from tickets.access import find_ticket
from tickets.errors import DomainError, Forbidden
from tickets.models import ApprovalStatus

# Tools that decide, and how the question begins.
DECISIONS = {"approve_ticket": "Approve", "reject_ticket": "Reject"}
_KEY = "decision"
# To accept the form is to say yes; there is nothing to fill in.
_FORM: dict[str, Any] = {"type": "object", "properties": {}}
log = structlog.get_logger(__name__)


def can_ask(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client shows forms to a person, and a question can reach it."""
    capabilities = ctx.session.client_capabilities
    asks = capabilities.elicitation if capabilities is not None else None
    if asks is None or (asks.form is None and asks.url is not None):
        return False
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS or ctx.session.can_send_request


def question(credential: Credential, tool: str, arguments: Any) -> str | None:
    """What to ask. None where the tool has a refusal to give, or nothing is left to decide. Reads the database."""
    try:
        actor = credential.actor()
        ticket = find_ticket(actor, arguments["ticket_id"])
    except (DomainError, KeyError, TypeError, AttributeError):
        return None
    if not actor.is_human or ticket.approval_status != ApprovalStatus.PENDING:
        return None
    return f"{DECISIONS[tool]} {ticket.key}, {quoted(ticket.title)}, by {ticket.created_by_agent_id}?"


async def ask(
    ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams, message: str
) -> types.InputRequiredResult | None:
    """Return where the person says yes, with the question where the client has yet to ask it.

    Raises Forbidden where the person says no, or says nothing.
    """
    form = types.ElicitRequestFormParams(message=message, requested_schema=_FORM)
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        answer: Any = (params.input_responses or {}).get(_KEY)
        # The state says which question was answered: a ticket that changed meanwhile is asked about anew.
        if answer is None or params.request_state != message:
            requests: Any = {_KEY: types.ElicitRequest(params=form)}
            return types.InputRequiredResult(input_requests=requests, request_state=message)
    else:
        try:
            answer = await ctx.session.elicit_form(message, _FORM, ctx.request_id)
        except (MCPError, ValidationError):
            log.warning("client_could_not_ask", exc_info=True)
            answer = None
    action = getattr(answer, "action", "cancel")
    if action != "accept":
        said = "The person at this client said no" if action == "decline" else "Nobody at this client answered"
        raise Forbidden(f"{said}: {message} Nothing was decided.")
    return None
