"""The design's example boards, as templates and as the design writes them."""

from __future__ import annotations

from typing import Any

import pytest

from boards.examples import EXAMPLES
from hephaestus_site.sdk import ColumnConfig, TicketBoardConfig, TicketTypeConfig
from tests.answers import ok
from tests.factories import api_client, make_agent, make_workflow
from tickets.models import Workflow
from tickets.rules import Board, parse_board

pytestmark = pytest.mark.django_db

BOARDS = {example.id: example.board for example in EXAMPLES}

# As in the design: its table's JSON, and its SDK's classes.
DEFAULT: list[dict[str, Any]] = [
    {"id": "backlog", "name": "Backlog", "order": 0, "color": "#9ca3af"},
    {"id": "todo", "name": "To Do", "order": 1, "color": "#6b7280"},
    {"id": "in_progress", "name": "In Progress", "order": 2, "color": "#3b82f6"},
    {"id": "review", "name": "Review", "order": 3, "color": "#f59e0b"},
    {"id": "done", "name": "Done", "order": 4, "color": "#10b981"},
]
SECURITY: list[dict[str, Any]] = [
    {"id": "found", "name": "Found", "order": 0, "color": "#ef4444"},
    {"id": "triaging", "name": "Triaging", "order": 1, "color": "#f59e0b"},
    {"id": "reproduced", "name": "Reproduced", "order": 2, "color": "#3b82f6"},
    {"id": "fixing", "name": "Fixing", "order": 3, "color": "#8b5cf6"},
    {"id": "fp", "name": "False Positive", "order": 4, "color": "#6b7280"},
    {"id": "fixed", "name": "Fixed", "order": 5, "color": "#10b981"},
]


def development() -> TicketBoardConfig:
    return TicketBoardConfig(
        name="Development Board",
        columns=[
            ColumnConfig(id="backlog", name="Backlog", order=0, color="#9ca3af"),
            ColumnConfig(id="todo", name="To Do", order=1, color="#6b7280"),
            ColumnConfig(id="in_progress", name="In Progress", order=2, color="#3b82f6"),
            ColumnConfig(id="review", name="Code Review", order=3, color="#f59e0b"),
            ColumnConfig(id="testing", name="Testing", order=4, color="#8b5cf6"),
            ColumnConfig(id="done", name="Done", order=5, color="#10b981"),
        ],
        initial_status="backlog",
        ticket_types=[
            TicketTypeConfig(id="bug", name="Bug", icon="🐛", color="#ef4444"),
            TicketTypeConfig(id="feature", name="Feature", icon="✨", color="#3b82f6"),
            TicketTypeConfig(id="improvement", name="Improvement", icon="📈", color="#10b981"),
            TicketTypeConfig(id="task", name="Task", icon="📋", color="#6b7280"),
            TicketTypeConfig(id="spike", name="Spike", icon="🔬", color="#8b5cf6"),
        ],
        default_ticket_type="task",
        settings={
            "auto_assign": False,
            "require_comments_on_status_change": True,
            "allow_reopen": True,
            "track_time": True,
        },
    )


def api_development() -> TicketBoardConfig:
    return TicketBoardConfig(
        name="API Development Board",
        columns=[
            ColumnConfig(id="backlog", name="Backlog", order=0, color="#gray"),
            ColumnConfig(id="design", name="Design", order=1, color="#f59e0b"),
            ColumnConfig(id="in_progress", name="In Progress", order=2, wip_limit=3, color="#3b82f6"),
            ColumnConfig(id="review", name="Review", order=3, color="#8b5cf6"),
            ColumnConfig(id="testing", name="Testing", order=4, color="#10b981"),
            ColumnConfig(id="done", name="Done", order=5, color="#6b7280"),
        ],
        ticket_types=[
            TicketTypeConfig(id="feature", name="Feature", icon="✨", color="#3b82f6"),
            TicketTypeConfig(id="bug", name="Bug", icon="🐛", color="#dc2626"),
            TicketTypeConfig(id="task", name="Task", icon="📝", color="#6b7280"),
            TicketTypeConfig(id="improvement", name="Improvement", icon="⚡", color="#f59e0b"),
        ],
    )


def written() -> dict[str, dict[str, Any]]:
    types = [kind.model_dump() for kind in BOARDS["default"].ticket_types]
    return {
        "default": {"columns": DEFAULT, "ticket_types": types},
        "development": development().as_json(),
        "api": api_development().as_json(),
        "security": {"columns": SECURITY, "ticket_types": types},
    }


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("alpha")


@pytest.mark.parametrize("name", BOARDS)
def test_each_template_is_the_designs_board(name: str) -> None:
    """But for what the design leaves open: categories, and what follows from them."""
    given, board = written()[name], BOARDS[name]
    read = parse_board(given)
    assert [column.model_dump(exclude={"category"}) for column in board.columns] == [
        column.model_dump(exclude={"category"}) for column in read.columns
    ]
    assert board.ticket_types == read.ticket_types
    assert board.initial_status == read.initial_status == given["columns"][0]["id"]
    assert board.settings == read.settings


def test_what_the_design_means_by_its_columns() -> None:
    assert BOARDS["api"].by_id["backlog"].color == "#6b7280"
    assert BOARDS["security"].statuses("final") == ["fp", "fixed"]
    assert BOARDS["security"].resolved_status == "fixed"
    for board in BOARDS.values():
        assert board.category(board.initial_status) == "queue"


@pytest.mark.parametrize("name", BOARDS)
def test_a_template_and_the_designs_own_words_are_taken(workflow: Workflow, name: str) -> None:
    api = api_client(make_agent(workflow, role="maintainer"))
    for board in (BOARDS[name].as_json(), written()[name]):
        answer = api.send("PUT", "/api/workflows/alpha/board", {"board": board})
        config = ok(answer)["board_config"]
        assert [column["id"] for column in config["columns"]] == [column["id"] for column in board["columns"]]
        assert Board.model_validate(api.get("/api/workflows/alpha/board/export").json()) == parse_board(board)
