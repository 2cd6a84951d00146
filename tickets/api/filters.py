"""The list's filters as a django-filter set: the form that the browsable API shows beside a list."""

from __future__ import annotations

from typing import cast

import django_filters
from django.db.models import QuerySet

from tickets.access import Actor
from tickets.models import ApprovalStatus, Ticket
from tickets.rules import PRIORITIES
from tickets.schemas.base import parse
from tickets.schemas.lists import TicketFilters
from tickets.selectors.tickets import select_tickets


class TicketFilterSet(django_filters.FilterSet):
    """One field for each of ``TicketFilters``. What they mean is said once, by ``select_tickets``."""

    workflow_id = django_filters.CharFilter(label="Workflow")
    status = django_filters.CharFilter(label="Columns, separated by commas")
    ticket_type = django_filters.CharFilter(label="Types, separated by commas")
    priority = django_filters.ChoiceFilter(choices=[(name, name) for name in PRIORITIES])
    assigned_agent_id = django_filters.CharFilter(label="Assigned to (an agent's id, or none)")
    tags = django_filters.CharFilter(label="Tags, separated by commas: all of them")
    is_blocked = django_filters.BooleanFilter(label="Blocked")
    approval_status = django_filters.ChoiceFilter(choices=ApprovalStatus.choices)
    parent_ticket_id = django_filters.CharFilter(label="Parts of (a ticket, or none)")
    created_after = django_filters.CharFilter(label="Created since (2025-10-01)")
    created_before = django_filters.CharFilter(label="Created before")
    updated_after = django_filters.CharFilter(label="Changed since")

    def filter_queryset(self, queryset: QuerySet[Ticket]) -> QuerySet[Ticket]:
        """The tickets that the list shows for these values. Raises DomainError as the list does."""
        given = {name: value for name, value in self.form.cleaned_data.items() if value not in (None, "")}
        assert self.request is not None
        # The API's authentication puts the acting agent where Django has its user.
        return select_tickets(cast(Actor, self.request.user), parse(TicketFilters, given)).rows
