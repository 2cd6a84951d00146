"""Boards and saved views in the admin: to be read. They are changed by their operations."""

from __future__ import annotations

from django.contrib import admin

from boards.models import BoardConfig, BoardRevision, SavedView
from tickets.admin.base import ReadOnlyAdmin


@admin.register(BoardConfig)
class BoardConfigAdmin(ReadOnlyAdmin):
    list_display = ("workflow", "name", "initial_status", "resolved_status", "version", "updated_at")
    list_related = ("workflow",)
    search_fields = ("name", "workflow__id", "workflow__name")
    ordering = ("workflow__name", "id")


@admin.register(BoardRevision)
class BoardRevisionAdmin(ReadOnlyAdmin):
    list_display = ("workflow", "version", "changed_at", "agent", "via_agent", "event_seq")
    list_related = ("workflow", "agent", "via_agent")
    list_defer = ("board",)
    search_fields = ("=workflow__id", "=agent__id")
    ordering = ("-id",)


@admin.register(SavedView)
class SavedViewAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "workflow", "owner_agent", "is_shared", "query", "updated_at")
    list_related = ("workflow", "owner_agent")
    list_filter = ("kind", "is_shared")
    search_fields = ("name", "workflow__id", "owner_agent__id")
    ordering = ("workflow__id", "name", "id")
