"""Who opens a WebSocket, and from which page."""

from __future__ import annotations

import io
from importlib import import_module
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.utils.http import is_same_domain

from tickets.access import Actor, acting_as, actor_for_user, authenticate_token, system_actor
from tickets.errors import Forbidden, Unauthenticated
from tickets.models import Agent, AgentKind


class Handshake(ASGIRequest):
    """The HTTP request by which a WebSocket opens, as Django reads requests."""

    def __init__(self, scope: dict[str, Any]) -> None:
        scheme = {"wss": "https"}.get(scope.get("scheme", "ws"), "http")
        super().__init__({**scope, "method": "GET", "scheme": scheme}, io.BytesIO())

    @property
    def token(self) -> str | None:
        """The bearer token of the ``Authorization`` header; None without such a header."""
        header = self.headers.get("Authorization")
        if header is None:
            return None
        scheme, _, token = header.strip().partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


def check_origin(request: Handshake) -> None:
    """Raise Forbidden for a page of another site, and for a session without the page's origin.

    Browsers send cookies with WebSockets from any page, and name the page in Origin.
    """
    try:
        own = f"{request.scheme}://{request.get_host()}"
    except DisallowedHost as error:
        raise Forbidden("This host is not among HEPHAESTUS_ALLOWED_HOSTS.", field="Host") from error
    origin = request.headers.get("Origin")
    if origin is None:
        if request.token is None and settings.SESSION_COOKIE_NAME in request.COOKIES:
            raise Forbidden("A session may open this socket only from one of the site's pages: Origin is missing.")
    elif origin.lower() != own.lower() and not any(_trusts(each, origin) for each in settings.CSRF_TRUSTED_ORIGINS):
        raise Forbidden(f"The origin {origin!r} may not open this socket.", field="Origin")


def authenticate(request: Handshake) -> Actor:
    """The actor behind the token or the session; in trusted-loopback mode, of ``X-Agent-ID`` alone.

    Raises Unauthenticated, and IdentityMismatch where ``X-Agent-ID`` names an agent that the token is not for.
    """
    if request.token is not None:
        return acting_as(authenticate_token(request.token), request.headers.get("X-Agent-ID"), field="X-Agent-ID")
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if key is None and settings.AGENT_AUTH == "trusted-loopback" and _is_loopback(request.META.get("REMOTE_ADDR", "")):
        return _trusted_actor(request.headers.get("X-Agent-ID"))
    if key and "\x00" in key:  # which an escape in a cookie can say, and PostgreSQL cannot hear
        key = None
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = get_user(request)
    if not key or not user.is_authenticated or not user.is_active:
        raise Unauthenticated("Sign in, or send a token as 'Authorization: Bearer …'.")
    return actor_for_user(user)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _trusted_actor(agent_id: str | None) -> Actor:
    """The AI agent of that name. A name that nobody has is as none: who only listens then reads as the system agent."""
    agent = Agent.objects.filter(pk=agent_id).first() if agent_id and "\x00" not in agent_id else None
    if agent is None:
        return system_actor()
    if agent.kind != AgentKind.AI:
        raise Unauthenticated(f"{agent_id!r} is no AI agent; it needs a credential.", field="X-Agent-ID")
    return Actor(agent_id=agent.id, kind=agent.kind)


def _trusts(trusted: str, origin: str) -> bool:
    """Whether an entry of CSRF_TRUSTED_ORIGINS, such as ``https://*.example.org``, covers the origin."""
    if "*" not in trusted:
        return trusted.lower() == origin.lower()
    try:
        given = urlsplit(origin)
    except ValueError:
        return False
    pattern = urlsplit(trusted)
    return given.scheme == pattern.scheme and is_same_domain(given.netloc, pattern.netloc.lstrip("*"))
