"""Retention: the event log forgets what is old. History never does."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Min
from django.utils import timezone

from tickets.models import Event, InboxEntry, Workflow
from tickets.unit import write_transaction

BATCH = 1000


def events_prune(*, keep_days: float | None = None, keep: int | None = None) -> int:
    """Delete the events older than ``keep_days``, or all but the newest ``keep`` of each workflow; returns how many.

    First the workflow says up to where its log is pruned (the trigger lets go of nothing else), then the events
    go in batches, so that writers get their turn. Cut short, the next call goes on. With both limits an event
    goes only where both let it.
    """
    if keep_days is None and keep is None:
        raise ValueError("say keep_days, keep or both")
    return sum(
        _prune(workflow_id, keep_days, keep)
        for workflow_id in Workflow.objects.order_by("pk").values_list("pk", flat=True)
    )


def _prune(workflow_id: str, keep_days: float | None, keep: int | None) -> int:
    with write_transaction():
        workflow = Workflow.objects.select_for_update(no_key=True).get(pk=workflow_id)
        limits = [_before_days(workflow, keep_days)] if keep_days is not None else []
        limits += [workflow.event_seq - keep] if keep is not None else []
        through = max(workflow.events_pruned_through, min(limits))
        if through != workflow.events_pruned_through:
            Workflow.objects.filter(pk=workflow_id).update(events_pruned_through=through)
            InboxEntry.objects.filter(workflow_id=workflow_id, seq__lte=through).delete()
    deleted = 0
    while batch := _delete_batch(workflow_id, through):
        deleted += batch
    return deleted


def _before_days(workflow: Workflow, days: float) -> int:
    """The newest event older than so many days. Times never run backwards within a workflow, so one look does."""
    young = Event.objects.filter(workflow=workflow, timestamp__gte=timezone.now() - timedelta(days=days))
    first = young.order_by("seq").values_list("seq", flat=True).first()
    return workflow.event_seq if first is None else first - 1


def _delete_batch(workflow_id: str, through: int) -> int:
    old = Event.objects.filter(workflow_id=workflow_id, seq__lte=through)
    oldest = old.aggregate(seq=Min("seq"))["seq"]
    if oldest is None:
        return 0
    with write_transaction():
        return old.filter(seq__lt=oldest + BATCH).delete()[0]
