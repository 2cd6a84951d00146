"""What waits for what: unattended blockers, chains, what goes free, and the critical path."""

from __future__ import annotations

from typing import Any

import pytest

from tests.boards.insights_world import Watched
from tests.factories import make_agent, make_person
from tickets.models import Agent, Ticket, TicketComment
from tickets.operations import (
    TICKET_CLAIM,
    TICKET_UPDATE,
)
from tickets.schemas.base import utc_text

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "reason", "operation"),
    [
        ({}, "unassigned", "ticket_assign"),
        ({"initial_status": "doing"}, "unassigned", "ticket_change_status"),
        ({"is_blocked": True}, "blocked_by_hand", "comment_add"),
        ({"assigned_agent_id": "boss"}, "not_started", "comment_add"),
        ({"assigned_agent_id": "human-root"}, "not_started", "comment_add"),
        ({"assigned_agent_id": "gone"}, "assignee_gone", "ticket_assign"),
    ],
)
def test_a_blocker_that_nobody_works_on(world: Watched, fields: dict[str, Any], reason: str, operation: str) -> None:
    make_agent(world.workflow, agent_id="gone")
    Agent.objects.filter(pk="gone").update(state="terminated")
    make_person(superuser=True, username="root")
    blocker = world.ticket(**fields)
    waiting = [world.ticket(blocked_by_ticket_ids=[blocker.id]) for _ in range(2)]
    finding = world.finding("blocker_unattended")
    assert finding["keys"] == [blocker.key, *(ticket.key for ticket in waiting)]
    assert finding["evidence"]["reason"] == reason
    assert finding["evidence"]["frees_at_once"] == [ticket.key for ticket in waiting]
    assert finding["suggestion"]["operation"] == operation
    world.carry_out(finding)


@pytest.mark.parametrize("how", ["leased", "at work"])
def test_a_blocker_that_somebody_works_on_is_attended(world: Watched, how: str) -> None:
    blocker = world.ticket()
    world.ticket(blocked_by_ticket_ids=[blocker.id])
    if how == "leased":
        world.do(TICKET_CLAIM, blocker)
    else:
        world.assign(blocker, world.agent)
        world.move(blocker, "doing")
    assert world.findings("blocker_unattended") == []


def test_a_blocker_that_is_done_but_not_resolved_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Watched(monkeypatch, resolve_on_final=False)
    blocker, waiting = world.chain("a", "b")
    world.move(blocker, "done")
    finding = world.finding("blocker_unattended")
    assert (finding["evidence"]["reason"], finding["suggestion"]["operation"]) == ("not_resolved", "ticket_resolve")
    assert world.carry_out(finding)["unblocked_tickets"] == [waiting.id]
    assert world.findings("blocker_unattended") == []


def test_a_blocker_that_waits_for_review_is_brought_to_those_who_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Watched(monkeypatch, ticket_human_review=True)
    person = world.person_id()
    blocker, _ = world.chain("a", "b")
    finding = world.finding("blocker_unattended")
    assert finding["evidence"]["reason"] == "pending_review"
    world.carry_out(finding)
    assert person in TicketComment.objects.get(ticket=blocker).mentions


def test_chains_tell_what_a_resolve_at_their_head_would_free(world: Watched) -> None:
    chain = world.chain("a", "b", "c", "d", "e")
    head, second, third, fourth, fifth = chain
    beside = world.ticket(blocked_by_ticket_ids=[head.id])
    # Waits for something else too, and so does what comes after it.
    other = world.ticket()
    world.do(TICKET_UPDATE, fourth, updates={"blocked_by_add": [other.id]})
    found = world.findings("blocked_chain")
    assert [f["keys"] for f in found] == [[t.key for t in chain], [other.key, fourth.key, fifth.key]]
    evidence = found[0]["evidence"]
    assert (evidence["length"], found[0]["severity"]) == (5, "high")
    assert evidence["frees_at_once"] == [second.key, beside.key]
    assert evidence["frees_in_turn"] == [second.key, beside.key, third.key]
    assert found[1]["evidence"]["freed_count"] == 0
    for finding in found:
        world.carry_out(finding)
    head.refresh_from_db()
    assert head.assigned_agent_id is not None


def test_what_is_said_to_go_free_does(world: Watched) -> None:
    world.chain("a", "b", "c")
    keys = world.finding("blocked_chain")["evidence"]["frees_in_turn"]
    for ticket in Ticket.objects.order_by("number"):
        world.resolve(ticket)
    assert keys == list(Ticket.objects.order_by("number").values_list("key", flat=True))[1:]
    assert world.findings("blocked_chain") == []


def test_a_long_chain_is_named_by_its_beginning(world: Watched) -> None:
    chain = world.chain(*"abcdefgh")
    finding = world.finding("blocked_chain")
    assert finding["keys"] == finding["evidence"]["chain"] == [ticket.key for ticket in chain]
    assert "TKT-1 → TKT-2 → TKT-3 → TKT-4 → TKT-5 → TKT-6 → …." in finding["message"]
    assert finding["evidence"]["freed_count"] == 7


def test_two_tickets_are_no_chain(world: Watched) -> None:
    world.chain("a", "b")
    assert world.findings("blocked_chain") == []


def test_blocked_beyond_the_threshold(world: Watched) -> None:
    _, second, third = world.chain("a", "b", "c")
    world.wait(hours=24)
    assert world.findings("blocked_too_long") == []
    world.wait(hours=1)
    by_hand = world.ticket(is_blocked=True, blocked_reason="Waits for the supplier.")
    found = world.findings("blocked_too_long")
    assert [f["keys"][0] for f in found] == [second.key, third.key]
    assert found[1]["evidence"]["first_in_line"] == "TKT-1"
    assert found[1]["evidence"]["hours"] == 25.0
    for finding in found:
        world.carry_out(finding)
    world.wait(hours=2)
    finding = world.findings("blocked_too_long", blocked_hours=1)[0]
    assert (finding["keys"], finding["severity"]) == ([by_hand.key], "medium")
    assert finding["evidence"]["blocked_reason"] == "Waits for the supplier."
    assert finding["evidence"]["blocked_since"] == by_hand.created_at.isoformat().replace("+00:00", "Z")
    assert "supplier" not in finding["message"] + finding["suggestion"]["arguments"]["comment_text"]
    world.carry_out(finding)


def test_a_block_by_hand_counts_from_when_it_was_set(world: Watched) -> None:
    ticket = world.ticket()
    world.wait(days=3)
    world.do(TICKET_UPDATE, ticket, updates={"is_blocked": True})
    world.wait(hours=2)
    assert world.findings("blocked_too_long") == []
    assert world.finding("blocked_too_long", blocked_hours=1)["evidence"]["hours"] == 2.0


def test_agents_that_wait_for_each_other(world: Watched) -> None:
    mine, theirs = {"assigned_agent_id": world.agent.id}, {"assigned_agent_id": world.other.id}
    wanted = world.ticket(**theirs)
    first = world.ticket(**mine, blocked_by_ticket_ids=[wanted.id])
    urgent = world.ticket(**mine, blocked_by_ticket_ids=[wanted.id], priority="critical")
    world.ticket(**theirs, blocked_by_ticket_ids=[wanted.id])
    world.ticket(blocked_by_ticket_ids=[wanted.id])
    finding = world.finding("cross_agent_dependency")
    assert finding["agent_ids"] == [world.agent.id, world.other.id]
    assert finding["keys"] == [urgent.key, wanted.key, first.key]
    assert (finding["evidence"]["count"], finding["severity"]) == (2, "medium")
    world.carry_out(finding)
    assert set(TicketComment.objects.get(ticket=wanted).mentions) >= {world.agent.id, world.other.id, urgent.id}


def test_the_critical_path_is_the_longest_chain_and_by_estimates_the_heaviest(world: Watched) -> None:
    by_count = world.chain("a", "b", "c")
    [finding] = world.findings("critical_path")
    assert finding["evidence"] == {
        "measure": "count", "length": 3, "path": [t.key for t in by_count], "minutes": None, "with_estimate": 0,
        "assumed_minutes": None, "unassigned": 3, "waiting_since": utc_text(world.now),
    }  # fmt: skip
    world.carry_out(finding)
    heavy = world.chain("d", "e", estimate_minutes=1000)
    world.do(TICKET_UPDATE, by_count[0], updates={"estimate_minutes": 10})
    world.do(TICKET_UPDATE, by_count[1], updates={"estimate_minutes": 20})
    world.do(TICKET_UPDATE, by_count[2], updates={"estimate_minutes": 30})
    count, minutes = sorted(world.findings("critical_path"), key=lambda f: str(f["evidence"]["measure"]))
    assert (count["keys"], count["evidence"]["minutes"]) == ([t.key for t in by_count], 60)
    assert (minutes["keys"], minutes["evidence"]["minutes"]) == ([t.key for t in heavy], 2000)
    world.carry_out(minutes)
