"""How fast agents are, how much they have, and who should have less and who more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.boards.insights_world import Watched
from tests.factories import make_agent
from tickets.models import Agent, Membership, Ticket, TicketComment
from tickets.operations import (
    TICKET_CLAIM,
)

pytestmark = pytest.mark.django_db


def test_velocity_and_load_of_each_agent(world: Watched) -> None:
    for _ in range(2):
        world.resolve(world.ticket(assigned_agent_id=world.agent.id))
    world.wait(hours=25)
    world.resolve(world.ticket(assigned_agent_id=world.agent.id))
    world.ticket(assigned_agent_id=world.agent.id)
    world.ticket(assigned_agent_id=world.agent.id, initial_status="doing")
    world.do(TICKET_CLAIM, world.ticket(assigned_agent_id=world.agent.id))
    found = {f["agent_ids"][0]: f["evidence"] for f in world.findings("agent_velocity")}
    assert found.keys() == {world.agent.id, world.other.id, "boss"}
    assert found[world.agent.id] == {
        "completed_24h": 1, "completed_7d": 3, "per_day": 0.43, "open_assigned": 3, "work_in_progress": 1, "leases": 1,
        "state": "active", "is_there": True,
    }  # fmt: skip
    world.wait(days=7)
    again = {f["agent_ids"][0]: f["evidence"] for f in world.findings("agent_velocity")}
    assert again[world.agent.id]["completed_7d"] == 0


def test_an_agent_that_slowed_down_is_asked_why(world: Watched) -> None:
    for _ in range(7):
        world.resolve(world.ticket(assigned_agent_id=world.agent.id))
    ticket = world.ticket(assigned_agent_id=world.agent.id)
    world.wait(hours=23)
    assert world.findings("agent_velocity")[0]["severity"] == "info"
    world.wait(hours=2)
    finding = world.findings("agent_velocity")[0]
    assert (finding["severity"], finding["agent_ids"]) == ("low", [world.agent.id])
    world.carry_out(finding)
    assert world.agent.id in TicketComment.objects.get(ticket=ticket).mentions


def test_reassignments_tell_their_effect_and_even_the_load_out(world: Watched) -> None:
    for _ in range(6):
        world.ticket(assigned_agent_id=world.agent.id)
    begun = world.ticket(assigned_agent_id=world.agent.id, initial_status="doing", priority="critical")
    urgent = world.ticket(assigned_agent_id=world.agent.id, priority="high")
    overload = world.finding("agent_overloaded")
    assert (overload["agent_ids"], overload["evidence"]["open_assigned"]) == ([world.agent.id], 8)
    # The most urgent of what is not begun goes first, to one who has nothing.
    assert overload["suggestion"]["arguments"]["ticket_id"] == urgent.id
    moves = world.findings("reassignment")
    planned = {agent_id: load for move in moves for agent_id, load in move["evidence"]["load_after_all"].items()}
    assert sorted(planned.values()) == [2, 3, 3]
    for move in moves:
        source, target = move["agent_ids"]
        assert move["evidence"]["load"] == {source: {"before": 8, "after": 7}, target: {"before": 0, "after": 1}}
        assert (move["evidence"]["moves"], move["evidence"]["reason"]) == (len(moves), "load")
        assert move["keys"] != [begun.key]
        world.carry_out(move)
    for agent_id, load in planned.items():
        assert Ticket.objects.filter(assigned_agent_id=agent_id).count() == load
    assert world.findings("reassignment") == world.findings("agent_overloaded") == []


def test_an_overloaded_agent_that_has_begun_everything_hands_on_what_nobody_holds(world: Watched) -> None:
    begun: dict[str, Any] = {"assigned_agent_id": world.agent.id, "initial_status": "doing"}
    held, *loose = [world.ticket(**begun, priority=priority) for priority in ("low", "high", "medium")]
    world.do(TICKET_CLAIM, held, lease_seconds=3600)
    finding = world.finding("agent_overloaded")
    # Not what is held, and of the rest what is least urgent.
    assert finding["keys"] == [held.key, *(ticket.key for ticket in loose)]
    assert finding["evidence"]["could_give_away"] == 2
    taker = min(world.other.id, "boss")
    assert finding["suggestion"]["arguments"] == {"ticket_id": loose[1].id, "assigned_agent_id": taker}
    assert world.findings("reassignment") == []
    # What is blocked in a queue comes before what is begun.
    blocked = world.ticket(assigned_agent_id=world.agent.id, priority="critical", is_blocked=True)
    finding = world.finding("agent_overloaded")
    assert finding["suggestion"]["arguments"]["ticket_id"] == blocked.id
    # It is no work for one that is idle: that gets what it can begin.
    ready = world.ticket()
    assert world.findings("agent_idle")[0]["suggestion"]["arguments"]["ticket_id"] == ready.id
    world.carry_out(finding)
    world.carry_out(world.finding("agent_overloaded"))
    assert world.findings("agent_overloaded") == []


def test_an_overloaded_agent_that_holds_everything_is_asked(world: Watched) -> None:
    for _ in range(3):
        world.do(TICKET_CLAIM, world.ticket(assigned_agent_id=world.agent.id), lease_seconds=3600)
    finding = world.finding("agent_overloaded")
    assert finding["suggestion"]["operation"] == "comment_add"
    world.carry_out(finding)
    comment = TicketComment.objects.get()
    assert comment.comment_text.startswith(f"@{world.agent.id} ")
    assert "You have 3 open tickets, where 1.0 is the average." in comment.comment_text


@pytest.mark.parametrize("how", ["terminated", "no member", "unseen"])
def test_tickets_of_an_agent_that_is_gone_are_given_to_others(world: Watched, how: str) -> None:
    gone = make_agent(world.workflow, agent_id="gone")
    ticket = world.ticket(assigned_agent_id=gone.id)
    if how == "terminated":
        Agent.objects.filter(pk="gone").update(state="terminated")
    elif how == "no member":
        Membership.objects.filter(agent_id="gone").delete()
    else:
        world.wait(days=8)
        for agent in (world.agent, world.other, world.maintainer):
            world.ticket(by=agent, is_blocked=True)
    finding = world.finding("reassignment")
    assert (finding["keys"], finding["agent_ids"][0]) == ([ticket.key], "gone")
    assert finding["evidence"]["reason"] == "agent_gone"
    assert finding["evidence"]["load"]["gone"] == {"before": 1, "after": 0}
    world.carry_out(finding)
    ticket.refresh_from_db()
    assert ticket.assigned_agent_id == finding["agent_ids"][1] != "gone"


def test_idle_agents_get_what_is_ready(world: Watched) -> None:
    world.ticket(assigned_agent_id=world.agent.id)
    assert world.findings("agent_idle") == []
    ready = [world.ticket(), world.ticket()]
    urgent = world.ticket(priority="critical")
    found = world.findings("agent_idle")
    assert [f["agent_ids"] for f in found] == sorted([[world.other.id], ["boss"]])
    given = {f["suggestion"]["arguments"]["ticket_id"] for f in found}
    # The critical one, as its own finding suggests it too, and the best of the rest.
    assert given == {urgent.id, ready[0].id}
    for finding in found:
        assert finding["suggestion"]["arguments"]["assigned_agent_id"] == finding["agent_ids"][0]
        world.carry_out(finding)
    assert world.findings("agent_idle") == []


def test_what_is_suggested_for_one_idle_agent_is_suggested_for_no_other(world: Watched) -> None:
    world.ticket()
    found = world.findings("agent_idle")
    assert [bool(finding["suggestion"]) for finding in found] == [True, False, False]
    assert {finding["no_suggestion"] for finding in found[1:]} == {
        "Everything that is ready is suggested for other agents already."
    }


def test_viewers_humans_and_the_gone_get_no_work(world: Watched) -> None:
    make_agent(world.workflow, role="viewer", agent_id="aaa-viewer")
    make_agent(world.workflow, agent_id="aab-gone")
    Agent.objects.filter(pk="aab-gone").update(state="terminated")
    world.person_id()
    for _ in range(6):
        world.ticket(priority="critical")
    takers = {f["suggestion"]["arguments"]["assigned_agent_id"] for f in world.findings("unassigned")}
    assert takers == {world.agent.id, world.other.id, "boss"}
