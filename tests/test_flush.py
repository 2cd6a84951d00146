"""Transactional tests can be cleaned up after, although history and events are append-only."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction

from tickets.models import Agent, Event, Workflow


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", ["writes an event", "finds an empty log, and the triggers at work"])
def test_flush_empties_the_log_and_keeps_its_rules(turn: str) -> None:
    assert not Event.objects.exists()
    system = Agent.objects.get(id="system")

    workflow = Workflow.objects.create(id="flush", name="Flush", key_prefix="FLUSH", event_seq=1)
    Event.objects.create(workflow=workflow, agent=system, seq=1, type="board_updated", data={})
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Event.objects.all().delete()
