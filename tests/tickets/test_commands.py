"""The commands that an operator starts with: create_workflow, create_agent, run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from boards.demo import layout
from hephaestus_site.management.commands import run as run_module
from tests.factories import make_agent, make_workflow
from tickets.access import authenticate_token
from tickets.models import Agent, AgentToken, Event, Membership, Ticket, Workflow
from tickets.models.triggers import drop_triggers, install_triggers

Said = Callable[..., tuple[str, str]]
BOARD = '{"columns": [{"id": "a", "name": "A"}, {"id": "z", "name": "Z"}], "ticket_types": ["t"]}'


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs a command; its standard output and standard error."""

    def run(*arguments: Any) -> tuple[str, str]:
        call_command(*[str(argument) for argument in arguments])
        return capsys.readouterr()

    return run


class TestCreateWorkflow:
    pytestmark = pytest.mark.django_db

    def test_the_first_ones_prefix_is_tkt_and_its_board_the_designs_example(self, said: Said) -> None:
        output, _ = said("create_workflow", "first", "--name", "The first")
        assert "TKT-1" in output
        workflow = Workflow.objects.get(pk="first")
        assert (workflow.name, workflow.key_prefix, workflow.ticket_tracking_enabled) == ("The first", "TKT", True)
        columns = [column["id"] for column in workflow.board_config.columns]
        assert columns == ["backlog", "todo", "in_progress", "review", "done"]
        assert workflow.board_config.name == "The first"

    def test_prefix_and_tracking_are_the_callers_choice(self, said: Said) -> None:
        said("create_workflow", "w", "--name", "W", "--key-prefix", "BB", "--no-tracking")
        workflow = Workflow.objects.get(pk="w")
        assert (workflow.key_prefix, workflow.ticket_tracking_enabled) == ("BB", False)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("b.json", BOARD),
            ("b.yaml", "columns:\n- {id: a, name: A}\n- {id: z, name: Z}\nticket_types: [t]\n"),
            ("board", "\ufeff" + BOARD),
        ],
    )
    def test_a_board_is_read_from_json_and_yaml(self, name: str, content: str, said: Said, tmp_path: Path) -> None:
        (tmp_path / name).write_text(content, encoding="utf-8")
        said("create_workflow", "w", "--name", "W", "--board", tmp_path / name)
        config = Workflow.objects.get(pk="w").board_config
        assert [column["category"] for column in config.columns] == ["queue", "final"]

    @pytest.mark.parametrize(
        ("name", "content", "place"),
        [
            ("b.json", '{"columns": [\n  {"id": }]}', "line 2, column 10"),
            ("b.yaml", "columns: [\n  {id: a", "line 2"),
            ("b.json", "[1, 2]", "holds no object"),
            ("b.yaml", "just words", "holds no object"),
            ("b.json", '{"columns": [{"id": "a"}], "ticket_types": ["t"]}', "columns.0.name"),
            ("b.json", '{"columns": [{"id": "a", "name": "A", "colour": "red"}], "ticket_types": ["t"]}', "colour"),
            ("b.json", '{"columns": [{"id": "a", "name": "A", "color": "nice"}], "ticket_types": ["t"]}', "nice"),
            ("b.json", "[" * 100_000, "b.json"),
            ("b.yaml", "x" * 1_100_000, "that is no board"),
        ],
    )
    def test_a_board_that_is_none_is_refused_at_its_place(
        self, name: str, content: str, place: str, tmp_path: Path
    ) -> None:
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(CommandError, match=place.replace(".", r"\.")):
            call_command("create_workflow", "w", "--name", "W", "--board", str(tmp_path / name))
        assert not Workflow.objects.exists()

    def test_repositories_lie_under_the_root(self, said: Said, tmp_path: Path, settings: Any) -> None:
        settings.REPOSITORY_ROOT = tmp_path
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        said("create_workflow", "w", "--name", "W", "--repository", tmp_path / "one", "--repository", "two")
        assert Workflow.objects.get(pk="w").repositories == [str(tmp_path / "one"), str(tmp_path / "two")]
        for outside in ("/", "../..", tmp_path / "absent"):
            with pytest.raises(CommandError, match="no folder under the allowed root"):
                call_command("create_workflow", "v", "--name", "V", "--repository", str(outside))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["taken", "--name", "X"], "exists already"),
            (["new", "--name", "X", "--key-prefix", "TKN"], "is taken"),
            (["new", "--name", "X", "--key-prefix", "TICKET"], "reserved"),
            (["new", "--name", "X", "--key-prefix", "lower"], "key_prefix"),
            (["with space", "--name", "X"], "workflow_id"),
            (["new", "--name", " "], "name"),
            (["new", "--name", "X", "--board", "/absent.json"], "cannot be read"),
        ],
    )
    def test_what_is_refused_is_said_without_a_traceback(self, arguments: list[str], message: str) -> None:
        make_workflow("taken", key_prefix="TKN")
        with pytest.raises(CommandError, match=message):
            call_command("create_workflow", *arguments)
        assert Workflow.objects.count() == 1


class TestCreateAgent:
    pytestmark = pytest.mark.django_db

    def test_the_token_stands_alone_on_the_last_line(self, said: Said) -> None:
        make_workflow("w")
        output, errors = said("create_agent", "worker", "--workflow", "w")
        token = output.splitlines()[-1]
        assert authenticate_token(token).agent_id == "worker"
        assert output == token + "\n"
        assert "worker created" in errors
        assert Membership.objects.get(agent_id="worker").role == "member"
        assert Agent.objects.get(pk="worker").kind == "ai"

    def test_an_existing_agent_gets_the_membership_and_a_further_token(self, said: Said) -> None:
        make_workflow("w")
        make_workflow("v")
        first, _ = said("create_agent", "worker", "--workflow", "w", "--role", "maintainer")
        second, errors = said("create_agent", "worker", "--workflow", "v", "--role", "viewer")
        assert "exists already" in errors
        assert {authenticate_token(output.strip()).agent_id for output in (first, second)} == {"worker"}
        said("create_agent", "worker", "--workflow", "w")  # takes no role away
        assert dict(Membership.objects.filter(agent_id="worker").values_list("workflow_id", "role")) == {
            "w": "maintainer",
            "v": "viewer",
        }
        assert AgentToken.objects.filter(agent_id="worker").count() == 3

    def test_gateways_operators_people_and_expiry(self, said: Said) -> None:
        make_workflow("w")
        said("create_agent", "gate", "--workflow", "w", "--gateway", "--expires", "30")
        gate = AgentToken.objects.get(agent_id="gate")
        assert gate.is_gateway
        assert gate.expires_at is not None
        assert abs(gate.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
        said("create_agent", "boss", "--operator", "--expires", "2099-05-06T07:08+02:00")
        boss = AgentToken.objects.get(agent_id="boss")
        assert boss.is_operator
        assert boss.expires_at is not None
        assert boss.expires_at.isoformat() == "2099-05-06T05:08:00+00:00"
        said("create_agent", "anna", "--workflow", "w", "--kind", "human", "--name", "Anna")
        assert Agent.objects.get(pk="anna").kind == "human"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["x"], "Name a workflow"),
            (["x", "--workflow", "nowhere"], "No workflow"),
            (["a b", "--workflow", "w"], "new_agent_id"),
            (["system", "--workflow", "w"], "needs no token"),
            (["present", "--workflow", "w", "--kind", "human"], "is ai, not human"),
            (["x", "--workflow", "w", "--expires", "soon"], "neither a number of days"),
            (["x", "--workflow", "w", "--expires", "2001-01-01"], "in the past"),
            (["x", "--workflow", "w", "--expires", "0"], "in the past"),
            (["x", "--workflow", "w", "--expires", "9" * 30], "neither a number of days"),
        ],
    )
    def test_what_is_refused_leaves_no_trace(self, arguments: list[str], message: str) -> None:
        make_agent(make_workflow("w"), agent_id="present")
        before = (Agent.objects.count(), AgentToken.objects.count(), Membership.objects.count())
        with pytest.raises(CommandError, match=message):
            call_command("create_agent", *arguments)
        assert (Agent.objects.count(), AgentToken.objects.count(), Membership.objects.count()) == before


def test_a_refused_command_prints_one_line_and_fails(tmp_path: Path) -> None:
    """As a person sees it: a process of its own."""
    answer = subprocess.run(
        [sys.executable, "manage.py", "create_workflow", "w", "--name", "W", "--board", "absent.json"],
        cwd=settings.BASE_DIR,
        env={"HEPHAESTUS_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr == "CommandError: absent.json cannot be read: No such file or directory.\n"


class TestRun:
    @pytest.fixture(autouse=True)
    def serving(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What `run` calls instead of serving."""
        called: list[str] = []
        monkeypatch.setattr(run_module, "call_command", lambda name, **_: called.append(name))
        return called

    @pytest.mark.django_db
    def test_the_first_start_shows_login_and_token_once(self, said: Said, serving: list[str], client: Any) -> None:
        output, _ = said("run")
        shown = {line.split()[0]: line.split() for line in output.splitlines() if line.startswith("  ")}
        assert shown["Board"][1].endswith("/tickets")
        assert client.login(username=shown["Login"][1].rstrip(","), password=shown["Login"][3])
        assert authenticate_token(shown["Token"][1]).agent_id == shown["Agent"][1]
        assert serving == ["serve"]

        tickets = Ticket.objects.count()
        output, _ = said("run")
        assert output == ""
        assert serving == ["serve", "serve"]
        assert Ticket.objects.count() == tickets

    @pytest.mark.django_db
    def test_where_there_is_a_workflow_no_demo_is_laid_out(self, said: Said) -> None:
        make_workflow("mine")
        assert said("run")[0] == ""
        assert list(Workflow.objects.values_list("id", flat=True)) == ["mine"]
        assert layout.demo_lay_out() is None

    @pytest.mark.django_db
    def test_a_crash_in_the_middle_leaves_nothing_and_the_next_start_lays_out_all(
        self, said: Said, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(layout, "token_issue", _crash)
            with pytest.raises(KeyboardInterrupt):
                call_command("run")
        assert not Workflow.objects.exists()
        assert not Ticket.objects.exists()
        assert not Event.objects.exists()
        assert list(Agent.objects.values_list("id", flat=True)) == ["system"]
        assert "Token" in said("run")[0]

    @pytest.mark.django_db
    def test_a_start_killed_behind_its_migrations_is_made_up_for(self, said: Said, serving: list[str]) -> None:
        said("run")
        drop_triggers(connection)
        try:
            said("run")
        finally:
            install_triggers(connection)
        assert serving == ["serve", "migrate", "serve"]


def _crash(**_: Any) -> None:
    raise KeyboardInterrupt
