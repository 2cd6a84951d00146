"""Statements that are built once: in order, all or none, with plans that PostgreSQL keeps."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.factories import make_agent, make_workflow
from tickets.models import Agent, Membership
from tickets.rows import Writes
from tickets.statements import Statement, run_all

pytestmark = pytest.mark.django_db

RENAME = "UPDATE agents SET name = %s WHERE id = %s"
NAME = "SELECT name FROM agents WHERE id = %s"


@pytest.fixture
def agent_id() -> str:
    return make_agent(make_workflow("flow"), agent_id="worker").id


def fetched(cursor: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def taken(cursor: Any) -> Any:
    return cursor.fetchall() if cursor.description else cursor.rowcount


def test_each_sees_what_those_before_it_did(agent_id: str) -> None:
    read, rename = (NAME, [agent_id]), (RENAME, ["renamed", agent_id])
    assert run_all([rename, read, (RENAME, ["again", agent_id]), read], taken) == [1, [("renamed",)], 1, [("again",)]]


def test_each_counts_as_a_query(agent_id: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        run_all([(NAME, [agent_id]), (NAME, ["nobody"])], fetched)
    assert [query["sql"].split()[0] for query in captured] == ["SELECT", "SELECT"]


@pytest.mark.parametrize("place", range(3))
def test_one_that_fails_says_why_and_the_transaction_around_goes_on(agent_id: str, place: int) -> None:
    membership = Membership.objects.get(agent_id=agent_id)
    statements: list[Statement] = [(RENAME, ["renamed", agent_id])] * 2
    statements.insert(place, ("INSERT INTO memberships SELECT * FROM memberships WHERE id = %s", [membership.pk]))
    with pytest.raises(IntegrityError), transaction.atomic():
        run_all(statements, taken)
    assert Agent.objects.get(pk=agent_id).name != "renamed"
    assert run_all([(RENAME, ["after", agent_id])], taken) == [1]


def test_a_row_that_is_gone_cannot_be_updated(agent_id: str) -> None:
    writes = Writes()
    writes.update(Agent(id=agent_id, name="there"), ["name"])
    writes.update(Agent(id="gone", name="not there"), ["name"])
    with pytest.raises(DatabaseError, match="agents has no row 'gone'"), transaction.atomic():
        writes.run()
    assert Agent.objects.get(pk=agent_id).name != "there"


def test_what_was_written_is_not_written_again(agent_id: str) -> None:
    writes = Writes()
    writes.add("UPDATE agents SET name = name || %s WHERE id = %s", ["+", agent_id])
    writes.run()
    writes.run()
    assert Agent.objects.get(pk=agent_id).name.count("+") == 1


@pytest.mark.postgres_only
def test_postgresql_keeps_the_plans(agent_id: str) -> None:
    for _ in range(7):
        run_all([(NAME, [agent_id]), (RENAME, ["x", agent_id])], taken)
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        kept = {statement for (statement,) in cursor.fetchall()}
    assert {NAME.replace("%s", "$1"), RENAME.replace("%s", "$1", 1).replace("%s", "$2")} <= kept
