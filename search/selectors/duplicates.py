"""A report of tickets that say the same."""

from __future__ import annotations

from search.embedding import from_bytes
from search.errors import SearchPartDown
from search.filters import Filters
from search.models import TicketEmbedding
from search.providers import provider
from search.providers.base import fingerprint
from search.schemas import DuplicatePair, DuplicatesFound, DuplicateSide, ListDuplicates
from search.selectors.likeness import text_scores
from search.selectors.nearest import nearest_to_vector
from tickets.access import Actor, workflow_for
from tickets.errors import NotAvailable
from tickets.models import Ticket, Workflow
from tickets.models.tickets import VISIBLE_APPROVALS

# Neighbours that are compared of each ticket.
NEIGHBOURS = 10


def duplicates_list(*, actor: Actor, request: ListDuplicates) -> DuplicatesFound:
    """Pairs of tickets that say the same, out of the nearest neighbours of a part of the workflow.

    Each pair is found from its newer ticket, once. A vector query and two statements for each ticket looked at.
    Raises NotAvailable while the vector store is down.
    """
    workflow = workflow_for(actor, request.workflow_id)
    threshold = provider().thresholds.possible_duplicate if request.threshold is None else request.threshold
    tickets = Ticket.objects.filter(workflow_id=workflow.id, approval_status__in=VISIBLE_APPROVALS)
    if not request.include_completed:
        tickets = tickets.filter(completed_at=None)
    part = list(tickets.filter(number__gt=request.after_number).order_by("number")[: request.limit + 1])
    looked_at = part[: request.limit]
    try:
        scores = _scores(workflow, looked_at, threshold)
    except SearchPartDown as error:
        raise NotAvailable(str(error)) from error
    ids = {ticket_id for pair in scores for ticket_id in pair}
    sides = {ticket.id: ticket for ticket in tickets.filter(pk__in=ids)}
    pairs: dict[tuple[str, str], float] = {}
    for (one, other), score in scores.items():
        if one in sides and other in sides:
            newer, older = sorted((one, other), key=lambda id_: -sides[id_].number)
            pairs[newer, older] = score
    best = sorted(pairs.items(), key=lambda pair: (-pair[1], sides[pair[0][0]].number))
    embedded = TicketEmbedding.objects.filter(pk__in=[t.id for t in looked_at], model=fingerprint(provider()))
    return DuplicatesFound(
        pairs=[
            DuplicatePair(ticket=_side(sides[a]), duplicate_of=_side(sides[b]), similarity_score=round(score, 4))
            for (a, b), score in best
        ],
        looked_at=len(looked_at),
        not_indexed=len(looked_at) - embedded.exclude(vector=b"").count(),
        next_after_number=looked_at[-1].number if len(part) > request.limit else None,
    )


def _scores(workflow: Workflow, tickets: list[Ticket], threshold: float) -> dict[tuple[str, str], float]:
    """(ticket, neighbour) → similarity, from the threshold on; equal text is 1."""
    rows = TicketEmbedding.objects.filter(pk__in=[ticket.id for ticket in tickets])
    scores: dict[tuple[str, str], float] = {}
    model = fingerprint(provider())
    for row in rows:
        same = TicketEmbedding.objects.filter(workflow_id=workflow.id, text_hash=row.text_hash).exclude(pk=row.pk)
        scores |= {(row.pk, other): 1.0 for other in same.values_list("pk", flat=True)[:NEIGHBOURS]}
        if row.model != model or not row.vector:
            continue
        filters = Filters(workflow_id=workflow.id, exclude=(row.pk,))
        near = nearest_to_vector(workflow, from_bytes(row.vector), filters, NEIGHBOURS)
        for other, score in text_scores(from_bytes(row.text_vector), [hit.ticket_id for hit in near]).items():
            if score >= threshold:
                scores.setdefault((row.pk, other), score)
    return scores


def _side(ticket: Ticket) -> DuplicateSide:
    return DuplicateSide(
        ticket_id=ticket.id,
        key=ticket.key,
        title=ticket.title,
        status=ticket.status,
        is_resolved=ticket.is_resolved,
    )
