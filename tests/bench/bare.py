"""What the product is held against: the same server with an application that does next to nothing.

``python -m tests.bench.bare KIND PORT``: ``asgi`` answers without any framework; ``view`` is an asynchronous
Django view without authentication and database, behind the product's middleware and handler; ``view-alone``
is the same under Django's own handler, without any middleware: the least that Django does.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import django
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from django.conf import settings

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.bare_settings"

BODY = b'{"success": true}'


async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """A bare ASGI application."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": BODY, "more_body": False})


def application(kind: str) -> Any:
    if kind == "asgi":
        return answer
    if kind == "view-alone":
        from django.core.handlers.asgi import ASGIHandler

        return ASGIHandler()
    from hephaestus_site.asgi import application as product

    return product


def main(kind: str, port: int) -> None:
    django.setup(set_prefix=False)
    if kind == "view-alone":
        settings.MIDDLEWARE = []
    from hephaestus_site.server.listening import open_socket, own_socket
    from hephaestus_site.server.web import WebServer

    listener = open_socket("127.0.0.1", port)
    WebServer(application(kind), own_socket(listener, lambda: None)).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
