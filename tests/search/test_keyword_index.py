"""The keyword index follows every change, in its own transaction, and what is wrong with it is found and mended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, migrations, models, transaction
from django.db.migrations.state import ProjectState

from search.apps import after_migrate, before_migrate
from search.filters import Filters
from search.keyword import exact_search, keyword_index_faults, keyword_search, previews, rebuild, schema, sqlite, upkeep
from search.models import SearchDocument
from tests.factories import AgentWithToken, make_agent, make_ticket, make_workflow
from tickets.models import Ticket, TicketComment
from tickets.schemas.comments import AddComment, DeleteComment, EditComment
from tickets.schemas.tickets import UpdateTicket
from tickets.services.comments import comment_add, comment_delete, comment_edit
from tickets.services.tickets import ticket_update

pytestmark = pytest.mark.django_db
FLOW = Filters(workflow_id="flow")
TICKETS_MIGRATION: Any = [(SimpleNamespace(app_label="tickets"), False)]


@pytest.fixture
def agent() -> AgentWithToken:
    return make_agent(make_workflow("flow"))


def found(query: str) -> list[str]:
    return [hit.ticket_id for hit in keyword_search(query, FLOW, 50)]


def add_comment(agent: AgentWithToken, ticket: Ticket, text: str) -> str:
    return comment_add(actor=agent.actor, request=AddComment(ticket_id=ticket.id, comment_text=text)).comment_id


def run(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


# Every change


def test_a_new_ticket_is_found_by_each_of_its_texts(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Walrus", description="A penguin was seen.", tags=["Ostrich", "élan vital"])
    for query in ("walrus", "penguin", "ostrich", "vital", "élan"):
        assert found(query) == [ticket.id]
    assert keyword_index_faults() == []


def test_a_changed_ticket_is_found_by_what_it_says_now(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Walrus", description="A penguin was seen.", tags=["ostrich"])
    document = SearchDocument.objects.get(ticket=ticket)
    changes = {"title": "Zebra there", "description": "A lizard was seen.", "tags": ["Emu"]}
    for before, after, change in (
        ("walrus", "zebra", {"title": changes["title"]}),
        ("penguin", "lizard", {"description": changes["description"]}),
        ("ostrich", "emu", {"tags": changes["tags"]}),
    ):
        ticket_update(
            actor=agent.actor, request=UpdateTicket.model_validate({"ticket_id": ticket.id, "updates": change})
        )
        assert (found(before), found(after)) == ([], [ticket.id])
        assert keyword_index_faults() == []
    # The number of the highest document is taken for their number.
    assert SearchDocument.objects.get(ticket=ticket).pk == document.pk


def test_a_comment_is_found_until_it_says_something_else_or_is_deleted(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    comment_id = add_comment(agent, ticket, "A walrus was seen near the office.")
    assert found("walrus") == [ticket.id]
    comment_edit(actor=agent.actor, request=EditComment(comment_id=comment_id, comment_text="It was a zebra, sorry."))
    assert (found("walrus"), found("zebra")) == ([], [ticket.id])
    assert keyword_index_faults() == []
    comment_delete(actor=agent.actor, request=DeleteComment(comment_id=comment_id))
    assert found("zebra") == []
    assert not SearchDocument.objects.filter(comment=comment_id).exists()
    assert keyword_index_faults() == []


def test_other_changes_leave_the_index_alone(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Walrus")
    Ticket.objects.filter(pk=ticket.pk).update(status="review", version=9, title=ticket.title)
    comment_id = add_comment(agent, ticket, "A zebra was seen near the office.")
    TicketComment.objects.filter(pk=comment_id).update(is_edited=True, comment_text="A zebra was seen near the office.")
    assert found("walrus") == found("zebra") == [ticket.id]
    assert keyword_index_faults() == []


def test_what_is_rolled_back_is_not_found(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Walrus")
    with transaction.atomic():
        Ticket.objects.filter(pk=ticket.pk).update(title="Zebra")
        add_comment(agent, ticket, "A lizard was seen near the office.")
        other = make_ticket(agent, title="Penguin")
        assert (found("walrus"), found("zebra"), found("lizard")) == ([], [ticket.id], [ticket.id])
        assert found("penguin") == [other.id]
        transaction.set_rollback(True)
    assert (found("walrus"), found("zebra lizard penguin")) == ([ticket.id], [])
    assert keyword_index_faults() == []


def test_what_is_deleted_in_the_database_leaves_the_index(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Walrus")
    comment_id = add_comment(agent, ticket, "A zebra was seen near the office.")
    run("DELETE FROM ticket_comments WHERE id = %s", comment_id)
    assert (found("zebra"), found("walrus")) == ([], [ticket.id])
    assert SearchDocument.objects.count() == 1
    assert keyword_index_faults() == []


@pytest.mark.django_db(transaction=True)
def test_another_connection_finds_it_from_the_commit_on(agent: AgentWithToken) -> None:
    written, seen = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with transaction.atomic():
                make_ticket(agent, title="Walrus")
                written.set()
                seen.wait(30)
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(30)
        assert found("walrus") == []
    finally:
        seen.set()
        writer.join()
    assert len(found("walrus")) == 1
    assert keyword_index_faults() == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(" ".join(f"{number:05x}" for number in range(41_000)), id="many words"),
        pytest.param("".join(f"{chr(0x3400 + number % 6_000)} " for number in range(124_000)), id="short words"),
        pytest.param("".join(f"{chr(0x10400 + number % 40)}{chr(0x4E00 + number)} " for number in range(20_000)) * 4,
                     id="wide characters"),
        pytest.param("a" * 249_990, id="one word"),
        pytest.param("日" * 249_990, id="one wide word"),
        pytest.param("a.b/c-d@e_" * 24_999, id="punctuation"),
        pytest.param("\N{FIRE}" * 249_990, id="no word"),
        pytest.param("\x02\x03\ufeff\u202e\ufffe " * 40_000, id="no text"),
    ],
)  # fmt: skip
def test_no_text_is_too_much(agent: AgentWithToken, text: str) -> None:
    assert len(text) <= 250_000
    ticket = make_ticket(agent, description=f"walrus {text}")
    add_comment(agent, ticket, f"zebra {text}"[:100_000])
    assert found("walrus") == found("zebra") == [ticket.id]
    assert exact_search("walrus", FLOW, 1)[0].ticket_id == ticket.id
    assert "walrus" in previews("walrus", [ticket.id])[ticket.id].text
    assert keyword_index_faults() == []


# Migrations and tests


@pytest.fixture
def altered_tickets() -> Iterator[Callable[[], None]]:
    """Alters the table of tickets, which SQLite does by making it anew, and undoes it."""
    state = ProjectState.from_apps(apps)
    original = state.models["tickets", "ticket"].fields["blocked_reason"].clone()
    states = [state]

    def alter(field: models.Field[Any, Any]) -> None:
        operation = migrations.AlterField("ticket", "blocked_reason", field)
        after = states[-1].clone()
        operation.state_forwards("tickets", after)
        with connection.schema_editor() as editor:
            operation.database_forwards("tickets", editor, states[-1], after)
        states.append(after)

    yield lambda: alter(models.TextField(blank=True, default="", db_default=""))
    if len(states) > 1:
        before_migrate(plan=TICKETS_MIGRATION)
        alter(original)
        after_migrate(plan=TICKETS_MIGRATION)


@pytest.mark.django_db(transaction=True)
def test_the_index_survives_a_migration_of_tickets(agent: AgentWithToken, altered_tickets: Callable[[], None]) -> None:
    ticket = make_ticket(agent, title="Walrus")
    before_migrate(plan=TICKETS_MIGRATION)
    altered_tickets()
    # A migration may change texts while no trigger is there to see it.
    Ticket.objects.filter(pk=ticket.pk).update(title="Zebra there")
    after_migrate(plan=TICKETS_MIGRATION)
    assert keyword_index_faults() == []
    assert (found("walrus"), found("zebra")) == ([], [ticket.id])
    make_ticket(agent, title="Penguin")
    assert len(found("penguin")) == 1


@pytest.mark.django_db(transaction=True)
def test_the_migration_indexes_what_is_there_and_can_be_undone(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Walrus")
    try:
        call_command("migrate", "search", "0001", verbosity=0)
        Ticket.objects.filter(pk=ticket.pk).update(title="Zebra there")
        add_comment(agent, ticket, "A penguin was seen near the office.")
    finally:
        call_command("migrate", "search", verbosity=0)
    assert (found("walrus"), found("zebra"), found("penguin")) == ([], [ticket.id], [ticket.id])
    assert keyword_index_faults() == []


def test_nothing_is_made_anew_when_there_is_nothing_to_migrate(agent: AgentWithToken) -> None:
    make_ticket(agent)
    before = set(SearchDocument.objects.values_list("pk", flat=True))
    after_migrate()
    assert set(SearchDocument.objects.values_list("pk", flat=True)) == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", ["writes", "finds an empty index that works"])
def test_flush_empties_the_index(turn: str) -> None:
    assert found("walrus") == []
    assert not SearchDocument.objects.exists()
    agent = make_agent(make_workflow("flow"))
    ticket = make_ticket(agent, title="Walrus")
    add_comment(agent, ticket, "A walrus was seen near the office.")
    assert found("walrus") == [ticket.id]
    assert keyword_index_faults() == []


# Faults


def spoil_text() -> None:
    if connection.vendor == "sqlite":
        run("INSERT INTO search_fts (rowid, title) SELECT id, 'lizard' FROM search_documents WHERE comment_id IS NULL")
    else:
        run("UPDATE search_documents SET terms = search_comment_terms('lizard') WHERE comment_id IS NULL")


def add_gone_document() -> None:
    TicketComment.objects.update(comment_text="", deleted_at="2026-01-01T00:00Z")
    comment = TicketComment.objects.get()
    SearchDocument.objects.create(ticket_id=comment.ticket_id, comment=comment)


FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "a ticket is missing": (lambda: run("DELETE FROM search_documents WHERE comment_id IS NULL"), "The ticket ticket-"),
    "a comment is missing": (
        lambda: run("DELETE FROM search_documents WHERE comment_id IS NOT NULL"), "The comment comment-"),
    "a deleted comment is there": (add_gone_document, "The keyword index holds comment-"),
    "a text is out of date": (spoil_text, "keyword index"),
    "triggers are missing": (lambda: schema.remove(connection), "The trigger search_"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_mended(agent: AgentWithToken, fault: str) -> None:
    ticket = make_ticket(agent, title="Walrus")
    add_comment(agent, ticket, "A zebra was seen near the office.")
    assert keyword_index_faults() == []
    cause, words = FAULTS[fault]
    try:
        cause()
        assert any(words in found for found in keyword_index_faults())
    finally:
        schema.install(connection)
        rebuild()
    assert keyword_index_faults() == []
    assert found("walrus") == [ticket.id]


def test_what_is_missing_is_filled_in(agent: AgentWithToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as after a rebuild that was killed."""
    monkeypatch.setattr(upkeep, "CHUNK", 2)
    tickets = [make_ticket(agent, title=f"Walrus {number}") for number in range(5)]
    for ticket in tickets:
        add_comment(agent, ticket, "A zebra was seen near the office.")
    if connection.vendor == "sqlite":
        run("INSERT INTO search_fts (search_fts) VALUES ('delete-all')")
    run("DELETE FROM search_documents")
    assert found("walrus zebra") == []
    make_ticket(agent, title="Walrus that comes meanwhile")
    after_migrate()
    assert len(found("walrus")) == 6
    assert len(found("zebra")) == 5
    assert keyword_index_faults() == []


@pytest.mark.sqlite_only  # PostgreSQL merges by itself
def test_many_small_parts_are_merged_and_everything_is_still_found(agent: AgentWithToken) -> None:
    texts = [(f"Walrus {number}", f"There was zebra{number}.") for number in range(40)]
    tickets = [make_ticket(agent, title=title, description=description) for title, description in texts]
    before = _parts()
    while upkeep.merge():
        pass
    assert _parts() < before
    assert not upkeep.merge()
    assert set(found("walrus")) == {ticket.id for ticket in tickets}
    assert found("zebra17") == [tickets[17].id]
    assert keyword_index_faults() == []


@pytest.mark.sqlite_only  # PostgreSQL counts each time
def test_what_is_remembered_of_common_words_hides_nothing(
    agent: AgentWithToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "COMMON", 2)
    monkeypatch.setattr(sqlite, "GROWTH", 0.5)
    first = [make_ticket(agent, title=f"Walrus and zebra {number}") for number in range(4)]
    assert set(found("walrus zebra")) == {ticket.id for ticket in first}
    # Within the growth that is borne with, and past it.
    for more in (1, 8):
        first += [make_ticket(agent, title=f"Walrus, lizard {len(first)}") for _ in range(more)]
        assert set(found("walrus lizard")) == {ticket.id for ticket in first}
    gone = UpdateTicket.model_validate({"ticket_id": first[0].id, "updates": {"title": "An ostrich alone"}})
    ticket_update(actor=agent.actor, request=gone)
    assert set(found("walrus zebra")) == {ticket.id for ticket in first[1:]}


def _parts() -> int:
    """In how many parts the index is: each has a row for its first page, or more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(DISTINCT segid) FROM search_fts_idx")
        (parts,) = cursor.fetchone()
    return int(parts)
