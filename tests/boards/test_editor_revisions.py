"""Every configuration that a board ever had, with who brought it about and when."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from boards.models import BoardConfig, BoardRevision
from boards.schemas import UpdateBoard
from boards.selectors.revisions import board_at
from boards.services.configuration import board_update
from boards.source import FIELDS
from tests.factories import AgentWithToken, make_agent, make_ticket, make_workflow
from tickets.board_source import board_of
from tickets.errors import Conflict
from tickets.models import Event, Ticket, TicketHistory, Workflow
from tickets.models.triggers import drop_triggers

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("anvil")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, role="maintainer", agent_id="smith")


def change(agent: AgentWithToken, board: dict[str, Any], **more: Any) -> None:
    board_update(actor=agent.actor, request=UpdateBoard(workflow_id="anvil", board=board, **more))


def stored() -> dict[str, Any]:
    return {**BoardConfig.objects.filter(workflow_id="anvil").values(*FIELDS).get()}


def test_a_workflow_begins_with_a_revision(workflow: Workflow) -> None:
    revision = BoardRevision.objects.get()
    assert (revision.version, revision.event_seq, revision.agent_id) == (1, 0, "system")
    assert revision.changed_at == workflow.created_at
    assert revision.board == stored()


def test_each_change_keeps_the_whole_board(workflow: Workflow, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, initial_status="todo")
    before = board_of(workflow)
    board = before.as_json()
    board["columns"] = [column for column in board["columns"] if column["id"] != "todo"]
    change(agent, board, move_tickets={"todo": "backlog"})
    first, second = BoardRevision.objects.order_by("version")
    event = Event.objects.get(type="board_updated")
    assert (second.version, second.agent_id, second.event_seq) == (2, "smith", event.seq)
    assert second.moved_tickets == {"todo": "backlog"}
    assert second.board == stored() == board
    assert first.board == before.as_json()
    moved = TicketHistory.objects.filter(ticket=ticket).latest("id")
    assert second.changed_at == event.timestamp == moved.changed_at
    assert Ticket.objects.get(pk=ticket.pk).status == "backlog"

    assert board_at(workflow, second.changed_at).as_json() == board
    assert board_at(workflow, second.changed_at - timedelta(microseconds=1)) == before
    assert board_at(workflow, workflow.created_at - timedelta(days=1)) == before


def test_nothing_is_kept_of_what_changes_nothing_or_is_refused(workflow: Workflow, agent: AgentWithToken) -> None:
    board = board_of(workflow).as_json()
    change(agent, board)
    make_ticket(agent, initial_status="todo")
    board["columns"] = [column for column in board["columns"] if column["id"] != "todo"]
    with pytest.raises(Conflict):
        change(agent, board)
    assert BoardRevision.objects.count() == 1


def test_present_boards_are_kept_when_revisions_come(workflow: Workflow, agent: AgentWithToken) -> None:
    """The migration's backfill, on a database that had none."""
    make_workflow("bellows")
    change(agent, {**board_of(workflow).as_json(), "name": "Renamed"})
    expected = list(
        BoardRevision.objects.filter(workflow=workflow, version=2).values(
            "board", "changed_at", "event_seq", "agent_id"
        )
    )
    # The database gives none away.
    drop_triggers(connection)
    BoardRevision.objects.all().delete()
    import_module("boards.migrations.0003_board_revisions").keep_present_boards(apps, connection.schema_editor())
    assert (
        list(BoardRevision.objects.filter(workflow=workflow).values("board", "changed_at", "event_seq", "agent_id"))
        == expected
    )
    other = BoardRevision.objects.get(workflow_id="bellows")
    assert (other.version, other.event_seq, other.agent_id) == (1, 0, "system")
    assert BoardRevision.objects.count() == 2
