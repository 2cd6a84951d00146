"""What the server says of itself: alive, ready, its schema, the cheapest authenticated answer."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request

from tickets import health
from tickets.access import Actor
from tickets.api import payload
from tickets.api.authentication import authenticate
from tickets.api.errors import as_domain_error, error_response
from tickets.api.renderers import json_response
from tickets.api.views import Answer, ApiView
from tickets.errors import not_one_of, unknown_field

PONG = b'{"success":true}'
# Swagger UI writes styles into the page and draws with data: images; its scripts are local files.
DOCS_POLICY = {"style-src": ["'self'", "'unsafe-inline'"], "img-src": ["'self'", "data:"]}


@csrf_exempt
@require_safe
def ping(request: HttpRequest) -> HttpResponse:
    """The cheapest answer to a known caller: what all else is measured against."""
    try:
        authenticate(request)
    except Exception as error:
        domain = as_domain_error(error)
        if domain is None:
            raise
        return error_response(domain)
    return HttpResponse(PONG, content_type="application/json")


@csrf_exempt
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers. Touches nothing else."""
    return HttpResponse(PONG, content_type="application/json")


@csrf_exempt
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether the server can do its work, and how its parts are; 503 with the reason where it cannot."""
    checks = _checks()
    ready = all(value == "ok" for value in checks.values())
    parts = health.reports() if ready else {}
    return json_response({"success": ready, "checks": checks, **parts}, status=200 if ready else 503)


def _checks() -> dict[str, str]:
    """Check → ok, or what is wrong. No address and no password: anybody may ask."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return {"database": "not reachable", "migrations": "unknown"}
    return {"database": "ok", "migrations": f"{len(missing)} not applied" if missing else "ok"}


class Schema(ApiView):
    """The OpenAPI schema: JSON, or YAML with ``?format=yaml``. Open to all: it holds no data."""

    schema = None  # type: ignore[assignment]
    methods = ("get",)
    renderers: ClassVar[dict[str, Any]] = {"json": OpenApiJsonRenderer, "yaml": OpenApiYamlRenderer}

    def _respond(self, request: HttpRequest, path: dict[str, str]) -> HttpResponseBase:
        query = payload.read_query(request)
        for name in query.keys() - {"format"}:
            raise unknown_field(name[:100], ["format"], what="query parameter")
        kind = query.get("format", "json")
        if kind not in self.renderers:
            raise not_one_of("format", kind[:100], self.renderers)
        media_type = "application/json" if kind == "json" else "application/vnd.oai.openapi; charset=utf-8"
        return HttpResponse(rendered_schema(kind), content_type=media_type)

    def handle(self, request: HttpRequest, actor: Actor, **path: str) -> Answer:
        """The browsable API's way to the same."""
        return self._respond(request, path)


class Docs(SpectacularSwaggerSplitView):
    """Swagger UI over the schema, from local files."""

    authentication_classes = ()
    url_name = "api-schema"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        request.encoding = "utf-8"
        response = super().dispatch(request, *args, **kwargs)
        response._csp_update = DOCS_POLICY  # type: ignore[attr-defined]
        return response

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        renderer = self.renderer_classes[0]()
        return renderer, renderer.media_type


@functools.cache
def rendered_schema(kind: str) -> bytes:
    """The schema, once per process: it takes half a second to make, and anybody may ask."""
    from drf_spectacular.generators import SchemaGenerator

    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    text: bytes = Schema.renderers[kind]().render(schema)
    return text
