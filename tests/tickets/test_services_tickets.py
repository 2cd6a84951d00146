"""Creating and updating tickets: every limit at its edge, and what an update leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import make_agent
from tests.tickets.world import World
from tickets.errors import Conflict, DomainError, Forbidden, IdempotencyMismatch, Invalid, NotFound
from tickets.models import IdempotencyRecord, Ticket, TicketTag, Workflow
from tickets.operations import (
    COMMENT_ADD,
    TICKET_ASSIGN,
    TICKET_CHANGE_STATUS,
    TICKET_CLAIM,
    TICKET_CREATE,
    TICKET_RESOLVE,
    TICKET_UPDATE,
    TICKETS_CREATE,
    TICKETS_UPDATE,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def update(world: World, ticket: Ticket, **updates: Any) -> list[str]:
    fields: list[str] = world.do(TICKET_UPDATE, ticket, updates=updates).fields_updated
    return fields


TAGS = [f"tag-{number}" for number in range(21)]
EDGES: list[tuple[str, Any, bool]] = [
    ("title", "abc", True),
    ("title", "  ab  ", False),
    ("title", "x" * 500, True),
    ("title", "x" * 501, False),
    ("title", "a\x00bc", False),
    ("title", "abc\ud800", False),
    ("description", "x" * 10, True),
    ("description", " " * 5 + "x" * 9 + " " * 5, False),
    ("description", "x" * 250_000, True),
    ("description", "x" * 250_001, False),
    ("tags", TAGS[:20], True),
    ("tags", TAGS, False),
    ("tags", ["x" * 50], True),
    ("tags", ["x" * 51], False),
    ("tags", [" "], False),
    ("tags", ["Straße", "STRASSE"], False),
    ("priority", "URGENT", False),
    ("priority", " High ", True),
    ("ticket_type", "BUG", True),
    ("ticket_type", "saga", False),
    ("story_points", 0, True),
    ("story_points", -1, False),
    ("story_points", 10_001, False),
    ("estimate_minutes", 10_000_000, True),
    ("estimate_minutes", 10_000_001, False),
    ("related_task_ids", [f"t{number}" for number in range(100)], True),
    ("related_task_ids", [f"t{number}" for number in range(101)], False),
    ("related_ticket_ids", ["TKT-404"], False),
    ("parent_ticket_id", "TKT-404", False),
    ("assigned_agent_id", "nobody", False),
    ("is_blocked", "maybe", False),
    ("blocked_reason", "no block", False),
]


@pytest.mark.parametrize("how", ["create", "update"])
@pytest.mark.parametrize(("field", "value", "accepted"), EDGES)
def test_create_and_update_hold_the_same_limits(world: World, how: str, field: str, value: Any, accepted: bool) -> None:
    def run() -> None:
        if how == "create":
            world.ticket(**{field: value})
        else:
            update(world, world.ticket(), **{field: value})

    if accepted:
        run()
        return
    with pytest.raises(Invalid) as caught:
        run()
    assert field in (caught.value.field or "")


def test_an_error_names_what_is_allowed(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        world.ticket(ticket_type="saga")
    assert caught.value.allowed == ["task", "bug"]
    with pytest.raises(Invalid) as caught:
        world.ticket(priority="urgent")
    assert caught.value.allowed == ["critical", "high", "medium", "low"]


def test_create_takes_every_field_that_update_takes(world: World) -> None:
    parent = world.ticket()
    ticket = world.ticket(
        parent_ticket_id=parent.key, related_ticket_ids=[parent.key], related_task_ids=["t1"], story_points=3,
        estimate_minutes=90, tags=["A"], assigned_agent_id=world.other.id, priority="critical", ticket_type="bug",
        is_blocked=True, blocked_reason="Rain",
    )  # fmt: skip
    assert (ticket.parent_ticket_id, ticket.related_ticket_ids) == (parent.id, [parent.id])
    assert (ticket.story_points, ticket.estimate_minutes, ticket.blocked_reason) == (3, 90, "Rain")


def test_keys_rise_per_workflow_and_a_failed_creation_uses_none(world: World) -> None:
    first = world.ticket()
    with pytest.raises(Invalid):
        world.ticket(blocked_by_ticket_ids=["TKT-404"])
    assert world.ticket().number == first.number + 1
    assert World().ticket().number == 1


@pytest.mark.parametrize("change", [{"is_active": False}, {"ticket_tracking_enabled": False}])
@pytest.mark.parametrize(("operation", "fields"), [
    (TICKET_CREATE, {"title": "A ticket", "description": "A long description."}),
    (TICKET_UPDATE, {"updates": {"priority": "low"}}),
    (COMMENT_ADD, {"comment_text": "Hello."}),
    (TICKET_CLAIM, {}),
    (TICKET_RESOLVE, {"resolution_comment": "It is all done."}),
])  # fmt: skip
def test_an_idle_workflow_takes_no_writes(
    world: World, change: dict[str, bool], operation: Any, fields: dict[str, Any]
) -> None:
    about = [] if operation is TICKET_CREATE else [world.ticket()]
    Workflow.objects.update(**change)
    with pytest.raises(Forbidden, match=r"not active|not enabled"):
        world.do(operation, *about, **fields)


# Updating


def test_an_omitted_field_never_changes(world: World) -> None:
    ticket = world.ticket(tags=["a"], story_points=3, priority="high")
    update(world, ticket, title="Another")
    assert (ticket.tags, ticket.story_points, ticket.priority) == (["a"], 3, "high")


def test_a_value_that_is_there_changes_nothing(world: World) -> None:
    ticket = world.ticket(tags=["a"], priority="high")
    seq = world.seq
    assert update(world, ticket, title=ticket.title, tags=["a"], priority="high", assigned_agent_id=None) == []
    assert (ticket.version, world.seq) == (1, seq)


def test_null_clears_what_can_be_absent_and_is_refused_elsewhere(world: World) -> None:
    parent = world.ticket()
    ticket = world.ticket(parent_ticket_id=parent.id, story_points=3, assigned_agent_id=world.agent.id)
    update(world, ticket, parent_ticket_id=None, story_points=None, assigned_agent_id=None)
    assert (ticket.parent_ticket_id, ticket.story_points, ticket.assigned_agent_id) == (None, None, None)
    for field in ("title", "tags", "priority", "is_blocked"):
        with pytest.raises(Invalid, match="cannot be null"):
            update(world, ticket, **{field: None})


def test_one_version_and_one_history_row_for_each_changed_field(world: World) -> None:
    ticket = world.ticket()
    update(world, ticket, title="Another", priority="low", tags=["a"])
    assert ticket.version == 2
    assert sorted(field or "" for _, field, _, _ in world.history(ticket)) == ["priority", "tags", "title"]


def test_two_agents_add_tags_without_overwriting_each_other(world: World) -> None:
    ticket = world.ticket(tags=["Alpha"])
    update(world, ticket, tags_add=["beta"])
    assert world.do(TICKET_UPDATE, ticket, updates={"tags_add": ["ALPHA", "gamma"]}, by=world.other).fields_updated
    assert ticket.tags == ["Alpha", "beta", "gamma"]
    update(world, ticket, tags_remove=["alpha", "none"])
    assert ticket.tags == ["beta", "gamma"]
    assert sorted(TicketTag.objects.filter(ticket=ticket).values_list("folded", flat=True)) == ["beta", "gamma"]


def test_adding_tags_stops_at_twenty(world: World) -> None:
    ticket = world.ticket(tags=TAGS[:20])
    with pytest.raises(Invalid, match="at most 20 tags"):
        update(world, ticket, tags_add=TAGS[20:])
    update(world, ticket, tags_add=TAGS[20:], tags_remove=TAGS[:1])
    assert len(ticket.tags) == 20


def test_task_ids_differ_by_case(world: World) -> None:
    ticket = world.ticket(related_task_ids=["Task-A"])
    update(world, ticket, related_task_ids_add=["task-a"])
    assert ticket.related_task_ids == ["Task-A", "task-a"]


def test_a_parent_makes_no_cycle(world: World) -> None:
    top = world.ticket()
    middle = world.ticket(parent_ticket_id=top.id)
    low = world.ticket(parent_ticket_id=middle.id)
    for parent in (top, middle, low):
        with pytest.raises(Invalid, match="cycle"):
            update(world, top, parent_ticket_id=parent.id)


def test_nesting_ends_at_fifty_whether_created_or_moved(world: World) -> None:
    ticket = world.ticket()
    for _ in range(49):
        ticket = world.ticket(parent_ticket_id=ticket.id)
    with pytest.raises(Invalid, match="at most 50 deep"):
        world.ticket(parent_ticket_id=ticket.id)
    with pytest.raises(Invalid, match="at most 50 deep"):
        update(world, world.ticket(), parent_ticket_id=ticket.id)


def test_a_ticket_is_not_related_to_itself(world: World) -> None:
    ticket = world.ticket()
    with pytest.raises(Invalid, match="related to itself"):
        update(world, ticket, related_ticket_ids_add=[ticket.key])


def test_ids_of_another_workflow_are_unknown_in_every_list(world: World) -> None:
    elsewhere = World()
    both = make_agent(world.workflow, elsewhere.workflow)
    foreign, ticket = elsewhere.ticket(), world.ticket()
    for updates in (
        {"parent_ticket_id": foreign.id},
        {"related_ticket_ids": [foreign.id]},
        {"related_ticket_ids_add": [foreign.key]},
        {"blocked_by_ticket_ids": [foreign.key]},
        {"blocked_by_remove": [foreign.id]},
        {"assigned_agent_id": elsewhere.agent.id},
    ):
        with pytest.raises(Invalid):
            world.do(TICKET_UPDATE, ticket, updates=updates, by=both)


def test_assigning_to_whoever_has_it_changes_nothing(world: World) -> None:
    ticket = world.ticket(assigned_agent_id=world.other.id)
    seq = world.seq
    world.do(TICKET_ASSIGN, ticket, assigned_agent_id=world.other.id)
    assert world.seq == seq
    world.do(TICKET_ASSIGN, ticket)
    assert ("unassigned", "assigned_agent_id", world.other.id, None) in world.history(ticket)


# Versions and repeats


@pytest.mark.parametrize(("operation", "fields"), [
    (TICKET_UPDATE, {"updates": {"priority": "low"}}),
    (TICKET_CHANGE_STATUS, {"new_status": "doing"}),
    (COMMENT_ADD, {"comment_text": "Hello."}),
    (TICKET_RESOLVE, {"resolution_comment": "It is all done."}),
    (TICKET_CLAIM, {}),
])  # fmt: skip
def test_a_write_on_another_version_is_refused_with_the_current_one(
    world: World, operation: Any, fields: dict[str, Any]
) -> None:
    ticket = world.ticket()
    for expected in (0, 2):
        with pytest.raises(Conflict) as caught:
            world.do(operation, ticket, expected_version=expected, **fields)
        assert caught.value.as_dict()["error"]["current_version"] == 1
    world.do(operation, ticket, expected_version=1, **fields)
    assert ticket.version == 2


def test_the_same_key_and_body_give_the_first_answer(world: World) -> None:
    fields = {"title": "Only once", "description": "A long description.", "idempotency_key": "k"}
    assert world.do(TICKET_CREATE, **fields) == world.do(TICKET_CREATE, **fields)
    assert Ticket.objects.count() == 1
    with pytest.raises(IdempotencyMismatch):
        world.do(TICKET_CREATE, **{**fields, "title": "Another"})


def test_a_key_belongs_to_the_agent_that_acts(world: World) -> None:
    gateway = make_agent(world.workflow, gateway=True)
    fields = {"title": "Only once", "description": "A long description.", "idempotency_key": "k", "by": gateway}
    made = [world.do(TICKET_CREATE, agent_id=agent.id, **fields).ticket_id for agent in (world.agent, world.other)]
    assert len(set(made)) == 2


def test_what_took_no_effect_keeps_no_key(world: World) -> None:
    with pytest.raises(DomainError):
        world.do(TICKET_CREATE, title="x", description="short", idempotency_key="k1")
    with pytest.raises(NotFound):
        world.do(TICKET_CLAIM, ticket_id="TKT-404", idempotency_key="k2")
    world.do(TICKETS_UPDATE, ticket_ids=["TKT-404"], updates={"priority": "low"}, idempotency_key="k3")
    assert not IdempotencyRecord.objects.exists()


# Many at once


@pytest.mark.parametrize("count", [50, 51])
def test_a_batch_has_fifty_tickets(world: World, count: int) -> None:
    batch = [{"title": f"Step {number}", "description": "A long description."} for number in range(count)]
    if count == 50:
        assert len(world.do(TICKETS_CREATE, tickets=batch).tickets) == 50
    else:
        with pytest.raises(Invalid, match="tickets"):
            world.do(TICKETS_CREATE, tickets=batch)


def test_a_batch_is_all_or_nothing(world: World) -> None:
    batch = [{"title": "Fine", "description": "A long description.", "ticket_type": kind} for kind in ("bug", "saga")]
    with pytest.raises(Invalid) as caught:
        world.do(TICKETS_CREATE, tickets=batch)
    assert caught.value.field == "tickets.1.ticket_type"
    assert (Ticket.objects.count(), world.seq) == (0, 0)


def test_a_dry_run_checks_and_keeps_nothing(world: World) -> None:
    batch = [{"title": "Fine", "description": "A long description."}]
    answer = world.do(TICKETS_CREATE, tickets=batch, dry_run=True)
    assert (answer.dry_run, len(answer.tickets), Ticket.objects.count(), world.seq) == (True, 1, 0, 0)


def test_in_a_bulk_update_each_ticket_has_its_own_result(world: World) -> None:
    good, blocked = world.ticket(), world.ticket(is_blocked=True)
    answer = world.do(
        TICKETS_UPDATE, ticket_ids=[good.id, blocked.id, "TKT-404"], updates={"priority": "low", "status": "doing"}
    )
    assert [result.success for result in answer.results] == [True, False, False]
    assert [(result.error or {}).get("code") for result in answer.results] == [None, "blocked", "not_found"]
    assert (answer.updated, answer.failed) == (1, 2)
    blocked.refresh_from_db()
    # Refused as a whole: not even its priority changed.
    assert (blocked.priority, blocked.version) == ("medium", 1)
