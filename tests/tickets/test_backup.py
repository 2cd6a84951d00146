"""backup while the server runs, restore while it does not."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections

from tests.factories import make_agent, make_ticket, make_workflow
from tickets import backup as backups
from tickets.backup import SERVE_LOCK, BackupError, backup, restore, serving
from tickets.models import Ticket, Workflow
from tickets.models.triggers import drop_triggers
from tickets.selectors.integrity import integrity_findings

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "copy.backup"


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    yield
    for pattern in ("*.before-restore-*", "before-restore-*.dump"):
        for left in settings.DATA_DIR.glob(pattern):
            left.unlink()


def titles() -> list[str]:
    return list(Ticket.objects.order_by("number").values_list("title", flat=True))


def test_what_was_backed_up_comes_back(target: Path) -> None:
    agent = make_agent(make_workflow("flow"))
    make_ticket(agent, title="Before")
    assert backup(target) == target.stat().st_size > 0
    make_ticket(agent, title="After")

    old = restore(target)

    assert titles() == ["Before"]
    assert list(integrity_findings()) == []
    make_ticket(agent, title="Goes on")
    assert old is not None
    assert old.exists()


def test_a_copy_made_under_writers_is_consistent(target: Path) -> None:
    agent = make_agent(make_workflow("flow"))
    make_ticket(agent)
    stop = threading.Event()

    def write() -> None:
        try:
            while not stop.is_set():
                make_ticket(agent)
        finally:
            connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            backup(target, force=True)
    finally:
        stop.set()
        writer.join()
    restore(target)
    assert list(integrity_findings()) == []
    assert Workflow.objects.get().next_number == Ticket.objects.count() + 1


def test_an_existing_file_is_kept_unless_forced(target: Path) -> None:
    target.write_text("mine")
    with pytest.raises(BackupError, match="exists already"):
        backup(target)
    assert target.read_text() == "mine"
    backup(target, force=True)
    assert target.read_bytes() != b"mine"


def test_a_failed_backup_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackupError, match="does not exist"):
        backup(tmp_path / "nowhere" / "copy")
    with pytest.raises(BackupError, match="is a folder"):
        backup(tmp_path)

    def fail(*_: Any) -> None:
        raise BackupError("disk full")

    monkeypatch.setattr(backups, "_copy_sqlite", fail)
    monkeypatch.setattr(backups, "_dump_postgres", fail)
    with pytest.raises(BackupError, match="disk full"):
        backup(tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_is_its_owners_alone(target: Path) -> None:
    backup(target)
    assert target.stat().st_mode & 0o077 == 0


def test_restore_refuses_what_is_no_backup(tmp_path: Path) -> None:
    make_ticket(make_agent(make_workflow("flow")), title="Stays")
    with pytest.raises(BackupError, match="does not exist"):
        restore(tmp_path / "nothing")
    text = tmp_path / "text"
    text.write_text("This is no database, and long enough to be taken for a file with a header." * 20)
    with pytest.raises(BackupError, match="is no backup"):
        restore(text)
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(BackupError, match="is no backup"):
        restore(empty)
    assert titles() == ["Stays"]
    assert not list(settings.DATA_DIR.glob("*before-restore*"))


@pytest.mark.sqlite_only
def test_restore_refuses_a_newer_version_and_damage(target: Path) -> None:
    make_ticket(make_agent(make_workflow("flow")), title="Stays")
    backup(target)
    newer = target.with_name("newer")
    shutil.copyfile(target, newer)
    with closing(sqlite3.connect(newer)) as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('tickets', '9999_future', '2030-01-01')"
        )
        database.commit()
    with pytest.raises(BackupError, match=r"newer version.*9999_future"):
        restore(newer)

    content = bytearray(target.read_bytes())
    content[4096:40960] = os.urandom(36864)
    target.write_bytes(bytes(content))
    with pytest.raises(BackupError, match=r"damaged|is no backup"):
        restore(target)
    assert titles() == ["Stays"]


@pytest.mark.postgres_only
def test_restore_refuses_a_newer_version_on_postgresql(target: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('tickets', '9999_future', now())")
        try:
            backup(target)
        finally:
            cursor.execute("DELETE FROM django_migrations WHERE name = '9999_future'")
    with pytest.raises(BackupError, match=r"newer version.*9999_future"):
        restore(target)


@pytest.mark.postgres_only
def test_restore_refuses_while_others_are_connected(target: Path) -> None:
    backup(target)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT 1")
        with pytest.raises(BackupError, match="other sessions"):
            restore(target)
    finally:
        other.close()
    restore(target)


@pytest.mark.postgres_only
def test_tables_of_a_newer_version_give_way(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup(target)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE newer (ticket_id varchar REFERENCES tickets (id))")
    known = connection.introspection.django_table_names

    def with_newer(*arguments: Any, **options: Any) -> list[str]:
        return [*known(*arguments, **options), "newer"]

    monkeypatch.setattr(type(connection.introspection), "django_table_names", lambda self, *a, **o: with_newer(*a, **o))
    restore(target)
    assert "newer" not in connection.introspection.table_names()


def test_restore_refuses_while_a_server_uses_the_data_folder(target: Path) -> None:
    backup(target)
    with serving(), serving():
        with pytest.raises(BackupError, match="A server uses this data folder"):
            restore(target)
        restore(target, force=True)
    restore(target)


def test_a_server_does_not_start_during_a_restore() -> None:
    handle = os.open(settings.DATA_DIR / SERVE_LOCK, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="restore is under way"), serving():
            raise AssertionError("served")
    finally:
        os.close(handle)


def test_the_lock_goes_with_its_process(target: Path) -> None:
    backup(target)
    hold = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_SH); "
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        ["python3", "-c", hold, str(settings.DATA_DIR / SERVE_LOCK)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(BackupError, match="A server uses"):
            restore(target)
        process.kill()
    restore(target)


def test_restore_brings_the_triggers_back(target: Path) -> None:
    drop_triggers(connection)
    backup(target)
    restore(target)
    assert list(integrity_findings()) == []


@pytest.mark.postgres_only
def test_a_missing_pg_dump_is_named(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(BackupError, match="pg_dump is not installed"):
        backup(target)


def test_the_commands_say_what_they_did(target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("backup", str(target))
    assert "secret_key" in capsys.readouterr().out
    with pytest.raises(CommandError, match="exists already"):
        call_command("backup", str(target))
    call_command("restore", str(target))
    assert "The old database is kept as" in capsys.readouterr().out
    with pytest.raises(CommandError, match="does not exist"):
        call_command("restore", str(target.with_name("none")))
