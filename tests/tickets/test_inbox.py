"""What concerns an agent, over REST and as operations: inbox and context."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import api_client, make_agent, make_workflow
from tests.tickets.world import World
from tickets import operations as op
from tickets.errors import Invalid, NotFound
from tickets.models import InboxEntry, InboxPosition
from tickets.schemas.inbox import MOST_TOKENS
from tickets.services.retention import events_prune
from tickets.tokens import estimate

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World(ticket_human_review=False)


def _items(world: World, **fields: Any) -> list[tuple[str, str]]:
    found = world.do(op.INBOX_GET, workflow_id=world.workflow.id, **fields)
    return [(item["kind"], item["detail"]) for item in found.items]


def test_only_what_others_did_and_what_concerns_the_agent_is_there(world: World) -> None:
    ticket = world.ticket()
    world.do(op.COMMENT_ADD, ticket, comment_text=f"@{world.agent.id} to myself")
    world.do(op.COMMENT_ADD, ticket, comment_text="To nobody", by=world.other)
    world.do(op.TICKET_ASSIGN, ticket, assigned_agent_id=world.other.id, by=world.other)
    assert _items(world) == []
    world.do(op.TICKET_ASSIGN, ticket, assigned_agent_id=world.agent.id, by=world.other)
    world.do(op.COMMENT_ADD, ticket, comment_text=f"@{world.agent.id} to you", by=world.other)
    assert _items(world) == [("assignment", ""), ("mention", "")]


def test_a_quoted_name_is_no_mention(world: World) -> None:
    ticket = world.ticket()
    world.do(op.COMMENT_ADD, ticket, comment_text=f'He said "{world.agent.id}" and left.', by=world.other)
    assert _items(world) == []


def test_reviews_of_ones_tickets_are_there_with_their_reason() -> None:
    world = World(ticket_human_review=True)
    first, second = world.ticket(), world.ticket()
    person = world.person()
    world.do(op.TICKET_APPROVE, first, by=person)
    world.do(op.TICKET_REJECT, second, reason="It is a duplicate.", by=person)
    found = world.do(op.INBOX_GET, workflow_id=world.workflow.id).items
    assert [(item["kind"], item["detail"]) for item in found] == [("review", "approved"), ("review", "rejected")]
    assert found[1]["preview"] == "It is a duplicate."


def test_a_ticket_that_can_go_on_is_told_to_who_has_it_or_made_it(world: World) -> None:
    blocker = world.ticket(assigned_agent_id=world.other.id)
    mine = world.ticket(blocked_by_ticket_ids=[blocker.id])
    world.ticket(blocked_by_ticket_ids=[blocker.id], assigned_agent_id=world.other.id)
    world.do(op.TICKET_RESOLVE, blocker, resolution_comment="Nothing is left to do.", by=world.other)
    found = world.do(op.INBOX_GET, workflow_id=world.workflow.id).items
    assert [(item["kind"], item["ticket_id"]) for item in found] == [("unblocked", mine.id)]


def test_pages_go_on_at_their_cursor_and_end_where_the_log_does(world: World) -> None:
    ticket = world.ticket()
    for number in range(5):
        world.do(op.COMMENT_ADD, ticket, comment_text=f"@{world.agent.id} {number}", by=world.other)
    world.do(op.COMMENT_ADD, ticket, comment_text="To nobody", by=world.other)
    first = world.do(op.INBOX_GET, limit=3)
    rest = world.do(op.INBOX_GET, limit=3, since=first.next_cursor)
    assert [item["preview"][-1] for item in [*first.items, *rest.items]] == list("01234")
    assert (first.has_more, rest.has_more) == (True, False)
    assert rest.next_cursor == world.seq


def test_what_is_acknowledged_does_not_come_again_and_never_comes_back(world: World) -> None:
    ticket = world.ticket()
    world.do(op.COMMENT_ADD, ticket, comment_text=f"@{world.agent.id} one", by=world.other)
    seen = world.do(op.INBOX_GET).next_cursor
    world.do(op.INBOX_ACKNOWLEDGE, cursor=seen)
    world.do(op.COMMENT_ADD, ticket, comment_text=f"@{world.agent.id} two", by=world.other)
    assert [item["preview"] for item in world.do(op.INBOX_GET).items] == [f"@{world.agent.id} two"]
    assert world.do(op.INBOX_ACKNOWLEDGE, cursor=1).acknowledged == seen
    with pytest.raises(Invalid, match="ends at"):
        world.do(op.INBOX_ACKNOWLEDGE, cursor=world.seq + 1)
    assert InboxPosition.objects.count() == 1


def test_the_inbox_takes_a_fixed_number_of_queries(world: World) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            world.do(op.INBOX_GET, workflow_id=world.workflow.id)
        return len(captured)

    for _ in range(2):
        world.do(op.COMMENT_ADD, world.ticket(), comment_text=f"@{world.agent.id}", by=world.other)
    few = queries()
    for _ in range(10):
        world.do(op.COMMENT_ADD, world.ticket(), comment_text=f"@{world.agent.id}", by=world.other)
    assert queries() == few <= 4


def test_rest_has_the_inbox_and_its_acknowledgement(world: World) -> None:
    ticket = world.ticket()
    world.do(op.COMMENT_ADD, ticket, comment_text=f"@{world.agent.id} look", by=world.other)
    client = api_client(world.agent)
    found = client.get("/api/inbox").json()
    assert [item["kind"] for item in found["items"]] == ["mention"]
    done = client.write("/api/inbox/ack", {"cursor": found["next_cursor"]})
    assert (done.status_code, done.json()["acknowledged"]) == (200, found["next_cursor"])
    assert client.get("/api/inbox").json()["items"] == []


def test_another_workflows_inbox_and_context_do_not_exist(world: World) -> None:
    stranger = make_agent(make_workflow())
    ticket = world.ticket()
    for operation, fields in (
        (op.INBOX_GET, {"workflow_id": world.workflow.id}),
        (op.INBOX_ACKNOWLEDGE, {"workflow_id": world.workflow.id, "cursor": 1}),
        (op.TICKET_CONTEXT, {"ticket_id": ticket.id}),
    ):
        with pytest.raises(NotFound):
            world.do(operation, by=stranger, **fields)


@pytest.mark.parametrize("tokens", [300, 1000, MOST_TOKENS])
def test_the_context_costs_no_more_than_asked_and_says_what_is_missing(world: World, tokens: int) -> None:
    blockers = [world.ticket(title=f"Blocker number {n}") for n in range(10)]
    ticket = world.ticket(description="A long story. " * 3000, blocked_by_ticket_ids=[row.id for row in blockers])
    for number in range(40):
        world.do(op.COMMENT_ADD, ticket, comment_text=f"Comment {number}. " * 30)
    answer = world.do(op.TICKET_CONTEXT, ticket, max_tokens=tokens)
    assert estimate(answer.model_dump_json()) <= tokens + 100
    assert answer.omitted["description"] > 0
    assert answer.omitted["comments"] + len(answer.comments) == 40
    if answer.comments:
        assert answer.comments[-1]["comment_text"].startswith("Comment 39.")


def test_the_context_follows_blockers_to_what_they_wait_for(world: World) -> None:
    chain = [world.ticket()]
    for _ in range(3):
        chain.append(world.ticket(blocked_by_ticket_ids=[chain[-1].id]))
    answer = world.do(op.TICKET_CONTEXT, chain[-1], max_tokens=MOST_TOKENS)
    assert [row["ticket_id"] for row in answer.blocked_by] == [row.id for row in reversed(chain[:-1])]
    assert [row["waits_for_ticket_ids"] for row in answer.blocked_by] == [[chain[1].id], [chain[0].id], []]
    assert answer.omitted == {}


def test_rest_has_the_context(world: World) -> None:
    ticket = world.ticket(description="What is to be done here.")
    answer = api_client(world.agent).get(f"/api/tickets/{ticket.key}/context?max_tokens=500").json()
    assert (answer["key"], answer["description"], answer["max_tokens"]) == (ticket.key, "What is to be done here.", 500)


def _entries() -> set[tuple[str, str, int]]:
    return set(InboxEntry.objects.values_list("workflow_id", "recipient", "seq"))


def test_the_log_of_before_gets_the_entries_that_events_get_now() -> None:
    world = World(ticket_human_review=True)
    ticket = world.ticket(assigned_agent_id=world.other.id)
    world.do(op.TICKET_APPROVE, ticket, by=world.person())
    waiting = world.ticket(blocked_by_ticket_ids=[ticket.id])
    world.do(op.TICKET_APPROVE, waiting, by=world.person())
    world.do(op.COMMENT_ADD, ticket, comment_text=f"@{world.agent.id} see #{waiting.key}", by=world.other)
    world.do(op.TICKET_RESOLVE, ticket, resolution_comment="It is done now.", by=world.other)
    written = _entries()
    assert {recipient for _, recipient, _ in written} >= {world.agent.id, world.other.id}
    InboxEntry.objects.all().delete()
    import_module("tickets.migrations.0009_inbox_entries").write_entries(apps, None)
    assert _entries() == written


def test_entries_go_with_the_events_that_are_pruned(world: World) -> None:
    for _ in range(3):
        world.do(op.COMMENT_ADD, world.ticket(), comment_text=f"@{world.agent.id}", by=world.other)
    events_prune(keep=1)
    assert {seq for _, _, seq in _entries()} == {world.seq}
    assert _items(world, since=0) == [("mention", "")]


def test_an_inbox_is_read_by_its_entries_and_not_by_the_log(world: World) -> None:
    world.do(op.COMMENT_ADD, world.ticket(), comment_text=f"@{world.agent.id}", by=world.other)
    with CaptureQueriesContext(connection) as captured:
        assert len(_items(world, since=0)) == 1
    reads = [query["sql"] for query in captured if 'FROM "events"' in query["sql"]]
    assert len(reads) == 1
    assert '"inbox_entries"' in reads[0]
