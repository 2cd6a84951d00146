"""Who asks: a bearer token, a signed-in person, or in trusted-loopback mode whoever says so on this machine."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from tickets.access import Actor, acting_as, actor_for_user, authenticate_token, find_ticket
from tickets.api.limits import check_rate
from tickets.api.payload import claimed_agent, read_body, read_query
from tickets.errors import DomainError, Forbidden, IdentityMismatch, Unauthenticated
from tickets.ids import ID_PATTERN
from tickets.models import Agent, AgentKind, Workflow
from tickets.models.agents import SYSTEM_AGENT_ID
from tickets.services.agents import agent_join

CHALLENGE = 'Bearer realm="Hephaestus Tickets"'
TOKENS_IN_QUERY = ("token", "access_token", "api_key", "authorization")
TRUSTED_LOOPBACK = "trusted-loopback"


def authenticate(request: HttpRequest) -> Actor:
    """The actor behind a request, as its credential and ``X-Agent-ID`` say.

    Raises Unauthenticated, Forbidden, IdentityMismatch, RateLimited.
    """
    actor = bearer_actor(request) or session_actor(request)
    if actor is None:
        raise Unauthenticated("Send a token as 'Authorization: Bearer …', or sign in.")
    return actor


def bearer_actor(request: HttpRequest) -> Actor | None:
    """The actor of the ``Authorization`` header; in trusted-loopback mode, of ``X-Agent-ID`` alone."""
    _refuse_token_in_query(request)
    header = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer":
        actor = authenticate_token(token.strip())
        check_rate(actor)
        return acting_as(actor, claimed_agent(request), field="X-Agent-ID")
    if settings.AGENT_AUTH == TRUSTED_LOOPBACK and not header and _is_trusted(request):
        actor = _trusted_actor(request)
        check_rate(actor)
        return actor
    return None


def session_actor(request: HttpRequest) -> Actor | None:
    """The actor of a signed-in person. Raises Forbidden for a change without a CSRF token."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return None
    reason = _CsrfCheck(lambda _request: None).process_view(request, None, (), {})  # type: ignore[arg-type]
    if reason is not None:
        raise Forbidden(f"CSRF: {reason} Reload the page and repeat.")
    actor = actor_for_user(user)
    check_rate(actor)
    return acting_as(actor, claimed_agent(request), field="X-Agent-ID")


class BearerAuthentication(BaseAuthentication):
    """Agents: a token in the ``Authorization`` header."""

    def authenticate(self, request: Request) -> tuple[Actor, None] | None:
        actor = bearer_actor(request._request)
        return (actor, None) if actor is not None else None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class HumanSessionAuthentication(BaseAuthentication):
    """People: the session of the site, with CSRF enforced."""

    def authenticate(self, request: Request) -> tuple[Actor, None] | None:
        actor = session_actor(request._request)
        return (actor, None) if actor is not None else None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check as a function: the reason of a refusal, or None."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason

    def process_view(self, request: HttpRequest, *arguments: Any) -> Any:
        self.process_request(request)
        try:
            return super().process_view(request, *arguments)
        except PermissionDenied as error:
            return str(error)


def _refuse_token_in_query(request: HttpRequest) -> None:
    """A token in an address ends up in logs and histories; it is as good as lost there."""
    text = request.META.get("QUERY_STRING", "")
    if text and re.search(rf"(?:^|&)(?:{'|'.join(TOKENS_IN_QUERY)})=", text, re.IGNORECASE):
        raise Unauthenticated("A token does not belong in the address. Send it as 'Authorization: Bearer …'.")


def _is_trusted(request: HttpRequest) -> bool:
    """Whether a program on this machine asks. A browser with a session is a person, also here."""
    return settings.SESSION_COOKIE_NAME not in request.COOKIES and _is_loopback(request) and not _is_cross_site(request)


def _is_loopback(request: HttpRequest) -> bool:
    """By the address of the connection alone: X-Forwarded-For says whatever the client likes."""
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR") or "").is_loopback
    except ValueError:
        return False


def _is_cross_site(request: HttpRequest) -> bool:
    """Whether a browser sends this for a page of another site: every page that a person opens here is on loopback."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None and origin.lower() != f"{request.scheme}://{request.get_host()}".lower():
        return True
    return request.META.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin")


def _trusted_actor(request: HttpRequest) -> Actor:
    """The agent that the request names. Without a name: the system agent, which then only reads."""
    data = _named_in(request)
    header = claimed_agent(request)
    other = data.get("agent_id")
    agent_id = header or (other if isinstance(other, str) else None)
    if not agent_id:
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            raise Forbidden("Without X-Agent-ID you may only read. Send your agent's id.", field="X-Agent-ID")
        return Actor(agent_id=SYSTEM_AGENT_ID, kind=AgentKind.SYSTEM, is_superuser=True)
    agent = Agent.objects.filter(pk=agent_id).first() or _new_agent(agent_id, data)
    if agent.kind != AgentKind.AI:
        raise IdentityMismatch(f"{agent_id!r} is no AI agent; it needs a credential.", field="X-Agent-ID")
    return Actor(agent_id=agent.id, kind=agent.kind)


def _named_in(request: HttpRequest) -> dict[str, Any]:
    """What the request says of itself in address, query and body, as far as it can be read."""
    match = request.resolver_match
    found: dict[str, Any] = dict(match.kwargs) if match is not None else {}
    for read in (read_query, read_body):
        try:
            found |= read(request)
        except DomainError:
            continue  # The view refuses it in its own words.
    return found


def _new_agent(agent_id: str, data: dict[str, Any]) -> Agent:
    """An agent that nobody made before, as a member of the workflow that the request names."""
    workflow_id = _workflow_in(data)
    if workflow_id is None:
        raise Forbidden(
            f"The agent {agent_id!r} is new here. Its first request must name an existing workflow by workflow_id.",
            field="workflow_id",
        )
    if not re.match(ID_PATTERN, agent_id):
        raise Forbidden(f"{agent_id!r} is no id for an agent.", field="X-Agent-ID")
    return agent_join(agent_id=agent_id, workflow_id=workflow_id)


def _workflow_in(data: dict[str, Any]) -> str | None:
    """The existing workflow that the request names, by its id or by a ticket of it."""
    workflow_id, ticket_id = data.get("workflow_id"), data.get("ticket_id")
    if isinstance(workflow_id, str) and "\x00" not in workflow_id:
        return Workflow.objects.filter(pk=workflow_id).values_list("pk", flat=True).first()
    if isinstance(ticket_id, str) and "\x00" not in ticket_id:
        system = Actor(agent_id=SYSTEM_AGENT_ID, kind=AgentKind.SYSTEM, is_superuser=True)
        try:
            return find_ticket(system, ticket_id).workflow_id
        except DomainError:
            return None
    return None
