"""JSON or a page: what a request would rather have."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

View = Callable[..., HttpResponseBase]


def prefers_html(request: HttpRequest) -> bool:
    """Whether the Accept header asks for HTML, and for JSON not more. Browsers do; nothing else is taken for one."""
    accept: str = request.META.get("HTTP_ACCEPT", "")
    if "text/html" not in accept:
        return False
    html = json = 0.0
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if media_type == "text/html":
            html = max(html, _quality(parameters))
        elif media_type == "application/json":
            json = max(json, _quality(parameters))
    return html > 0 and html >= json


def page_or_api(page: View, api: View) -> View:
    """One address with two faces: the page for a browser that reads it, the API for all else."""

    def choose(request: HttpRequest, **path: object) -> HttpResponseBase:
        read = request.method in ("GET", "HEAD")
        response = page(request, **path) if read and prefers_html(request) else api(request, **path)
        response.headers.setdefault("Vary", "Accept")
        return response

    # The API's view checks CSRF itself, where it goes by the session; a page is only read.
    choose.csrf_exempt = True  # type: ignore[attr-defined]
    return choose


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
