"""Copies of the database, made while the server runs, and put back while it does not.

SQLite is copied page by page with its own backup API; PostgreSQL by pg_dump and pg_restore. Neither holds the
secret key file, which stands beside the database in the data folder.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.migrations.loader import MigrationLoader

SERVE_LOCK = "serve.lock"


class BackupError(Exception):
    """Why a backup or a restore cannot be; the message is for whoever typed the command."""


@contextmanager
def serving() -> Iterator[None]:
    """Hold the data folder as a running server, shared with other servers; the kernel lets go of it with the process.

    Raises BackupError while a restore is under way.
    """
    with _folder_lock(fcntl.LOCK_SH, "A restore is under way in this data folder. Start the server when it is done."):
        yield


def backup(target: Path, *, force: bool = False) -> int:
    """Write a consistent copy of the database; returns its size in bytes.

    The file appears complete or not at all. Raises BackupError.
    """
    if target.is_dir():
        raise BackupError(f"{target} is a folder. Name a file.")
    if target.exists() and not force:
        raise BackupError(f"{target} exists already. Name another file, or use --force.")
    if not target.parent.is_dir():
        raise BackupError(f"The folder {target.parent} does not exist.")
    # Beside the target, so that the rename stays within one file system; readable by its owner alone.
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    partial = Path(name)
    try:
        if connection.vendor == "sqlite":
            _copy_sqlite(_sqlite_file(), partial)
        else:
            _dump_postgres(partial)
        _sync(partial)
        partial.replace(target)
        _sync(target.parent)
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def restore(source: Path, *, force: bool = False) -> Path | None:
    """Put a backup in the place of the database and bring it up to date.

    Returns where the old database was kept, if there was one. Raises BackupError, before anything changed, for a
    file that is no backup, one of a newer version, and where a server uses the data folder (unless ``force``).
    """
    if not source.is_file():
        raise BackupError(f"{source} does not exist.")
    message = "A server uses this data folder. Stop it first (--force restores all the same; it would lose writes)."
    with _folder_lock(fcntl.LOCK_EX, message, force=force):
        old = _restore_sqlite(source) if connection.vendor == "sqlite" else _restore_postgres(source, force=force)
        call_command("migrate", verbosity=0, interactive=False)
    return old


def _sqlite_file() -> Path:
    return Path(str(connection.settings_dict["NAME"]))


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.exists():
        raise BackupError(f"There is no database at {source} yet.")
    reader = sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=20)
    with closing(reader) as original, closing(sqlite3.connect(target)) as copy:
        # In one step: writers go on beside a reader, but each of their commits would start a copy in steps anew.
        original.backup(copy)
        # One file that needs no companions.
        copy.execute("PRAGMA journal_mode=DELETE")


def _restore_sqlite(source: Path) -> Path | None:
    target = _sqlite_file()
    fresh = target.with_name(f".{target.name}.restored")
    fresh.unlink(missing_ok=True)
    try:
        shutil.copyfile(source, fresh)
        _check_sqlite(source, fresh)
        _sync(fresh)
        connections.close_all()
        old = _put_aside(target)
        fresh.replace(target)
        _sync(target.parent)
    finally:
        fresh.unlink(missing_ok=True)
    return old


def _check_sqlite(source: Path, copy: Path) -> None:
    """Raise BackupError where the copy is no sound database of this application."""
    try:
        with closing(sqlite3.connect(copy)) as database:
            faults = [row[0] for row in database.execute("PRAGMA integrity_check")]
            if faults != ["ok"]:
                raise BackupError(f"{source} is damaged: {faults[0]}")
            applied = set(database.execute("SELECT app, name FROM django_migrations"))
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{source} is no backup of this application: {error}.") from None
    _check_migrations(source, applied)


def _check_migrations(source: Path, applied: set[tuple[str, str]]) -> None:
    known = MigrationLoader(None).disk_migrations or {}
    unknown = sorted(applied - set(known))
    if ("tickets", "0001_initial") not in applied:
        raise BackupError(f"{source} is no backup of this application.")
    if unknown:
        app, name = unknown[0]
        raise BackupError(
            f"{source} comes from a newer version: it knows the migration {app}.{name}, this one does not."
        )


def _put_aside(target: Path) -> Path | None:
    """Rename the database with its companions, which would be taken for those of the next one."""
    if not target.exists():
        return None
    old = target.with_name(f"{target.name}.before-restore-{_stamp()}")
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            target.with_name(target.name + suffix).rename(old.with_name(old.name + suffix))
    return old


def _dump_postgres(target: Path) -> None:
    _run_postgres("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


def _restore_postgres(source: Path, *, force: bool) -> Path:
    with source.open("rb") as stream:
        if stream.read(5) != b"PGDMP":
            raise BackupError(f"{source} is no backup of a PostgreSQL database (pg_dump's custom format).")
    listing = _run_postgres("pg_restore", "--list", str(source), connect=False)
    tables = set(re.findall(r" TABLE \S+ (\S+) ", listing))
    if not {"tickets", "django_migrations"} <= tables:
        raise BackupError(f"{source} is no backup of this application.")
    _check_migrations(source, _migrations_in(source))
    if not force and (others := _other_sessions()):
        raise BackupError(f"{others} other sessions use the database. Stop the servers first, or use --force.")
    old = settings.DATA_DIR / f"before-restore-{_stamp()}.dump"
    _dump_postgres(old)
    _drop_tables_unknown_to(tables)
    connections.close_all()
    try:
        _run_postgres(
            "pg_restore", "--clean", "--if-exists", "--single-transaction", "--no-owner", "--no-privileges",
            "--exit-on-error", f"--dbname={connection.settings_dict['NAME']}", str(source),
        )  # fmt: skip
    except BackupError as error:
        raise BackupError(f"{error} The old database is kept as {old}.") from error
    return old


def _other_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _drop_tables_unknown_to(dump: set[str]) -> None:
    """Drop what a newer version than the backup's has created: its migrations will create it again."""
    newer = [name for name in connection.introspection.django_table_names(only_existing=True) if name not in dump]
    with transaction.atomic(), connection.cursor() as cursor:
        for name in newer:
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(name)} CASCADE")


def _migrations_in(source: Path) -> set[tuple[str, str]]:
    """The applied migrations that a dump holds, read from the one table as text."""
    script = _run_postgres(
        "pg_restore", "--data-only", "--table=django_migrations", "--file=-", str(source), connect=False
    )
    applied: set[tuple[str, str]] = set()
    inside = False
    for line in script.splitlines():
        if line.startswith("COPY "):
            inside = True
        elif line == "\\.":
            inside = False
        elif inside:
            fields = line.split("\t")
            applied.add((fields[1], fields[2]))
    return applied


def _run_postgres(program: str, *arguments: str, connect: bool = True) -> str:
    """Run a client program of PostgreSQL. The password goes by the environment, where other users do not see it."""
    path = _find_program(program)
    environment = dict(os.environ)
    if connect:
        database = connection.settings_dict
        names = {"NAME": "PGDATABASE", "USER": "PGUSER", "PASSWORD": "PGPASSWORD", "HOST": "PGHOST", "PORT": "PGPORT"}
        environment |= {names[key]: str(value) for key, value in database.items() if key in names and value}
        if mode := database.get("OPTIONS", {}).get("sslmode"):
            environment["PGSSLMODE"] = str(mode)
    done = subprocess.run([path, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip()[:2000]}")
    return done.stdout


def _find_program(name: str) -> str:
    """On PATH, or the newest where Debian keeps them."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True
    )
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, folders)))
    if path is None:
        raise BackupError(f"{name} is not installed. It belongs to PostgreSQL's client (Debian: postgresql-client).")
    return path


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def _sync(path: Path) -> None:
    """Make a file or a folder's entries survive a power loss."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _folder_lock(kind: int, message: str, *, force: bool = False) -> Iterator[None]:
    handle = os.open(settings.DATA_DIR / SERVE_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except OSError:
            if not force:
                raise BackupError(message) from None
        yield
    finally:
        os.close(handle)
