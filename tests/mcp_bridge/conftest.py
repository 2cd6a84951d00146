from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mcp_bridge.clients import Place, place


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One installation for a module's tests; each makes tickets of its own."""
    with place(tmp_path_factory.mktemp("mcp") / "data") as made:
        yield made
