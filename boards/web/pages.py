"""What every page needs: who looks, and what a refusal looks like to a person."""

from __future__ import annotations

import functools
from collections.abc import Callable

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from boards.web.zones import in_zone
from tickets.access import actor_for_user
from tickets.errors import DomainError, Forbidden, Invalid, NotFound, Unauthenticated
from tickets.schemas.base import check_text

# Called with the request, and on the page's side also with the actor, then with what the address holds.
View = Callable[..., HttpResponseBase]
MAX_IDS = 100


def page(view: View) -> View:
    """A page for who is signed in; everyone else is sent to sign in and comes back.

    It is sent compressed. The one secret in it is the CSRF token, which Django masks anew in each answer and
    whose length Django's compression hides, so that what an address reflects beside it tells nothing (BREACH).
    """

    @gzip_page
    @require_safe
    @functools.wraps(view)
    def wrapped(request: HttpRequest, **path: str) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        try:
            with in_zone(request):
                response = view(request, actor_for_user(request.user), **path)
        except NotFound as error:
            raise Http404(error.message) from error
        except Forbidden as error:
            raise PermissionDenied(error.message) from error
        except DomainError as error:
            raise BadRequest(error.message) from error
        return _private(response)

    return wrapped


def fragment(view: View) -> View:
    """A part of a page, asked for by its script: a refusal is an answer and no page. It is sent compressed."""

    @gzip_page
    @require_safe
    @functools.wraps(view)
    def wrapped(request: HttpRequest, **path: str) -> HttpResponseBase:
        try:
            if not request.user.is_authenticated:
                raise Unauthenticated("Sign in again.")
            with in_zone(request):
                response = view(request, actor_for_user(request.user), **path)
        except DomainError as error:
            response = JsonResponse(error.as_dict(), status=error.status)
        return _private(response)

    return wrapped


def asked_ids(request: HttpRequest) -> list[str]:
    """The tickets of ``?ids=``, which a script asks for after a change. Raises Invalid for too many."""
    text = request.GET.get("ids", "")
    check_text(text, "ids")
    ids = [ticket_id for ticket_id in text.split(",") if ticket_id]
    if len(ids) > MAX_IDS:
        raise Invalid(f"At most {MAX_IDS} ids at a time.", field="ids")
    return ids


def asked_since(request: HttpRequest) -> int | None:
    """The number of the last event that the page shows; None where it says none."""
    text = request.GET.get("since", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _private(response: HttpResponseBase) -> HttpResponseBase:
    patch_cache_control(response, private=True, no_cache=True)
    patch_vary_headers(response, ["Accept", "Cookie"])
    return response
