"""What tests of search begin with: the real local model, the same for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from search.keyword.sqlite import forget_counts
from search.providers import use
from search.providers.guard import Guarded
from search.providers.local import LocalProvider
from search.services.records import notes
from tests.factories import AgentWithToken, make_agent, make_workflow

_local = LocalProvider()


@pytest.fixture
def local_embeddings() -> Iterator[None]:
    """The local model instead of none."""
    _local.embed_query("Loaded before anything is timed.")
    cache.clear()
    with use(Guarded(_local)):
        yield


@pytest.fixture(autouse=True)
def _nothing_of_others() -> None:
    notes._rows.clear()
    forget_counts()


@pytest.fixture
def agent(db: None) -> AgentWithToken:
    return make_agent(make_workflow())
