"""Search for tickets, as callers ask for it."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Sequence
from typing import Any

from django.core.cache import cache
from django.utils import timezone
from django.utils.html import escape

from search.errors import StoreDown
from search.filters import NOBODY, Filters
from search.fusion import Ranked, pin
from search.keyword import Preview, previews
from search.models import SearchRecord
from search.points import newest
from search.providers import provider
from search.providers.base import fingerprint
from search.schemas import SearchResult, SearchTickets, SearchType, TicketsFound
from search.selectors.nearest import begin_nearest
from search.selectors.retrieval import retrieve
from search.services.records import notes
from tickets.access import Actor
from tickets.errors import DomainError
from tickets.ids import new_id, parse_ticket_reference
from tickets.models import Ticket
from tickets.prepared import Mark, Reading, marks, numbered
from tickets.schemas.lists import TicketFilters, TicketRow
from tickets.selectors.tickets import Selection, row_reading, rows_of, select_tickets

CACHED_FOR = 15 * 60
ROW_FIELDS = (
    "ticket_id", "key", "title", "description", "status", "priority", "ticket_type", "created_at", "updated_at",
    "assigned_agent_id", "tags", "is_blocked", "is_resolved", "comment_count", "commit_count", "approval_status",
)  # fmt: skip
# Rows are read so many at a time, a little more than are shown: a statement is compiled for each number.
ROWS_AT_ONCE = (15, 60)


def ticket_search(*, actor: Actor, request: SearchTickets) -> TicketsFound:
    """Find tickets of a workflow.

    An equal search within 15 minutes is answered from memory unless a ticket of the workflow has changed, or
    the semantic half is down: then also with what may have changed since, marked ``stale``.
    Raises NotFound for a workflow that the actor may not read, Invalid for a value that its board lacks.
    """
    start = time.perf_counter()
    selection = _select(actor, request)
    query = " ".join(request.query.split())
    answer = _listed(selection, request) if not query else _found(selection, request, query)
    answer.search_time_ms = round((time.perf_counter() - start) * 1000, 2)
    answer.search_id = new_id("search")
    notes.add(
        SearchRecord(
            id=answer.search_id,
            workflow_id=selection.workflow.id,
            agent_id=actor.agent_id,
            query=query[:500],
            mode=answer.search_type,
            milliseconds=answer.search_time_ms,
            hits=answer.total_found,
            degraded=answer.degraded,
        )
    )
    return answer


def filters_of(selection: Selection) -> Filters:
    """A list's selection as the filters of a search."""
    asked = selection.lookups
    status = asked.get("status__in")
    if asked.get("completed_at__isnull"):
        # ``include_completed: false``: a ticket has its time of completion while it is in a final column.
        open_columns = [column.id for column in selection.board.columns if column.category != "final"]
        status = [name for name in open_columns if status is None or name in status]
    return Filters(
        workflow_id=selection.workflow.id,
        status=_tuple(status),
        ticket_type=_tuple(asked.get("ticket_type__in")),
        priority=_tuple(asked.get("priority__in")),
        approval_status=_tuple(asked.get("approval_status__in")),
        assigned_agent_id=NOBODY if asked.get("assigned_agent__isnull") else asked.get("assigned_agent_id"),
        tags=selection.tags,
        is_blocked=asked.get("is_blocked"),
        created_after=asked.get("created_at__gte"),
        created_before=asked.get("created_at__lt"),
        updated_after=asked.get("updated_at__gte"),
    )


def _select(actor: Actor, request: SearchTickets) -> Selection:
    given = request.filters.model_dump(exclude_unset=True)
    filters = TicketFilters.model_construct(
        _fields_set=set(given), **dict(request.filters), workflow_id=request.workflow_id, parent_ticket_id=None
    )
    try:
        return select_tickets(actor, filters)
    except DomainError as error:
        if error.field in given:
            error.field = f"filters.{error.field}"
        raise


def _listed(selection: Selection, request: SearchTickets) -> TicketsFound:
    """What an empty query finds: all that the filters leave, newest change first."""
    rows = selection.page(ROW_FIELDS, ("-updated_at", "-number"), excerpt=True, limit=request.limit, offset=0)
    results = [_result(row, 0.0, _unmatched(row)) for row in rows]
    return _answer(request, results, selection.count())


def _found(selection: Selection, request: SearchTickets, query: str) -> TicketsFound:
    filters = filters_of(selection)
    stamp = (*newest(selection.workflow), fingerprint(provider()))
    key = _cache_key(request, query, filters)
    known: tuple[Any, TicketsFound] | None = cache.get(key)
    if known is not None and known[0] == stamp:
        return known[1].model_copy(update={"cached": True})
    retrieval = retrieve(
        query,
        request.search_type,
        filters,
        nearest=functools.partial(begin_nearest, selection.workflow),
        floor=provider().thresholds.floor,
        include_comments=request.include_comments,
        prefix=_is_unfinished(request),
        limit=request.limit,
    )
    if known is not None and isinstance(retrieval.degraded, StoreDown):
        return known[1].model_copy(
            update={"cached": True, "stale": True, "degraded": True, "degraded_reason": str(retrieval.degraded)}
        )
    named = _named(selection.workflow.id, query)
    ranked = pin(named, retrieval.ranked) if named else retrieval.ranked
    results = _results(selection, ranked, query, filters, request)
    answer = _answer(request, results, max(retrieval.total, len(ranked)))
    if retrieval.degraded is not None:
        answer.degraded, answer.degraded_reason, answer.search_type = True, str(retrieval.degraded), "keyword"
    else:
        cache.set(key, (stamp, answer), CACHED_FOR)
    return answer


def _is_unfinished(request: SearchTickets) -> bool:
    """Whether the last word may go on. The query that is looked for has no spaces at its ends any more."""
    return request.prefix and not request.query[-1:].isspace()


def _named(workflow_id: str, query: str) -> list[str]:
    """The ticket whose key or id the query is. No query for what can be neither."""
    try:
        reference = parse_ticket_reference(query)
    except DomainError:
        return []
    named = {"pk": reference.id} if reference.id else {"key": reference.key}
    return list(Ticket.objects.filter(workflow_id=workflow_id, **named).values_list("pk", flat=True))


def _results(
    selection: Selection, ranked: Ranked, query: str, filters: Filters, request: SearchTickets
) -> list[SearchResult]:
    """The best results as rows. A query for fifty candidates, which is more only where an index is behind."""
    limit = request.limit
    chosen: list[tuple[TicketRow, float]] = []
    size = next(number for number in ROWS_AT_ONCE if number > limit)
    for first in range(0, len(ranked), size):
        part = ranked[first : first + size]
        rows = _rows(selection.workflow.id, [ticket_id for ticket_id, _ in part], size)
        for ticket_id, score in part:
            # What the index says of a ticket may be older than its row.
            if ticket_id in rows and _passes(filters, rows[ticket_id]):
                chosen.append((rows[ticket_id], score))
        if len(chosen) >= limit:
            break
    ids = [row["ticket_id"] for row, _ in chosen[:limit]]
    shown = previews(query, ids, include_comments=request.include_comments, prefix=_is_unfinished(request))
    results = []
    for row, score in chosen[:limit]:
        results.append(_result(row, score, shown[row["ticket_id"]]))
    return results


def _rows(workflow_id: str, ticket_ids: Sequence[str], size: int) -> dict[str, TicketRow]:
    padded = [*ticket_ids, *[""] * (size - len(ticket_ids))]
    values = {"workflow_id": workflow_id, "now": timezone.now(), **numbered("id", padded)}
    return {row["ticket_id"]: row for row in rows_of(_row_reading(size).run(values), ROW_FIELDS)}


@functools.cache
def _row_reading(size: int) -> Reading:
    wanted = Ticket.objects.filter(workflow_id=Mark("workflow_id"), pk__in=marks("id", size))
    return row_reading(wanted, ROW_FIELDS)


def _passes(filters: Filters, row: TicketRow) -> bool:
    folded = [tag.casefold() for tag in row["tags"]]
    return filters.match({**row, "workflow_id": filters.workflow_id, "tags_folded": folded, "model": ""})  # type: ignore[typeddict-item]  # what filters look at is there


def _unmatched(row: TicketRow) -> Preview:
    """What to show of a ticket where nothing was looked for."""
    return Preview(row["description"], escape(row["description"]), (), escape(row["title"]))


def _result(row: TicketRow, score: float, preview: Preview) -> SearchResult:
    return SearchResult(
        ticket_id=row["ticket_id"],
        key=row["key"],
        title=row["title"],
        description=row["description"],
        status=row["status"],
        priority=row["priority"],
        ticket_type=row["ticket_type"],
        relevance_score=round(score, 4),
        matched_in=list(preview.matched_in),
        preview=preview.text,
        preview_html=preview.html,
        title_html=preview.title_html,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        assigned_agent_id=row["assigned_agent_id"],
        tags=row["tags"],
        is_blocked=bool(row["is_blocked"]),
        is_resolved=bool(row["is_resolved"]),
        comment_count=row["comment_count"],
        commit_count=row["commit_count"],
    )


def _answer(request: SearchTickets, results: list[SearchResult], total: int) -> TicketsFound:
    search_type: SearchType = request.search_type
    return TicketsFound(
        query=request.query,
        search_type=search_type,
        results=results,
        total_found=total,
        search_time_ms=0.0,
        search_id="",
    )


def _cache_key(request: SearchTickets, query: str, filters: Filters) -> str:
    asked = repr(
        (query, request.search_type, request.limit, request.include_comments, _is_unfinished(request), filters)
    )
    return f"search:{hashlib.sha256(asked.encode()).hexdigest()}"


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
