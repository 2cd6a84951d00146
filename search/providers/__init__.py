"""Embedding providers: what turns text into vectors, locally or by a service."""

from search.providers.registry import make, provider, use

__all__ = ["make", "provider", "use"]
