"""A folder of phases, and boards written as Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from hephaestus_site.sdk import ColumnConfig, TicketBoardConfig, TicketTypeConfig, read_phases
from hephaestus_site.sdk.errors import PhaseError
from tickets.rules import parse_board


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name.removeprefix('f')}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_phases_come_in_the_order_of_their_numbers_and_keep_unknown_keys(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        f10_release="name: Release\ndescription: Ship it.\n",
        f2_build="name: Build\ndescription: Write it.\ndone_definitions: [It runs, It is tested]\n"
        "additional_notes: |\n  Small steps.\nworking_directory: src\nvalidation: {enabled: true}\n",
        f01_plan="name: Plan\ndescription: Think.\ndone_definitions: A plan stands\n",
    )
    (folder / "README.md").write_text("not a phase")

    plan, build, release = read_phases(folder)

    assert [phase.number for phase in (plan, build, release)] == [1, 2, 10]
    assert plan.done_definitions == ["A plan stands"]
    assert build.model_dump() == {
        "number": 2,
        "name": "Build",
        "description": "Write it.",
        "done_definitions": ["It runs", "It is tested"],
        "additional_notes": "Small steps.\n",
        "working_directory": "src",
        "validation": {"enabled": True},
    }
    assert (release.done_definitions, release.additional_notes) == ([], "")


def test_a_folder_of_hephaestus_is_read_as_it_is(tmp_path: Path) -> None:
    write(
        tmp_path,
        f01_issue_analysis="description: Find it.\nDone_Definitions:\n  - Found\nAdditional_Notes: Look.\nOutputs: x\n",
        phases_config="name: Workflow\nhas_result: true\n",
    )

    (phase,) = read_phases(tmp_path)

    assert (phase.name, phase.done_definitions, phase.additional_notes) == ("issue_analysis", ["Found"], "Look.")
    assert phase.model_extra == {"Outputs": "x"}


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        ("f01_plan", "name: Plan\n", "01_plan.yaml: description"),
        ("f01_plan", "name: 7\ndescription: x\n", "01_plan.yaml: name"),
        ("f01_plan", "description: x\ndone_definitions: [fine, a: b]\n", "01_plan.yaml: done_definitions.1"),
        ("f01_plan", "description: x\nadditional_notes: [a]\n", "01_plan.yaml: additional_notes"),
        ("f01_plan", "description: x\nnumber: 3\n", "01_plan.yaml: number"),
        ("f01_plan", "description: x\n3: y\n", "01_plan.yaml: 3"),
        ("f01_plan", "description: [x\n", "01_plan.yaml"),
        ("f01_plan", "- x\n", "01_plan.yaml"),
        ("f01_plan", "", "01_plan.yaml"),
        ("planning", "description: x\n", "planning.yaml"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, name: str, text: str, field: str) -> None:
    with pytest.raises(PhaseError) as caught:
        read_phases(write(tmp_path, **{name: text}))

    assert caught.value.field == field
    assert field.partition(":")[0] in caught.value.message


def test_two_phases_of_one_number_no_phases_and_no_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(PhaseError, match="holds no phase"):
        read_phases(tmp_path)
    with pytest.raises(PhaseError, match="is no folder"):
        read_phases(tmp_path / "absent")
    write(tmp_path, f01_plan="description: x\n", f1_build="description: x\n")
    with pytest.raises(PhaseError, match="two phases of the number 1"):
        read_phases(tmp_path)


def test_a_board_leaves_to_the_rules_what_it_does_not_say() -> None:
    board = TicketBoardConfig(
        columns=[ColumnConfig(id=name, name=name.title()) for name in ("todo", "doing", "done")],
        ticket_types=[TicketTypeConfig(id="bug", name="Bug")],
        settings={"auto_assign": True},
    )

    rules = parse_board(board.as_json())

    assert [column.category for column in rules.columns] == ["queue", "active", "final"]
    assert (rules.initial_status, rules.resolved_status, rules.default_ticket_type) == ("todo", "done", "bug")
    assert rules.settings.auto_assign


def test_a_board_that_is_none_is_refused_where_it_is_written() -> None:
    columns = [ColumnConfig(id="todo", name="To do"), ColumnConfig(id="done", name="Done")]
    types = [TicketTypeConfig(id="bug", name="Bug")]

    with pytest.raises(ValidationError, match=r"initial_status\n  'backlog' is not one of: todo, done"):
        TicketBoardConfig(columns=columns, ticket_types=types, initial_status="backlog")
    with pytest.raises(ValidationError, match="auto_asign"):
        TicketBoardConfig(columns=columns, ticket_types=types, settings={"auto_asign": True})
    with pytest.raises(ValidationError, match="colour"):
        TicketBoardConfig(columns=columns, ticket_types=[TicketTypeConfig(id="bug", name="Bug", color="loud")])
