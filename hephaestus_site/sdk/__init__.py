"""The SDK: Hephaestus Tickets from a Python program, over HTTP. It imports no Django.

``HephaestusSDK`` lays out a workflow and reads its tickets; ``Client`` and ``AsyncClient`` have every operation of
an agent, with retries, and the live events. ``errors`` holds what they raise.
"""

from __future__ import annotations

from boards.schemas import TicketStats
from hephaestus_site.sdk import errors
from hephaestus_site.sdk.boards import ColumnConfig, TicketBoardConfig, TicketTypeConfig
from hephaestus_site.sdk.client import AsyncClient, Client
from hephaestus_site.sdk.errors import HephaestusError
from hephaestus_site.sdk.events import AsyncEventStream, Event, EventStream
from hephaestus_site.sdk.phases import Phase, read_phases
from hephaestus_site.sdk.tickets import Ticket
from hephaestus_site.sdk.workflow import HephaestusSDK
from tickets.schemas.lists import TicketCriteria
from tickets.schemas.tasks import ValidationIssue
from tickets.schemas.tickets import BatchTicket, BulkChanges, TicketUpdates
from tickets.schemas.workflows import WorkflowUpdates

__all__ = [
    "AsyncClient",
    "AsyncEventStream",
    "BatchTicket",
    "BulkChanges",
    "Client",
    "ColumnConfig",
    "Event",
    "EventStream",
    "HephaestusError",
    "HephaestusSDK",
    "Phase",
    "Ticket",
    "TicketBoardConfig",
    "TicketCriteria",
    "TicketStats",
    "TicketTypeConfig",
    "TicketUpdates",
    "ValidationIssue",
    "WorkflowUpdates",
    "errors",
    "read_phases",
]
