"""The index and what was searched for, to look at; embeddings can be asked for anew."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from search.models import DuplicateWarning, IndexJob, IndexState, SearchRecord, TicketEmbedding
from search.services.indexing import jobs_add
from tickets.admin.base import ReadOnlyAdmin, WorkflowFilter


@admin.register(IndexState)
class IndexStateAdmin(ReadOnlyAdmin):
    """How far each workflow's index is."""

    list_display = ("workflow", "behind", "waiting", "failing", "embedded", "server_model")
    list_related = ("workflow",)
    search_fields = ("=workflow__id",)
    ordering = ("workflow_id",)
    actions = ("make_anew",)

    @admin.display(description="events not looked at")
    def behind(self, state: IndexState) -> int:
        return state.workflow.event_seq - state.events_seen

    @admin.display(description="jobs that wait")
    def waiting(self, state: IndexState) -> int:
        return IndexJob.objects.filter(workflow_id=state.pk).count()

    @admin.display(description="jobs that failed")
    def failing(self, state: IndexState) -> int:
        return IndexJob.objects.filter(workflow_id=state.pk).exclude(error="").count()

    @admin.display(description="embedded tickets, by model")
    def embedded(self, state: IndexState) -> str:
        rows = TicketEmbedding.objects.filter(workflow_id=state.pk).exclude(model="").order_by("model")
        counts = rows.values_list("model").annotate(total=Count("*"))
        return ", ".join(f"{model}: {total}" for model, total in counts) or "none"

    @admin.action(description="Make the embeddings anew")
    def make_anew(self, request: HttpRequest, states: QuerySet[IndexState]) -> None:
        total = sum(jobs_add(state.pk) for state in states)
        self.message_user(request, f"{total} tickets wait for their embedding.", messages.SUCCESS)


@admin.register(IndexJob)
class IndexJobAdmin(ReadOnlyAdmin):
    list_display = ("ticket", "workflow", "attempts", "due_at", "queued_at", "error")
    list_filter = (WorkflowFilter, ("error", admin.EmptyFieldListFilter))
    list_related = ("ticket", "workflow")
    search_fields = ("=ticket__key",)
    ordering = ("due_at", "pk")


@admin.register(SearchRecord)
class SearchRecordAdmin(ReadOnlyAdmin):
    list_display = ("searched_at", "workflow", "agent", "query", "mode", "milliseconds", "hits", "opened", "degraded")
    list_filter = (WorkflowFilter, "mode", "degraded")
    list_related = ("workflow", "agent")
    search_fields = ("query", "=agent__id")
    ordering = ("-searched_at", "pk")

    @admin.display(description="opened")
    def opened(self, record: SearchRecord) -> int:
        return record.clicks.count()


@admin.register(DuplicateWarning)
class DuplicateWarningAdmin(ReadOnlyAdmin):
    list_display = ("warned_at", "workflow", "agent", "candidate", "score", "outcome")
    list_filter = (WorkflowFilter, "outcome")
    list_related = ("workflow", "agent", "candidate")
    search_fields = ("=candidate__key", "=agent__id")
    ordering = ("-warned_at", "pk")
