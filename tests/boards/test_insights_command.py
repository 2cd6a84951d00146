"""The command for cron: text, JSON, exit codes."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from tests.boards.insights_world import Watched

pytestmark = pytest.mark.django_db


def run(world: Watched, *arguments: str) -> tuple[str, int]:
    """What it printed, and its exit code."""
    out = io.StringIO()
    code = 0
    try:
        call_command("insights", "--workflow", world.workflow.id, *arguments, stdout=out)
    except SystemExit as end:
        code = int(str(end.code))
    return out.getvalue(), code


def test_prints_findings_with_what_would_help(world: Watched) -> None:
    ticket = world.ticket(priority="critical")
    text, code = run(world, "--kind", "unassigned")
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == f"high   unassigned: {ticket.key} is critical, has been ready for 0 min, and nobody has it."
    assert lines[1].strip().startswith(f"Assign {ticket.key} to ")
    assert lines[2:] == ["1 finding."]


def test_prints_what_rest_answers(world: Watched) -> None:
    world.ticket(priority="critical")
    text, _ = run(world, "--json", "--kind", "unassigned", "--kind", "agent_idle")
    assert json.loads(text) == world.insights("unassigned,agent_idle")


def test_says_what_it_leaves_out(world: Watched) -> None:
    for _ in range(3):
        world.ticket(priority="critical")
    text, _ = run(world, "--kind", "unassigned", "--limit", "2")
    assert "unassigned: 3 in all; --limit shows more." in text


@pytest.mark.parametrize(
    ("priority", "fail_on", "expected"),
    [("critical", "high", 2), ("high", "high", 0), ("high", "medium", 2), ("high", "info", 2), ("medium", "low", 0)],
)
def test_the_exit_code_tells_how_severe_it_is(world: Watched, priority: str, fail_on: str, expected: int) -> None:
    world.ticket(priority=priority)
    assert run(world, "--kind", "unassigned", "--fail-on", fail_on)[1] == expected


def test_thresholds_are_taken(world: Watched) -> None:
    world.ticket(initial_status="doing")
    world.wait(hours=2)
    said = [run(world, "--kind", "stuck", "--stuck-hours", hours)[0] for hours in ("1", "3")]
    assert [text.count("stuck:") for text in said] == [1, 0]


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--limit", "0", "limit: Input should be greater"),
        ("--stuck-hours", "-1", "stuck_hours: Input should be greater"),
        ("--blocked-hours", "nan", "Numbers must be finite"),
    ],
)
def test_what_cannot_be_asked_is_refused(world: Watched, option: str, value: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        run(world, option, value)


def test_an_unknown_workflow_is_refused(world: Watched) -> None:
    with pytest.raises(CommandError, match="No workflow 'nowhere'"):
        call_command("insights", "--workflow", "nowhere")
