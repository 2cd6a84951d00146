"""Triggers that make history and events append-only, on SQLite and PostgreSQL.

SQLite drops a table's triggers when a migration rebuilds the table, so they are installed after each
migration run (``tickets.apps``), not by one migration.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

_SQLITE = {
    "history_no_update": """
        BEFORE UPDATE ON ticket_history BEGIN SELECT RAISE(ABORT, 'ticket_history is append-only'); END""",
    "history_no_delete": """
        BEFORE DELETE ON ticket_history BEGIN SELECT RAISE(ABORT, 'ticket_history is append-only'); END""",
    "events_no_update": """
        BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END""",
    "events_no_delete": """
        BEFORE DELETE ON events
        WHEN OLD.seq > (SELECT events_pruned_through FROM workflows WHERE id = OLD.workflow_id)
        BEGIN SELECT RAISE(ABORT, 'events are append-only'); END""",
}

_POSTGRES_FUNCTIONS = """
CREATE OR REPLACE FUNCTION history_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'ticket_history is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE OR REPLACE FUNCTION events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.seq <= (SELECT events_pruned_through FROM workflows WHERE id = OLD.workflow_id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
_POSTGRES = {
    "history_no_change": (
        "ticket_history", "BEFORE UPDATE OR DELETE ON ticket_history FOR EACH ROW", "history_append_only"),
    "history_no_truncate": ("ticket_history", "BEFORE TRUNCATE ON ticket_history", "history_append_only"),
    "events_no_change": ("events", "BEFORE UPDATE OR DELETE ON events FOR EACH ROW", "events_append_only"),
    "events_no_truncate": ("events", "BEFORE TRUNCATE ON events", "events_append_only"),
}  # fmt: skip


def trigger_names(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of the triggers that must exist on this database."""
    return sorted(_SQLITE if connection.vendor == "sqlite" else _POSTGRES)


def missing_triggers(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of those that do not exist, or are switched off. One query."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'")
        present = {name for (name,) in cursor.fetchall()}
    return [name for name in trigger_names(connection) if name not in present]


def install_triggers(connection: BaseDatabaseWrapper) -> None:
    """Create the triggers anew. Does nothing before their tables exist."""
    tables = connection.introspection.table_names()
    if not {"ticket_history", "events", "workflows"} <= set(tables):
        return
    drop_triggers(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name, body in _SQLITE.items():
                cursor.execute(f"CREATE TRIGGER {name} {body}")
            return
        cursor.execute(_POSTGRES_FUNCTIONS)
        for name, (_, when, function) in _POSTGRES.items():
            cursor.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {function}()")


def drop_triggers(connection: BaseDatabaseWrapper) -> None:
    """Remove the triggers: for a test's flush and a restore, never for the product."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in _SQLITE:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            return
        for name, (table, _, _) in _POSTGRES.items():
            cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
