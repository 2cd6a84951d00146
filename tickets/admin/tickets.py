"""Tickets, their comments and what they wait for."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from tickets.access import Actor
from tickets.admin.base import (
    PriorityFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    TicketWorkflowFilter,
    WorkflowFilter,
    for_each,
)
from tickets.models import Ticket, TicketComment, TicketDependency, TicketHistory
from tickets.schemas.tickets import DecideTicket, ReleaseTicket, ResolveTicket
from tickets.services.approvals import ticket_approve, ticket_reject
from tickets.services.claims import ticket_release
from tickets.services.status import ticket_resolve


class LeasedFilter(admin.SimpleListFilter):
    title = "lease"
    parameter_name = "lease"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "live"), ("expired", "expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        if self.value() == "live":
            return queryset.filter(lease_agent__isnull=False, lease_expires_at__gt=now)
        if self.value() == "expired":
            return queryset.filter(lease_agent__isnull=False, lease_expires_at__lte=now)
        return queryset


class CommentInline(ReadOnlyInline):
    model = TicketComment
    fields = ("created_at", "agent", "comment_type", "comment_text", "is_edited", "deleted_at")
    ordering = ("-created_at", "-id")
    related = ("agent",)


class BlockerInline(ReadOnlyInline):
    model = TicketDependency
    fk_name = "ticket"
    verbose_name_plural = "waits for"
    fields = ("blocker", "created_by_agent", "created_at", "released_at")
    ordering = ("-id",)
    related = ("blocker", "created_by_agent")


class DependantInline(BlockerInline):
    fk_name = "blocker"
    verbose_name_plural = "blocks"
    fields = ("ticket", "created_by_agent", "created_at", "released_at")
    related = ("ticket", "created_by_agent")


class HistoryInline(ReadOnlyInline):
    model = TicketHistory
    verbose_name_plural = "history"
    fields = ("changed_at", "agent", "change_type", "field_name", "old_value", "new_value")
    ordering = ("-id",)
    related = ("agent",)


@admin.register(Ticket)
class TicketAdmin(ReadOnlyAdmin):
    """Tickets are written by commands; the actions are some of them."""

    list_display = (
        "key", "short_title", "workflow", "status", "priority", "assigned_agent", "is_blocked", "is_resolved",
        "approval_status", "updated_at",
    )  # fmt: skip
    list_filter = (WorkflowFilter, PriorityFilter, "is_blocked", "is_resolved", "approval_status", LeasedFilter)
    list_related = ("workflow", "assigned_agent")
    page_related = ("created_by_agent", "lease_agent", "parent_ticket")
    list_defer = ("description",)
    search_fields = ("=key", "=id", "title", "=assigned_agent__id")
    # The order of an index, which no sort has to make.
    ordering = ("workflow_id", "-created_at", "-number")
    inlines = (BlockerInline, DependantInline, CommentInline, HistoryInline)
    actions = ("resolve", "release_lease", "approve", "reject")

    @admin.display(description="title", ordering="title")
    def short_title(self, ticket: Ticket) -> str:
        return ticket.title if len(ticket.title) <= 80 else ticket.title[:79] + "…"

    @admin.action(description="Resolve")
    def resolve(self, request: HttpRequest, tickets: QuerySet[Ticket]) -> None:
        text = f"Resolved in the admin by {request.user.get_username()}."

        def command(actor: Actor, ticket: Ticket) -> str:
            return ticket_resolve(
                actor=actor, request=ResolveTicket(ticket_id=ticket.id, resolution_comment=text)
            ).message

        for_each(self, request, tickets, command)

    @admin.action(description="Release the lease")
    def release_lease(self, request: HttpRequest, tickets: QuerySet[Ticket]) -> None:
        def command(actor: Actor, ticket: Ticket) -> str:
            return ticket_release(actor=actor, request=ReleaseTicket(ticket_id=ticket.id)).message

        for_each(self, request, tickets, command)

    @admin.action(description="Approve")
    def approve(self, request: HttpRequest, tickets: QuerySet[Ticket]) -> None:
        def command(actor: Actor, ticket: Ticket) -> str:
            return ticket_approve(actor=actor, request=DecideTicket(ticket_id=ticket.id)).message

        for_each(self, request, tickets, command)

    @admin.action(description="Reject")
    def reject(self, request: HttpRequest, tickets: QuerySet[Ticket]) -> None:
        def command(actor: Actor, ticket: Ticket) -> str:
            return ticket_reject(actor=actor, request=DecideTicket(ticket_id=ticket.id)).message

        for_each(self, request, tickets, command)


@admin.register(TicketComment)
class TicketCommentAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "ticket_key", "agent", "comment_type", "excerpt", "is_edited", "deleted_at")
    list_filter = (TicketWorkflowFilter, "is_edited")
    list_related = ("ticket", "agent")
    page_related = ("via_agent", "parent")
    search_fields = ("=ticket__key", "=agent__id", "comment_text")
    ordering = ("-created_at", "-id")

    @admin.display(description="ticket")
    def ticket_key(self, comment: TicketComment) -> str:
        return comment.ticket.key

    @admin.display(description="text")
    def excerpt(self, comment: TicketComment) -> str:
        return comment.comment_text if len(comment.comment_text) <= 120 else comment.comment_text[:119] + "…"


@admin.register(TicketDependency)
class TicketDependencyAdmin(ReadOnlyAdmin):
    list_display = ("id", "ticket", "blocker", "created_by_agent", "created_at", "released_at")
    list_filter = (TicketWorkflowFilter, ("released_at", admin.EmptyFieldListFilter))
    list_related = ("ticket", "blocker", "created_by_agent")
    search_fields = ("=ticket__key", "=blocker__key")
    ordering = ("-id",)
