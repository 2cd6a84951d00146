"""Which provider this process uses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from search.providers.base import EmbeddingProvider
from search.providers.guard import Guarded
from search.providers.local import LocalProvider
from search.providers.none import NoProvider
from search.providers.openai import OpenAIProvider
from search.providers.voyage import VoyageProvider


class Configuration(Protocol):
    """``settings.EMBEDDING``."""

    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str | None: ...
    @property
    def dimensions(self) -> int | None: ...
    @property
    def api_key(self) -> str: ...
    @property
    def base_url(self) -> str | None: ...


_lock = threading.Lock()
_current: Guarded | None = None


def provider() -> Guarded:
    """The provider of ``settings.EMBEDDING``, one for the process. Cheap; asks and loads nothing.

    Raises ImproperlyConfigured where the settings name what the provider does not have.
    """
    global _current
    with _lock:
        if _current is None:
            _current = Guarded(make(settings.EMBEDDING))
        return _current


def make(configuration: Configuration) -> EmbeddingProvider:
    """The provider that is configured. Raises ImproperlyConfigured."""
    if configuration.provider == "none":
        return NoProvider()
    if configuration.provider == "local":
        local = LocalProvider()
        if configuration.model not in (None, local.model) or configuration.dimensions not in (None, local.dimensions):
            raise ImproperlyConfigured(
                f"The local embedding model is {local.model} with {local.dimensions} dimensions: for another, set "
                "EMBEDDING_PROVIDER, or leave EMBEDDING_MODEL and EMBEDDING_DIMENSIONS unset."
            )
        return local
    remote: type[OpenAIProvider | VoyageProvider] = (
        OpenAIProvider if configuration.provider == "openai" else VoyageProvider
    )
    return remote(
        configuration.model,
        configuration.dimensions,
        api_key=configuration.api_key,
        base_url=configuration.base_url,
    )


@contextmanager
def use(other: EmbeddingProvider) -> Iterator[Guarded]:
    """Within, ``provider()`` is this one, for every thread. For tests and for a command's ``--provider``."""
    global _current
    guarded = other if isinstance(other, Guarded) else Guarded(other)
    with _lock:
        before, _current = _current, guarded
    try:
        yield guarded
    finally:
        with _lock:
            _current = before
