"""Boards over REST: read, check, replace, export and take back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.answers import ok, refused
from tests.factories import AgentWithToken, ApiClient, api_client, make_agent, make_ticket, make_workflow
from tickets.models import Event, Ticket, Workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("alpha")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, role="maintainer")


@pytest.fixture
def api(agent: AgentWithToken) -> ApiClient:
    return api_client(agent)


def exported(api: ApiClient) -> dict[str, Any]:
    answer = api.get("/api/workflows/alpha/board/export")
    assert answer["Content-Disposition"] == 'attachment; filename="board-tkt.json"'
    board: dict[str, Any] = json.loads(answer.content)
    return board


def put(api: ApiClient, board: dict[str, Any], **more: Any) -> Any:
    return api.send("PUT", "/api/workflows/alpha/board", {"board": board, **more})


def test_the_designs_configuration(api: ApiClient, agent: AgentWithToken) -> None:
    make_ticket(agent)
    config = ok(api.get("/tickets/board-config/alpha"))["board_config"]
    assert config == ok(api.get("/api/workflows/alpha/board"))["board_config"]
    assert (config["workflow_id"], config["default_ticket_type"]) == ("alpha", "task")
    column = config["columns"][0]
    assert {"id", "name", "order", "wip_limit", "color", "ticket_count", "category"} == column.keys()
    assert (column["id"], column["ticket_count"]) == ("backlog", 1)
    assert config["ticket_types"][0].keys() == {"id", "name", "icon", "color"}
    names = {"auto_assign", "require_comments_on_status_change", "allow_reopen", "track_time"}
    assert names <= config["settings"].keys()


def test_what_is_exported_is_taken_back(api: ApiClient) -> None:
    board = exported(api)
    assert ok(put(api, board))["board_config"]["version"] == 1
    assert ok(api.send("PUT", "/api/workflows/alpha/board", board))["board_config"]["version"] == 1
    board["name"] = "Renamed"
    answer = api.send("PUT", "/api/workflows/alpha/board", {**board, "expected_version": 1})
    assert ok(answer)["board_config"]["name"] == "Renamed"
    assert Event.objects.get().type == "board_updated"
    assert exported(api)["name"] == "Renamed"


def test_the_designs_own_form_is_read(api: ApiClient) -> None:
    board = {
        "name": "Kanban",
        "columns": [
            {"id": "found", "name": "Found", "order": 0, "color": "#gray"},
            {"id": "fixing", "name": "Fixing", "order": 1, "color": "blue"},
            {"id": "fixed", "name": "Fixed", "order": 2, "color": "#10b981"},
        ],
        "ticket_types": ["bug", "feature"],
        "default_ticket_type": "bug",
        "initial_status": "found",
        "auto_assign": True,
        "track_time": True,
    }
    config = ok(put(api, board))["board_config"]
    assert [column["category"] for column in config["columns"]] == ["queue", "active", "final"]
    assert config["resolved_status"] == "fixed"
    assert config["settings"]["auto_assign"] is True


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"columns": []}, "columns"),
        ({"columns": [{"id": "a b", "name": "A"}, {"id": "c", "name": "C"}]}, "columns.0.id"),
        ({"columns": [{"id": "a", "name": "A", "color": "nice"}, {"id": "c", "name": "C"}]}, "columns.0.color"),
        ({"columns": [{"id": "a", "name": "A", "wip_limit": 0}, {"id": "c", "name": "C"}]}, "columns.0.wip_limit"),
        ({"initial_status": "nowhere"}, "initial_status"),
        ({"resolved_status": "backlog"}, "resolved_status"),
        ({"default_ticket_type": "epic"}, "default_ticket_type"),
        ({"transitions": {"backlog": ["todo", "nowhere"]}}, "transitions.backlog.1"),
        ({"settings": {"auto_asign": True}}, "settings.auto_asign"),
        ({"colums": []}, "colums"),
        ({"ticket_types": []}, "ticket_types"),
        ({"columns": 7}, "columns"),
        ({"columns": [7]}, "columns.0"),
        ({"columns": {"a": 1}}, "columns"),
        ({"columns": [{"id": ["a"], "name": {}, "order": "x", "category": []}]}, "columns.0.id"),
        ({"ticket_types": [{"id": 1}]}, "ticket_types.0.id"),
        ({"ticket_types": 7}, "ticket_types"),
        ({"settings": 7}, "settings"),
        ({"settings": [], "auto_assign": True}, "settings"),
        ({"transitions": [1]}, "transitions"),
        ({"name": None}, "name"),
    ],
)
def test_faults_are_named_before_anything_is_kept(api: ApiClient, change: dict[str, Any], field: str | None) -> None:
    board = {**exported(api), **change}
    for answer in (put(api, board), api.write("/api/workflows/alpha/board/validate", {"board": board})):
        error = refused(answer, 400, "invalid", field)
        assert error["message"]
    assert ok(api.get("/api/workflows/alpha/board"))["board_config"]["version"] == 1


def test_checking_keeps_nothing(workflow: Workflow, api: ApiClient) -> None:
    viewer = api_client(make_agent(workflow, role="viewer"))
    board = {**exported(api), "name": "Other"}
    for sent in ({"board": board}, board):
        assert ok(viewer.write("/api/workflows/alpha/board/validate", sent))["board"]["name"] == "Other"
    assert exported(api)["name"] != "Other"
    stranger = api_client(make_agent(make_workflow("beta")))
    refused(stranger.write("/api/workflows/alpha/board/validate", {"board": board}), 404, "not_found", "workflow_id")


def test_tickets_of_a_column_that_goes_need_a_place(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    board = exported(api)
    board["columns"] = [column for column in board["columns"] if column["id"] != "backlog"]
    board["initial_status"] = "todo"
    error = refused(put(api, board), 409, "conflict", "move_tickets")
    assert "todo" in error["allowed"]
    refused(put(api, board, move_tickets={"backlog": "review"}), 409, "conflict", "move_tickets")
    config = ok(put(api, board, move_tickets={"backlog": "todo"}))["board_config"]
    assert {column["id"]: column["ticket_count"] for column in config["columns"]}["todo"] == 1
    assert Ticket.objects.get(pk=ticket.pk).status == "todo"


def test_tickets_of_a_type_that_goes_need_another(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, ticket_type="bug")
    board = exported(api)
    board["ticket_types"] = [kind for kind in board["ticket_types"] if kind["id"] != "bug"]
    error = refused(put(api, board), 409, "conflict", "change_types")
    assert error["allowed"] == ["feature", "improvement", "task", "spike"]
    refused(put(api, board, change_types={"bug": "bug"}), 409, "conflict", "change_types")
    ok(put(api, board, change_types={"bug": "task", "spike": "feature"}))
    assert Ticket.objects.get(pk=ticket.pk).ticket_type == "task"
    assert list(Event.objects.values_list("type", flat=True))[-2:] == ["board_updated", "ticket_updated"]


def test_faults_of_a_column_stand_where_it_was_written(api: ApiClient, agent: AgentWithToken) -> None:
    """Columns are sorted by their order, but a fault's place is the one in the file."""
    board = exported(api)
    board["columns"].reverse()
    board["columns"][1]["color"] = "nice"
    refused(put(api, board), 400, "invalid", "columns.1.color")
    board["columns"][1] = {**board["columns"][0], "order": 7}
    refused(put(api, board), 400, "invalid", "columns.1.id")


def test_a_column_with_tickets_keeps_its_category(api: ApiClient, agent: AgentWithToken) -> None:
    make_ticket(agent, initial_status="todo")
    board = exported(api)
    board["columns"][1]["category"] = "active"
    refused(put(api, board), 409, "conflict", "columns.1.category")


def test_unknown_parameters_are_refused(api: ApiClient) -> None:
    refused(api.get("/api/workflows/alpha/board?x=1"), 400, "invalid", "x")
    refused(api.get("/tickets/board-config/alpha?workflow_id=beta"), 400, "invalid", "workflow_id")
    ok(api.get("/tickets/board-config/alpha?workflow_id=alpha"))
