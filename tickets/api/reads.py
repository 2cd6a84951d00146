"""Reading tickets over REST: what lists need beyond one operation per method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from django_filters.rest_framework import DjangoFilterBackend

from tickets.api import payload
from tickets.api.filters import TicketFilterSet
from tickets.api.views import OperationView
from tickets.models import Ticket
from tickets.operations import TICKET_LIST, Operation
from tickets.schemas.lists import TicketList

# What may stand several times in a query string: a list.
REPEATABLE = frozenset({"status", "ticket_type", "priority", "tags", "approval_status", "fields"})


class ListedTickets(OperationView):
    """The list of tickets. The browsable API shows its filters as a form."""

    operations: ClassVar[Mapping[str, Operation[Any, Any]]] = {"get": TICKET_LIST}
    methods = ("get",)
    filter_backends = (DjangoFilterBackend,)
    filterset_class = TicketFilterSet

    class Pages:
        """Tells the browsable API that the answer is a list: to other answers it shows no filters."""

        display_page_controls = False

        def get_results(self, data: TicketList | dict[str, Any]) -> list[Any]:
            if isinstance(data, dict):  # An error, or what OPTIONS says.
                raise KeyError("tickets")
            return list(data.tickets)

    paginator = Pages()

    def get_queryset(self) -> QuerySet[Ticket]:
        """What the form is made for; the list itself is the operation's."""
        return Ticket.objects.none()

    def read(self, request: HttpRequest, operation: Operation[Any, Any], path: Mapping[str, str]) -> dict[str, Any]:
        return payload.merge_path(payload.read_query(request, REPEATABLE), path)
