"""The search app: finds tickets by words and by meaning, and keeps their index."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class SearchConfig(AppConfig):
    name = "search"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from search.providers import provider
        from search.selectors.state import index_health
        from search.services.similar import SearchIndex
        from tickets import health, ports

        provider()  # what cannot be configured is said now, not by the first search
        ports.register(index=SearchIndex())
        health.register("search", index_health)
        _register_jobs()
        pre_migrate.connect(before_migrate, sender=self)
        post_migrate.connect(after_migrate, sender=self)


def before_migrate(plan: list[tuple[Any, bool]] | None = None, **_: Any) -> None:
    """Take the keyword index's triggers out of the way of a migration run."""
    from search.keyword import upkeep

    upkeep.before_migrate(plan)


def after_migrate(plan: list[tuple[Any, bool]] | None = None, **_: Any) -> None:
    """Put them back, and bring the keyword index up to date."""
    from search.keyword import upkeep

    upkeep.after_migrate(plan)


def _load_model() -> None:
    """So that the first ticket does not wait for it."""
    from search.providers import provider

    provider().embed_query("ready")


def _register_jobs() -> None:
    from django.conf import settings

    from search.keyword import merge_keyword_index
    from search.services import indexing
    from search.services.server_sync import server_check, server_sync
    from tickets import worker

    worker.register(worker.Job("merge the keyword index", 600.0, merge_keyword_index))
    if settings.EMBEDDING.provider == "none":
        return
    if settings.EMBEDDING.provider == "local":
        worker.register(worker.Job("load the embedding model", 3600.0, _load_model))
    worker.register(worker.Job("collect changes for the index", 0.2, indexing.jobs_collect))
    worker.register(worker.Job("index tickets", 0.2, indexing.jobs_run))
    worker.register(worker.Job("reconcile the index", 600.0, indexing.jobs_reconcile))
    if settings.QDRANT_URL:
        worker.register(worker.Job("bring the vector store up to date", 0.2, server_sync))
        worker.register(worker.Job("see that the vector store has lost nothing", 30.0, server_check))
