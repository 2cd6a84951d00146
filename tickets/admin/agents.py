"""Agents, their memberships and tokens."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache

from tickets.access import Actor
from tickets.admin.base import ReadOnlyAdmin, ReadOnlyInline, actor_of, for_each
from tickets.errors import DomainError
from tickets.models import Agent, AgentToken, Membership, Role, Workflow
from tickets.schemas.workflows import IssueToken, RevokeToken, SetMembership
from tickets.services.agents import token_issue, token_revoke
from tickets.services.workflows import membership_set


class MembershipInline(ReadOnlyInline):
    model = Membership
    fields = ("workflow", "role", "created_at")
    ordering = ("-id",)
    related = ("workflow",)


class TokenInline(ReadOnlyInline):
    model = AgentToken
    fields = ("hint", "label", "is_gateway", "is_operator", "created_at", "expires_at", "last_used_at", "revoked_at")
    ordering = ("-created_at", "id")


class IssueTokenForm(forms.Form):
    label = forms.CharField(max_length=100, required=False, help_text="What it is for.")
    expires_at = forms.SplitDateTimeField(
        required=False,
        widget=forms.SplitDateTimeWidget(date_attrs={"type": "date"}, time_attrs={"type": "time"}),
        help_text="In UTC. Empty: never.",
    )
    is_gateway = forms.BooleanField(required=False, help_text="May act for the AI agents of its workflows.")
    is_operator = forms.BooleanField(required=False, help_text="May create workflows, agents and tokens.")


class MembershipForm(forms.Form):
    workflow = forms.ModelChoiceField(
        Workflow.objects.all(), widget=AutocompleteSelect(Membership._meta.get_field("workflow"), admin.site)
    )
    role = forms.ChoiceField(choices=[*Role.choices, ("", "no member")], initial=Role.MEMBER, required=False)


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    """Agents are created by ``create_agent``, the API or the SDK; tokens and memberships also here."""

    list_display = ("id", "name", "kind", "state", "user", "created_at", "last_seen_at")
    list_filter = ("kind", "state")
    list_related = ("user",)
    search_fields = ("id", "name", "email")
    ordering = ("id",)
    inlines = (MembershipInline, TokenInline)

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<path:object_id>/issue-token/",
                self.admin_site.admin_view(never_cache(self.issue_token)),
                name="tickets_agent_issue_token",
            ),
            path(
                "<path:object_id>/membership/",
                self.admin_site.admin_view(self.set_membership),
                name="tickets_agent_membership",
            ),
            *super().get_urls(),
        ]

    def issue_token(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what the token may do, then show it, this once."""
        agent = self._agent(request, object_id)
        form = IssueTokenForm(request.POST or None)
        token = None
        if form.is_valid():
            try:
                token = token_issue(
                    actor=actor_of(request), request=IssueToken(for_agent_id=agent.id, **form.cleaned_data)
                ).token
            except DomainError as error:
                form.add_error(error.field if error.field in form.fields else None, error.message)
        return self._form_page(request, agent, form, "Issue a token", token=token)

    def set_membership(self, request: HttpRequest, object_id: str) -> HttpResponse:
        agent = self._agent(request, object_id)
        form = MembershipForm(request.POST or None)
        if form.is_valid():
            given = {
                "workflow_id": form.cleaned_data["workflow"].id,
                "member_agent_id": agent.id,
                "role": form.cleaned_data["role"] or None,
            }
            try:
                answer = membership_set(actor=actor_of(request), request=SetMembership.model_validate(given))
            except DomainError as error:
                form.add_error(None, error.message)
            else:
                self.message_user(request, answer.message, messages.SUCCESS)
                return HttpResponseRedirect(reverse("admin:tickets_agent_change", args=[object_id]))
        return self._form_page(request, agent, form, "Set a membership")

    def _agent(self, request: HttpRequest, object_id: str) -> Agent:
        agent: Agent | None = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, agent):
            raise PermissionDenied
        if agent is None:
            raise Http404
        return agent

    def _form_page(
        self, request: HttpRequest, agent: Agent, form: forms.Form, title: str, **extra: Any
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": agent,
            "title": title,
            "subtitle": str(agent),
            "form": form,
            "media": self.media + form.media,
            **extra,
        }
        return TemplateResponse(request, "admin/tickets/agent/form.html", context)


@admin.register(AgentToken)
class AgentTokenAdmin(ReadOnlyAdmin):
    """Tokens by their first characters; the tokens themselves are stored nowhere."""

    list_display = (
        "hint", "agent", "label", "is_gateway", "is_operator", "created_at", "expires_at", "last_used_at", "revoked_at",
    )  # fmt: skip
    list_filter = ("is_gateway", "is_operator", ("revoked_at", admin.EmptyFieldListFilter))
    list_related = ("agent",)
    search_fields = ("=agent__id", "label", "hint")
    exclude = ("token_hash",)
    ordering = ("-created_at", "id")
    actions = ("revoke",)

    def get_urls(self) -> list[URLPattern]:
        revoke = self.admin_site.admin_view(self.revoke_one)
        return [path("<path:object_id>/revoke/", revoke, name="tickets_agenttoken_revoke"), *super().get_urls()]

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, tokens: QuerySet[AgentToken]) -> None:
        def command(actor: Actor, token: AgentToken) -> str:
            token_revoke(actor=actor, request=RevokeToken(token_id=token.id))
            return f"{token} is revoked."

        for_each(self, request, tokens, command)

    def revoke_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button of the token's page."""
        if request.method == "POST":
            self.revoke(request, self.get_queryset(request).filter(pk=unquote(object_id)))
        return HttpResponseRedirect(reverse("admin:tickets_agenttoken_change", args=[object_id]))
