"""``manage.py serve``: the web server, the live events and the background worker."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor

from tickets.backup import BackupError, serving
from tickets.worker import Worker

AGENT_AUTH_MODES = ("token", "trusted-loopback")


class Command(BaseCommand):
    help = "Serve the board, the API and live events until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST, help="address to listen on (HEPHAESTUS_HOST)")
        parser.add_argument(
            "--port", type=int, default=settings.PORT, help="port to listen on (HEPHAESTUS_PORT); 0 takes a free one"
        )
        parser.add_argument("--processes", type=int, default=1, help="web processes behind the one socket")
        parser.add_argument("--no-worker", action="store_true", help="leave background jobs to `manage.py worker`")
        # How the parent of several web processes starts them: the file descriptor of their channel.
        parser.add_argument("--channel", type=int, help=SUPPRESS)

    def handle(self, *, host: str, port: int, processes: int, no_worker: bool, **options: Any) -> None:
        if host not in settings.ALLOWED_HOSTS:
            settings.ALLOWED_HOSTS.append(host)
        if options["channel"] is not None:
            _serve_for_parent(options["channel"])
            return
        if processes < 1:
            raise CommandError("--processes must be at least 1.")
        _check_agent_auth(host)
        try:
            with serving():
                _check_database()
                self._serve_all(open_listener(host, port), host, processes, no_worker=no_worker)
        except BackupError as error:
            raise CommandError(str(error)) from error

    def _serve_all(self, listener: socket.socket, host: str, processes: int, *, no_worker: bool) -> None:
        worker = Worker()
        if not no_worker:
            worker.start()
        try:
            if processes == 1:
                _serve(listener, self._announce(listener))
            else:
                self._serve_many(listener, host, processes)
        finally:
            worker.stop(timeout=1.0)

    def _announce(self, listener: socket.socket) -> Callable[[], None]:
        from hephaestus_site.server.listening import url_of

        url = url_of(listener)

        def announce() -> None:
            self.stdout.write(f"Serving on {url} (stop with Ctrl-C)")
            self.stdout.flush()

        return announce

    def _serve_many(self, listener: socket.socket, host: str, processes: int) -> None:
        from hephaestus_site.server.parent import Parent

        def command(channel: int) -> list[str]:
            manage = str(Path(sys.argv[0]).absolute())
            return [sys.executable, manage, "serve", f"--host={host}", f"--channel={channel}", "--skip-checks"]

        code = Parent(listener, processes, command, self._announce(listener)).run()
        if code:
            raise CommandError("The web processes do not start; their messages are above.", returncode=code)


def _serve(listener: socket.socket, ready: Callable[[], None]) -> None:
    from hephaestus_site.asgi import application
    from hephaestus_site.server.listening import own_socket
    from hephaestus_site.server.web import WebServer

    WebServer(application, own_socket(listener, ready)).run()


def _serve_for_parent(channel: int) -> None:
    from hephaestus_site.asgi import application
    from hephaestus_site.server.listening import parents_socket
    from hephaestus_site.server.web import WebServer

    WebServer(application, parents_socket(socket.socket(fileno=channel))).run()


def _check_agent_auth(host: str) -> None:
    if settings.AGENT_AUTH not in AGENT_AUTH_MODES:
        raise CommandError(
            f"HEPHAESTUS_AGENT_AUTH is {settings.AGENT_AUTH!r}; it may be {' or '.join(AGENT_AUTH_MODES)}."
        )
    if settings.AGENT_AUTH == "trusted-loopback" and not _is_loopback(host):
        raise CommandError(
            f"HEPHAESTUS_AGENT_AUTH=trusted-loopback believes whoever connects, so it is refused on {host}: "
            "listen on 127.0.0.1, or use tokens."
        )


def _is_loopback(host: str) -> bool:
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _check_database() -> None:
    """Refuse a database that is away or not migrated. Leaves no connection open."""
    connection = connections["default"]
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        raise CommandError(f"The database cannot be reached: {error}") from error
    finally:
        connection.close()
    if missing:
        raise CommandError(
            f"The database lacks {len(missing)} migrations. Run: {sys.executable} {sys.argv[0]} migrate "
            "(`make run` does so itself)."
        )


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket. Raises CommandError, which says what to do."""
    from hephaestus_site.server.listening import open_socket

    try:
        return open_socket(host, port)
    except socket.gaierror as error:
        raise CommandError(f"{host!r} is no address to listen on: {error.strerror}.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} on {host} is taken. Stop what uses it, or choose another: HEPHAESTUS_PORT={port + 1}."
            ) from error
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
