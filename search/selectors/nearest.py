"""The semantic half: which tickets are nearest to a text in meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from search.errors import StoreDown
from search.filters import Filters
from search.mirror import mirror
from search.providers import provider
from search.providers.base import Vectors, fingerprint
from search.stores import server_store
from search.stores.base import Hit
from tickets.models import Workflow

# How long a request waits for its embedding, in seconds.
PATIENCE = 0.8


def begin_nearest(workflow: Workflow, query: str, filters: Filters, limit: int) -> Callable[[], list[Hit]]:
    """Tickets nearest to a query, best first: its embedding begins now, what is returned waits for it and asks.

    Both raise SearchPartDown.
    """
    embedding = provider().begin([query], PATIENCE, query=True)

    def ask() -> list[Hit]:
        found = nearest_to_vector(workflow, embedding()[0], filters, limit)
        if not found and workflow.event_seq and _count(workflow) == 0:
            raise StoreDown("No ticket of this workflow has its embedding yet.")
        return found

    return ask


def nearest_to_vector(workflow: Workflow, vector: Vectors, filters: Filters, limit: int) -> list[Hit]:
    """Tickets nearest to ``vector`` ``(dimensions,)``, best first. Raises StoreDown.

    From the server where there is one, else from this process's mirror, which is first brought up to date;
    ``workflow`` was read just now.
    """
    current = provider()
    model = fingerprint(current)
    server = server_store(current.dimensions)
    if server is not None:
        return server.query(vector, replace(filters, model=model), limit)
    return mirror(model, current.dimensions).current(workflow).query(vector, filters, limit)


def _count(workflow: Workflow) -> int:
    current = provider()
    server = server_store(current.dimensions)
    store = server or mirror(fingerprint(current), current.dimensions).current(workflow)
    return store.count(workflow.id)
