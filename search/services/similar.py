"""Tickets that say the same, or are about the same: what the core asks of search (``tickets.ports.TicketIndex``)."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from search.embedding import Content, Embedded, embed_contents, from_bytes
from search.errors import SearchPartDown
from search.filters import VISIBLE, Filters
from search.models import DuplicateOutcome, DuplicateWarning, SearchClick, TicketEmbedding
from search.providers import provider
from search.providers.base import fingerprint
from search.schemas import FindSimilar, SimilarFound
from search.selectors.likeness import relation, text_scores
from search.selectors.nearest import PATIENCE, nearest_to_vector
from search.services.indexing import embedding_insert
from search.services.records import notes
from tickets.access import Actor, workflow_for
from tickets.models import Role, Ticket, Workflow
from tickets.ports import Draft, PreparedTicket
from tickets.prepared import Mark, Reading, marks, numbered
from tickets.schemas.tickets import SimilarTicket
from tickets.unit import Unit

SHOWN = 5
# Candidates come by the vector for searches and are compared by the one for duplicates.
CANDIDATES = 20
# Tickets that are embedded by one call: a few, so that those of a large batch that are in time count.
AT_ONCE = 8


@dataclass
class Prepared:
    """What is known of a ticket before it is created; ``embedded`` None where no provider answered in time."""

    content: Content
    embedded: Embedded | None = None
    similar: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_compared(self) -> bool:
        return self.embedded is not None

    @property
    def duplicate(self) -> dict[str, Any] | None:
        best = self.similar[0] if self.similar else None
        certain = provider().thresholds.duplicate
        return best if best is not None and best["similarity_score"] >= certain else None


class SearchIndex:
    """The core's ``TicketIndex``."""

    def prepare(self, *, workflow: Workflow, drafts: Sequence[Draft]) -> list[Prepared]:
        """Embed the tickets and look for what is alike; without the provider, for equal text alone."""
        prepared = [Prepared(Content(one.title, one.description, tuple(one.tags or ()))) for one in drafts]
        _embed(prepared)
        for one in prepared:
            one.similar = _similar(workflow, one.content, one.embedded)[:SHOWN]
        return prepared

    def refused(self, *, actor: Actor, workflow: Workflow, prepared: PreparedTicket) -> None:
        if prepared.duplicate is not None:
            notes.add(_warning(actor, workflow.id, prepared.duplicate, DuplicateOutcome.REFUSED))

    def add(self, *, unit: Unit, ticket: Ticket, prepared: PreparedTicket | None) -> bool:
        known = cast("Prepared | None", prepared)
        content = Content(ticket.title, ticket.description, tuple(ticket.tags))
        embedded = None
        if known is not None and known.content == content:
            content, embedded = known.content, known.embedded
        embedding_insert(unit=unit, ticket_id=ticket.id, content=content, embedded=embedded)
        if known is not None and known.similar and known.similar[0]["relation_type"] == "duplicate":
            unit.writes.insert([_warning(unit.actor, unit.workflow.id, known.similar[0], DuplicateOutcome.CREATED)])
        return embedded is not None

    def alike(self, *, ticket: Ticket, limit: int) -> Sequence[dict[str, Any]]:
        row = TicketEmbedding.objects.filter(pk=ticket.id, model=fingerprint(provider())).exclude(vector=b"").first()
        embedded = Embedded(from_bytes(row.vector), from_bytes(row.text_vector)) if row is not None else None
        content = Content(ticket.title, ticket.description)
        return _similar(ticket.workflow, content, embedded, exclude=(ticket.id,), limit=limit)[:limit]

    def opened(self, *, actor: Actor, search_id: str, ticket: Ticket) -> None:
        notes.add(SearchClick(search_id=search_id, ticket=ticket))


def similar_find(*, actor: Actor, request: FindSimilar) -> SimilarFound:
    """What is similar to a ticket that the caller is about to write; counted as a warning where one says the same."""
    workflow = workflow_for(actor, request.workflow_id, Role.VIEWER)
    known = SearchIndex().prepare(workflow=workflow, drafts=[request])[0]
    if known.similar and known.similar[0]["relation_type"] == "duplicate":
        notes.add(_warning(actor, workflow.id, known.similar[0], DuplicateOutcome.SHOWN))
    duplicate = known.duplicate
    return SimilarFound(
        similar_tickets=[SimilarTicket.model_validate(row) for row in known.similar],
        duplicate_of=duplicate["ticket_id"] if duplicate is not None else None,
    )


def _embed(prepared: Sequence[Prepared]) -> None:
    """Embed what the provider embeds in time; jobs make up for the rest."""
    end = time.monotonic() + PATIENCE
    with suppress(SearchPartDown):
        for first in range(0, len(prepared), AT_ONCE):
            part = prepared[first : first + AT_ONCE]
            made = embed_contents(
                lambda texts: provider().embed_within(texts, end - time.monotonic()), [one.content for one in part]
            )
            for one, embedded in zip(part, made, strict=True):
                one.embedded = embedded


def _similar(
    workflow: Workflow,
    content: Content,
    embedded: Embedded | None,
    *,
    exclude: tuple[str, ...] = (),
    limit: int = SHOWN,
) -> list[dict[str, Any]]:
    """Tickets alike, best first. Equal text is 1.0, whether or not there are vectors."""
    # The oldest are what a further one would repeat.
    values = {"workflow_id": workflow.id, "text_hash": content.text_hash}
    same = _same_text().run(values, limit=limit + len(exclude))
    known = {row[0]: row for row in same if row[0] not in exclude}
    scores = dict.fromkeys(known, 1.0)
    if embedded is not None:
        filters = Filters(workflow_id=workflow.id, exclude=exclude)
        with suppress(SearchPartDown):
            near = nearest_to_vector(workflow, embedded.vector, filters, max(CANDIDATES, limit * 2))
            scores = text_scores(embedded.text_vector, [hit.ticket_id for hit in near]) | scores
    floor = provider().thresholds.floor
    best = sorted(((s, i) for i, s in scores.items() if s >= floor), key=lambda pair: (-pair[0], pair[1]))
    known |= _rows(workflow.id, [ticket_id for _, ticket_id in best if ticket_id not in known])
    return [
        {
            "ticket_id": ticket_id,
            "key": known[ticket_id][1],
            "title": known[ticket_id][2],
            "status": known[ticket_id][3],
            "similarity_score": round(score, 4),
            "relation_type": relation(score),
        }
        for score, ticket_id in best
        if ticket_id in known
    ]


@functools.cache
def _same_text() -> Reading:
    workflow_id: Any = Mark("workflow_id")
    rows = TicketEmbedding.objects.filter(
        workflow_id=workflow_id, text_hash=Mark("text_hash"), ticket__approval_status__in=VISIBLE
    )
    return Reading(rows.order_by("ticket__number").values_list("pk", "ticket__key", "ticket__title", "ticket__status"))


@functools.cache
def _tickets_by_id(count: int) -> Reading:
    workflow_id: Any = Mark("workflow_id")
    rows = Ticket.objects.filter(pk__in=marks("id", count), workflow_id=workflow_id, approval_status__in=VISIBLE)
    return Reading(rows.values_list("pk", "key", "title", "status"))


def _rows(workflow_id: str, ticket_ids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Ticket id → (id, key, title, status) of those that are visible."""
    if not ticket_ids:
        return {}
    # Few sizes, so that few statements are compiled.
    padded = [*ticket_ids, *[ticket_ids[-1]] * (-len(ticket_ids) % CANDIDATES)]
    rows = _tickets_by_id(len(padded)).rows(workflow_id=workflow_id, **numbered("id", padded))
    return {row[0]: row for row in rows}


def _warning(actor: Actor, workflow_id: str, candidate: dict[str, Any], outcome: DuplicateOutcome) -> DuplicateWarning:
    return DuplicateWarning(
        workflow_id=workflow_id,
        agent_id=actor.agent_id,
        candidate_id=candidate["ticket_id"],
        score=candidate["similarity_score"],
        outcome=outcome,
    )
