"""A person's own page: name, look, password, tokens, memberships."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from boards.web.account.attempts import Attempts, refusal
from boards.web.frame import frame_of
from boards.web.pages import page
from boards.web.zones import in_zone, zone_of, zones_by_region
from tickets.access import Actor, actor_for_user
from tickets.models import Workflow
from tickets.schemas.directory import MAX_PAGE, GetMe, ListTokens
from tickets.schemas.workflows import TokenDetail
from tickets.selectors.directory import who_am_i
from tickets.services.agents import token_list

WORDS = {"old_password": "Present password", "new_password1": "New password", "new_password2": "New password again"}


class PasswordForm(PasswordChangeForm):
    """Django's form in the page's words and classes."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # as Django's own form is called
        self.error_messages = {
            **self.error_messages,
            "password_incorrect": "That is not your present password.",
            "password_mismatch": "The two new passwords differ.",
        }
        for name, field in self.fields.items():
            field.label = WORDS[name]
            field.error_messages["required"] = "This is needed."
            field.widget.attrs["class"] = "input"
            # No field takes the focus of a page that is about more than this.
            field.widget.attrs.pop("autofocus", None)


@page
def profile_page(request: HttpRequest, actor: Actor) -> HttpResponse:
    """``/profile``"""
    return _profile(request, actor, PasswordForm(request.user))


@sensitive_post_parameters()
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    """``/profile/password``: 422 with the form where it is refused. All other sessions of the person end."""
    if not request.user.is_authenticated:
        return redirect_to_login("/profile")
    actor, form = actor_for_user(request.user), PasswordForm(request.user, request.POST)
    attempts = Attempts(request, request.user.get_username())
    if wait := attempts.wait:
        form = PasswordForm(request.user)
        return _refused(request, actor, form, status=429, fault=refusal(wait))
    if not form.is_valid():
        if form.has_error("old_password", "password_incorrect"):
            attempts.failed()
        return _refused(request, actor, form, status=422)
    attempts.forget()
    update_session_auth_hash(request, form.save())
    return HttpResponseRedirect("/profile?changed=password#password")


def _refused(request: HttpRequest, actor: Actor, form: PasswordForm, *, status: int, fault: str = "") -> HttpResponse:
    with in_zone(request):
        response = _profile(request, actor, form, fault=fault)
    response.status_code = status
    add_never_cache_headers(response)
    return response


def _profile(request: HttpRequest, actor: Actor, form: PasswordForm, *, fault: str = "") -> HttpResponse:
    frame = frame_of(request, actor)
    workflows = frame.workflows if frame is not None else []
    agent = who_am_i(actor=actor, request=GetMe()).agent
    found = token_list(actor=actor, request=ListTokens(for_agent_id=actor.agent_id, limit=MAX_PAGE))
    context = {
        "workflow": frame.workflow if frame is not None else None,
        "workflows": workflows,
        "section": "profile",
        "agent": agent,
        "memberships": _memberships(workflows, agent.memberships),
        "tokens": [_token(row) for row in found.tokens],
        "unlisted": found.total_count - len(found.tokens),
        "form": form,
        "fault": fault,
        "changed": request.GET.get("changed", ""),
        "zone": zone_of(request),
        "regions": list(zones_by_region()),
        "now": timezone.now(),
    }
    return render(request, "boards/profile.html", context)


def _memberships(workflows: list[Workflow], roles: dict[str, str]) -> list[dict[str, Any]]:
    """By the workflow's name, where the picker lists it, else by its id."""
    known = {workflow.id: workflow for workflow in workflows}
    rows = [{"id": key, "workflow": known.get(key), "role": role} for key, role in roles.items()]
    return sorted(rows, key=lambda row: (row["workflow"].name if row["workflow"] else row["id"]).casefold())


def _token(row: TokenDetail) -> dict[str, Any]:
    """A token and what has become of it: live, revoked or expired."""
    if row.revoked_at is not None:
        state = "revoked"
    elif row.expires_at is not None and row.expires_at <= timezone.now():
        state = "expired"
    else:
        state = "live"
    return {"row": row, "state": state}
