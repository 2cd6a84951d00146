"""Requests at the same time: no deadlock, nothing doubled, one holder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from tests.factories import make_agent, make_ticket, make_workflow
from tickets.errors import Busy, DomainError
from tickets.models import Agent, AgentState, Claim, Event, Task, Ticket, Workflow
from tickets.operations import (
    TASK_CREATE,
    TASK_UPDATE_STATUS,
    TICKET_CREATE,
    TICKET_NEXT,
    TICKETS_UPDATE,
    execute,
)
from tickets.selectors.integrity import integrity_findings

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 6


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """The answers, or the domain errors, of so many threads that start together."""
    ready = threading.Barrier(THREADS)
    answers: list[Any] = [None] * THREADS

    def run(number: int) -> None:
        try:
            ready.wait()
            answers[number] = work(number)
        except DomainError as error:
            answers[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [answer for answer in answers if answer is None or isinstance(answer, Busy)]
    return answers


def test_a_key_sent_many_times_at_once_creates_once() -> None:
    agent = make_agent(make_workflow("flow"))
    fields = {"title": "Only once", "description": "A long description.", "idempotency_key": "k"}
    answers = at_once(lambda _: execute(TICKET_CREATE, agent.actor, fields))
    assert len({answer.ticket_id for answer in answers}) == 1
    assert Ticket.objects.count() == 1


def test_bulk_updates_of_two_workflows_in_opposite_order_do_not_deadlock() -> None:
    one, two = make_workflow("one"), make_workflow("two")
    agent = make_agent(one, two)
    ids = [make_ticket(agent, workflow).id for workflow in (one, two) for _ in range(5)]

    def work(number: int) -> bool:
        for turn in range(3):
            order = ids if (number + turn) % 2 else ids[::-1]
            tag = {"tags_add": [f"t{number}-{turn}"]}
            assert execute(TICKETS_UPDATE, agent.actor, {"ticket_ids": order, "updates": tag}).updated == len(ids)
        return True

    assert at_once(work) == [True] * THREADS
    assert list(integrity_findings()) == []


def test_the_same_tickets_are_never_handed_out_twice() -> None:
    workflow = make_workflow("flow")
    agents = [make_agent(workflow) for _ in range(THREADS)]
    for _ in range(4):
        make_ticket(agents[0])
    answers = at_once(lambda number: execute(TICKET_NEXT, agents[number].actor, {}))
    held = [answer.ticket_id for answer in answers if answer.ticket_id]
    assert len(held) == len(set(held)) == Claim.objects.count() == 4
    assert list(integrity_findings()) == []


def test_a_task_id_is_taken_once_across_workflows() -> None:
    workflows = [make_workflow(ticket_tracking_enabled=False) for _ in range(THREADS)]
    agent = make_agent(*workflows)

    def work(number: int) -> Any:
        return execute(
            TASK_CREATE, agent.actor, {"task_id": "t", "description": "x", "workflow_id": workflows[number].id}
        )

    answers = at_once(work)
    assert Task.objects.count() == 1
    assert sorted(getattr(answer, "code", "ok") for answer in answers) == ["conflict"] * (THREADS - 1) + ["ok"]


def test_an_agent_that_ends_its_last_tasks_in_many_workflows_at_once_is_terminated() -> None:
    workflows = [make_workflow(ticket_tracking_enabled=False) for _ in range(THREADS)]
    agent = make_agent(*workflows)
    tasks = [
        execute(
            TASK_CREATE,
            agent.actor,
            {"description": "x", "workflow_id": workflow.id, "assigned_agent_id": agent.id},
        ).task_id
        for workflow in workflows
    ]
    at_once(lambda n: execute(TASK_UPDATE_STATUS, agent.actor, {"task_id": tasks[n], "status": "done"}))
    assert Agent.objects.get(pk=agent.id).state == AgentState.TERMINATED


def test_event_numbers_have_no_gap_when_many_write() -> None:
    workflow = make_workflow("flow")
    agent = make_agent(workflow)
    at_once(lambda _: [make_ticket(agent) for _ in range(5)])
    assert sorted(Event.objects.values_list("seq", flat=True)) == list(range(1, THREADS * 5 + 1))
    assert Workflow.objects.get().event_seq == THREADS * 5
    assert list(integrity_findings()) == []
