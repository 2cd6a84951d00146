"""Triggers that make the logs append-only, on SQLite and PostgreSQL.

SQLite drops a table's triggers when a migration rebuilds the table, so they are installed after each
migration run (``tickets.apps``), not by one migration.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

# What its triggers are called → the table. The last one is of an app that stands above this one.
_APPEND_ONLY = {
    "history": "ticket_history",
    "workflow_history": "workflow_history",
    "events": "events",
    "board_revisions": "board_revisions",
}
# Retention alone takes rows away, those before where it says.
_PRUNED = {"events": "OLD.seq <= (SELECT events_pruned_through FROM workflows WHERE id = OLD.workflow_id)"}

_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION {name}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND {pruned} THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""


def trigger_names(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of the triggers that must exist on this database."""
    return sorted(name for prefix in _APPEND_ONLY for name in _triggers(connection, prefix))


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
    """Create the triggers anew, on those of the tables that exist."""
    drop_triggers(connection)
    with connection.cursor() as cursor:
        for prefix in _present(connection):
            if connection.vendor != "sqlite":
                # One for each table: only a row of events has a seq.
                cursor.execute(_POSTGRES_FUNCTION.format(name=prefix, pruned=_PRUNED.get(prefix, "FALSE")))
            for name, body in _triggers(connection, prefix).items():
                cursor.execute(f"CREATE TRIGGER {name} {body}")


def drop_triggers(connection: BaseDatabaseWrapper) -> None:
    """Remove the triggers: for a test's flush and a restore, never for the product."""
    with connection.cursor() as cursor:
        for prefix in _present(connection):
            for name in _triggers(connection, prefix):
                where = "" if connection.vendor == "sqlite" else f" ON {_APPEND_ONLY[prefix]}"
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{where}")


def _present(connection: BaseDatabaseWrapper) -> list[str]:
    tables = set(connection.introspection.table_names())
    return [prefix for prefix, table in _APPEND_ONLY.items() if table in tables]


def _triggers(connection: BaseDatabaseWrapper, prefix: str) -> dict[str, str]:
    """Name → the rest of its definition."""
    table = _APPEND_ONLY[prefix]
    if connection.vendor == "sqlite":
        refuse = f"BEGIN SELECT RAISE(ABORT, 'table {table} is append-only'); END"
        unless = f"WHEN NOT ({_PRUNED[prefix]}) " if prefix in _PRUNED else ""
        return {
            f"{prefix}_no_update": f"BEFORE UPDATE ON {table} {refuse}",
            f"{prefix}_no_delete": f"BEFORE DELETE ON {table} {unless}{refuse}",
        }
    call = f"EXECUTE FUNCTION {prefix}_append_only()"
    return {
        f"{prefix}_no_change": f"BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {call}",
        f"{prefix}_no_truncate": f"BEFORE TRUNCATE ON {table} {call}",
    }
