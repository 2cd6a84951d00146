"""What tests of search begin with: the real local model, the same for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from search import mirror
from search.providers import use
from search.providers.guard import Guarded
from search.providers.local import LocalProvider
from tests.factories import AgentWithToken, make_agent, make_workflow

_local = LocalProvider()


@pytest.fixture
def local_embeddings() -> Iterator[None]:
    """The local model instead of none."""
    cache.clear()
    with use(Guarded(_local)):
        yield
    mirror.forget()
    cache.clear()


@pytest.fixture
def agent(db: None) -> AgentWithToken:
    return make_agent(make_workflow())
