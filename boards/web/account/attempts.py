"""Wrong passwords are counted, and from some number on no more are tried for a while.

They are counted for a name and an address together, so that nobody locks a person out from elsewhere. A browser in
which the name has signed in before has a count of its own: behind a proxy all have one address, and whoever
knows a name could lock its owner out there (OWASP calls this a device cookie). Without Redis each process counts
on its own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core import signing
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase

if TYPE_CHECKING:
    Mixed = AuthenticationForm
else:
    Mixed = object

LIMIT = 10
WINDOW = 15 * 60  # seconds
KNOWN = f"hephaestus_known_{settings.PORT}"
KNOWN_FOR = 365 * 86_400
SALT = "hephaestus.known-browser"


class Attempts:
    """Who tries to sign in under a name, and how often it went wrong."""

    def __init__(self, request: HttpRequest, name: str) -> None:
        folded = name.strip().casefold()
        who = _known(request, folded) or f"at {request.META.get('REMOTE_ADDR', '')}"
        # Digests: a key of the cache takes no blanks and 250 characters at most.
        self._key = "sign-in:" + hashlib.sha256(f"{folded}\n{who}".encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def wait(self) -> int:
        """Seconds until the next try, 0 where it is free."""
        count, until = cache.get(self._key) or (0, 0.0)
        return max(int(until - time.time()) + 1, 1) if count >= LIMIT else 0

    def failed(self) -> None:
        """Count one more. Two at the same moment may count as one: the limit is no exact number."""
        count, until = cache.get(self._key) or (0, time.time() + WINDOW)
        cache.set(self._key, (count + 1, until), timeout=max(until - time.time(), 1))

    def forget(self) -> None:
        cache.delete(self._key)


class Throttled(Mixed):
    """A sign-in form that stops trying after too many wrong passwords; ``wait`` is then how long, in seconds."""

    wait = 0

    def clean(self) -> dict[str, Any]:
        """Check name and password. Raises ValidationError, the same for a wrong name as for a wrong password."""
        name = self.cleaned_data.get("username")
        if self.request is None or not name:
            return super().clean()
        attempts = Attempts(self.request, name)
        self.wait = attempts.wait
        if self.wait:
            raise ValidationError(refusal(self.wait), code="throttled")
        try:
            cleaned = super().clean()
        except ValidationError:
            attempts.failed()
            raise
        attempts.forget()
        return cleaned


class AdminSignInForm(Throttled, AdminAuthenticationForm):
    """The admin's own form, with the same limit."""


def refusal(wait: int) -> str:
    minutes = -(-wait // 60)
    return f"Too many wrong passwords. Try again in {minutes} minute{'s' if minutes > 1 else ''}."


def remember(response: HttpResponseBase, name: str) -> None:
    """Let the browser prove later that the name has signed in there."""
    value = signing.dumps([_digest(name.strip().casefold()), secrets.token_hex(8)], salt=SALT)
    response.set_cookie(
        KNOWN, value, max_age=KNOWN_FOR, path="/", httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
    )


def _known(request: HttpRequest, folded: str) -> str | None:
    """What tells this browser from others, where the name has signed in there before."""
    try:
        digest, nonce = signing.loads(request.COOKIES.get(KNOWN, ""), salt=SALT, max_age=KNOWN_FOR)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return str(nonce) if hmac.compare_digest(str(digest), _digest(folded)) else None


def _digest(folded: str) -> str:
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()
