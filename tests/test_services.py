"""The servers that tests run on: they answer, and nothing of them stays."""

from __future__ import annotations

import signal
import subprocess
import sys

import psycopg
import pytest
import redis

from tests import services

pytestmark = [
    pytest.mark.sqlite_only,  # nothing here depends on the database under test
    pytest.mark.skipif(bool(services.missing()), reason=f"not installed: {', '.join(services.missing())}"),
]


def test_postgres_orders_text_as_a_language_does() -> None:
    with services.postgres_server() as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT 'a' < 'B', 'a' < 'B' COLLATE \"C\"").fetchone() == (True, False)


def test_redis_keeps_nothing_on_disk(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    assert client.config_get("save", "appendonly") == {"save": "", "appendonly": "no"}


def test_servers_end_with_a_run_that_is_told_to_stop() -> None:
    script = "import os, time; print(os.environ['TEST_POSTGRES_URL'], os.environ['TEST_REDIS_URL'], flush=True)"
    command = [sys.executable, "-m", "tests.services", "--", sys.executable, "-c", f"{script}; time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        postgres_url, redis_url = run.stdout.readline().split()
        psycopg.connect(postgres_url).close()
        assert redis.Redis.from_url(redis_url).ping()
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 128 + signal.SIGTERM

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_url)
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(redis_url).ping()


def test_a_run_ends_with_the_exit_code_of_its_command() -> None:
    assert services.main(["--", sys.executable, "-c", "import sys; sys.exit(7)"]) == 7


def test_a_run_without_a_service_fails_in_ci_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "missing", lambda: ["PostgreSQL", "Redis"])
    command = ["--", sys.executable, "-c", "import os, sys; sys.exit('TEST_POSTGRES_URL' in os.environ)"]
    monkeypatch.delenv("TEST_POSTGRES_URL", raising=False)

    monkeypatch.delenv("CI", raising=False)
    assert services.main(command) == 0
    monkeypatch.setenv("CI", "true")
    assert services.main(command) == 1
