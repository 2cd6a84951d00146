"""The logs and what surrounds the work: to be read, never to be written."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from tickets.admin.base import ReadOnlyAdmin, TicketWorkflowFilter, WorkflowFilter
from tickets.models import (
    Approval,
    Claim,
    Event,
    IdempotencyRecord,
    InboxEntry,
    InboxPosition,
    StatusPeriod,
    Task,
    TicketHistory,
    WorkflowHistory,
)
from tickets.models.history import CHANGE_TYPES, EVENT_TYPES, WORKFLOW_CHANGE_TYPES


class ChangeTypeFilter(admin.SimpleListFilter):
    title = "kind of change"
    parameter_name = "change_type"
    names: tuple[str, ...] = CHANGE_TYPES

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in self.names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


class WorkflowChangeTypeFilter(ChangeTypeFilter):
    names = WORKFLOW_CHANGE_TYPES


class EventTypeFilter(ChangeTypeFilter):
    title = "type"
    parameter_name = "type"
    names = EVENT_TYPES


@admin.register(TicketHistory)
class TicketHistoryAdmin(ReadOnlyAdmin):
    list_display = ("id", "changed_at", "ticket", "agent", "via_agent", "change_type", "field_name")
    list_filter = (WorkflowFilter, ChangeTypeFilter)
    list_related = ("ticket", "agent", "via_agent")
    page_related = ("workflow",)
    list_defer = ("old_value", "new_value")
    search_fields = ("=ticket__key", "=agent__id")
    ordering = ("-id",)


@admin.register(WorkflowHistory)
class WorkflowHistoryAdmin(ReadOnlyAdmin):
    list_display = ("id", "changed_at", "workflow", "agent", "via_agent", "change_type", "subject_agent", "field_name")
    list_filter = (WorkflowFilter, WorkflowChangeTypeFilter)
    list_related = ("workflow", "agent", "via_agent", "subject_agent")
    list_defer = ("old_value", "new_value")
    search_fields = ("=agent__id", "=subject_agent__id")
    ordering = ("-id",)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("workflow", "seq", "timestamp", "type", "ticket", "agent")
    list_filter = (WorkflowFilter, EventTypeFilter)
    list_related = ("workflow", "ticket", "agent")
    list_defer = ("data",)
    search_fields = ("=ticket__key", "=agent__id")
    ordering = ("-id",)


@admin.register(Claim)
class ClaimAdmin(ReadOnlyAdmin):
    list_display = ("ticket", "agent", "fencing_token", "claimed_at", "expires_at", "ended_at", "end_reason")
    list_filter = (TicketWorkflowFilter, ("ended_at", admin.EmptyFieldListFilter), "end_reason")
    list_related = ("ticket", "agent")
    search_fields = ("=ticket__key", "=agent__id")
    ordering = ("-id",)


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    list_display = (
        "ticket", "requested_by_agent", "requested_at", "expires_at", "decision", "decided_by_agent", "decided_at",
    )  # fmt: skip
    list_filter = (TicketWorkflowFilter, "decision")
    list_related = ("ticket", "requested_by_agent", "decided_by_agent")
    search_fields = ("=ticket__key", "=requested_by_agent__id", "=decided_by_agent__id")
    ordering = ("-id",)


@admin.register(StatusPeriod)
class StatusPeriodAdmin(ReadOnlyAdmin):
    list_display = ("ticket", "status", "category", "entered_at", "left_at")
    list_filter = (TicketWorkflowFilter, ("left_at", admin.EmptyFieldListFilter))
    list_related = ("ticket",)
    search_fields = ("=ticket__key",)
    ordering = ("-id",)


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin):
    list_display = ("id", "workflow", "ticket", "agent", "phase", "priority", "status", "created_at", "completed_at")
    list_filter = (WorkflowFilter, "status")
    list_related = ("workflow", "ticket", "agent")
    page_related = ("created_by_agent",)
    list_defer = ("description",)
    search_fields = ("=id", "=ticket__key", "=agent__id")
    ordering = ("-created_at", "id")


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "agent", "operation", "key")
    list_related = ("agent",)
    list_defer = ("answer",)
    search_fields = ("=agent__id", "=key")
    ordering = ("-id",)


@admin.register(InboxEntry)
class InboxEntryAdmin(ReadOnlyAdmin):
    list_display = ("workflow", "seq", "recipient")
    list_filter = (WorkflowFilter,)
    list_related = ("workflow",)
    search_fields = ("=recipient",)
    ordering = ("-id",)


@admin.register(InboxPosition)
class InboxPositionAdmin(ReadOnlyAdmin):
    list_display = ("agent", "workflow", "seq", "updated_at")
    list_filter = (WorkflowFilter,)
    list_related = ("agent", "workflow")
    search_fields = ("=agent__id",)
    ordering = ("-updated_at", "id")
