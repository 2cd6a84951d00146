"""Why half of a search, or an index, cannot work just now. None of these reaches a client as it is."""

from __future__ import annotations


class SearchPartDown(Exception):
    """A part of search cannot answer; the message says why in words for a person, without secrets."""


class ProviderDown(SearchPartDown):
    """The embedding provider did not answer, not in time, or not with vectors that can be used."""


class ProviderRefused(ProviderDown):
    """The provider answered that it will never take this input or key: asking again does not help."""


class StoreDown(SearchPartDown):
    """The vector store did not answer, or not in time."""
