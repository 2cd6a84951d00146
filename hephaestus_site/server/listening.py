"""Where a web process gets its connections: a socket of its own, or a parent that hands them out."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from hephaestus_site.server.web import WebServer, reactor

BACKLOG = 512
READY = b"ready"


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def url_of(listener: socket.socket) -> str:
    """The URL under which the socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def own_socket(listener: socket.socket, ready: Callable[[], None]) -> Callable[[WebServer], Callable[[], Any]]:
    """Accept connections here; ``ready`` is called when that begins."""

    def open_listener(server: WebServer) -> Callable[[], Any]:
        listener.setblocking(False)
        port = reactor.adoptStreamPort(listener.fileno(), listener.family, server.http_factory)
        listener.close()
        ready()
        stop: Callable[[], Any] = port.stopListening
        return stop

    return open_listener


def parents_socket(channel: socket.socket) -> Callable[[WebServer], Callable[[], Any]]:
    """Take accepted connections from a parent process. When it has gone, stop."""

    def open_listener(server: WebServer) -> Callable[[], Any]:
        loop = reactor._asyncioEventloop
        channel.setblocking(False)

        def receive() -> None:
            try:
                data, descriptors, _, _ = socket.recv_fds(channel, 16, 4, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            for descriptor in descriptors:
                _adopt(descriptor, server)
            if not data:
                loop.remove_reader(channel)
                server.stop_gracefully()

        loop.add_reader(channel, receive)
        channel.send(READY)
        return lambda: loop.remove_reader(channel)

    return open_listener


def _adopt(descriptor: int, server: WebServer) -> None:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            family = connection.family
        reactor.adoptStreamConnection(descriptor, family, server.http_factory)
    except OSError:
        pass  # The client has gone already.
    finally:
        os.close(descriptor)
