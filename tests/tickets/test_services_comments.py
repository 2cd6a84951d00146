"""Comments: add, reply, edit and delete one's own, mention, attach, react."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import make_agent
from tests.tickets.world import World
from tickets.errors import Forbidden, Invalid, NotFound
from tickets.models import Task, Ticket, TicketComment, TicketHistory
from tickets.operations import COMMENT_ADD, COMMENT_DELETE, COMMENT_EDIT, COMMENT_REACT

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def ticket(world: World) -> Ticket:
    return world.ticket()


def say(world: World, ticket: Ticket, text: str = "Hello there.", **fields: Any) -> TicketComment:
    answer = world.do(COMMENT_ADD, ticket, comment_text=text, **fields)
    return TicketComment.objects.get(pk=answer.comment_id)


def test_a_comment_counts_and_is_told(world: World, ticket: Ticket) -> None:
    seq = world.seq
    comment = say(world, ticket, "  Hello.  ")
    assert (comment.comment_text, comment.agent_id, ticket.comment_count) == ("Hello.", world.agent.id, 1)
    assert world.events(seq) == ["comment_added"]
    assert world.history(ticket) == [("commented", None, None, comment.id)]


@pytest.mark.parametrize(("text", "accepted"), [
    ("x", True), ("x" * 100_000, True), ("x" * 100_001, False), ("   ", False), ("a\x00b", False), ("\ud800", False),
])  # fmt: skip
def test_a_comment_has_from_one_to_100000_characters(world: World, ticket: Ticket, text: str, accepted: bool) -> None:
    if accepted:
        assert say(world, ticket, text).comment_text == text
    else:
        with pytest.raises(Invalid) as caught:
            say(world, ticket, text)
        assert caught.value.field == "comment_text"


def test_a_reply_belongs_to_a_comment_of_the_same_ticket(world: World, ticket: Ticket) -> None:
    comment = say(world, ticket)
    assert say(world, ticket, "Indeed.", parent_comment_id=comment.id).parent_id == comment.id
    with pytest.raises(Invalid) as caught:
        say(world, world.ticket(), "Elsewhere.", parent_comment_id=comment.id)
    assert caught.value.field == "parent_comment_id"


def test_mentions_in_the_text_are_resolved(world: World, ticket: Ticket) -> None:
    other = world.ticket()
    Task.objects.create(id="task-7", workflow=world.workflow, created_by_agent_id=world.agent.id, description="x")
    text = f"@{world.other.id}, see #{other.key.lower()}, #{ticket.id} and task-7. Not me@home.org, #TKT-999, task-8."
    assert set(say(world, ticket, text).mentions) == {world.other.id, other.id, ticket.id, "task-7"}


def test_what_belongs_to_another_workflow_is_not_mentioned(world: World, ticket: Ticket) -> None:
    elsewhere = World()
    foreign = elsewhere.ticket()
    assert say(world, ticket, f"@{elsewhere.agent.id} #{foreign.key} #{foreign.id}").mentions == []
    with pytest.raises(Invalid) as caught:
        say(world, ticket, mentions=[elsewhere.agent.id])
    assert caught.value.field == "mentions"


def test_a_text_that_names_thousands_is_read_all_the_same(world: World, ticket: Ticket) -> None:
    text = " ".join(f"@{number:x}" for number in range(18_000))[:100_000]
    assert say(world, ticket, text).mentions == []


@pytest.mark.parametrize("attachment", ["https://example.org/a.png", "logs/run.txt", "http://example.org"])
def test_addresses_and_relative_paths_are_attached(world: World, ticket: Ticket, attachment: str) -> None:
    assert say(world, ticket, attachments=[attachment]).attachments == [attachment]


@pytest.mark.parametrize(
    "attachment",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "/etc/passwd",
        "../secret",
        "a/../../b",
        "\\\\host\\share",
        "//evil.org",
        "",
        "x" * 2001,
    ],
)
def test_what_could_do_harm_is_not_attached(world: World, ticket: Ticket, attachment: str) -> None:
    with pytest.raises(Invalid) as caught:
        say(world, ticket, attachments=[attachment])
    assert caught.value.field == "attachments.0"


def test_twenty_attachments_are_the_limit(world: World, ticket: Ticket) -> None:
    assert len(say(world, ticket, attachments=["a.txt"] * 20).attachments) == 20
    with pytest.raises(Invalid, match="attachments"):
        say(world, ticket, attachments=["a.txt"] * 21)


def test_an_edit_replaces_text_and_mentions(world: World, ticket: Ticket) -> None:
    comment = say(world, ticket, f"@{world.other.id}")
    seq = world.seq
    world.do(COMMENT_EDIT, comment_id=comment.id, comment_text="Nobody.")
    comment.refresh_from_db()
    assert (comment.comment_text, comment.mentions, comment.is_edited) == ("Nobody.", [], True)
    assert comment.updated_at is not None
    assert world.events(seq) == ["comment_edited"]


def test_the_same_text_again_is_no_edit(world: World, ticket: Ticket) -> None:
    comment = say(world, ticket)
    seq = world.seq
    world.do(COMMENT_EDIT, comment_id=comment.id, comment_text="Hello there.")
    comment.refresh_from_db()
    assert (comment.is_edited, world.seq) == (False, seq)


def test_a_deleted_comment_leaves_a_tombstone_and_its_text_nowhere(world: World, ticket: Ticket) -> None:
    comment = say(world, ticket, "My password is hunter2.", attachments=["a.txt"])
    world.do(COMMENT_DELETE, comment_id=comment.id)
    comment.refresh_from_db()
    ticket.refresh_from_db()
    assert (comment.comment_text, comment.attachments, comment.mentions) == ("", [], [])
    assert (comment.deleted_at is not None, ticket.comment_count) == (True, 0)
    rows = [(row.change_type, row.agent_id) for row in TicketHistory.objects.filter(ticket=ticket).order_by("id")[1:]]
    assert rows == [("commented", world.agent.id), ("comment_deleted", world.agent.id)]
    assert "hunter2" not in str(list(TicketHistory.objects.values()))


def test_deleting_again_changes_nothing_and_a_tombstone_is_not_edited(world: World, ticket: Ticket) -> None:
    comment = say(world, ticket)
    world.do(COMMENT_DELETE, comment_id=comment.id)
    seq = world.seq
    world.do(COMMENT_DELETE, comment_id=comment.id)
    assert world.seq == seq
    with pytest.raises(Invalid, match="was deleted"):
        world.do(COMMENT_EDIT, comment_id=comment.id, comment_text="Risen.")


@pytest.mark.parametrize("operation", [COMMENT_EDIT, COMMENT_DELETE])
def test_only_the_author_changes_a_comment(world: World, ticket: Ticket, operation: Any) -> None:
    comment = say(world, ticket)
    fields = {"comment_text": "Mine now."} if operation is COMMENT_EDIT else {}
    for by in (world.other, world.person()):
        with pytest.raises(Forbidden, match="only its author"):
            world.do(operation, comment_id=comment.id, by=by, **fields)
    with pytest.raises(NotFound):
        world.do(operation, comment_id=comment.id, by=World().agent, **fields)


def test_a_reaction_is_put_once_and_taken_back(world: World, ticket: Ticket) -> None:
    comment = say(world, ticket)
    seq = world.seq
    for _ in range(2):
        answer = world.do(COMMENT_REACT, comment_id=comment.id, emoji="👍", by=world.other)
        assert answer.reactions == {"👍": [world.other.id]}
    assert world.events(seq) == ["comment_edited"]
    for _ in range(2):
        answer = world.do(COMMENT_REACT, comment_id=comment.id, emoji="👍", by=world.other, remove=True)
        assert answer.reactions == {}


def test_twenty_kinds_of_reaction_are_the_limit(world: World, ticket: Ticket) -> None:
    comment = say(world, ticket)
    for number in range(20):
        world.do(COMMENT_REACT, comment_id=comment.id, emoji=str(number))
    with pytest.raises(Invalid, match="at most 20 kinds"):
        world.do(COMMENT_REACT, comment_id=comment.id, emoji="another")
    world.do(COMMENT_REACT, comment_id=comment.id, emoji="7", by=world.other)


def test_a_viewer_comments_not(world: World, ticket: Ticket) -> None:
    with pytest.raises(Forbidden):
        say(world, ticket, by=make_agent(world.workflow, role="viewer"))
