"""Workflows and their members."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest

from tickets.access import Actor
from tickets.admin.base import ReadOnlyAdmin, ReadOnlyInline, WorkflowFilter, for_each
from tickets.models import Membership, Role, Workflow
from tickets.schemas.base import parse
from tickets.schemas.workflows import SetMembership, UpdateWorkflow
from tickets.services.workflows import membership_set, workflow_update


class MemberInline(ReadOnlyInline):
    model = Membership
    verbose_name_plural = "members"
    fields = ("agent", "role", "created_at")
    ordering = ("-id",)
    related = ("agent",)


class WorkflowActions(ActionForm):
    """The list of actions, with what one of them asks for."""

    repositories = forms.CharField(
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 1, "cols": 40, "placeholder": "Repositories, a folder a line"}),
        label="",
    )


@admin.register(Workflow)
class WorkflowAdmin(ReadOnlyAdmin):
    """A workflow is made together with its board: by ``create_workflow``, the API or the SDK."""

    list_display = (
        "id", "name", "key_prefix", "is_active", "ticket_tracking_enabled", "event_seq", "created_at", "updated_at",
    )  # fmt: skip
    list_filter = ("is_active", "ticket_tracking_enabled")
    search_fields = ("id", "name", "=key_prefix")
    ordering = ("name", "id")
    inlines = (MemberInline,)
    action_form = WorkflowActions
    actions = ("activate", "deactivate", "enable_tracking", "disable_tracking", "set_repositories")

    @admin.action(description="Activate")
    def activate(self, request: HttpRequest, workflows: QuerySet[Workflow]) -> None:
        self._update(request, workflows, is_active=True)

    @admin.action(description="Deactivate: no tickets are written")
    def deactivate(self, request: HttpRequest, workflows: QuerySet[Workflow]) -> None:
        self._update(request, workflows, is_active=False)

    @admin.action(description="Enable ticket tracking")
    def enable_tracking(self, request: HttpRequest, workflows: QuerySet[Workflow]) -> None:
        self._update(request, workflows, ticket_tracking_enabled=True)

    @admin.action(description="Disable ticket tracking")
    def disable_tracking(self, request: HttpRequest, workflows: QuerySet[Workflow]) -> None:
        self._update(request, workflows, ticket_tracking_enabled=False)

    @admin.action(description="Set repositories to those named beside")
    def set_repositories(self, request: HttpRequest, workflows: QuerySet[Workflow]) -> None:
        lines = request.POST.get("repositories", "").splitlines()
        self._update(request, workflows, repositories=[line for line in lines if line.strip()])

    def _update(self, request: HttpRequest, workflows: QuerySet[Workflow], **updates: Any) -> None:
        def command(actor: Actor, workflow: Workflow) -> str:
            wanted = parse(UpdateWorkflow, {"workflow_id": workflow.id, "updates": updates})
            return workflow_update(actor=actor, request=wanted).message

        for_each(self, request, workflows, command)


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """A membership begins on the agent's page."""

    list_display = ("agent", "workflow", "role", "created_at")
    list_filter = (WorkflowFilter, "role")
    list_related = ("agent", "workflow")
    search_fields = ("agent__id", "agent__name", "=workflow__id")
    ordering = ("workflow", "agent")
    actions = ("make_viewer", "make_member", "make_maintainer", "end_membership")

    @admin.action(description="Make viewer")
    def make_viewer(self, request: HttpRequest, memberships: QuerySet[Membership]) -> None:
        self._set(request, memberships, Role.VIEWER)

    @admin.action(description="Make member")
    def make_member(self, request: HttpRequest, memberships: QuerySet[Membership]) -> None:
        self._set(request, memberships, Role.MEMBER)

    @admin.action(description="Make maintainer")
    def make_maintainer(self, request: HttpRequest, memberships: QuerySet[Membership]) -> None:
        self._set(request, memberships, Role.MAINTAINER)

    @admin.action(description="End the membership")
    def end_membership(self, request: HttpRequest, memberships: QuerySet[Membership]) -> None:
        self._set(request, memberships, None)

    def _set(self, request: HttpRequest, memberships: QuerySet[Membership], role: Role | None) -> None:
        def command(actor: Actor, membership: Membership) -> str:
            given = {"workflow_id": membership.workflow_id, "member_agent_id": membership.agent_id, "role": role}
            return membership_set(actor=actor, request=SetMembership.model_validate(given)).message

        for_each(self, request, memberships, command)
