"""How complete the index is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q

from search.models import IndexJob, TicketEmbedding
from search.providers import provider
from search.providers.base import fingerprint
from search.schemas import GetSearchIndex, SearchIndex
from tickets.access import Actor, workflow_for
from tickets.models import Ticket, Workflow


@dataclass(frozen=True, slots=True)
class Lag:
    """Jobs that wait, those of them that have failed before, and the last failure."""

    waiting: int
    failing: int
    error: str


def index_lag(workflow_id: str | None = None) -> Lag:
    """Of one workflow, or of all. Three queries."""
    jobs = IndexJob.objects.all() if workflow_id is None else IndexJob.objects.filter(workflow_id=workflow_id)
    failing = jobs.exclude(error="")
    last = failing.order_by("-due_at").values_list("error", flat=True).first()
    return Lag(jobs.count(), failing.count(), last or "")


def index_health() -> dict[str, Any]:
    """For ``/readyz``: without the failures' texts, which may name addresses. Five queries."""
    current = provider()
    lag = index_lag()
    behind = Workflow.objects.filter(
        Q(index_state=None, event_seq__gt=0) | Q(event_seq__gt=F("index_state__events_seen"))
    )
    return {
        "provider": current.name,
        "model": current.model,
        "jobs_waiting": lag.waiting,
        "jobs_failing": lag.failing,
        "workflows_behind": behind.count(),
        "state": "failing" if lag.failing else "catching up" if lag.waiting else "up to date",
    }


def search_index_get(*, actor: Actor, request: GetSearchIndex) -> SearchIndex:
    """How complete a workflow's index is. Six queries."""
    workflow = workflow_for(actor, request.workflow_id)
    current = provider()
    lag = index_lag(workflow.id)
    embedded = TicketEmbedding.objects.filter(workflow_id=workflow.id, model=fingerprint(current))
    return SearchIndex(
        workflow_id=workflow.id,
        provider=current.name,
        model=current.model,
        dimensions=current.dimensions,
        tickets=Ticket.objects.filter(workflow_id=workflow.id).count(),
        embedded=embedded.exclude(vector=b"").count(),
        waiting=lag.waiting,
        failing=lag.failing,
        last_error=lag.error or None,
    )
