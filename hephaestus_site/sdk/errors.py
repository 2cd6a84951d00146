"""What the SDK raises: the errors of the contract by their names, and those that only a client has.

All are a ``HephaestusError`` with ``code, message, field, allowed, current_version, blocking_ticket_ids, candidates,
retryable, retry_after``; ``extra`` holds what else the server said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus

from tickets.errors import (
    Blocked,
    Busy,
    Conflict,
    DomainError,
    Duplicate,
    Forbidden,
    IdempotencyMismatch,
    IdentityMismatch,
    Invalid,
    LeaseLost,
    NotAvailable,
    NotFound,
    PendingReview,
    RateLimited,
    TooLarge,
    TransitionNotAllowed,
    Unauthenticated,
    WipLimit,
)

__all__ = [
    "Blocked",
    "Busy",
    "Conflict",
    "Duplicate",
    "EventsLost",
    "Forbidden",
    "HephaestusError",
    "IdempotencyMismatch",
    "IdentityMismatch",
    "Invalid",
    "LeaseLost",
    "LocalServerError",
    "NotAvailable",
    "NotFound",
    "PendingReview",
    "PhaseError",
    "RateLimited",
    "ServerFault",
    "TooLarge",
    "TransitionNotAllowed",
    "Unauthenticated",
    "UnexpectedAnswer",
    "Unreachable",
    "WipLimit",
]

HephaestusError = DomainError


class Unreachable(DomainError):
    """The server did not answer, for as long as the client was to try."""

    code, status, retryable = "unreachable", 503, True


class ServerFault(NotAvailable):
    """A fault of the server; its log says more."""

    status, retryable = 500, True


class UnexpectedAnswer(DomainError):
    """What answered is no Hephaestus server, or one that this SDK does not understand."""

    code, status = "unexpected_answer", 502


class EventsLost(DomainError):
    """Events are gone that the stream has not given: the log was pruned, or restored from a backup.

    Read the state anew and follow from ``newest``.
    """

    code, status = "events_lost", 410

    def __init__(self, message: str, *, oldest: int, newest: int) -> None:
        super().__init__(message, field="since", extra={"oldest": oldest, "newest": newest})
        self.oldest = oldest
        self.newest = newest


class PhaseError(Invalid):
    """A file of the phases folder cannot be used; ``field`` names the file and the key."""


class LocalServerError(DomainError):
    """The local server did not start; the message ends with what it printed."""

    code, status = "local_server", 503


def _with_subclasses(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from _with_subclasses(subclass)


# Of the core alone: subclasses elsewhere bear their parents' codes.
_BY_CODE = {
    kind.code: kind
    for kind in _with_subclasses(DomainError)
    if kind.__module__ == DomainError.__module__ and kind is not DomainError
}
_AWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


def error_of(status: int, content: bytes, retry_after: str | None = None) -> DomainError:
    """The error that an answer is: the contract's, or what a proxy on the way says by its status."""
    seconds = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    try:
        body = json.loads(content)
        error = dict(body["error"])
        code, message = str(error.pop("code")), str(error.pop("message"))
    except (ValueError, TypeError, KeyError):
        return _without_body(status, content, seconds)
    error.pop("retryable", None)
    field, allowed = error.pop("field", None), error.pop("allowed", None)
    kind = ServerFault if status == HTTPStatus.INTERNAL_SERVER_ERROR else _BY_CODE.get(code, UnexpectedAnswer)
    top_level = {name: value for name, value in body.items() if name not in ("success", "message", "error")}
    return kind(message, field=field, allowed=allowed, extra=error, top_level=top_level, retry_after=seconds)


def _without_body(status: int, content: bytes, retry_after: float | None) -> DomainError:
    if status in _AWAY:
        return Busy(f"HTTP {status}: the server behind the proxy does not answer.", retry_after=retry_after)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited("HTTP 429: too many requests.", retry_after=retry_after)
    shown = " ".join(content[:200].decode("utf-8", "replace").split())
    return UnexpectedAnswer(f"HTTP {status} from what is no Hephaestus server. Is base_url right? It says: {shown!r}")
