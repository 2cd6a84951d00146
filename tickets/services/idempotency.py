"""One answer per idempotency key, whatever happens to the connection in between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel

from tickets.access import Actor
from tickets.errors import IdempotencyMismatch
from tickets.models import IdempotencyRecord
from tickets.schemas.base import Answer
from tickets.unit import write_transaction

KEPT_FOR = timedelta(hours=24)
AnswerT = TypeVar("AnswerT", bound=Answer)


def once(
    *,
    actor: Actor,
    key: str,
    operation: str,
    request: BaseModel,
    answer: type[AnswerT],
    prepare: Callable[[], Callable[[], AnswerT]],
) -> AnswerT:
    """Run the operation, or return the answer that the same key had within 24 hours.

    ``prepare`` does what is slow, before the transaction, and returns what runs in it. The record is written in
    that transaction, so only what took effect is kept. A second request while the first runs waits: for the
    write lock on SQLite, for the unique row on PostgreSQL.
    Raises IdempotencyMismatch where the key came with another body or operation.
    """
    digest = _digest(operation, request)
    # Before anything is prepared: a repeated create would find its own ticket to be a duplicate.
    fresh = IdempotencyRecord.objects.filter(created_at__gte=timezone.now() - KEPT_FOR)
    known = fresh.filter(agent_id=actor.agent_id, key=key, answer__isnull=False).first()
    if known is not None:
        return _repeated(known, digest, answer)
    run = prepare()
    with write_transaction():
        record = _claim(actor, key, operation, digest)
        if record.answer is not None:
            return _repeated(record, digest, answer)
        result = run()
        if not getattr(result, "success", True):
            # Nothing took effect (a bulk update of which each part was refused): the key stays free.
            record.delete()
            return result
        record.answer = result.model_dump(mode="json", exclude=set(answer.SECRETS))
        record.save(update_fields=["answer"])
    return result


def _repeated(record: IdempotencyRecord, digest: str, answer: type[AnswerT]) -> AnswerT:
    if record.request_hash != digest:
        raise IdempotencyMismatch(
            f"The idempotency key {record.key!r} was used for another request. Use a new key for a new request.",
            field="idempotency_key",
        )
    return answer.model_validate(record.answer)


def prune(limit: int = 500) -> int:
    """Delete records older than 24 hours, at most ``limit``; returns how many."""
    old = IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT_FOR)
    ids = list(old.values_list("pk", flat=True)[:limit])
    if not ids:
        return 0
    with write_transaction():
        return IdempotencyRecord.objects.filter(pk__in=ids).delete()[0]


def _claim(actor: Actor, key: str, operation: str, digest: str) -> IdempotencyRecord:
    now = timezone.now()
    fresh = {"operation": operation, "request_hash": digest, "created_at": now}
    with transaction.atomic():
        record, _ = IdempotencyRecord.objects.select_for_update().get_or_create(
            agent_id=actor.agent_id, key=key, defaults=fresh
        )
    if record.created_at < now - KEPT_FOR:
        for name, value in {**fresh, "answer": None}.items():
            setattr(record, name, value)
        record.save()
    return record


def _digest(operation: str, request: BaseModel) -> str:
    body = request.model_dump(mode="json", exclude={"idempotency_key"}, exclude_unset=True)
    text = json.dumps([operation, body], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
