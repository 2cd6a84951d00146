"""What makes the site installable: its manifest, its service worker, and the page for when the server is away.

All three hold no data and ask for no sign-in: a browser fetches them on its own account.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.cache import patch_cache_control
from django.utils.http import parse_etags
from django.views.decorators.http import require_safe

from boards.web.frame import SECTIONS

STATIC = settings.BASE_DIR / "static"
WORKER = STATIC / "js" / "worker.js"
OFFLINE = "/offline"
# What the page for when the server is away is made of; all else is kept when it is first asked for.
SHELL = (
    "css/tokens.css", "css/app.css", "css/pages.css", "js/app.js", "js/offline.js", "icons.svg", "favicon.svg",
)  # fmt: skip
# --canvas and --surface of the light theme as sRGB, since a manifest takes no oklch; base.html has both themes' bar.
CANVAS = "#f7f5f3"
BAR = "#fefefd"


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """``/manifest.webmanifest``: how the site looks as an application, with its main pages as shortcuts."""
    icons = [
        {"src": static("icons/mark.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"},
        {"src": static("icons/mark-maskable.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "maskable"},
    ]
    icons += [
        {"src": static(f"icons/{name}-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for name, purpose in (("mark", "any"), ("mark-maskable", "maskable"))
        for size in (192, 512)
    ]
    small = [icon for icon in icons if icon["sizes"] == "192x192" and icon["purpose"] == "any"]
    content = {
        "id": "/",
        "name": "Hephaestus Tickets",
        "short_name": "Hephaestus",
        "description": "Watch and steer coding agents at their tickets.",
        "lang": "en",
        "dir": "ltr",
        "start_url": "/tickets",
        "scope": "/",
        "display": "standalone",
        "background_color": CANVAS,
        "theme_color": BAR,
        "categories": ["productivity", "developer"],
        "icons": icons,
        "shortcuts": [
            {"name": section.name, "url": section.address, "icons": small} for section in SECTIONS if section.is_main
        ],
    }
    response = HttpResponse(json.dumps(content), content_type="application/manifest+json")
    patch_cache_control(response, public=True, max_age=300)
    return response


@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """``/sw.js``: from the root, since a worker serves only what lies below its own address.

    Its first line names the version of the static files, so that it is another worker whenever one of them is
    another, and the browser, which asks on each visit, lets it clear away what the last one kept.
    """
    version = static_version()
    etag = f'"{version}"'
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        response: HttpResponse = HttpResponseNotModified()
    else:
        kept = {"version": version, "offline": OFFLINE, "files": [static(name) for name in SHELL]}
        text = f"const SHELL = {json.dumps(kept)};\n{WORKER.read_text(encoding='utf-8')}"
        response = HttpResponse(text, content_type="text/javascript; charset=utf-8")
    response.headers["ETag"] = etag
    patch_cache_control(response, no_cache=True)
    return response


@require_safe
def offline_page(request: HttpRequest) -> HttpResponse:
    """``/offline``: kept by the service worker, which answers with it when the server cannot be reached."""
    response = render(request, "offline.html")
    patch_cache_control(response, no_cache=True)
    return response


def static_version() -> str:
    """A digest of the static files and of the page that is kept with them. Follows changes under a running server."""
    parts = [path for path in sorted(STATIC.rglob("*")) if path.is_file()]
    parts += [settings.BASE_DIR / "templates" / name for name in ("base.html", "offline.html")]
    return _digest(tuple((path, path.stat().st_mtime_ns) for path in parts))


@functools.lru_cache(maxsize=2)
def _digest(files: tuple[tuple[Path, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _ in files:
        digest.update(f"{path.relative_to(settings.BASE_DIR)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
