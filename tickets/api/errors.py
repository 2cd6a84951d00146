"""Maps whatever is raised to the one error form of REST."""

from __future__ import annotations

import math
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseServerError
from django.template.loader import render_to_string
from django.views import defaults
from pydantic import BaseModel, ValidationError
from rest_framework import exceptions
from rest_framework.response import Response

from tickets.api.authentication import CHALLENGE
from tickets.api.payload import UnsupportedMediaType
from tickets.api.renderers import json_response
from tickets.errors import Busy, DomainError, Forbidden, Invalid, NotFound, RateLimited, TooLarge, Unauthenticated
from tickets.schemas.base import explain

log = structlog.get_logger(__name__)

# Addresses that answer in JSON, whatever happens. The rest are pages.
JSON_PREFIXES = ("/api", "/livez", "/readyz", "/create_task", "/update_task_status", "/give_validation_review")


class MethodNotAllowed(Invalid):
    status = 405


class ServerError(DomainError):
    """A fault of ours; its cause is in the log."""

    code, status = "not_available", 500
    retryable = True


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook. None, and so Django's way with a 500, for what is a fault of ours."""
    domain = as_domain_error(error)
    if domain is None:
        return None
    return Response(domain.as_dict(), status=domain.status, headers=error_headers(domain))


def error_response(error: DomainError) -> HttpResponse:
    """An error without the browsable API around it."""
    return json_response(error.as_dict(), status=error.status, headers=error_headers(error))


def error_headers(error: DomainError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return headers


def as_domain_error(error: Exception) -> DomainError | None:
    """The domain error that says the same, or None where the client could not have caused it."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, exceptions.APIException):
        return _of_framework(error)
    if isinstance(error, (OperationalError, InterfaceError)):
        log.warning("database_busy", error=str(error))
        return Busy("The database is busy. Repeat the request.", retry_after=1)
    return _of_django(error)


def _of_django(error: Exception) -> DomainError | None:
    if isinstance(error, Http404):
        return NotFound("There is nothing at this address.")
    if isinstance(error, PermissionDenied):
        return Forbidden(str(error) or "You may not do this.")
    if isinstance(error, RequestDataTooBig):
        return TooLarge(f"The body is over {settings.MAX_BODY_BYTES} bytes. Send less at a time.")
    if isinstance(error, SuspiciousOperation):
        return Invalid("The request cannot be read.")
    if isinstance(error, ValidationError):
        return explain(error, BaseModel)
    return None


def _of_framework(error: exceptions.APIException) -> DomainError:
    message = str(error.detail) if isinstance(error.detail, str) else "The request cannot be read."
    if isinstance(error, (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)):
        return Unauthenticated("Send a token as 'Authorization: Bearer …', or sign in.")
    if isinstance(error, exceptions.PermissionDenied):
        return Forbidden(message)
    if isinstance(error, exceptions.NotFound):
        return NotFound("There is nothing at this address.")
    if isinstance(error, exceptions.MethodNotAllowed):
        return MethodNotAllowed(message)
    if isinstance(error, exceptions.UnsupportedMediaType):
        return UnsupportedMediaType(message, field="Content-Type")
    if isinstance(error, exceptions.Throttled):
        return RateLimited(message, retry_after=1)
    return Invalid(message)


def answers_json(request: HttpRequest) -> bool:
    """Whether errors at this address are JSON: REST, and /tickets/… for all but those who ask for a page."""
    if request.path.startswith(JSON_PREFIXES):
        return True
    return request.path.startswith("/tickets") and "text/html" not in request.META.get("HTTP_ACCEPT", "")


def unknown_address(request: HttpRequest, rest: str = "") -> HttpResponse:
    """The view of every address under /api that leads nowhere."""
    return error_response(NotFound(f"There is nothing at {request.path[:200]}. /api/docs/ lists what there is."))


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    if answers_json(request):
        return error_response(Invalid("The request cannot be read."))
    # A page says in this why it was refused; what Django suspects by itself (a foreign host) is not repeated.
    reason = str(exception) if isinstance(exception, BadRequest) else ""
    return HttpResponseBadRequest(render_to_string("400.html", {"request": request, "reason": reason}))


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    if answers_json(request):
        return error_response(Forbidden("You may not do this."))
    return defaults.permission_denied(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return unknown_address(request) if answers_json(request) else defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    if answers_json(request):
        return error_response(ServerError("This is a fault of the server; its log says more."))
    # With the request, for the theme, but without context processors, which might ask the database that failed.
    return HttpResponseServerError(render_to_string("500.html", {"request": request}))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The view of a page's request without a CSRF token."""
    from django.views.csrf import csrf_failure as page

    if answers_json(request):
        return error_response(Forbidden(f"CSRF: {reason} Reload the page and repeat."))
    return page(request, reason)
