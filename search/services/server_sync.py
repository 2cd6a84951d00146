"""Keeps a Qdrant server at what the database has. Run by the worker; any number of workers may do so at once."""

from __future__ import annotations

import structlog
from django.db.models import F, Q

from search.errors import StoreDown
from search.models import IndexState, TicketEmbedding
from search.points import Seen, changed_tickets, newest, points_after, points_of
from search.providers import provider
from search.providers.base import fingerprint
from search.stores import server_store
from search.stores.base import VectorStore
from tickets.unit import write_transaction

log = structlog.get_logger(__name__)


def server_sync() -> bool:
    """Write what has changed in any workflow to the server; false, as all of it is written.

    Upserts are repeatable: what a crash leaves half done is done again. A server that is down is logged and
    asked again with the next run.
    """
    current = provider()
    store = server_store(current.dimensions)
    if store is None:
        return False
    model = fingerprint(current)
    behind = IndexState.objects.filter(
        Q(server_events__lt=F("workflow__event_seq")) | Q(server_vectors__lt=F("vector_seq")) | ~Q(server_model=model)
    )
    try:
        for state in behind.select_related("workflow"):
            _sync(state, store, model)
    except StoreDown as error:
        log.warning("the vector store is behind", error=str(error))
    return False


def server_forget() -> int:
    """Let the next run write everything anew: after the server lost its data. Returns how many workflows."""
    with write_transaction():
        return IndexState.objects.update(server_events=0, server_vectors=0)


def server_check() -> None:
    """Have everything written anew that the server has lost, as when its collection was made anew. Raises nothing."""
    current = provider()
    store = server_store(current.dimensions)
    if store is None:
        return
    model = fingerprint(current)
    try:
        lost = [
            state.pk
            for state in IndexState.objects.filter(server_model=model, server_vectors=F("vector_seq"))
            if store.count(state.pk) < _embedded(state.pk, model)
        ]
    except StoreDown:
        return
    if lost:
        log.warning("the vector store has lost vectors; they are written anew", workflows=len(lost))
        with write_transaction():
            IndexState.objects.filter(pk__in=lost).update(server_events=0, server_vectors=0)


def _embedded(workflow_id: str, model: str) -> int:
    return TicketEmbedding.objects.filter(workflow_id=workflow_id, model=model).exclude(vector=b"").count()


def _sync(state: IndexState, store: VectorStore, model: str) -> None:
    workflow = state.workflow
    seen = Seen(state.server_events, state.server_vectors) if state.server_model == model else Seen()
    now = newest(workflow)
    # Nothing is there yet, so there is no payload to bring up to date.
    changed = changed_tickets(workflow, seen) if seen.vectors else []
    fresh: set[str] = set()
    for chunk in points_after(workflow.id, 0 if changed is None else seen.vectors, model, full=True):
        store.upsert([point for _, point in chunk])
        fresh.update(point.ticket_id for _, point in chunk)
    rest = [ticket_id for ticket_id in changed or () if ticket_id not in fresh]
    for points in points_of(workflow.id, rest, model, full=True):
        store.upsert(points)
    with write_transaction():
        # A faster worker may have come further.
        IndexState.objects.filter(pk=workflow.pk, server_events=state.server_events).update(
            server_events=now.events, server_vectors=now.vectors, server_model=model
        )
