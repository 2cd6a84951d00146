"""Addresses of tasks: ``task_urls`` below /api/, ``compat_task_urls`` at the root for Hephaestus's own clients."""

from __future__ import annotations

from django.urls import URLPattern, path

from tickets import operations
from tickets.api.views import operation_view

task_urls: list[URLPattern] = [
    path("tasks", operation_view(get=operations.TASK_LIST, post=operations.TASK_CREATE)),
    path("tasks/<str:task_id>", operation_view(get=operations.TASK_GET)),
    path("tasks/<str:task_id>/status", operation_view(post=operations.TASK_UPDATE_STATUS)),
    path("tasks/<str:task_id>/review", operation_view(post=operations.VALIDATION_REVIEW_GIVE)),
]

compat_task_urls: list[URLPattern] = [
    path("create_task", operation_view(post=operations.TASK_CREATE)),
    path("update_task_status", operation_view(post=operations.TASK_UPDATE_STATUS)),
    path("give_validation_review", operation_view(post=operations.VALIDATION_REVIEW_GIVE)),
]
