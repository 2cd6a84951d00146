"""Boards in the admin: to be read. They are changed by the board operations, which look after the tickets."""

from __future__ import annotations

from django.contrib import admin

from boards.models import BoardConfig
from tickets.admin.base import ReadOnlyAdmin


@admin.register(BoardConfig)
class BoardConfigAdmin(ReadOnlyAdmin):
    list_display = ("workflow", "name", "initial_status", "resolved_status", "version", "updated_at")
    list_related = ("workflow",)
    search_fields = ("name", "workflow__id", "workflow__name")
    ordering = ("workflow__name", "id")
