"""What the board page reads: columns in order, true counts, cards page by page, at a fixed cost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from boards.selectors.columns import CardPage, cards_of, column_cards
from tests.factories import AgentWithToken, make_agent, make_ticket, make_workflow
from tickets.board_source import board_of
from tickets.errors import Invalid
from tickets.models import Ticket, Workflow
from tickets.rules import Board
from tickets.schemas.tickets import BlockTicket, ClaimTicket, MoveTicket, ResolveTicket
from tickets.selectors.counts import status_counts
from tickets.services.blocking import ticket_block
from tickets.services.claims import ticket_claim
from tickets.services.status import ticket_move, ticket_resolve

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow() -> Workflow:
    columns = [
        {"id": "todo", "name": "To do", "wip_limit": 3},
        {"id": "doing", "name": "Doing"},
        {"id": "done", "name": "Done"},
    ]
    return make_workflow("alpha", board={"columns": columns, "ticket_types": ["bug"]})


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="ada")


def with_board(workflow: Workflow) -> tuple[Workflow, Board]:
    workflow.refresh_from_db()
    return workflow, board_of(workflow)


def pages(workflow: Workflow, *, limit: int = 40) -> list[CardPage]:
    current, board = with_board(workflow)
    return [column_cards(current, board, column.id, limit=limit) for column in board.columns]


def test_columns_hold_their_cards_in_rank_order(workflow: Workflow, agent: AgentWithToken) -> None:
    tickets = [make_ticket(agent) for _ in range(4)]
    request = MoveTicket(ticket_id=tickets[3].id, before_ticket_id=tickets[0].id)
    ticket_move(actor=agent.actor, request=request)
    make_ticket(agent, initial_status="doing", assigned_agent_id="ada", tags=["api"])
    todo, doing, done = pages(workflow, limit=3)
    assert [card.key for card in todo.cards] == ["TKT-4", "TKT-1", "TKT-2"]
    rest = column_cards(*with_board(workflow), "todo", after=todo.next_cursor, limit=3)
    assert ([card.key for card in rest.cards], rest.next_cursor) == (["TKT-3"], None)
    [card] = doing.cards
    assert card.assignee is not None
    assert (card.assignee.id, card.assignee.kind, card.tags) == ("ada", "ai", ["api"])
    assert (done.cards, done.next_cursor) == ([], None)


def test_a_final_column_begins_with_what_was_completed_last(workflow: Workflow, agent: AgentWithToken) -> None:
    tickets = [make_ticket(agent, initial_status="done") for _ in range(5)]
    now = timezone.now()
    # Two at the same moment: their numbers decide.
    for ticket, minutes in zip(tickets, (5, 1, 3, 3, 9), strict=True):
        Ticket.objects.filter(pk=ticket.pk).update(completed_at=now - timedelta(minutes=minutes))
    found, cursor = [], None
    while True:
        page = column_cards(*with_board(workflow), "done", after=cursor, limit=2)
        found += [card.number for card in page.cards]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [2, 4, 3, 1, 5]


def test_cards_tell_blockers_leases_and_review(workflow: Workflow, agent: AgentWithToken) -> None:
    first, second, third = (make_ticket(agent) for _ in range(3))
    ticket_block(
        actor=agent.actor, request=BlockTicket(ticket_id=third.id, blocked_by_ticket_ids=[second.id, first.id])
    )
    ticket_block(actor=agent.actor, request=BlockTicket(ticket_id=second.id, reason="Waits for a key"))
    ticket_claim(actor=agent.actor, request=ClaimTicket(ticket_id=first.id))
    one, two, three = cards_of(with_board(workflow)[0], [first.id, second.id, third.id])
    assert (one.lease_agent_id, one.is_blocked) == ("ada", False)
    assert (two.is_blocked, two.blocked_reason, two.blocked_by_keys) == (True, "Waits for a key", ())
    assert three.blocked_by_keys == ("TKT-2", "TKT-1")
    Ticket.objects.filter(pk=first.pk).update(
        lease_expires_at=timezone.now() - timedelta(seconds=1), approval_status="pending_review"
    )
    [one] = cards_of(workflow, [first.id])
    assert (one.lease_agent_id, one.lease_expires_at, one.is_pending) == (None, None, True)


def test_rejected_tickets_and_those_of_other_boards_have_no_card(workflow: Workflow, agent: AgentWithToken) -> None:
    kept, rejected = make_ticket(agent), make_ticket(agent)
    other = make_ticket(make_agent(make_workflow("beta")))
    Ticket.objects.filter(pk=rejected.pk).update(approval_status="rejected")
    assert [card.id for card in cards_of(workflow, [rejected.id, kept.id, other.id, kept.id])] == [kept.id]


def test_resolving_moves_the_card_and_its_count(workflow: Workflow, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    assert status_counts(with_board(workflow)[0]) == {"todo": 1}
    ticket_resolve(actor=agent.actor, request=ResolveTicket(ticket_id=ticket.id, resolution_comment="Done at last."))
    assert status_counts(with_board(workflow)[0]) == {"done": 1}
    todo, _, done = pages(workflow)
    assert (todo.cards, done.cards[0].is_resolved) == ([], True)


@pytest.mark.parametrize("cursor", ["", "x", "~", "a0~x", "a0~-1", "a0~" + "9" * 40, "\x00~1", "é~²", "a" * 300 + "~1"])
def test_a_broken_cursor_is_refused(workflow: Workflow, cursor: str) -> None:
    with pytest.raises(Invalid):
        column_cards(*with_board(workflow), "todo", after=cursor)
    with pytest.raises(Invalid):
        column_cards(*with_board(workflow), "done", after=cursor or "2026-01-01T00:00:00~1")


def test_an_unknown_column_is_refused(workflow: Workflow) -> None:
    with pytest.raises(Invalid, match="nowhere"):
        column_cards(*with_board(workflow), "nowhere")


def test_a_fixed_number_of_queries(
    workflow: Workflow, agent: AgentWithToken, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(2):
        for status in ("todo", "doing", "done"):
            for _ in range(3):
                make_ticket(agent, initial_status=status)
        blocked = make_ticket(agent)
        ticket_block(actor=agent.actor, request=BlockTicket(ticket_id=blocked.id, reason="By hand"))
        current, board = with_board(workflow)
        with django_assert_num_queries(2):
            column_cards(current, board, "todo", after="a~0")
