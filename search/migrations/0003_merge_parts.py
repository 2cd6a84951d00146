"""Let the keyword index on SQLite merge any two parts of a level when it is asked to (``search.keyword.upkeep.merge``).

What is written to it meanwhile still merges eight, as before: writers do not wait for more.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations


def make(apps: Any, editor: Any) -> None:
    _merge_from(editor, 2)


def unmake(apps: Any, editor: Any) -> None:
    _merge_from(editor, 4)  # FTS5's own value


def _merge_from(editor: Any, parts: int) -> None:
    if editor.connection.vendor == "sqlite":
        editor.execute("INSERT INTO search_fts (search_fts, rank) VALUES ('usermerge', %s)", [parts])


class Migration(migrations.Migration):
    dependencies = [("search", "0002_keyword_index")]

    operations = [migrations.RunPython(make, unmake, elidable=False)]
