"""What every test rests on: a data folder of its own, fit tests for the database at hand, a working flush."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import django
import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase

from tests import services

# Settings are read once, so the environment has to be right before Django is set up: a data folder
# for each xdist worker, and nothing of what the developer's shell configures (DATABASE_URL apart).
for name in list(os.environ):
    if name.startswith(("HEPHAESTUS_", "EMBEDDING_", "OPENAI_", "QDRANT_", "REDIS_", "VOYAGE_")):
        del os.environ[name]
DATA_DIR = os.environ["HEPHAESTUS_DATA_DIR"] = tempfile.mkdtemp(prefix="hephaestus-tests-")
# The model costs seconds in each process; tests of search say that they want it.
os.environ["EMBEDDING_PROVIDER"] = "none"
with pytest.MonkeyPatch.context() as patch:
    # Not left in the environment: a worker that inherits it would load the settings before this file.
    patch.setenv("DJANGO_SETTINGS_MODULE", "hephaestus_site.settings")
    django.setup()
# What a strong hash is for costs each signed-in test half a second.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _write_notes_when_asked() -> None:
    """A thread that writes now and then would disturb tests whose transaction it does not see."""
    from search.services.records import notes

    notes.delay = None


_write_notes_when_asked()


def pytest_configure(config: pytest.Config) -> None:
    config.add_cleanup(lambda: shutil.rmtree(DATA_DIR, ignore_errors=True))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A name for long texts: they would become part of the environment of all that a test starts."""
    return f"{argname} of {len(val)}" if isinstance(val, (str, bytes)) and len(val) > 100 else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the other database is meant for, and pages where there is no browser.

    One worker drives all pages: two browsers at once wait for each other. A page that was slow has two more chances,
    which the report names. Modules with a server of their own are not spread over the workers either.
    """
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("browser"))
            item.add_marker(pytest.mark.flaky(reruns=2))
        elif item.get_closest_marker("slow") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    unfit = "sqlite_only" if connection.vendor == "postgresql" else "postgres_only"
    deselected = [item for item in items if item.get_closest_marker(unfit)]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if not item.get_closest_marker(unfit)]
    if "Chromium" in services.missing():
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say last, where it is read, what this machine could not test."""
    missing = services.missing()
    if not services.find_program("npm"):
        missing.append("npm (conformance of the MCP bridge)")
    if missing:
        terminalreporter.section("NOT TESTED HERE", red=True, bold=True)
        terminalreporter.line(f"Not installed, so their tests did not run: {', '.join(missing)}")


_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]  # private, so not in the stubs


def _flush_append_only_tables(case: TransactionTestCase) -> None:
    """Empty the tables after a transactional test; history and events refuse while their triggers stand.

    The flush ends with the post_migrate signal, which brings the system agent back.
    """
    from tickets.models.triggers import drop_triggers, install_triggers

    drop_triggers(connection)
    try:
        _flush(case)
    finally:
        install_triggers(connection)


TransactionTestCase._fixture_teardown = _flush_append_only_tables  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def redis_url(worker_id: str) -> Iterator[str]:
    """A Redis database that no other xdist worker uses; its server is started here where none was given."""
    if "Redis" in services.missing():
        pytest.skip("Redis is not installed")
    database = worker_id.removeprefix("gw") if worker_id != "master" else "0"
    if given := os.environ.get("TEST_REDIS_URL"):
        yield f"{given}/{database}"
        return
    with services.redis_server() as url:
        yield f"{url}/{database}"
