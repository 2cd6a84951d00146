"""``/mcp`` alone, without pages and REST: ``manage.py mcp_bridge --transport http``."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import CommandError

from mcp_bridge.credentials import Credential
from mcp_bridge.http import PATH, McpEndpoint

THREADS = 8


def serve(host: str, port: int, fallback: Credential | None, say: Callable[[str], Any]) -> None:
    """Serve until SIGTERM or Ctrl-C. ``fallback`` is who calls without a token, and only on loopback.

    Raises CommandError, which says what to do.
    """
    if fallback is not None and not _is_loopback(host):
        raise CommandError(
            f"--agent-id and --token let in whoever connects, so they are refused on {host}: listen on 127.0.0.1, "
            "or leave them out; then each agent sends its own token."
        )
    if host not in settings.ALLOWED_HOSTS:
        settings.ALLOWED_HOSTS.append(host)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=512)
    except OSError as error:
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port.") from error
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    say(f"Serving on http://{shown}:{listener.getsockname()[1]}{PATH} (stop with Ctrl-C)")
    application: Any = McpEndpoint(THREADS, fallback)
    config = uvicorn.Config(
        application, lifespan="off", ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=3
    )
    uvicorn.Server(config).run(sockets=[listener])


def _is_loopback(host: str) -> bool:
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)
