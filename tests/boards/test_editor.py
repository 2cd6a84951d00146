"""The board editor's page, its preview, and what saving a board does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from boards.examples import EXAMPLES
from boards.models import BoardRevision
from tests.answers import ok, refused
from tests.boards.pages import browser_of, html
from tests.factories import AgentWithToken, ApiClient, api_client, make_agent, make_person, make_ticket, make_workflow
from tickets.board_source import board_of
from tickets.models import Event, StatusPeriod, Ticket, TicketHistory, Workflow
from tickets.rules import CATEGORIES, NAMED_COLORS, parse_board
from tickets.schemas.tickets import CreateTicket
from tickets.selectors.integrity import integrity_findings

pytestmark = pytest.mark.django_db

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e🔥"


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, role="maintainer", agent_id="smith")


@pytest.fixture
def api(agent: AgentWithToken) -> ApiClient:
    return api_client(agent)


@pytest.fixture
def browser(workflow: Workflow) -> Client:
    return browser_of(make_person(workflow, role="maintainer"))


def present(workflow: Workflow) -> dict[str, Any]:
    workflow.refresh_from_db()
    return board_of(workflow).as_json()


def without(board: dict[str, Any], column: str) -> dict[str, Any]:
    return {**board, "columns": [each for each in board["columns"] if each["id"] != column]}


def script_data(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="editor-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def drawn(client: Client, board: Any, **more: Any) -> Any:
    body = {"workflow_id": "anvil", "board": board, **more}
    return client.post("/board-settings/preview", body, content_type="application/json")


# ── who may ──


def test_maintainers_edit_and_others_read(workflow: Workflow, browser: Client) -> None:
    page = html(browser, "/board-settings?workflow=anvil")
    assert "Save board" in page
    assert script_data(page)["maintains"] is True
    for role in ("member", "viewer"):
        read = html(browser_of(make_person(workflow, role=role)), "/board-settings?workflow=anvil")
        assert "Save board" not in read
        assert "Maintainers of this workflow change its board." in read
        assert script_data(read)["maintains"] is False
        assert read.count(" disabled") >= 8


def test_strangers_see_nothing(workflow: Workflow) -> None:
    stranger = browser_of(make_person(make_workflow("other")))
    assert stranger.get("/board-settings?workflow=anvil").status_code == 404
    refused(drawn(stranger, present(workflow)), 404, "not_found", "workflow_id")
    assert Client().get("/board-settings?workflow=anvil").status_code == 302
    refused(drawn(Client(), present(workflow)), 401, "unauthenticated")


def test_only_maintainers_save(workflow: Workflow) -> None:
    board = {**present(workflow), "name": "Mine"}
    for role in ("member", "viewer"):
        api = api_client(make_agent(workflow, role=role))
        refused(api.send("PUT", "/api/workflows/anvil/board", {"board": board}), 403, "forbidden")
    assert present(workflow)["name"] != "Mine"


def test_the_page_is_in_the_menu_and_follows_the_workflow(workflow: Workflow, browser: Client) -> None:
    page = html(browser, "/board-settings?workflow=anvil")
    assert '<a class="menu-item" href="/board-settings?workflow=anvil" aria-current="page">' in page
    assert f'data-seq="{workflow.event_seq}"' in page


def test_the_page_brings_what_its_script_needs(workflow: Workflow, browser: Client, agent: AgentWithToken) -> None:
    make_ticket(agent, ticket_type="bug", initial_status="todo")
    rejected = make_ticket(agent, ticket_type="spike", initial_status="todo")
    Ticket.objects.filter(pk=rejected.pk).update(approval_status="rejected")
    data = script_data(html(browser, "/board-settings?workflow=anvil"))
    assert data["board"] == present(workflow)
    assert data["version"] == 1
    # Also what the board does not show stands in the way of a column's end.
    assert data["uses"] == {"columns": {"todo": 2}, "types": {"bug": 1, "spike": 1}}
    assert [example["board"] for example in data["examples"]] == [example.board.as_json() for example in EXAMPLES]


def test_hostile_names_are_text(workflow: Workflow, api: ApiClient, browser: Client) -> None:
    board = present(workflow)
    board["name"] = board["columns"][0]["name"] = board["ticket_types"][0]["name"] = HOSTILE
    board["ticket_types"][0]["icon"] = "<b>"
    ok(api.send("PUT", "/api/workflows/anvil/board", {"board": board}))
    page = html(browser, "/board-settings?workflow=anvil")
    assert "<img" not in page
    assert script_data(page)["board"]["name"] == HOSTILE
    shown = ok_preview(drawn(browser, board))["html"]
    assert "<img" not in shown
    assert "<b>" not in shown


# ── preview ──


def ok_preview(answer: Any) -> Any:
    assert answer.status_code == 200, answer.content
    return answer.json()


def columns_of(shown: str) -> dict[str, str]:
    """Column's name → its HTML in the preview."""
    parts = re.split(r'<section class="col', shown)[1:]
    return {re.findall(r"<h3[^>]*>([^<]*)</h3>", part)[0]: part for part in parts}


def test_the_preview_shows_the_real_cards_where_they_would_stand(
    workflow: Workflow, browser: Client, agent: AgentWithToken
) -> None:
    bug = make_ticket(agent, title="Leaking bellows", ticket_type="bug", initial_status="todo", tags=["air"])
    make_ticket(agent, title="Cast a bell", initial_status="review")
    board = without(present(workflow), "todo")
    board["columns"][0].update(name="Ideas", wip_limit=1)
    board["ticket_types"] = [{"id": "fault", "name": "Fault", "icon": "⚒", "color": "red"}, *board["ticket_types"][1:]]
    moves: dict[str, Any] = {"move_tickets": {"todo": "backlog"}, "change_types": {"bug": "fault"}}
    answer = ok_preview(drawn(browser, board, **moves))
    columns = columns_of(answer["html"])
    assert list(columns) == ["Ideas", "In Progress", "Review", "Done"]
    for part in ("Leaking bellows", bug.key, "air", "Fault", "⚒", "/1"):
        assert part in columns["Ideas"]
    assert "Cast a bell" in columns["Review"]
    assert "Nothing in hand here." in columns["In Progress"]
    assert answer["board"] == parse_board(board).as_json()
    assert answer["uses"]["columns"] == {"todo": 1, "review": 1}


def test_the_preview_keeps_nothing(workflow: Workflow, browser: Client, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Leaking bellows")
    before = html(browser, "/tickets?workflow=anvil")
    board = present(workflow)
    board["ticket_types"] = [{"id": "fault", "name": "Fault", "icon": "⚒"}]
    drawn(browser, board, change_types={"task": "fault"})
    assert present(workflow)["ticket_types"] != board["ticket_types"]
    assert BoardRevision.objects.count() == 1
    assert Ticket.objects.get(pk=ticket.pk).ticket_type == "task"
    # Nor does a card of the preview turn up on the board.
    assert html(browser, "/tickets?workflow=anvil").count("⚒") == before.count("⚒") == 0


def test_a_board_without_tickets_is_shown_with_examples(workflow: Workflow, browser: Client) -> None:
    shown = ok_preview(drawn(browser, present(workflow)))["html"]
    assert "these cards are examples" in shown
    assert [re.findall("Example: ([A-Z][a-z]+)", part) for part in columns_of(shown).values()] == [
        ["Bug"], ["Feature"], ["Improvement"], ["Task"], ["Spike"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": ""}, ["name"]),
        ({"columns": []}, ["columns"]),
        ({"initial_status": "nowhere", "default_ticket_type": "saga"}, ["default_ticket_type", "initial_status"]),
        ({"transitions": {"todo": ["done", "nowhere"], "gone": []}}, ["transitions.todo.1", "transitions.gone"]),
        ({"settings": {"approval_timeout_seconds": "soon"}}, ["settings.approval_timeout_seconds"]),
        ({"ticket_types": [{"id": "a b", "name": ""}]}, ["ticket_types.0.id", "ticket_types.0.name"]),
    ],
)
def test_each_fault_has_its_place(
    workflow: Workflow, browser: Client, change: dict[str, Any], fields: list[str]
) -> None:
    answer = ok_preview(drawn(browser, {**present(workflow), **change}))
    assert [fault["field"] for fault in answer["faults"]] == fields
    assert all(fault["message"] for fault in answer["faults"])


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"board": {}}', b'{"workflow_id": "anvil", "board": 7}', b"[" * 5000, b"\xff\xfe",
     b'{"workflow_id": "anvil", "board": {}, "x": 1}', b'{"workflow_id": "anvil", "board": {}, "move_tickets": 7}',
     b'{"workflow_id": "anvil", "board": {"name": ' + b"9" * 5000 + b"}}"],
)  # fmt: skip
def test_nonsense_is_refused(browser: Client, body: bytes) -> None:
    assert browser.post("/board-settings/preview", body, content_type="application/json").status_code == 400


def test_nonsense_within_a_board_is_a_fault(browser: Client) -> None:
    faulty: list[dict[str, Any]] = [
        {}, {"columns": [[]]}, {"columns": {"a": None}}, {"x" * 5000: 1}, {"columns": [{"id": 9**99}]},
    ]  # fmt: skip
    for board in faulty:
        assert ok_preview(drawn(browser, board))["faults"]
    for text in ("a\x00b", "\ud800"):
        refused(drawn(browser, {"columns": [{"id": text}]}), 400, "invalid", "board.columns.0.id")
    assert browser.get("/board-settings/preview").status_code == 405


def test_queries_of_the_preview_do_not_grow(
    workflow: Workflow,
    browser: Client,
    agent: AgentWithToken,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(30):
        make_ticket(agent, initial_status=("backlog", "todo", "review")[number % 3], tags=["a"])
    with django_assert_max_num_queries(16):
        shown = ok_preview(drawn(browser, present(workflow)))["html"]
    assert shown.count('<li class="card') == 12
    assert "and 6 more" in shown


# ── what saving does ──


def test_tickets_of_a_renamed_column_go_along(workflow: Workflow, api: ApiClient, agent: AgentWithToken) -> None:
    held = [make_ticket(agent, initial_status="todo") for _ in range(3)]
    blocked = make_ticket(agent, initial_status="todo", blocked_by_ticket_ids=[held[0].id])
    board = present(workflow)
    board["columns"][1].update(id="ready", name="Ready")
    answer = api.send("PUT", "/api/workflows/anvil/board", {"board": board, "move_tickets": {"todo": "ready"}})
    counts = {column["id"]: column["ticket_count"] for column in ok(answer)["board_config"]["columns"]}
    assert counts["ready"] == 4
    order = list(Ticket.objects.filter(status="ready").order_by("rank").values_list("key", flat=True))
    assert order == [ticket.key for ticket in (*held, blocked)]
    row = TicketHistory.objects.filter(ticket=blocked, field_name="status").latest("id")
    assert (row.old_value, row.new_value, row.agent_id) == ("todo", "ready", "smith")
    assert StatusPeriod.objects.get(ticket=blocked, left_at=None).status == "ready"
    assert ok(api.get("/api/tickets?workflow_id=anvil&status=ready"))["total_count"] == 4


def test_two_columns_exchange_their_ids_and_two_types_theirs(
    workflow: Workflow, api: ApiClient, browser: Client, agent: AgentWithToken
) -> None:
    working = [make_ticket(agent, initial_status="in_progress", ticket_type="bug") for _ in range(2)]
    ideas = [make_ticket(agent, initial_status="todo", ticket_type="task") for _ in range(3)]
    board = present(workflow)
    todo, doing = board["columns"][1:3]
    todo["id"], doing["id"] = "in_progress", "todo"
    kinds = {kind["id"]: kind for kind in board["ticket_types"]}
    kinds["bug"]["id"], kinds["task"]["id"] = "task", "bug"
    body = {
        "board": board,
        "move_tickets": {"todo": "in_progress", "in_progress": "todo"},
        "change_types": {"bug": "task", "task": "bug"},
    }
    shown = columns_of(ok_preview(drawn(browser, **body))["html"])
    assert all(ticket.key in shown[todo["name"]] for ticket in ideas)
    assert all(ticket.key in shown[doing["name"]] for ticket in working)
    ok(api.send("PUT", "/api/workflows/anvil/board", body))
    for tickets, status, kind in ((working, "todo", "task"), (ideas, "in_progress", "bug")):
        found = Ticket.objects.filter(pk__in=[ticket.pk for ticket in tickets]).order_by("rank")
        assert [(row.key, row.status, row.ticket_type) for row in found] == [(t.key, status, kind) for t in tickets]
    assert list(integrity_findings()) == []
    page = html(browser, "/audit?workflow=anvil&kind=board")
    assert "tickets of todo to in_progress" in page
    # What stays where it is keeps its category; what moves comes to one of the same.
    board["columns"][1]["category"] = "final"
    refused(api.send("PUT", "/api/workflows/anvil/board", {"board": board}), 409, "conflict", "columns.1.category")
    crossed = {"board": {**present(workflow), "name": "Crossed"}, "move_tickets": {"todo": "in_progress"}}
    refused(api.send("PUT", "/api/workflows/anvil/board", crossed), 409, "conflict", "move_tickets")


def test_a_column_and_a_type_go_at_once(workflow: Workflow, api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, ticket_type="bug", initial_status="todo")
    board = without(present(workflow), "todo")
    board["ticket_types"] = board["ticket_types"][1:]
    body = {"board": board, "move_tickets": {"todo": "backlog"}, "change_types": {"bug": "task"}}
    ok(api.send("PUT", "/api/workflows/anvil/board", body))
    moved = Ticket.objects.get(pk=ticket.pk)
    assert (moved.status, moved.ticket_type, moved.version) == ("backlog", "task", ticket.version + 1)
    assert list(Event.objects.order_by("seq").values_list("type", flat=True))[-3:] == [
        "board_updated", "status_changed", "ticket_updated",
    ]  # fmt: skip
    revision = BoardRevision.objects.latest("version")
    assert (revision.board, revision.moved_tickets) == (parse_board(board).as_json(), {"todo": "backlog"})
    # A new ticket, also of an old program that still says "bug", gets the board as it is now.
    assert "bug" not in board_of(Workflow.objects.get(pk="anvil")).types
    assert CreateTicket.model_validate({"title": "Still", "description": "Long enough text."}).ticket_type is None


def test_a_refused_board_leaves_no_trace(workflow: Workflow, api: ApiClient, agent: AgentWithToken) -> None:
    make_ticket(agent, initial_status="todo", ticket_type="bug")
    board = without(present(workflow), "todo")
    board["ticket_types"] = board["ticket_types"][1:]
    events = Event.objects.count()
    for more in ({}, {"move_tickets": {"todo": "backlog"}}, {"change_types": {"bug": "task"}}):
        refused(
            api.send("PUT", "/api/workflows/anvil/board", {"board": board, **more}), 409, "conflict",
            "move_tickets" if "change_types" in more else "change_types",
        )  # fmt: skip
    stale = {"board": {**present(workflow), "name": "Late"}, "expected_version": 7}
    assert (
        refused(api.send("PUT", "/api/workflows/anvil/board", stale), 409, "conflict", "expected_version")[
            "current_version"
        ]
        == 1
    )
    assert (Event.objects.count(), BoardRevision.objects.count()) == (events, 1)


# ── export and import ──

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,9}", fullmatch=True)
names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20).filter(str.strip)
colors = st.one_of(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True), st.sampled_from(sorted(NAMED_COLORS)))


@st.composite
def boards(draw: st.DrawFn) -> dict[str, Any]:
    columns = draw(st.lists(ids, min_size=1, max_size=6, unique=True))
    finals = draw(st.sets(st.sampled_from(columns), min_size=1))
    kinds = draw(st.lists(ids, min_size=1, max_size=5, unique=True))
    pairs = st.dictionaries(st.sampled_from(columns), st.lists(st.sampled_from(columns), max_size=4))
    return {
        "name": draw(names),
        "columns": [
            {
                "id": column,
                "name": draw(names),
                "order": draw(st.integers(0, 20)),
                "color": draw(colors),
                "wip_limit": draw(st.none() | st.integers(1, 99)),
                "category": "final" if column in finals else draw(st.sampled_from(CATEGORIES[:2])),
            }
            for column in columns
        ],
        "ticket_types": [
            {"id": kind, "name": draw(names), "icon": draw(st.sampled_from(["", "⚒", "🐛"])), "color": draw(colors)}
            for kind in kinds
        ],
        "default_ticket_type": draw(st.sampled_from(kinds)),
        "initial_status": draw(st.sampled_from(columns)),
        "resolved_status": draw(st.sampled_from(sorted(finals))),
        "transitions": draw(st.none() | pairs),
        "settings": {
            "auto_assign": draw(st.booleans()),
            "allow_reopen": draw(st.booleans()),
            "approval_timeout_seconds": draw(st.integers(1, 31_536_000)),
        },
    }


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(board=boards())
def test_export_and_import_are_the_identity(workflow: Workflow, api: ApiClient, board: dict[str, Any]) -> None:
    saved = ok(api.send("PUT", "/api/workflows/anvil/board", {"board": board}))["board_config"]
    file = api.get("/api/workflows/anvil/board/export").content
    exported = json.loads(file)
    assert exported == parse_board(board).as_json()
    # Taken back, nothing changes; and what a check reads is what was written.
    again = ok(api.send("PUT", "/api/workflows/anvil/board", exported))["board_config"]
    assert again["version"] == saved["version"]
    assert ok(api.write("/api/workflows/anvil/board/validate", {"board": exported}))["board"] == exported
    assert api.get("/api/workflows/anvil/board/export").content == file
    assert BoardRevision.objects.latest("version").board == exported
