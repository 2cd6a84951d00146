"""Tickets that say the same, by the real local model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from search import mirror
from search.models import IndexJob
from search.providers import use
from search.providers.guard import Guarded
from search.providers.local import LocalProvider
from search.services.indexing import jobs_collect, jobs_run
from tests.boards.insights_world import Watched
from tickets.models import Ticket

pytestmark = pytest.mark.django_db

_local = LocalProvider()
TIMEOUT = {
    "title": "Login request times out under load",
    "description": "With more than 500 users at once the authentication service answers after 30 seconds or never.",
}
REWORDED = {
    "title": "Sign-in request times out under heavy load",
    "description": "When over 500 users log in at once the authentication service takes 30 seconds or never answers.",
}
OTHER = {
    "title": "Add a dark theme to the settings page",
    "description": "People who work at night ask for colours that do not blind them, switched in their settings.",
}


@pytest.fixture
def _local_embeddings() -> Iterator[None]:
    cache.clear()
    with use(Guarded(_local)):
        yield
    mirror.forget()
    cache.clear()


def settle(world: Watched) -> None:
    """Let the worker embed what took too long while its ticket was created."""
    while jobs_collect() or jobs_run() or IndexJob.objects.exists():
        world.wait(seconds=60)


@pytest.mark.usefixtures("_local_embeddings")
def test_pairs_are_found_until_they_are_tied_together(world: Watched) -> None:
    older, _ = world.ticket(**TIMEOUT), world.ticket(**OTHER)
    newer = world.ticket(**REWORDED)
    settle(world)
    finding = world.finding("duplicates")
    assert finding["keys"] == [newer.key, older.key]
    assert 0.75 <= finding["evidence"]["similarity_score"] < 1
    assert finding["suggestion"]["operation"] == "ticket_update"
    world.carry_out(finding)
    newer.refresh_from_db()
    assert newer.related_ticket_ids == [older.id]
    assert world.insights("duplicates")["findings"] == world.insights("duplicates")["unavailable"] == []


@pytest.mark.usefixtures("_local_embeddings")
def test_what_is_finished_is_no_duplicate_any_more(world: Watched) -> None:
    older = world.ticket(**TIMEOUT)
    world.ticket(**REWORDED)
    world.ticket(**OTHER)
    world.resolve(older)
    settle(world)
    answer = world.insights("duplicates")
    assert (answer["findings"], answer["unavailable"]) == ([], [])


def test_without_embeddings_it_says_that_it_cannot_tell(world: Watched) -> None:
    for fields in (TIMEOUT, REWORDED):
        world.ticket(**fields)
    Ticket.objects.update(priority="critical")
    answer = world.insights()
    assert answer["unavailable"] == ["duplicates"]
    assert "Search cannot tell duplicates" in answer["message"]
    assert answer["counts"]["agent_idle"] == 3
    assert world.insights("unassigned")["unavailable"] == []
