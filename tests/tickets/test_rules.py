"""What a board's configuration means, and what is no board."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tickets.rules import BoardSettings, default_board, parse_board, parse_color

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

TYPES = ["bug", "task"]


def columns(*ids: str, **categories: str) -> list[dict[str, Any]]:
    return [{"id": id_, "name": id_.title(), "category": categories.get(id_)} for id_ in ids]


def board(**fields: Any) -> Any:
    return parse_board({"columns": columns("todo", "doing", "done"), "ticket_types": TYPES, **fields})


def refusal(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        board(**fields)
    return str(caught.value)


def test_without_categories_the_first_is_queue_the_last_final_the_rest_active() -> None:
    read = board(columns=columns("a", "b", "c", "d"))
    assert [column.category for column in read.columns] == ["queue", "active", "active", "final"]


def test_named_categories_are_kept_and_missing_ones_are_active() -> None:
    read = board(columns=columns("a", "b", "c", a="final", c="final"))
    assert [column.category for column in read.columns] == ["final", "active", "final"]


def test_a_single_column_is_final() -> None:
    assert board(columns=columns("only")).category("only") == "final"


def test_columns_are_sorted_by_order_and_numbered_where_they_have_none() -> None:
    given = [{"id": "b", "name": "B", "order": 5}, {"id": "a", "name": "A", "order": 1}]
    assert list(board(columns=given).by_id) == ["a", "b"]
    assert [column.order for column in board().columns] == [0, 1, 2]


def test_defaults_are_first_column_first_final_column_and_task() -> None:
    read = board(columns=columns("todo", "doing", "done", "shipped", done="final", shipped="final", todo="queue"))
    assert (read.initial_status, read.resolved_status, read.default_ticket_type) == ("todo", "done", "task")
    assert board(ticket_types=["bug", "story"]).default_ticket_type == "bug"


def test_settings_may_stand_beside_the_rest_as_in_the_designs_table() -> None:
    read = board(auto_assign=True, settings={"allow_reopen": False})
    assert (read.settings.auto_assign, read.settings.allow_reopen) == (True, False)


def test_the_stored_form_reads_back_unchanged() -> None:
    for each in (default_board(), board(transitions={"todo": ["doing"]}, settings={"track_time": True})):
        assert parse_board(each.as_json()) == each


def test_the_default_board_is_the_designs_first_example() -> None:
    read = default_board()
    assert list(read.by_id) == ["backlog", "todo", "in_progress", "review", "done"]
    assert [column.category for column in read.columns] == ["queue", "queue", "active", "active", "final"]
    assert list(read.types) == ["bug", "feature", "improvement", "task", "spike"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"columns": []}, "columns"),
        ({"columns": columns("a", "a")}, "'a' stands twice"),
        ({"columns": columns("a", "b", a="queue", b="active")}, "at least one column of category 'final'"),
        ({"columns": columns("a b", "c")}, "columns.0.id"),
        ({"columns": [{"id": "a", "name": "A", "wip_limit": 0}]}, "wip_limit"),
        ({"columns": [{"id": "a", "name": "A", "color": "#nope"}]}, "is no colour"),
        ({"columns": [{"id": "a", "name": "A", "category": "limbo"}]}, "category"),
        ({"columns": [{"id": "a", "name": "A", "width": 3}]}, "columns.0.width"),
        ({"columns": columns(*(f"c{n}" for n in range(51)))}, "columns"),
        ({"ticket_types": []}, "ticket_types"),
        ({"ticket_types": ["bug", "bug"]}, "'bug' stands twice"),
        ({"default_ticket_type": "saga"}, "default_ticket_type\n  'saga' is not one of: bug, task"),
        ({"initial_status": "limbo"}, "initial_status\n  'limbo' is not one of: todo, doing, done"),
        ({"resolved_status": "doing"}, "not a final column"),
        ({"transitions": {"limbo": []}}, "transitions.limbo\n"),
        ({"transitions": {"todo": ["limbo"]}}, "transitions.todo.0\n  'limbo'"),
        ({"settings": {"auto_asign": True}}, "settings.auto_asign"),
        ({"settings": {"approval_timeout_seconds": 0}}, "approval_timeout_seconds"),
        ({"colour": "red"}, "colour"),
        ({"name": "x" * 201}, "name"),
    ],
)
def test_a_faulty_board_names_its_fault(fields: dict[str, Any], said: str) -> None:
    assert said in refusal(**fields)


@pytest.mark.parametrize("text", ["doing", "Doing", " DO-ING ", "do_ing", "do ing"])
def test_a_column_is_found_by_id_or_name_in_any_spelling(text: str) -> None:
    assert board().find_status(text) == "doing"
    assert board().find_status("gone") is None


def test_without_transitions_every_other_column_is_allowed() -> None:
    assert board().allowed_from("doing") == ["todo", "done"]


def test_transitions_allow_what_they_name_in_column_order() -> None:
    read = board(transitions={"todo": ["done", "doing"], "doing": []})
    assert read.allowed_from("todo") == ["doing", "done"]
    assert read.allowed_from("doing") == []


@pytest.mark.parametrize(
    ("text", "color"),
    [("#ABC", "#abc"), ("#a1b2c3", "#a1b2c3"), ("red", "#ef4444"), ("#gray", "#6b7280"), ("Lightblue", "#3b82f6")],
)
def test_colours_are_hexadecimal_or_named(text: str, color: str) -> None:
    assert parse_color(text) == color


def test_settings_default_as_the_contract_says() -> None:
    assert BoardSettings().model_dump() == {
        "auto_assign": False,
        "require_comments_on_status_change": False,
        "allow_reopen": True,
        "track_time": False,
        "resolve_on_final": True,
        "enforce_wip_limits": False,
        "ticket_human_review": False,
        "approval_timeout_seconds": 1800,
    }


def test_a_board_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        board().name = "Another"
