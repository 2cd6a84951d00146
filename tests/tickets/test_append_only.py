"""The logs can be added to, and nothing else; retention alone lets events go, up to where it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, migrations, models, transaction
from django.db.migrations.state import ProjectState
from django.utils import timezone

from boards.models import BoardRevision
from tests.factories import AgentWithToken, make_agent, make_ticket, make_workflow
from tickets.apps import after_migrate
from tickets.models import Event, Ticket, TicketHistory, Workflow, WorkflowHistory
from tickets.models.triggers import trigger_names
from tickets.selectors.events import events_since, log_bounds
from tickets.selectors.integrity import integrity_findings
from tickets.services import retention
from tickets.services.retention import events_prune

pytestmark = pytest.mark.django_db

LOGS: tuple[type[models.Model], ...] = (TicketHistory, WorkflowHistory, Event, BoardRevision)
TABLES = [model._meta.db_table for model in LOGS]


@pytest.fixture
def agent() -> AgentWithToken:
    agent = make_agent(make_workflow("flow"))
    make_ticket(agent)
    return agent


@contextmanager
def refused() -> Iterator[None]:
    before = [list(model._default_manager.values()) for model in LOGS]
    assert all(before)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        yield
    assert [list(model._default_manager.values()) for model in LOGS] == before


def run(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@pytest.mark.parametrize("model", LOGS)
def test_no_row_is_updated(agent: AgentWithToken, model: type[models.Model]) -> None:
    with refused():
        model._default_manager.update(agent_id="system")
    with refused():
        row = model._default_manager.first()
        assert row is not None
        row.save()


@pytest.mark.parametrize("model", LOGS)
def test_no_row_is_deleted(agent: AgentWithToken, model: type[models.Model]) -> None:
    with refused():
        model._default_manager.all().delete()
    with refused():
        run(f"DELETE FROM {model._meta.db_table}")


@pytest.mark.sqlite_only
@pytest.mark.parametrize("table", TABLES)
def test_no_row_is_replaced(agent: AgentWithToken, table: str) -> None:
    with refused():
        run(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    with refused():
        run(f"REPLACE INTO {table} SELECT * FROM {table}")
    with refused():
        run(f"INSERT INTO {table} SELECT * FROM {table} WHERE true ON CONFLICT (id) DO UPDATE SET agent_id = 'system'")


@pytest.mark.postgres_only
@pytest.mark.parametrize("table", TABLES)
def test_no_table_is_truncated(agent: AgentWithToken, table: str) -> None:
    # Rows written in this very transaction wait for their foreign keys' checks, which alone would forbid it.
    run("SET CONSTRAINTS ALL IMMEDIATE")
    with refused():
        run(f"TRUNCATE {table}")
    with refused():
        run("TRUNCATE tickets CASCADE")


@pytest.mark.postgres_only
def test_no_row_is_changed_by_an_upsert(agent: AgentWithToken) -> None:
    with refused():
        run("INSERT INTO events SELECT * FROM events ON CONFLICT (id) DO UPDATE SET data = '{}'")


def test_a_ticket_with_history_is_not_deleted(agent: AgentWithToken) -> None:
    with pytest.raises(models.ProtectedError):
        Ticket.objects.get().delete()


def installed() -> list[str]:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            names = ", ".join(f"'{table}'" for table in TABLES)
            cursor.execute(f"SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ({names})")
        else:
            names = ", ".join(f"'{table}'::regclass" for table in TABLES)
            cursor.execute(f"SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN ({names})")
        return sorted(row[0] for row in cursor.fetchall())


def test_every_trigger_is_installed() -> None:
    assert len(trigger_names(connection)) == 2 * len(LOGS)
    assert installed() == trigger_names(connection)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model_name", ["tickethistory", "event"])
def test_the_triggers_survive_a_migration_that_rebuilds_their_table(model_name: str) -> None:
    """On SQLite an altered column rebuilds the table, and its triggers are gone until the migrations have run."""
    state = ProjectState.from_apps(apps)
    name = "change_description" if model_name == "tickethistory" else "type"
    old = state.models["tickets", model_name].fields[name]
    operation = migrations.AlterField(model_name, name, models.TextField(default="", db_default=""))
    undo = migrations.AlterField(model_name, name, old.clone())

    def apply(change: migrations.AlterField, before: ProjectState) -> ProjectState:
        after = before.clone()
        change.state_forwards("tickets", after)
        with connection.schema_editor() as editor:
            change.database_forwards("tickets", editor, before, after)
        return after

    changed = apply(operation, state)
    try:
        if connection.vendor == "sqlite":
            assert installed() != trigger_names(connection)
        after_migrate(using="default")
        assert installed() == trigger_names(connection)
        agent = make_agent(make_workflow("flow"))
        make_ticket(agent)
        with refused():
            TicketHistory.objects.all().delete()
    finally:
        apply(undo, changed)
        after_migrate(using="default")
    assert installed() == trigger_names(connection)


# Retention


def fill(agent: AgentWithToken, count: int = 5) -> Workflow:
    for _ in range(count):
        make_ticket(agent)
    return Workflow.objects.get(pk="flow")


def test_the_newest_events_stay(agent: AgentWithToken) -> None:
    workflow = fill(agent)
    assert events_prune(keep=2) == workflow.event_seq - 2
    assert [event["seq"] for event in events_since("flow", 0, 100)] == [workflow.event_seq - 1, workflow.event_seq]
    assert log_bounds("flow") == (workflow.event_seq, workflow.event_seq - 1)
    assert list(integrity_findings()) == []
    with refused():
        Event.objects.all().delete()


def test_nothing_is_pruned_twice_nor_back(agent: AgentWithToken) -> None:
    fill(agent)
    events_prune(keep=2)
    assert events_prune(keep=2) == 0
    assert events_prune(keep=1000) == 0
    assert list(integrity_findings()) == []


def test_numbers_go_on_after_everything_was_pruned(agent: AgentWithToken) -> None:
    workflow = fill(agent)
    events_prune(keep=0)
    assert not Event.objects.exists()
    make_ticket(agent)
    assert Event.objects.get().seq == workflow.event_seq + 1
    assert list(integrity_findings()) == []


def test_days_decide_by_the_time_of_the_event(agent: AgentWithToken, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = fill(agent)
    assert events_prune(keep_days=1) == 0
    later = timezone.now() + timedelta(days=3)
    monkeypatch.setattr(timezone, "now", lambda: later)
    make_ticket(agent)
    assert events_prune(keep_days=2) == workflow.event_seq
    assert Event.objects.count() == 1
    assert list(integrity_findings()) == []


def test_with_both_limits_the_kinder_one_wins(agent: AgentWithToken) -> None:
    workflow = fill(agent)
    assert events_prune(keep_days=0, keep=3) == workflow.event_seq - 3


def test_pruning_goes_in_batches_and_on_after_a_break(agent: AgentWithToken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    workflow = fill(agent)
    # As if it had been cut short after its first step.
    Workflow.objects.update(events_pruned_through=workflow.event_seq - 1)
    assert list(integrity_findings()) == []
    assert events_prune(keep=1) == workflow.event_seq - 1


def test_the_command_wants_one_limit_that_makes_sense(
    agent: AgentWithToken, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(agent)
    call_command("prune_events", "--keep", "1")
    assert capsys.readouterr().out == "5 events deleted.\n"
    for arguments in ([], ["--keep", "1", "--keep-days", "1"], ["--keep", "-1"], ["--keep-days", "nan"]):
        with pytest.raises(CommandError):
            call_command("prune_events", *arguments)
