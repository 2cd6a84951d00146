"""Signing in and out, and the theme."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

THEME = "hephaestus_theme"
THEMES = ("system", "light", "dark")
A_YEAR = 365 * 86_400


class SignInForm(AuthenticationForm):
    """Name and password; what is wrong is said once, without saying which of the two it was."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # as Django's own form is called
        self.error_messages = dict.fromkeys(("invalid_login", "inactive"), "That name and password do not match.")
        for name in ("username", "password"):
            self.fields[name].widget.attrs["class"] = "input"
            self.fields[name].error_messages["required"] = "This is needed."
        self.fields["username"].label = "Name"


class SignIn(LoginView):
    """``/login``. LoginView follows ``next`` only to this site."""

    form_class = SignInForm
    redirect_authenticated_user = True


sign_in = SignIn.as_view()
sign_out = LogoutView.as_view()


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme in a cookie, so that the server paints the first pixel in it. Works without script."""
    theme = request.POST.get("theme", "")
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    response = HttpResponseRedirect(back if safe else settings.LOGIN_REDIRECT_URL)
    if theme in THEMES[1:]:
        response.set_cookie(THEME, theme, max_age=A_YEAR, samesite="Lax")
    else:
        response.delete_cookie(THEME, samesite="Lax")
    return response
