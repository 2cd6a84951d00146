"""Makes and keeps embeddings: jobs out of the event log, done in the background with retries.

The event log is the outbox: what a command commits there, no crash between it and the job can lose. Nothing
that may take long runs inside a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from search.embedding import Content, Embedded, as_bytes, embed_contents, from_bytes
from search.errors import ProviderDown, ProviderRefused
from search.models import IndexJob, IndexState, TicketEmbedding
from search.points import comment_texts
from search.providers import provider
from search.providers.base import fingerprint
from tickets.models import Event, Ticket, Workflow
from tickets.unit import Unit, write_transaction

log = structlog.get_logger(__name__)

EVENTS = 2000
BATCH = 16
# A job is somebody's for so long; whoever died with it loses it.
HELD_FOR = timedelta(seconds=60)
LONGEST_WAIT = timedelta(minutes=1)
REFUSED_WAIT = timedelta(minutes=10)
COMMENTS_EACH = 5
_NEXT_SEQ = """
INSERT INTO search_index_states (workflow_id, vector_seq, events_seen, server_events, server_vectors, server_model)
VALUES (%s, %s, 0, 0, 0, '')
ON CONFLICT (workflow_id) DO UPDATE SET vector_seq = search_index_states.vector_seq + excluded.vector_seq
RETURNING vector_seq
"""
EMBEDDED_FIELDS = {"title", "description", "tags"}


def jobs_collect(limit: int = EVENTS) -> bool:
    """Turn events of all workflows into jobs; whether there may be more.

    The design's triggers: a ticket is created, its title, description or tags change, it moves to another
    column, every fifth comment.
    """
    behind = Workflow.objects.filter(
        Q(index_state=None, event_seq__gt=0) | Q(event_seq__gt=F("index_state__events_seen"))
    )
    more = False
    for workflow in behind.values_list("pk", "event_seq", "events_pruned_through", "index_state__events_seen"):
        more |= _collect(*workflow, limit=limit)
    return more


def jobs_reconcile(limit: int = 1000) -> bool:
    """Add jobs for tickets without an embedding of the present model; whether there may be more.

    What the events cannot tell: another model, tickets older than the log, an index that was emptied.
    """
    current = TicketEmbedding.objects.filter(ticket_id=OuterRef("pk"), model=fingerprint(provider()))
    waiting = IndexJob.objects.filter(ticket_id=OuterRef("pk"))
    missing = Ticket.objects.filter(~Exists(current), ~Exists(waiting)).order_by("pk")
    found = list(missing.values_list("pk", "workflow_id")[:limit])
    if found:
        with write_transaction():
            _enqueue(found)
    return len(found) == limit


def jobs_add(workflow_id: str | None = None, *, changed_only: bool = False) -> int:
    """Add a job for each ticket (of a workflow); ``changed_only`` for those whose content is another than embedded.

    Returns how many. Without ``changed_only`` vectors are made anew, also where nothing has changed.
    """
    tickets = Ticket.objects.all() if workflow_id is None else Ticket.objects.filter(workflow_id=workflow_id)
    added = 0
    ids = list(tickets.order_by("pk").values_list("pk", "workflow_id"))
    for first in range(0, len(ids), 500):
        chunk = ids[first : first + 500]
        if changed_only:
            stale = _stale([ticket_id for ticket_id, _ in chunk])
            chunk = [pair for pair in chunk if pair[0] in stale]
        with write_transaction():
            if not changed_only:
                TicketEmbedding.objects.filter(pk__in=[ticket_id for ticket_id, _ in chunk]).update(content_hash="")
            _enqueue(chunk)
        added += len(chunk)
    return added


def jobs_run(limit: int = BATCH) -> bool:
    """Do jobs that are due, at most ``limit``; whether there may be more. Several processes may do this at once."""
    held = _hold(limit)
    if not held:
        return False
    contents = contents_of([job.ticket_id for job in held])
    try:
        embedded = _embedded(contents)
    except ProviderDown as error:
        if isinstance(error, ProviderRefused) and len(held) > 1:
            # One of them may be at fault: each by itself.
            for job in held:
                _run_one(job, contents)
            return True
        _postpone(held, error)
        return False
    _store(held, contents, embedded)
    return len(held) == limit


def embedding_insert(*, unit: Unit, ticket_id: str, content: Content, embedded: Embedded | None) -> None:
    """Write the embedding row of a new ticket, inside the transaction that creates it."""
    row = TicketEmbedding(ticket_id=ticket_id, workflow_id=unit.workflow.id, text_hash=content.text_hash)
    if embedded is not None:
        _fill(row, content, embedded, next_seqs(unit.workflow.id, 1)[0])
    unit.writes.insert([row])


def next_seqs(workflow_id: str, count: int) -> Sequence[int]:
    """The workflow's next numbers for changed embeddings. Its state's row stays locked until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_SEQ, [workflow_id, count])
        last: int = cursor.fetchone()[0]
    return range(last - count + 1, last + 1)


def contents_of(ticket_ids: Sequence[str]) -> dict[str, Content]:
    """What is embedded of these tickets. Two queries, and one for each that has comments."""
    rows = Ticket.objects.filter(pk__in=ticket_ids).values_list("pk", "title", "description", "tags", "comment_count")
    found = list(rows)
    comments = comment_texts(ticket_id for ticket_id, *_, count in found if count)
    return {
        ticket_id: Content(title, description, tuple(tags), tuple(comments.get(ticket_id, ())))
        for ticket_id, title, description, tags, _ in found
    }


def _collect(workflow_id: str, newest: int, pruned: int, seen: int | None, *, limit: int) -> bool:
    start = max(seen or 0, pruned)
    upto = min(newest, start + limit)
    events = Event.objects.filter(workflow_id=workflow_id, seq__gt=start, seq__lte=upto, ticket_id__isnull=False)
    wanted: dict[str, None] = {}
    commented: dict[str, int] = {}
    for kind, ticket_id, data in events.order_by("seq").values_list("type", "ticket_id", "data"):
        assert ticket_id is not None
        if kind == "comment_added":
            commented[ticket_id] = commented.get(ticket_id, 0) + 1
        elif kind in ("ticket_created", "status_changed") or (
            kind == "ticket_updated" and EMBEDDED_FIELDS & set(data.get("fields", ()))
        ):
            wanted[ticket_id] = None
    wanted.update(dict.fromkeys(_fifth_comment(commented)))
    # A ticket that changes after this look has a further event.
    stale = _stale(list(wanted))
    with write_transaction():
        state, _ = IndexState.objects.select_for_update().get_or_create(workflow_id=workflow_id)
        if state.events_seen != (seen or 0):
            return True  # another process was faster
        _enqueue([(ticket_id, workflow_id) for ticket_id in wanted if ticket_id in stale])
        IndexState.objects.filter(pk=workflow_id).update(events_seen=upto)
    return upto < newest


def _fifth_comment(added: dict[str, int]) -> list[str]:
    """Tickets that came past a multiple of five comments with these many more."""
    counts = dict(Ticket.objects.filter(pk__in=added).values_list("pk", "comment_count")) if added else {}
    return [
        ticket_id
        for ticket_id, count in counts.items()
        if count // COMMENTS_EACH > max(0, count - added[ticket_id]) // COMMENTS_EACH
    ]


def _stale(ticket_ids: Sequence[str]) -> set[str]:
    """Those of the tickets whose embedding is missing, of another model or of another content."""
    model = fingerprint(provider())
    rows = TicketEmbedding.objects.filter(pk__in=ticket_ids, model=model)
    hashes = dict(rows.values_list("pk", "content_hash"))
    contents = contents_of(ticket_ids)
    return {ticket_id for ticket_id in contents if contents[ticket_id].content_hash != hashes.get(ticket_id)}


def _enqueue(tickets: Iterable[tuple[str, str]]) -> None:
    """A job for each (ticket, workflow); one that waits already becomes due, with a new revision."""
    now = timezone.now()
    jobs = [IndexJob(ticket_id=t, workflow_id=w, due_at=now, queued_at=now) for t, w in tickets]
    waiting = IndexJob.objects.filter(pk__in=[job.pk for job in jobs])
    waiting.update(revision=F("revision") + 1, due_at=now, attempts=0, error="")
    IndexJob.objects.bulk_create(jobs, ignore_conflicts=True)


def _hold(limit: int) -> list[IndexJob]:
    """Take jobs that are due, for a while: another process passes them over."""
    now = timezone.now()
    if not IndexJob.objects.filter(due_at__lte=now).exists():
        return []
    with write_transaction():
        due = IndexJob.objects.filter(due_at__lte=now).order_by("due_at", "pk")
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True)
        held = list(due[:limit])
        IndexJob.objects.filter(pk__in=[job.pk for job in held]).update(
            due_at=now + HELD_FOR, attempts=F("attempts") + 1
        )
    return held


def _embedded(contents: dict[str, Content]) -> dict[str, Embedded | None]:
    """Vectors of the contents; None for a ticket that has these already. Raises ProviderDown."""
    current = provider()
    hashes = {content.content_hash for content in contents.values()}
    same = TicketEmbedding.objects.filter(content_hash__in=hashes, model=fingerprint(current)).exclude(vector=b"")
    known: dict[str, Embedded] = {}
    owners: dict[str, str] = {}
    for row in same:
        known[row.content_hash] = Embedded(from_bytes(row.vector), from_bytes(row.text_vector))
        owners[row.pk] = row.content_hash
    rest = {c.content_hash: c for c in contents.values() if c.content_hash not in known}
    made = embed_contents(current.embed_documents, list(rest.values())) if rest else []
    known |= dict(zip(rest, made, strict=True))
    return {
        ticket_id: None if owners.get(ticket_id) == content.content_hash else known[content.content_hash]
        for ticket_id, content in contents.items()
    }


def _store(held: Sequence[IndexJob], contents: dict[str, Content], embedded: dict[str, Embedded | None]) -> None:
    by_workflow: dict[str, list[IndexJob]] = {}
    for job in held:
        by_workflow.setdefault(job.workflow_id, []).append(job)
    for workflow_id, jobs in by_workflow.items():
        with write_transaction():
            changed = [job for job in jobs if embedded.get(job.ticket_id) is not None]
            seqs = next_seqs(workflow_id, len(changed)) if changed else ()
            for job, seq in zip(changed, seqs, strict=True):
                vectors, content = embedded[job.ticket_id], contents[job.ticket_id]
                assert vectors is not None
                row = TicketEmbedding(ticket_id=job.ticket_id, workflow_id=workflow_id, text_hash=content.text_hash)
                _fill(row, content, vectors, seq)
                TicketEmbedding.objects.update_or_create(pk=row.pk, defaults=_values(row))
            for job in jobs:
                # Unless the ticket has changed meanwhile.
                IndexJob.objects.filter(pk=job.pk, revision=job.revision).delete()
                IndexJob.objects.filter(pk=job.pk).update(due_at=timezone.now())


def _run_one(job: IndexJob, contents: dict[str, Content]) -> None:
    own = {ticket_id: content for ticket_id, content in contents.items() if ticket_id == job.ticket_id}
    try:
        _store([job], own, _embedded(own))
    except ProviderDown as error:
        _postpone([job], error)


def _postpone(held: Sequence[IndexJob], error: ProviderDown) -> None:
    """Try again later: after 2, 4, 8 … up to 60 s; after minutes where the provider refuses it, as with a wrong key."""
    now = timezone.now()
    log.warning("embedding failed", tickets=len(held), error=str(error))
    with write_transaction():
        for job in held:
            wait = min(timedelta(seconds=2 ** min(job.attempts, 10)), LONGEST_WAIT)
            if isinstance(error, ProviderRefused):
                wait = REFUSED_WAIT
            IndexJob.objects.filter(pk=job.pk, revision=job.revision).update(due_at=now + wait, error=str(error)[:500])


def _fill(row: TicketEmbedding, content: Content, embedded: Embedded, seq: int) -> None:
    row.model = fingerprint(provider())
    row.vector, row.text_vector = as_bytes(embedded.vector), as_bytes(embedded.text_vector)
    row.content_hash, row.seq, row.embedded_at = content.content_hash, seq, timezone.now()


def _values(row: TicketEmbedding) -> dict[str, Any]:
    fields = (field.attname for field in row._meta.concrete_fields if not field.primary_key)
    return {name: getattr(row, name) for name in fields}
