"""Signing in and out, the theme, the zone of times."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from boards.web.account.attempts import Throttled, remember
from boards.web.zones import DEFAULT, ZONE, zone_names

THEME = "hephaestus_theme"
THEMES = ("system", "light", "dark")
A_YEAR = 365 * 86_400


class SignInForm(Throttled, AuthenticationForm):
    """Name and password; what is wrong is said once, without saying which of the two it was."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # as Django's own form is called
        self.error_messages = dict.fromkeys(("invalid_login", "inactive"), "That name and password do not match.")
        for name in ("username", "password"):
            self.fields[name].widget.attrs["class"] = "input"
            self.fields[name].error_messages["required"] = "This is needed."
        self.fields["username"].label = "Name"


class SignIn(LoginView):
    """``/login``. LoginView follows ``next`` only to this site. 429 after too many wrong passwords."""

    form_class = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        remember(response, form.get_user().get_username())
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        wait = getattr(form, "wait", 0)
        if wait:
            response.status_code = 429
            response.headers["Retry-After"] = str(wait)
        elif form.non_field_errors():
            # Beside the words, for ears: which fields they are about.
            for name in ("username", "password"):
                form.fields[name].widget.attrs["aria-invalid"] = "true"
            # The name is still there; the password is to be typed again.
            form.fields["username"].widget.attrs.pop("autofocus", None)
            form.fields["password"].widget.attrs["autofocus"] = True
        return response


sign_in = SignIn.as_view()
sign_out = LogoutView.as_view()


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme in a cookie, so that the server paints the first pixel in it. Works without script."""
    theme = request.POST.get("theme", "")
    return _kept(request, THEME, theme if theme in THEMES[1:] else None)


@require_POST
def choose_zone(request: HttpRequest) -> HttpResponse:
    """Keep the zone in which times are shown in a cookie; UTC, and what is no zone, take it away."""
    zone = request.POST.get("zone", "")
    return _kept(request, ZONE, zone if zone in zone_names() and zone != DEFAULT else None)


def _kept(request: HttpRequest, cookie: str, value: str | None) -> HttpResponse:
    """Back to where the form was, with the cookie set, or gone where there is no value."""
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    response = HttpResponseRedirect(back if safe else settings.LOGIN_REDIRECT_URL)
    if value is not None:
        response.set_cookie(cookie, value, max_age=A_YEAR, samesite="Lax")
    else:
        response.delete_cookie(cookie, samesite="Lax")
    return response
