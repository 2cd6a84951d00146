"""Whatever is done in whatever order, on whatever board: the invariants hold, and a refused command leaves no trace.

A real database, the operations as every face calls them, time that is moved by hand.
"""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test import override_settings
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

from tests.factories import AgentWithToken, make_agent, make_person, make_workflow
from tickets import operations as ops
from tickets.access import Actor, actor_for_user
from tickets.errors import Blocked, DomainError
from tickets.models import Agent, AgentToken, Ticket, Workflow
from tickets.operations import Operation, execute
from tickets.selectors.integrity import integrity_findings
from tickets.services.approvals import approvals_expire

COLUMNS = ("todo", "ready", "doing", "checking", "done", "wontfix")
# Kept out of the comparison: when an agent or a token was last seen is a metric.
METRICS = {Agent: "last_seen_at", AgentToken: "last_used_at"}
TICKETS = st.integers(0, 5)

BOARDS = st.fixed_dictionaries(
    {
        "auto_assign": st.booleans(),
        "require_comments_on_status_change": st.booleans(),
        "allow_reopen": st.booleans(),
        "resolve_on_final": st.booleans(),
        "enforce_wip_limits": st.booleans(),
        "ticket_human_review": st.booleans(),
        "approval_timeout_seconds": st.just(600),
    }
)
TRANSITIONS = st.sampled_from(
    [None, {column: [other for other in COLUMNS if other != "wontfix"] for column in COLUMNS}, {"todo": ["doing"]}]
)


def fingerprint() -> dict[str, str]:
    """A digest of the content of every table."""
    found = {}
    for model in apps.get_models():
        columns = [f.column for f in model._meta.concrete_fields if f.column and f.name != METRICS.get(model)]
        quoted = ", ".join(connection.ops.quote_name(column) for column in columns)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {quoted} FROM {connection.ops.quote_name(model._meta.db_table)}")
            rows = sorted(repr(row) for row in cursor.fetchall())
        found[model._meta.db_table] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


def assert_integrity() -> None:
    assert [str(finding) for finding in integrity_findings()] == []


some_tickets = precondition(lambda machine: bool(machine.keys))
some_comments = precondition(lambda machine: bool(machine.comments))
room = precondition(lambda machine: len(machine.keys) < 5)


class Lifecycle(RuleBasedStateMachine):
    """One workflow, two AI agents and a human maintainer, at most six tickets."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.comments: list[str] = []
        self.steps = 0
        self.ahead = timedelta()
        real_now = timezone.now
        self.clock = mock.patch.object(timezone, "now", side_effect=lambda: real_now() + self.ahead)
        self.clock.start()
        self.case = transaction.atomic()
        self.case.__enter__()

    def teardown(self) -> None:
        try:
            assert_integrity()
        finally:
            transaction.set_rollback(True)
            self.case.__exit__(None, None, None)
            self.clock.stop()

    @initialize(board=BOARDS, transitions=TRANSITIONS, limit=st.sampled_from([None, 1, 2]))
    def begin(self, board: dict[str, Any], transitions: dict[str, list[str]] | None, limit: int | None) -> None:
        categories = ("queue", "queue", "active", "active", "final", "final")
        columns: list[dict[str, Any]] = [
            {"id": column, "name": column.title(), "category": category}
            for column, category in zip(COLUMNS, categories, strict=True)
        ]
        columns[2]["wip_limit"] = limit
        values = {"columns": columns, "ticket_types": ["task", "bug"], "settings": board, "transitions": transitions}
        self.workflow = make_workflow(board=values)
        self.agents: list[AgentWithToken] = [make_agent(self.workflow), make_agent(self.workflow)]
        self.human = actor_for_user(make_person(self.workflow, role="maintainer"))
        self.reopens = board["allow_reopen"]

    def do(self, operation: Operation[Any, Any], actor: Actor, **fields: Any) -> Any:
        """Run it. A refusal must leave no trace, a blocked ticket where it was."""
        key = fields.get("ticket_id")
        blocked = key is not None and Ticket.objects.get(key=key).is_blocked
        status = Ticket.objects.get(key=key).status if key is not None else None
        before = fingerprint()
        answer, error = None, None
        try:
            answer = execute(operation, actor, fields)
        except DomainError as raised:
            error = raised
        if error is not None:
            assert fingerprint() == before, f"{operation.name} left a trace of {error!r}"
            # What a constraint of the database had to stop, a rule has missed.
            assert "Another request changed the same thing" not in error.message
            assert blocked or not isinstance(error, Blocked) or operation is ops.TICKET_CREATE
            return None
        if blocked:
            assert Ticket.objects.get(key=key).status == status
        return answer

    def pick(self, number: int) -> str:
        return self.keys[number % len(self.keys)]

    def who(self, number: int) -> Actor:
        return self.human if number == 2 else self.agents[number].actor

    @room
    @rule(
        who=st.integers(0, 2),
        status=st.sampled_from([None, None, *COLUMNS]),
        blocker=st.none() | TICKETS,
        blocked=st.booleans(),
    )
    def create(self, who: int, status: str | None, blocker: int | None, blocked: bool) -> None:
        fields: dict[str, Any] = {"title": "A ticket", "description": "A long description.", "initial_status": status}
        if blocker is not None and self.keys:
            fields["blocked_by_ticket_ids"] = [self.pick(blocker)]
        answer = self.do(ops.TICKET_CREATE, self.who(who), **fields, is_blocked=blocked and who == 0)
        if answer is not None:
            self.keys.append(answer.key)

    @some_tickets
    @rule(number=TICKETS, who=st.integers(0, 2), status=st.sampled_from(COLUMNS), comment=st.booleans())
    def move(self, number: int, who: int, status: str, comment: bool) -> None:
        text = "Because it is time." if comment else None
        self.do(ops.TICKET_CHANGE_STATUS, self.who(who), ticket_id=self.pick(number), new_status=status, comment=text)

    @some_tickets
    @rule(number=TICKETS, other=TICKETS)
    def rank(self, number: int, other: int) -> None:
        self.do(ops.TICKET_MOVE, self.human, ticket_id=self.pick(number), before_ticket_id=self.pick(other))

    @some_tickets
    @rule(number=TICKETS, who=st.integers(0, 2))
    def resolve(self, number: int, who: int) -> None:
        self.do(ops.TICKET_RESOLVE, self.who(who), ticket_id=self.pick(number), resolution_comment="It is all done.")

    @some_tickets
    @rule(number=TICKETS, status=st.sampled_from([None, "ready", "doing"]))
    def reopen(self, number: int, status: str | None) -> None:
        self.do(ops.TICKET_REOPEN, self.human, ticket_id=self.pick(number), new_status=status, comment="It came back.")

    @some_tickets
    @rule(number=TICKETS, other=TICKETS, by_hand=st.booleans())
    def block(self, number: int, other: int, by_hand: bool) -> None:
        fields: dict[str, Any] = {"reason": "Rain"} if by_hand else {"blocked_by_ticket_ids": [self.pick(other)]}
        self.do(ops.TICKET_BLOCK, self.human, ticket_id=self.pick(number), **fields)

    @some_tickets
    @rule(number=TICKETS, other=TICKETS, by_hand=st.booleans())
    def unblock(self, number: int, other: int, by_hand: bool) -> None:
        fields = {} if by_hand else {"blocked_by_ticket_ids": [self.pick(other)]}
        self.do(ops.TICKET_UNBLOCK, self.human, ticket_id=self.pick(number), **fields)

    @some_tickets
    @rule(
        number=TICKETS,
        updates=st.fixed_dictionaries(
            {},
            optional={
                "title": st.sampled_from(["One title", "Another title"]),
                "priority": st.sampled_from(["critical", "low", "urgent"]),
                "tags_add": st.lists(st.sampled_from(["a", "B", "b"]), max_size=2, unique=True),
                "tags_remove": st.lists(st.sampled_from(["A", "b"]), max_size=1),
                "is_blocked": st.booleans(),
                "blocked_reason": st.sampled_from(["Snow", None]),
                "story_points": st.none() | st.integers(0, 3),
                "related_task_ids": st.lists(st.sampled_from(["t1", "t2"]), max_size=2),
            },
        ),
        related=st.none() | TICKETS,
        version=st.sampled_from([None, None, None, 1, 4]),
    )
    def update(self, number: int, updates: dict[str, Any], related: int | None, version: int | None) -> None:
        if related is not None:
            updates = {
                **updates,
                "related_ticket_ids_add": [self.pick(related)],
                "parent_ticket_id": self.pick(related),
            }
        self.do(
            ops.TICKET_UPDATE, self.agents[0].actor, ticket_id=self.pick(number), updates=updates,
            expected_version=version,
        )  # fmt: skip

    @some_tickets
    @rule(number=TICKETS, who=st.integers(0, 1), seconds=st.sampled_from([1, 300]), token=st.none() | st.integers(0, 3))
    def claim(self, number: int, who: int, seconds: int, token: int | None) -> None:
        self.do(
            ops.TICKET_CLAIM, self.who(who), ticket_id=self.pick(number), lease_seconds=seconds, fencing_token=token
        )

    @some_tickets
    @rule(who=st.integers(0, 1))
    def claim_next(self, who: int) -> None:
        self.do(ops.TICKET_NEXT, self.who(who), lease_seconds=60)

    @some_tickets
    @rule(number=TICKETS, who=st.integers(0, 1), token=st.integers(0, 3))
    def heartbeat(self, number: int, who: int, token: int) -> None:
        self.do(ops.TICKET_HEARTBEAT, self.who(who), ticket_id=self.pick(number), fencing_token=token)

    @some_tickets
    @rule(number=TICKETS, who=st.integers(0, 2))
    def release(self, number: int, who: int) -> None:
        self.do(ops.TICKET_RELEASE, self.who(who), ticket_id=self.pick(number))

    @rule(seconds=st.sampled_from([2, 120, 700]))
    def wait(self, seconds: int) -> None:
        """Leases run out, approvals expire."""
        self.ahead += timedelta(seconds=seconds)
        approvals_expire()

    @some_tickets
    @rule(number=TICKETS, approve=st.booleans(), who=st.integers(0, 2))
    def decide(self, number: int, approve: bool, who: int) -> None:
        operation = ops.TICKET_APPROVE if approve else ops.TICKET_REJECT
        self.do(operation, self.who(who), ticket_id=self.pick(number), reason="I looked at it.")

    @some_tickets
    @rule(number=TICKETS, who=st.integers(0, 2))
    def comment(self, number: int, who: int) -> None:
        key = self.pick(number)
        answer = self.do(ops.COMMENT_ADD, self.who(who), ticket_id=key, comment_text=f"See #{key} and @nobody.")
        if answer is not None:
            self.comments.append(answer.comment_id)

    @some_comments
    @rule(number=TICKETS, who=st.integers(0, 2), delete=st.booleans())
    def edit_comment(self, number: int, who: int, delete: bool) -> None:
        comment_id = self.comments[number % len(self.comments)]
        if delete:
            self.do(ops.COMMENT_DELETE, self.who(who), comment_id=comment_id)
        else:
            self.do(ops.COMMENT_EDIT, self.who(who), comment_id=comment_id, comment_text="On second thought.")

    @some_tickets
    @rule(number=TICKETS, who=st.sampled_from([0, 1, None, 9]))
    def assign(self, number: int, who: int | None) -> None:
        agent_id = None if who is None else "stranger" if who == 9 else self.agents[who].id
        self.do(ops.TICKET_ASSIGN, self.human, ticket_id=self.pick(number), assigned_agent_id=agent_id)

    @some_tickets
    @rule(numbers=st.lists(TICKETS, min_size=1, max_size=3), status=st.sampled_from([None, *COLUMNS]))
    def bulk_update(self, numbers: list[int], status: str | None) -> None:
        updates = {"priority": "high", "status": status}
        ids = [*dict.fromkeys(self.pick(number) for number in numbers), "TKT-999"]
        answer = self.do(
            ops.TICKETS_UPDATE, self.agents[1].actor, ticket_ids=ids, updates=updates, comment="All together now."
        )
        assert not answer.results[-1].success

    @room
    @rule(dry=st.booleans(), status=st.sampled_from([None, "done", "nowhere"]))
    def bulk_create(self, dry: bool, status: str | None) -> None:
        one = {"title": "One of two", "description": "A long description.", "blocked_by_ticket_ids": ["#1"]}
        two = {"title": "Two of two", "description": "A long description.", "initial_status": status}
        before = fingerprint() if dry else None
        answer = self.do(ops.TICKETS_CREATE, self.agents[0].actor, tickets=[one, two], dry_run=dry)
        if dry:
            assert fingerprint() == before
        elif answer is not None:
            self.keys += [ticket.key for ticket in answer.tickets]

    @invariant()
    def everything_agrees(self) -> None:
        """Histories replay, events have no gap, counters, claims, periods and approvals agree with their rows.

        Looked at now and then, and at the end: it costs as much as ten operations, and damage stays.
        """
        self.steps += 1
        if self.steps % 10 == 0:
            assert_integrity()

    @invariant()
    def resolved_means_final(self) -> None:
        if not hasattr(self, "workflow"):
            return
        settings = Workflow.objects.get(pk=self.workflow.pk).board_config.settings
        for ticket in Ticket.objects.all():
            final = ticket.status in ("done", "wontfix")
            assert final or not ticket.is_resolved
            if settings["resolve_on_final"]:
                assert ticket.is_resolved == final
            if ticket.started_at and ticket.completed_at:
                assert ticket.started_at <= ticket.completed_at


@pytest.mark.slow
@pytest.mark.django_db
@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
def test_any_sequence_of_operations_keeps_the_invariants() -> None:
    """About 450 steps. LIFECYCLE_EXAMPLES=1000 takes them further, with other ones each time."""
    examples = int(os.environ.get("LIFECYCLE_EXAMPLES", "0"))
    run_state_machine_as_test(
        Lifecycle,
        settings=settings(
            max_examples=examples or 15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=not examples,
            database=None,
        ),
    )
