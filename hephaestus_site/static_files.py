"""Static files beside Django: found through its finders, without a collected copy."""

from __future__ import annotations

import os
from pathlib import Path
from wsgiref.headers import Headers

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from servestatic.asgi import ServeStaticASGI

MAX_AGE = 60  # seconds; names carry no hash, so afterwards the browser asks again by ETag


class StaticFiles(ServeStaticASGI):  # type: ignore[misc]  # published without types
    """Serves what the finders found at start, hands every other request on."""

    def __init__(self, application: ASGI3Application) -> None:
        super().__init__(
            application,
            max_age=MAX_AGE,
            allow_all_origins=False,
            immutable_file_test=lambda _path, _url: False,
            add_headers_function=_add_headers,
        )
        self._sources: dict[str, tuple[Path, int]] = {}
        for finder in get_finders():
            for name, storage in finder.list(None):
                prefix = getattr(storage, "prefix", None)
                url = settings.STATIC_URL + (f"{prefix}/{name}" if prefix else name)
                # The first finder wins, as with Django's own view.
                if url not in self.files:
                    self._load(url, Path(storage.path(name)))

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http" and scope["path"] in self._sources:
            self._refresh(scope["path"])
        await super().__call__(scope, receive, send)

    def _load(self, url: str, path: Path) -> None:
        self._sources[url] = (path, path.stat().st_mtime_ns)
        self.add_file_to_dictionary(url, os.fspath(path))

    def _refresh(self, url: str) -> None:
        """Follow a file that changed under the running server: its length and ETag are known by heart."""
        path, loaded = self._sources[url]
        try:
            if path.stat().st_mtime_ns != loaded:
                self._load(url, path)
        except FileNotFoundError:
            del self._sources[url], self.files[url]


def _add_headers(headers: Headers, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
