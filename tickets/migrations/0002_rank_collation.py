"""Fractional ranks compare byte by byte; PostgreSQL's default collation does not (SQLite's does)."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def use_c_collation(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute('ALTER TABLE tickets ALTER COLUMN rank TYPE varchar(255) COLLATE "C"')


class Migration(migrations.Migration):
    dependencies = [("tickets", "0001_initial")]

    operations = [migrations.RunPython(use_c_collation, migrations.RunPython.noop)]
