"""The board as it was equals a snapshot taken then, whatever was done, on whatever board."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from boards.operations import BOARD_UPDATE
from boards.selectors import places
from boards.selectors.columns import column_cards
from boards.selectors.past import PastBoard, PastCard
from tests.factories import make_agent, make_person, make_workflow
from tickets import operations as ops
from tickets.access import Actor, actor_for_user
from tickets.board_source import board_of
from tickets.errors import DomainError
from tickets.imports.running import Import, tickets_import
from tickets.models import Ticket, Workflow
from tickets.operations import Operation, execute
from tickets.services import ranks
from tickets.services.approvals import approvals_expire

NAMES = [field.name for field in fields(PastCard)]
NUMBERS = st.integers(0, 7)
TITLES = ["One title", "Another title", "<script>alert(1)</script>", "שלום 🐛"]
POOL: list[dict[str, Any]] = [
    {"id": "todo", "name": "To Do", "category": "queue"},
    {"id": "ready", "name": "Ready", "category": "queue"},
    {"id": "doing", "name": "Doing", "category": "active"},
    {"id": "checking", "name": "Checking", "category": "active", "wip_limit": 2},
    {"id": "done", "name": "Done", "category": "final"},
    {"id": "wont", "name": "Won't do", "category": "final"},
]
IDS = [column["id"] for column in POOL]
some_tickets = precondition(lambda machine: bool(machine.keys))
room = precondition(lambda machine: len(machine.keys) < 7)


@dataclass(frozen=True)
class Snapshot:
    """All that is compared: the configuration, and the cards of each column in their order."""

    board: dict[str, Any]
    columns: dict[str, list[dict[str, Any]]]


def taken(workflow_id: str) -> Snapshot:
    workflow = Workflow.objects.get(pk=workflow_id)
    board = board_of(workflow)
    pages = {column.id: column_cards(workflow, board, column.id, limit=500) for column in board.columns}
    return Snapshot(board.as_json(), {name: [shown(card) for card in page.cards] for name, page in pages.items()})


def replayed(workflow_id: str, moment: datetime) -> Snapshot:
    past = PastBoard(Workflow.objects.get(pk=workflow_id), moment)
    return Snapshot(
        past.board.as_json(),
        {item.column.id: [shown(card) for card in past.cards(item.ticket_ids)] for item in past.columns},
    )


def shown(card: Any) -> dict[str, Any]:
    return {name: getattr(card, name) for name in NAMES}


class History(RuleBasedStateMachine):
    """Whatever happens, a snapshot is taken after it; each is held against the history at the end and now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.comments: list[str] = []
        self.snapshots: list[tuple[datetime, Snapshot]] = []
        self.ahead = timedelta()
        self.lines = 0
        real_now = timezone.now
        # Each look at the clock is later, as far apart as people are: two commands never share a moment.
        self.clock = mock.patch.object(timezone, "now", side_effect=lambda: real_now() + self.ahead)
        self.clock.start()
        # Keys grow long after a few moves already.
        self.spread = mock.patch.object(ranks, "RESPREAD_LENGTH", 4)
        self.spread.start()
        # Read anew from a few rows before, and stepped from there.
        self.back = mock.patch.object(places, "BACK", 5)
        self.back.start()
        self.case = transaction.atomic()
        self.case.__enter__()

    def teardown(self) -> None:
        try:
            for moment, snapshot in self.snapshots[::3]:
                assert replayed(self.workflow.id, moment) == snapshot
            # From what is kept, and step by step, it is the same as from the beginning.
            places._kept.clear()
            for moment, snapshot in self.snapshots:
                assert replayed(self.workflow.id, moment) == snapshot
            for moment, snapshot in self.snapshots[::-2]:
                places._kept.clear()
                assert replayed(self.workflow.id, moment) == snapshot
        finally:
            transaction.set_rollback(True)
            self.case.__exit__(None, None, None)
            self.spread.stop()
            self.back.stop()
            self.clock.stop()
            places._kept.clear()

    @initialize(review=st.booleans(), on_final=st.booleans(), auto=st.booleans(), reopen=st.booleans())
    def begin(self, review: bool, on_final: bool, auto: bool, reopen: bool) -> None:
        self.settings = {
            "ticket_human_review": review,
            "resolve_on_final": on_final,
            "auto_assign": auto,
            "allow_reopen": reopen,
            "approval_timeout_seconds": 600,
        }
        board = {"columns": POOL, "ticket_types": ["task", "bug"], "settings": self.settings}
        self.workflow = make_workflow(board=board)
        self.agents = [make_agent(self.workflow), make_agent(self.workflow)]
        self.human = actor_for_user(make_person(self.workflow, role="maintainer"))

    def do(self, operation: Operation[Any, Any], actor: Actor, **fields: Any) -> Any:
        try:
            return execute(operation, actor, fields)
        except DomainError:
            return None

    def pick(self, number: int) -> str:
        return self.keys[number % len(self.keys)]

    def who(self, number: int) -> Actor:
        return self.human if number == 2 else self.agents[number].actor

    @invariant()
    def a_snapshot_is_taken(self) -> None:
        if hasattr(self, "workflow"):
            self.snapshots.append((timezone.now(), taken(self.workflow.id)))

    @room
    @rule(
        who=st.integers(0, 2), status=st.sampled_from([None, *IDS]), blocker=st.none() | NUMBERS, by_hand=st.booleans()
    )
    def create(self, who: int, status: str | None, blocker: int | None, by_hand: bool) -> None:
        given: dict[str, Any] = {"title": "A ticket", "description": "A long description.", "initial_status": status}
        if blocker is not None and self.keys:
            given["blocked_by_ticket_ids"] = [self.pick(blocker)]
        answer = self.do(ops.TICKET_CREATE, self.who(who), **given, is_blocked=by_hand, tags=["a"], story_points=2)
        if answer is not None:
            self.keys.append(answer.key)

    @some_tickets
    @rule(number=NUMBERS, who=st.integers(0, 2), status=st.sampled_from(IDS), beside=st.none() | NUMBERS)
    def move(self, number: int, who: int, status: str, beside: int | None) -> None:
        place = {} if beside is None else {"before_ticket_id": self.pick(beside)}
        self.do(ops.TICKET_CHANGE_STATUS, self.who(who), ticket_id=self.pick(number), new_status=status, **place)

    @some_tickets
    @rule(number=NUMBERS, other=NUMBERS, after=st.booleans())
    def rank(self, number: int, other: int, after: bool) -> None:
        place = {"after_ticket_id" if after else "before_ticket_id": self.pick(other)}
        self.do(ops.TICKET_MOVE, self.human, ticket_id=self.pick(number), **place)

    @some_tickets
    @rule(number=NUMBERS)
    def resolve(self, number: int) -> None:
        self.do(ops.TICKET_RESOLVE, self.human, ticket_id=self.pick(number), resolution_comment="It is all done.")

    @some_tickets
    @rule(number=NUMBERS)
    def reopen(self, number: int) -> None:
        self.do(ops.TICKET_REOPEN, self.human, ticket_id=self.pick(number), comment="It came back.")

    @some_tickets
    @rule(number=NUMBERS, other=NUMBERS, by_hand=st.booleans(), lift=st.booleans())
    def block(self, number: int, other: int, by_hand: bool, lift: bool) -> None:
        given: dict[str, Any] = {"blocked_by_ticket_ids": [self.pick(other)]}
        if by_hand:
            given = {} if lift else {"reason": "Rain"}
        operation = ops.TICKET_UNBLOCK if lift else ops.TICKET_BLOCK
        self.do(operation, self.human, ticket_id=self.pick(number), **given)

    @some_tickets
    @rule(
        number=NUMBERS,
        updates=st.fixed_dictionaries(
            {},
            optional={
                "title": st.sampled_from(TITLES),
                "description": st.just("Another description."),
                "priority": st.sampled_from(["critical", "low"]),
                "ticket_type": st.sampled_from(["task", "bug"]),
                "tags_add": st.lists(st.sampled_from(["a", "B", "c"]), max_size=2, unique=True),
                "tags_remove": st.lists(st.sampled_from(["A", "b"]), max_size=1),
                "story_points": st.none() | st.integers(0, 3),
                "estimate_minutes": st.integers(0, 90),
            },
        ),
    )
    def update(self, number: int, updates: dict[str, Any]) -> None:
        self.do(ops.TICKET_UPDATE, self.agents[0].actor, ticket_id=self.pick(number), updates=updates)

    @some_tickets
    @rule(number=NUMBERS, who=st.integers(0, 1), seconds=st.sampled_from([1, 300]), release=st.booleans())
    def claim(self, number: int, who: int, seconds: int, release: bool) -> None:
        if release:
            self.do(ops.TICKET_RELEASE, self.who(who), ticket_id=self.pick(number))
        else:
            self.do(ops.TICKET_CLAIM, self.who(who), ticket_id=self.pick(number), lease_seconds=seconds)

    @some_tickets
    @rule(number=NUMBERS, who=st.sampled_from([0, 1, None]))
    def assign(self, number: int, who: int | None) -> None:
        agent_id = None if who is None else self.agents[who].id
        self.do(ops.TICKET_ASSIGN, self.human, ticket_id=self.pick(number), assigned_agent_id=agent_id)

    @some_tickets
    @rule(number=NUMBERS, approve=st.booleans())
    def decide(self, number: int, approve: bool) -> None:
        operation = ops.TICKET_APPROVE if approve else ops.TICKET_REJECT
        self.do(operation, self.human, ticket_id=self.pick(number), reason="I looked at it.")

    @some_tickets
    @rule(number=NUMBERS, delete=st.booleans())
    def comment(self, number: int, delete: bool) -> None:
        if delete and self.comments:
            self.do(ops.COMMENT_DELETE, self.human, comment_id=self.comments[number % len(self.comments)])
            return
        answer = self.do(ops.COMMENT_ADD, self.human, ticket_id=self.pick(number), comment_text="I see.")
        self.comments += [answer.comment_id] if answer is not None else []

    @rule(seconds=st.sampled_from([2, 120, 700]))
    def wait(self, seconds: int) -> None:
        self.ahead += timedelta(seconds=seconds)
        approvals_expire()

    @some_tickets
    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=3), status=st.sampled_from(IDS))
    def bulk(self, numbers: list[int], status: str) -> None:
        ids = list(dict.fromkeys(self.pick(number) for number in numbers))
        self.do(ops.TICKETS_UPDATE, self.human, ticket_ids=ids, updates={"priority": "high", "status": status})

    @room
    @rule()
    def create_several(self) -> None:
        one = {"title": "One of two", "description": "A long description.", "blocked_by_ticket_ids": ["#1"]}
        two = {"title": "Two of two", "description": "A long description."}
        answer = self.do(ops.TICKETS_CREATE, self.agents[0].actor, tickets=[one, two])
        self.keys += [ticket.key for ticket in answer.tickets] if answer is not None else []

    @room
    @rule(status=st.sampled_from(["todo", "done"]))
    def bring_in(self, status: str) -> None:
        """An import, with a time of creation that lies before all of this."""
        import io
        import json

        self.lines += 1
        row = {"id": f"old-{self.lines}", "title": "From elsewhere", "description": "Written long ago.",
               "status": status, "created_at": "2020-02-02T02:02:02Z"}  # fmt: skip
        stream = io.BytesIO((json.dumps(row) + "\n").encode())
        before = set(Ticket.objects.values_list("key", flat=True))
        tickets_import(Import(self.human, self.workflow.id, stream, "jsonl", name="old.jsonl"))
        self.keys += sorted(set(Ticket.objects.values_list("key", flat=True)) - before)

    @rule(
        left_out=st.lists(st.sampled_from(IDS), max_size=3, unique=True),
        turned=st.booleans(),
        limit=st.none() | st.integers(1, 4),
        name=st.sampled_from(["To Do", "Later", "<b>Open</b>"]),
    )
    def change_board(self, left_out: list[str], turned: bool, limit: int | None, name: str) -> None:
        """Columns go, come back, change places and names; tickets of those that go are carried to one of their kind."""
        columns = [dict(column) for column in POOL if column["id"] not in left_out]
        if turned:
            columns.reverse()
        moves = {}
        for column in columns:
            if column["id"] in ("todo", "ready"):
                column |= {"name": f"{name} {column['id']}", "wip_limit": limit}
        for gone in left_out:
            category = next(column["category"] for column in POOL if column["id"] == gone)
            same = [column["id"] for column in columns if column["category"] == category]
            if same:
                moves[gone] = same[0]
        board = {"columns": columns, "ticket_types": ["task", "bug"], "settings": self.settings}
        self.do(BOARD_UPDATE, self.human, workflow_id=self.workflow.id, board=board, move_tickets=moves)


@pytest.mark.slow
@pytest.mark.django_db
def test_the_board_as_it_was_equals_the_snapshot_taken_then() -> None:
    """PAST_EXAMPLES=500 takes them further, with other ones each time."""
    examples = int(os.environ.get("PAST_EXAMPLES", "0"))
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=examples or 12,
            stateful_step_count=40,
            deadline=None,
            derandomize=not examples,
            suppress_health_check=list(HealthCheck),
        ),
    )
