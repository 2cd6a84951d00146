"""What the admin's pages share: read-only, fast with 100,000 rows, actions through the services."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import BaseModelAdmin
from django.db.models import Model, Prefetch, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest

from tickets.access import Actor, actor_for_user
from tickets.errors import DomainError
from tickets.models import Ticket, Workflow
from tickets.rules import PRIORITIES

# Django's admin classes are generic for the type checker only.
if TYPE_CHECKING:
    _Permissions = BaseModelAdmin[Any]
    _ModelAdmin = admin.ModelAdmin[Any]
    _Inline = admin.TabularInline[Any, Any]
    _FormSet = BaseInlineFormSet[Any, Any, Any]
else:
    _Permissions = object
    _ModelAdmin = admin.ModelAdmin
    _Inline = admin.TabularInline
    _FormSet = BaseInlineFormSet

MAX_SELECTED = 200
NEWEST = 50


class _NothingDirectly(_Permissions):
    """No row is added, changed or deleted by a form: the services write."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(_NothingDirectly, _ModelAdmin):
    """A table to search and read.

    ``list_related`` names the foreign keys that the list shows, ``page_related`` those that a row's own
    page shows besides, ``list_defer`` wide columns that the list does not show.
    """

    list_per_page = NEWEST
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    # A join may make SQLite begin with the small table and sort all tickets: 0.8 s instead of 12 ms.
    list_select_related = ()
    list_related: ClassVar[tuple[str, ...]] = ()
    page_related: ClassVar[tuple[str, ...]] = ()
    list_defer: ClassVar[tuple[str, ...]] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Every column, also those that no form may hold."""
        return [field.name for field in self.opts.fields if field.name not in (self.exclude or ())]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and (match.url_name or "").endswith("_changelist"):
            return rows.defer(*self.list_defer).prefetch_related(*map(self._lean, self.list_related))
        related = (*self.list_related, *self.page_related)
        # Without arguments select_related would follow every key there is.
        return rows.select_related(*related) if related else rows

    def _lean(self, name: str) -> Prefetch[Any]:
        """What a foreign key points at, of tickets without their descriptions."""
        model = self.opts.get_field(name).related_model
        assert isinstance(model, type)
        rows = model._default_manager.all()
        return Prefetch(name, rows.defer("description") if model is Ticket else rows)


class NewestFormSet(_FormSet):
    """The newest rows alone: a ticket may have thousands."""

    def get_queryset(self) -> QuerySet[Any]:
        if not hasattr(self, "_newest"):
            self._newest = super().get_queryset()[:NEWEST]
        return self._newest


class ReadOnlyInline(_NothingDirectly, _Inline):
    """Rows that hang on the page's object, newest first, at most 50."""

    formset = NewestFormSet
    extra = 0
    show_change_link = True
    related: ClassVar[tuple[str, ...]] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.select_related(*self.related) if self.related else rows


class WorkflowFilter(admin.SimpleListFilter):
    """By workflow: reads the workflows, not the rows."""

    title = "workflow"
    parameter_name = "workflow"
    path = "workflow"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(row.id, row.name) for row in Workflow.objects.only("id", "name")[:200]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.path}_id": self.value()}) if self.value() else queryset


class TicketWorkflowFilter(WorkflowFilter):
    """For rows that know their workflow through their ticket."""

    path = "ticket__workflow"


class PriorityFilter(admin.SimpleListFilter):
    title = "priority"
    parameter_name = "priority"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in PRIORITIES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(priority=self.value()) if self.value() else queryset


def actor_of(request: HttpRequest) -> Actor:
    """The agent behind the signed-in person: actions have that person's rights and no others."""
    assert not request.user.is_anonymous
    return actor_for_user(request.user)


def for_each(
    model_admin: _ModelAdmin, request: HttpRequest, rows: Iterable[Model], command: Callable[[Actor, Any], str]
) -> None:
    """Carry out a command for each selected row, each with its own result."""
    selected = list(rows[: MAX_SELECTED + 1] if isinstance(rows, QuerySet) else rows)
    if len(selected) > MAX_SELECTED:
        model_admin.message_user(request, f"Select at most {MAX_SELECTED} rows at a time.", messages.ERROR)
        return
    actor = actor_of(request)
    done = []
    for row in selected:
        try:
            done.append(command(actor, row))
        except DomainError as error:
            model_admin.message_user(request, error.message, messages.ERROR)
    if len(done) > 5:
        done = [f"Done for {len(done)} rows."]
    for message in done:
        model_admin.message_user(request, message, messages.SUCCESS)
