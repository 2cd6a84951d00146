"""The audit as a file, who may read it, what may be sent to it, what it costs."""

from __future__ import annotations

import csv
import io
import itertools
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from boards.selectors.audit import KINDS, Position, Wanted, changes
from boards.web.history import export as audit_export
from tests.boards.pages import browser_of, html
from tests.boards.test_audit import address, brute_force, change_board, happen, ids
from tests.factories import make_agent, make_person, make_ticket, make_workflow
from tests.tickets.world import World
from tickets import operations as op
from tickets.access import actor_for_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def browser(world: World) -> Client:
    return browser_of(make_person(world.workflow, role="viewer"))


# ── as a file ──


def test_csv_holds_what_the_filters_leave_and_no_formula(
    world: World, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "CHUNK", 3)
    ticket = happen(world)
    world.do(op.TICKET_UPDATE, ticket, updates={"title": "=HYPERLINK(1)", "tags_add": ["+1"]})
    world.do(op.TICKET_BLOCK, ticket, reason="@SUM(A1)")
    response = browser.get(f"/audit/export?workflow={world.workflow.id}&format=csv&ticket={ticket.key}")
    assert response.headers["Content-Disposition"] == (
        f'attachment; filename="audit-{world.workflow.key_prefix.lower()}.csv"'
    )
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]  # it streams
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["change_id"] for row in rows] == brute_force(world, Wanted(ticket_id=ticket.id))
    assert next(row["new_value"] for row in rows if row["field_name"] == "title") == "'=HYPERLINK(1)"
    assert not [cell for row in rows for cell in row.values() if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]


def test_json_holds_everything_whole(world: World, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_export, "CHUNK", 4)
    happen(world)
    long = world.ticket(description="Long. " * 3000)
    change_board(world, name="Another")
    response = browser.get(f"/audit/export?workflow={world.workflow.id}&format=json")
    found = json.loads(b"".join(response.streaming_content))  # type: ignore[attr-defined]  # it streams
    assert [change["change_id"] for change in found["changes"]] == brute_force(world, Wanted())
    created = next(c for c in found["changes"] if c["ticket_id"] == long.id and c["change_type"] == "created")
    assert json.loads(created["new_value"])["description"] == long.description
    assert json.loads(found["changes"][0]["new_value"])["name"] == "Another"


def test_an_export_refuses_what_it_cannot_filter_by(world: World, browser: Client) -> None:
    for query in ("format=xml", "format=csv&kind=sideways", "format=csv&ticket=TKT-999", "format=json&since=soon"):
        assert browser.get(f"/audit/export?workflow={world.workflow.id}&{query}").status_code == 400


# ── who may read it, and what may be sent ──


@pytest.mark.parametrize("path", ["/audit", "/audit/new", "/audit/export", "/board-at", "/board-at/column"])
def test_strangers_find_nothing(world: World, path: str) -> None:
    world.ticket()
    stranger = browser_of(make_person(make_workflow()))
    assert stranger.get(path, {"workflow": world.workflow.id, "column": "todo"}).status_code == 404
    status = Client().get(path, {"workflow": world.workflow.id}, headers={"Accept": "text/html"}).status_code
    assert status in (302, 401)


def test_tickets_and_agents_of_others_are_as_if_they_were_not(world: World, browser: Client) -> None:
    elsewhere = make_workflow()
    foreign = make_ticket(make_agent(elsewhere))
    shown = html(browser, address(world, ticket=foreign.key), 400)
    missing = html(browser, address(world, ticket="ZZZ-12345"), 400)
    assert foreign.title not in shown
    assert shown.count("e-ticket") == missing.count("e-ticket")
    assert ids(html(browser, address(world, agent=foreign.created_by_agent_id))) == []


@pytest.mark.parametrize("path", ["/audit", "/audit/new", "/audit/export"])
@pytest.mark.parametrize(
    "value", ["%00", "\ud800".encode("utf-8", "surrogatepass"), "9" * 400, "-1", "h" * 5000, "é🐛\u202e"]
)
def test_nothing_that_is_sent_breaks_it(world: World, browser: Client, path: str, value: Any) -> None:
    world.ticket()
    text = "\x00" if value == "%00" else value
    for name in ("agent", "ticket", "kind", "since", "until", "before", "after", "compare", "format", "workflow"):
        query = {"workflow": world.workflow.id, name: text}
        assert browser.get(path, query).status_code in (200, 400, 404), name
    for cursor in (
        "2026-01-01~h1",
        "~h1",
        "2026-01-01T00:00:00Z~x1",
        "2026-01-01T00:00:00Z~h" + "9" * 30,
        "0001-01-01~b1",
    ):
        for name in ("before", "after"):
            assert browser.get(path, {"workflow": world.workflow.id, name: cursor}).status_code in (200, 400)


# ── what it costs ──


def test_the_number_of_queries_does_not_grow(world: World, browser: Client) -> None:
    happen(world)
    change_board(world, name="Another")
    html(browser, address(world))
    with CaptureQueriesContext(connection) as few:
        html(browser, address(world))
    for _ in range(3):
        happen(world)
    change_board(world, name="A third")
    with CaptureQueriesContext(connection) as many:
        html(browser, address(world))
    assert len(many) == len(few) <= 22


@pytest.mark.sqlite_only
def test_each_query_runs_along_an_index(world: World) -> None:
    """However deep the page lies: no scan of a table, no sorting of what was found."""
    world.ticket()
    deep = Position.parse(f"{timezone.now().isoformat()}~h1000000", "before")
    logs = ("ticket_history", "workflow_history", "board_revisions")
    for kind, agent in itertools.product([None, *KINDS], [None, world.agent.id]):
        with CaptureQueriesContext(connection) as captured:
            changes(world.workflow, Wanted(agent_id=agent, kind=kind), before=deep, limit=51)
        statements = [query["sql"] for query in captured if any(f'FROM "{log}"' in query["sql"] for log in logs)]
        assert statements
        for sql in statements:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                plan = [row[3] for row in cursor.fetchall()]
            assert not [line for line in plan if line.startswith("SCAN ") or "TEMP B-TREE" in line], (kind, plan)


def test_whose_agent_row_is_made_by_the_first_look_may_read(world: World) -> None:
    superuser = make_person(superuser=True)
    assert actor_for_user(superuser).is_superuser
    world.ticket()
    assert len(ids(html(browser_of(superuser), address(world, kind="created")))) == 1
