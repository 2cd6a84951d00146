"""Reads what a client sent: body, query string, headers. Whatever it is, the worst it causes is Invalid."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Mapping
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, RawPostDataException, UnreadablePostError

from tickets.errors import IdentityMismatch, Invalid, TooLarge, unknown_field

MAX_PARAMETERS = 100
_MEDIA_TYPE = re.compile(r"^application/(?:[a-z0-9.+-]+\+)?json$")
_ENTITY_TAG = re.compile(r'^(?:W/)?(?:"([0-9]{1,10})"|([0-9]{1,10}))$')


class UnsupportedMediaType(Invalid):
    status = 415


def read_body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of the body; ``{}`` for an empty one. Raises Invalid, TooLarge."""
    body = _raw_body(request)
    if not body.strip():
        return {}
    media_type = (request.META.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.match(media_type):
        raise UnsupportedMediaType("Send JSON, with the header Content-Type: application/json.", field="Content-Type")
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise Invalid("The body is not UTF-8.") from None
    except RecursionError:
        raise Invalid("The body is nested too deep.") from None
    except json.JSONDecodeError as error:
        raise Invalid(f"The body is no JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from None
    except ValueError as error:
        # An integer of more digits than Python reads, or a number that JSON has not.
        raise Invalid(f"The body is no JSON: {error}") from None
    if not isinstance(data, dict):
        raise Invalid("The body must be a JSON object.")
    return data


def read_query(request: HttpRequest, repeatable: Container[str] = ()) -> dict[str, Any]:
    """The parameters of the query string. Raises Invalid for one that stands twice, and for what is no UTF-8.

    A repeatable one is a list where it stands more than once.

    Not ``request.GET``, which decodes as the Content-Type header says, and that may say anything.
    """
    text = request.META.get("QUERY_STRING", "")
    if not text:
        return {}
    try:
        # The server hands bytes over as if they were Latin-1.
        pairs = parse_qsl(
            text.encode("latin-1").decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except UnicodeError:
        raise Invalid("The query string is not UTF-8.") from None
    except ValueError:
        raise Invalid(f"More than {MAX_PARAMETERS} query parameters.") from None
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif name not in repeatable:
            raise Invalid(f"The query parameter {name[:100]!r} stands twice.", field=name[:100])
        else:
            known = found[name]
            found[name] = [*known, value] if isinstance(known, list) else [known, value]
    return found


def merge_path(data: dict[str, Any], path: Mapping[str, Any]) -> dict[str, Any]:
    """The body with what the address says. Raises Invalid where they disagree."""
    for name, value in path.items():
        given = data.get(name)
        if given is not None and given != value:
            raise Invalid(f"{name} in the body is not the one in the address.", field=name)
        data[name] = value
    return data


def merge_claim(data: dict[str, Any], query: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the agent that the address names; nothing else is read there beside a body.

    Raises Invalid for other parameters, IdentityMismatch where body and address name two agents.
    """
    for name, value in query.items():
        if name != "agent_id":
            raise unknown_field(name[:100], ["agent_id"], what="query parameter")
        if data.get(name) not in (None, value):
            raise IdentityMismatch("Body and address name different agents.", field=name)
        data[name] = value
    return data


def merge_headers(data: dict[str, Any], request: HttpRequest, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body with what ``Idempotency-Key`` and ``If-Match`` say. Raises Invalid where they disagree.

    ``Idempotency-Key`` means nothing to a request that changes nothing. ``If-Match`` where there is no version
    to match is refused: it would promise what is not checked.
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and "idempotency_key" in fields:
        _merge_header(data, "idempotency_key", _utf8(key, "Idempotency-Key"), "Idempotency-Key")
    version = read_if_match(request)
    if version is not None:
        if "expected_version" not in fields:
            raise Invalid("If-Match: there is no version here that could match.", field="If-Match")
        _merge_header(data, "expected_version", version, "If-Match")
    return data


def read_if_match(request: HttpRequest) -> int | None:
    """The version that If-Match names: 3, "3" or W/"3". None where it is absent or ``*``. Raises Invalid."""
    text = request.META.get("HTTP_IF_MATCH")
    if text is None or text.strip() == "*":
        return None
    match = _ENTITY_TAG.match(text.strip())
    if match is None:
        raise Invalid('If-Match must be a version, such as "3".', field="If-Match")
    return int(match[1] or match[2])


def claimed_agent(request: HttpRequest) -> str | None:
    """The agent that ``X-Agent-ID`` names; None where it is absent or empty. Raises Invalid."""
    text = request.META.get("HTTP_X_AGENT_ID")
    if text is None or not text.strip():
        return None
    text = _utf8(text.strip(), "X-Agent-ID")
    if len(text) > 100 or not text.isprintable():
        raise Invalid("X-Agent-ID is no agent's id.", field="X-Agent-ID")
    return text


def _raw_body(request: HttpRequest) -> bytes:
    message = f"The body is over {settings.MAX_BODY_BYTES} bytes. Send less at a time."
    try:
        body: bytes = request.body
    except RequestDataTooBig:
        raise TooLarge(message) from None
    except (UnreadablePostError, RawPostDataException, OSError):
        raise Invalid("The body could not be read to its end.") from None
    if len(body) > settings.MAX_BODY_BYTES:
        raise TooLarge(message)
    return body


def _merge_header(data: dict[str, Any], name: str, value: Any, header: str) -> None:
    given = data.get(name)
    if given is not None and given != value:
        raise Invalid(f"The header {header} and {name} in the body disagree.", field=header)
    data[name] = value


def _utf8(text: str, field: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise Invalid(f"{field} is not UTF-8.", field=field) from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large.")
    return number
