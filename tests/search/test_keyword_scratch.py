"""The scratch index stands before the real one, on one connection, and leaves nothing of itself."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connection, transaction

from search.filters import Filters
from search.keyword import exact_search, keyword_index_faults, keyword_search, previews, scratch_index
from search.models import SearchDocument
from tests.factories import make_agent, make_ticket, make_workflow
from tickets.models import Ticket

REAL, SCRATCH = Filters(workflow_id="flow"), Filters(workflow_id="scratch")
DOCUMENTS = [
    ("one", "", "A walrus was seen near foo_bar() there."),
    ("two", "The walrus", ""),
    ("three", "Nothing of the kind", "A zebra."),
]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def real() -> Ticket:
    return make_ticket(make_agent(make_workflow("flow")), title="A real walrus", tags=["sea"])


def found(query: str, filters: Filters) -> list[str]:
    return [hit.ticket_id for hit in keyword_search(query, filters, 10)]


def rows(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def traces() -> list[Any]:
    """What exists on this connection alone."""
    if connection.vendor == "sqlite":
        return rows("SELECT type, name FROM sqlite_temp_master")
    return rows(
        "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() "
        "UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = pg_my_temp_schema()"
    )


@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
def test_the_search_finds_what_was_added_and_nothing_else(real: Ticket, around: Any) -> None:
    for _ in range(2):
        with around(), scratch_index() as scratch:
            scratch.add(DOCUMENTS[:1], "scratch")
            scratch.add(iter(DOCUMENTS[1:]), "scratch")
            assert set(found("walrus", SCRATCH)) == {"one", "two"}
            assert found("zebra", SCRATCH) == ["three"]
            assert found("walrus", REAL) == []
            assert [hit.ticket_id for hit in exact_search("foo_bar()", SCRATCH, 5)] == ["one"]
            tagged = Filters(workflow_id="scratch", tags=("sea",))
            assert found("walrus", tagged) == []
            shown = previews("walrus", ["one", "two"])
            assert shown["one"].html == "A <mark>walrus</mark> was seen near foo_bar() there."
            assert (shown["two"].text, shown["two"].matched_in) == ("The walrus", ("title",))
        assert found("walrus", REAL) == [real.id]
        assert found("walrus", SCRATCH) == []


@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
@pytest.mark.parametrize("fails", [False, True])
def test_it_leaves_no_trace(real: Ticket, around: Any, fails: bool) -> None:
    documents = list(SearchDocument.objects.values_list("pk", "ticket_id"))

    def use() -> None:
        with around(), scratch_index() as scratch:
            scratch.add(DOCUMENTS, "scratch")
            assert traces()
            if fails:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        use()
    assert traces() == []
    assert list(SearchDocument.objects.values_list("pk", "ticket_id")) == documents
    assert list(Ticket.objects.values_list("pk", flat=True)) == [real.pk]
    assert keyword_index_faults() == []
    again = make_ticket(make_agent(real.workflow), title="Another walrus")
    assert set(found("walrus", REAL)) == {real.id, again.id}


def test_others_search_and_write_meanwhile(real: Ticket) -> None:
    seen: list[Any] = []

    def other() -> None:
        try:
            seen.append(found("walrus", REAL))
            seen.append(make_ticket(make_agent(real.workflow), title="Another walrus").id)
            seen.append(set(found("walrus", REAL)))
        finally:
            connection.close()

    with scratch_index() as scratch:
        scratch.add(DOCUMENTS, "scratch")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(60)
        assert set(found("walrus", SCRATCH)) == {"one", "two"}
    assert seen == [[real.id], seen[1], {real.id, seen[1]}]
    assert set(found("walrus", REAL)) == {real.id, seen[1]}
