"""The search app: finds tickets by words and by meaning, and keeps their index."""

from __future__ import annotations

from django.apps import AppConfig


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


def _register_jobs() -> None:
    from django.conf import settings

    from search.services import indexing
    from search.services.server_sync import server_check, server_sync
    from tickets import worker

    if settings.EMBEDDING.provider == "none":
        return
    worker.register(worker.Job("collect changes for the index", 0.2, indexing.jobs_collect))
    worker.register(worker.Job("index tickets", 0.2, indexing.jobs_run))
    worker.register(worker.Job("reconcile the index", 600.0, indexing.jobs_reconcile))
    if settings.QDRANT_URL:
        worker.register(worker.Job("bring the vector store up to date", 0.2, server_sync))
        worker.register(worker.Job("see that the vector store has lost nothing", 30.0, server_check))
