"""Writes answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from pydantic import BaseModel
from pydantic_core import to_json
from rest_framework.renderers import BaseRenderer


def dump(data: Any, *, indent: int | None = None) -> bytes:
    """Compact UTF-8 JSON of an answer or of plain data."""
    if isinstance(data, BaseModel):
        return data.__pydantic_serializer__.to_json(data, indent=indent)
    try:
        return to_json(data, indent=indent)
    except UnicodeEncodeError:
        # An error that quotes half a character; JSON has an escape for it.
        return json.dumps(data, indent=indent, default=str).encode("ascii")


def json_response(data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An answer without the browsable API around it."""
    response = HttpResponse(dump(data), status=status, content_type="application/json", headers=dict(headers or {}))
    # A refusal, a 503 among them, is an answer and no event for the server's log; only a fault is.
    response._has_been_logged = status != 500  # type: ignore[attr-defined]
    return response


class JSONRenderer(BaseRenderer):
    """Takes typed answers as they are; indents them for the browsable API."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if data is None:
            return b""
        return dump(data, indent=(renderer_context or {}).get("indent"))
