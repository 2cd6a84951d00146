"""Vector stores: this process's own, and a Qdrant server's where one is configured."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from search.stores.base import VectorStore

if TYPE_CHECKING:
    from search.stores.server import ServerStore

log = structlog.get_logger(__name__)


def local_store(dimensions: int) -> VectorStore:
    """A new, empty store of this process: the embedded Qdrant, or numpy where there is no wheel of it."""
    try:
        from search.stores.edge import EdgeStore
    except ImportError:
        from search.stores.exact import ExactStore

        log.info("the embedded Qdrant is not installed: vectors are compared by numpy")
        return ExactStore(dimensions)
    return EdgeStore(dimensions)


def server_store(dimensions: int) -> ServerStore | None:
    """The store on the server that ``QDRANT_URL`` names, one for all callers in this process; None without one."""
    if not settings.QDRANT_URL:
        return None
    return _server_store(settings.QDRANT_URL, settings.QDRANT_API_KEY, dimensions)


@functools.cache
def _server_store(url: str, api_key: str, dimensions: int) -> ServerStore:
    from search.stores.server import ServerStore

    return ServerStore(url, api_key, dimensions)
