"""What in the database keeps the keyword index: triggers, on SQLite a view and an index, on PostgreSQL functions.

The index itself is made by a migration (0002): on SQLite an FTS5 table whose text is read through the view
``search_texts`` where it is shown, so that nothing is stored twice; on PostgreSQL a column of
``search_documents``. Triggers write it in the transaction of the ticket or comment that changed: they take the
text from the row at hand, since FTS5 forgets a document only by the very text that it was given.

SQLite drops a table's triggers and unknown indexes when a migration rebuilds the table, and rebuilds none that a
view looks at, so that triggers and view are dropped before each migration run, and all is made after it
(``search.apps``).
"""
# ruff: noqa: S608 - the SQL is put together of constants; every value is a parameter

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

# A ticket's tags as words; {row} is the ticket.
SQLITE_TAGS = "coalesce((SELECT group_concat(value, ' ') FROM json_each({row}.tags)), '')"
_OWN = "ticket_id = {row}.id AND comment_id IS NULL"
_LEARN_TICKET = f"""
    INSERT INTO search_fts (rowid, title, description, tags)
    SELECT id, NEW.title, NEW.description, tags FROM search_documents WHERE {_OWN.format(row="NEW")}"""
_FORGET_TICKET = f"""
    INSERT INTO search_fts (search_fts, rowid, title, description, tags)
    SELECT 'delete', id, OLD.title, OLD.description, tags FROM search_documents WHERE {_OWN.format(row="OLD")}"""
_LEARN_COMMENT = """
    INSERT INTO search_fts (rowid, comment)
    SELECT id, NEW.comment_text FROM search_documents WHERE comment_id = NEW.id"""
_FORGET_COMMENT = """
    INSERT INTO search_fts (search_fts, rowid, comment)
    SELECT 'delete', id, OLD.comment_text FROM search_documents WHERE comment_id = OLD.id"""
_TICKET_CHANGES = """
    OLD.title IS NOT NEW.title OR OLD.description IS NOT NEW.description OR OLD.tags IS NOT NEW.tags"""
_COMMENT_CHANGES = """
    (OLD.comment_text IS NOT NEW.comment_text OR (OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL))"""
# Name → when, and what then. What changes is forgotten before and learnt after.
_SQLITE_TRIGGERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "search_ticket_added": (
        "AFTER INSERT ON tickets",
        (
            f"INSERT INTO search_documents (ticket_id, tags) VALUES (NEW.id, {SQLITE_TAGS.format(row='NEW')})",
            _LEARN_TICKET,
        ),
    ),
    "search_ticket_changing": (
        f"BEFORE UPDATE OF title, description, tags ON tickets WHEN {_TICKET_CHANGES}",
        (_FORGET_TICKET,),
    ),
    "search_ticket_changed": (
        f"AFTER UPDATE OF title, description, tags ON tickets WHEN {_TICKET_CHANGES}",
        (
            f"UPDATE search_documents SET tags = {SQLITE_TAGS.format(row='NEW')} WHERE {_OWN.format(row='NEW')}",
            _LEARN_TICKET,
        ),
    ),
    "search_ticket_removed": (
        "BEFORE DELETE ON tickets",
        (_FORGET_TICKET, f"DELETE FROM search_documents WHERE {_OWN.format(row='OLD')}"),
    ),
    "search_comment_added": (
        "AFTER INSERT ON ticket_comments WHEN NEW.deleted_at IS NULL",
        (
            "INSERT INTO search_documents (ticket_id, comment_id, tags) VALUES (NEW.ticket_id, NEW.id, '')",
            _LEARN_COMMENT,
        ),
    ),
    "search_comment_changing": (
        f"BEFORE UPDATE OF comment_text, deleted_at ON ticket_comments WHEN {_COMMENT_CHANGES}",
        (
            _FORGET_COMMENT,
            "DELETE FROM search_documents WHERE comment_id = OLD.id AND NEW.deleted_at IS NOT NULL",
        ),
    ),
    "search_comment_changed": (
        "AFTER UPDATE OF comment_text, deleted_at ON ticket_comments "
        f"WHEN NEW.deleted_at IS NULL AND {_COMMENT_CHANGES}",
        (
            "INSERT INTO search_documents (ticket_id, comment_id, tags) SELECT NEW.ticket_id, NEW.id, '' "
            "WHERE NOT EXISTS (SELECT 1 FROM search_documents WHERE comment_id = NEW.id)",
            _LEARN_COMMENT,
        ),
    ),
    "search_comment_removed": (
        "BEFORE DELETE ON ticket_comments",
        (_FORGET_COMMENT, "DELETE FROM search_documents WHERE comment_id = OLD.id"),
    ),
}
_SQLITE_VIEW = """
    SELECT d.id AS id, t.title AS title, t.description AS description, d.tags AS tags, c.comment_text AS comment
    FROM search_documents d
    LEFT JOIN tickets t ON d.comment_id IS NULL AND t.id = d.ticket_id
    LEFT JOIN ticket_comments c ON c.id = d.comment_id"""

# What a search's filters ask of a ticket, without a look into its long row, but for what every write changes.
_SQLITE_INDEX = """
    search_filters ON tickets (
        id, workflow_id, status, ticket_type, priority, approval_status, assigned_agent_id, is_blocked, created_at)"""

# A tsvector takes 1 MB. So many bytes of text never make more than that, whatever they are: a word of n letters
# needs at most n + 5 bytes in it; and so many characters never are more bytes.
_MAX_BYTES, _MAX_CHARACTERS = 400_000, 100_000
_PUNCTUATION = r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"""
# search_plain keeps every character in its place: previews map what is marked in its result to the text itself.
# Without punctuation PostgreSQL's parser sees words alone, and neither hosts, paths nor negative numbers.
_POSTGRES_FUNCTIONS = {
    "search_plain": (
        "(content text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE",
        f"""SELECT translate(
            CASE WHEN octet_length(content) <= {_MAX_BYTES} THEN content ELSE left(content, {_MAX_CHARACTERS}) END,
            $${_PUNCTUATION}$$, $${" " * len(_PUNCTUATION)}$$)""",
    ),
    "search_tags": (
        "(tags jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE",
        "SELECT coalesce(string_agg(tag, ' '), '') FROM jsonb_array_elements_text(tags) AS tag",
    ),
    "search_ticket_terms": (
        "(title text, description text, tags text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE",
        """SELECT setweight(to_tsvector('search_words', search_plain(title)), 'A')
            || setweight(to_tsvector('search_words', search_plain(tags)), 'B')
            || setweight(to_tsvector('search_words', search_plain(description)), 'C')""",
    ),
    "search_comment_terms": (
        "(content text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE",
        "SELECT setweight(to_tsvector('search_words', search_plain(content)), 'D')",
    ),
}
_POSTGRES_TRIGGER_FUNCTIONS = {
    "search_ticket_write": """
        BEGIN
            INSERT INTO search_documents (ticket_id, tags, terms)
            SELECT NEW.id, words, search_ticket_terms(NEW.title, NEW.description, words)
            FROM search_tags(NEW.tags) AS words
            ON CONFLICT (ticket_id) WHERE comment_id IS NULL
            DO UPDATE SET tags = EXCLUDED.tags, terms = EXCLUDED.terms;
            RETURN NULL;
        END""",
    "search_ticket_remove": """
        BEGIN
            DELETE FROM search_documents WHERE ticket_id = OLD.id AND comment_id IS NULL;
            RETURN OLD;
        END""",
    "search_comment_write": """
        BEGIN
            IF NEW.deleted_at IS NOT NULL THEN
                DELETE FROM search_documents WHERE comment_id = NEW.id;
            ELSE
                INSERT INTO search_documents (ticket_id, comment_id, tags, terms)
                VALUES (NEW.ticket_id, NEW.id, '', search_comment_terms(NEW.comment_text))
                ON CONFLICT (comment_id) WHERE comment_id IS NOT NULL DO UPDATE SET terms = EXCLUDED.terms;
            END IF;
            RETURN NULL;
        END""",
    "search_comment_remove": """
        BEGIN
            DELETE FROM search_documents WHERE comment_id = OLD.id;
            RETURN OLD;
        END""",
}
# Name → table, when, and what then.
_POSTGRES_TRIGGERS = {
    "search_ticket_added": ("tickets", "AFTER INSERT", "", "search_ticket_write"),
    "search_ticket_changed": (
        "tickets",
        "AFTER UPDATE OF title, description, tags",
        "WHEN ((OLD.title, OLD.description, OLD.tags) IS DISTINCT FROM (NEW.title, NEW.description, NEW.tags))",
        "search_ticket_write",
    ),
    "search_ticket_removed": ("tickets", "BEFORE DELETE", "", "search_ticket_remove"),
    "search_comment_added": ("ticket_comments", "AFTER INSERT", "", "search_comment_write"),
    "search_comment_changed": (
        "ticket_comments", "AFTER UPDATE OF comment_text, deleted_at", "", "search_comment_write"),
    "search_comment_removed": ("ticket_comments", "BEFORE DELETE", "", "search_comment_remove"),
}  # fmt: skip


def is_made(connection: BaseDatabaseWrapper) -> bool:
    """Whether the migration has made the index."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'search_fts'")
        else:
            cursor.execute("SELECT 1 FROM pg_class WHERE oid = to_regclass('documents_terms')")
        return cursor.fetchone() is not None


def missing_triggers(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of the triggers that do not exist, or are switched off. One query."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            expected = set(_SQLITE_TRIGGERS)
        else:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'")
            expected = set(_POSTGRES_TRIGGERS)
        return sorted(expected - {name for (name,) in cursor.fetchall()})


def install(connection: BaseDatabaseWrapper, *, temporary: bool = False) -> None:
    """Make the triggers and what they and searches need, in place of older ones.

    ``temporary``: for temporary tables that stand before the real ones.
    """
    if connection.vendor == "sqlite":
        _install_sqlite(connection, "TEMP " if temporary else "")
    else:
        _install_postgres(connection, "pg_temp." if temporary else "", functions=not temporary)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Drop the triggers, and on SQLite the view. ``install`` makes them again."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in _SQLITE_TRIGGERS:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            cursor.execute("DROP VIEW IF EXISTS search_texts")
        else:
            for name, (table, *_) in _POSTGRES_TRIGGERS.items():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")


def remove_temporary_functions(connection: BaseDatabaseWrapper) -> None:
    """Drop, on PostgreSQL, the functions that ``install`` made for temporary tables; after those."""
    with connection.cursor() as cursor:
        for name in _POSTGRES_TRIGGER_FUNCTIONS:
            cursor.execute(f"DROP FUNCTION IF EXISTS pg_temp.{name}()")


def _install_sqlite(connection: BaseDatabaseWrapper, kind: str) -> None:
    wanted = {
        name: f"CREATE {kind}TRIGGER {name} {when} BEGIN {'; '.join(what)}; END"
        for name, (when, what) in _SQLITE_TRIGGERS.items()
    }
    wanted["search_texts"] = f"CREATE {kind}VIEW search_texts AS{_SQLITE_VIEW}"
    with connection.cursor() as cursor:
        if not kind:
            # A change of the schema costs every connection its compiled statements.
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'view', 'index')")
            present = dict(cursor.fetchall())
            if "search_filters" not in present:
                cursor.execute(f"CREATE INDEX{_SQLITE_INDEX}")
                cursor.execute("ANALYZE search_filters")
            if wanted.items() <= present.items():
                return
            remove(connection)
        else:
            cursor.execute(f"CREATE INDEX temp.{_SQLITE_INDEX.strip()}")
        for sql in wanted.values():
            cursor.execute(sql)


def _install_postgres(connection: BaseDatabaseWrapper, schema: str, *, functions: bool) -> None:
    with connection.cursor() as cursor:
        for name, (signature, body) in _POSTGRES_FUNCTIONS.items() if functions else ():
            cursor.execute(f"CREATE OR REPLACE FUNCTION {name}{signature} AS $body${body}$body$")
        for name, body in _POSTGRES_TRIGGER_FUNCTIONS.items():
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {schema}{name}() RETURNS trigger LANGUAGE plpgsql AS $body${body}$body$"
            )
        for name, (table, when, condition, function) in _POSTGRES_TRIGGERS.items():
            cursor.execute(
                f"CREATE OR REPLACE TRIGGER {name} {when} ON {schema}{table} FOR EACH ROW {condition} "
                f"EXECUTE FUNCTION {schema}{function}()"
            )
