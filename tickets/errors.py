"""The one tree of domain errors. Each face maps them once; the code decides the HTTP status.

The form is contract §5: ``{"success": false, "message", "error": {"code", "message", …}}``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar


class DomainError(Exception):
    """Something the caller can understand and act on. ``status`` is the HTTP status of REST."""

    code: ClassVar[str] = "invalid"
    status: ClassVar[int] = 400
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        allowed: Iterable[Any] | None = None,
        extra: Mapping[str, Any] | None = None,
        top_level: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.allowed = list(allowed) if allowed is not None else None
        self.extra = dict(extra or {})
        self.top_level = dict(top_level or {})
        self.retry_after = retry_after

    @property
    def current_version(self) -> int | None:
        """The version that the ticket or board is at, where a conflict says so."""
        return self.extra.get("current_version")

    @property
    def blocking_ticket_ids(self) -> list[str]:
        """The tickets that stand in the way."""
        return list(self.extra.get("blocking_ticket_ids", ()))

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """What may have been meant, or what is there already."""
        return list(self.extra.get("candidates", ()))

    def as_dict(self) -> dict[str, Any]:
        """The error in the form of contract §5."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        if self.allowed is not None:
            error["allowed"] = self.allowed
        error.update(self.extra)
        error["retryable"] = self.retryable
        return {"success": False, "message": self.message, **self.top_level, "error": error}


class Invalid(DomainError):
    """A value that cannot be accepted, a cycle among them."""


class Unauthenticated(DomainError):
    code, status = "unauthenticated", 401


class Forbidden(DomainError):
    code, status = "forbidden", 403


class IdentityMismatch(Forbidden):
    code = "identity_mismatch"


class NotFound(DomainError):
    """Absent, or in a workflow that the caller may not know of: the two are told apart nowhere."""

    code, status = "not_found", 404


class Conflict(DomainError):
    """The stored state is not the expected one; carries ``current_version`` where there is one."""

    code, status = "conflict", 409
    retryable = True


class Blocked(DomainError):
    code, status = "blocked", 409


class Duplicate(DomainError):
    code, status = "duplicate", 409


class WipLimit(DomainError):
    code, status = "wip_limit", 409


class TransitionNotAllowed(DomainError):
    code, status = "transition_not_allowed", 409


class PendingReview(DomainError):
    code, status = "pending_review", 409


class LeaseLost(DomainError):
    code, status = "lease_lost", 409


class IdempotencyMismatch(DomainError):
    code, status = "idempotency_mismatch", 409


class TooLarge(DomainError):
    code, status = "too_large", 413


class RateLimited(DomainError):
    code, status = "rate_limited", 429
    retryable = True


class Busy(DomainError):
    code, status = "busy", 503
    retryable = True


class NotAvailable(DomainError):
    """This part is not there (yet, or in this configuration): never a fake answer."""

    code, status = "not_available", 503


def unknown_field(name: str, known: Iterable[str], *, what: str = "field", field: str | None = None) -> Invalid:
    """Error for a name that does not exist, with the nearest one that does."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return Invalid(f"Unknown {what} {name!r}.{hint}", field=field or name, allowed=names)


def not_one_of(field: str, value: object, allowed: Iterable[str]) -> Invalid:
    """Error for a value outside a closed set."""
    choices = list(allowed)
    return Invalid(f"{field} {value!r} is not one of: {', '.join(choices)}.", field=field, allowed=choices)
