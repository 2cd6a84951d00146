"""The clients against real servers: work, refusals, outages."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hephaestus_site.sdk import AsyncClient, BatchTicket, Client, TicketUpdates, errors
from tests.hephaestus_site.sdk_servers import TEXT, WORKFLOW, BadLine, Place, http_answer, place
from tests.hephaestus_site.test_sdk_operations import NO_DJANGO, ROOT

pytestmark = [pytest.mark.xdist_group("sdk"), pytest.mark.slow]

BUSY = json.dumps({"success": False, "message": "Busy.", "error": {"code": "busy", "message": "Busy."}}).encode()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("sdk")) as shop:
        yield shop


@pytest.fixture
def client(shop: Place) -> Iterator[Client]:
    with Client(shop.base_url, shop.token) as client:
        yield client


def new_ticket(client: Client, title: str = "A ticket", **fields: Any) -> str:
    return client.tickets.create(title=title, description=TEXT, **fields).key


def test_an_agent_takes_work_and_hands_it_over(client: Client) -> None:
    first = new_ticket(client, "Parse dates", priority="critical", tags=["parser"])
    then = new_ticket(client, "Show dates", blocked_by_ticket_ids=[first])

    work = client.tickets.next(tags=["parser"])
    assert (work.key, work.lease_agent_id) == (first, "agent-1")
    assert work.fencing_token is not None
    lease = client.tickets.heartbeat(ticket_id=first, fencing_token=work.fencing_token, lease_seconds=60)
    comment = client.tickets.comment(ticket_id=first, comment_text="Starting with the tokenizer.")
    client.tickets.edit_comment(comment_id=comment.comment_id, comment_text="Starting with the parser.")
    client.tickets.react(comment_id=comment.comment_id, emoji="👍")
    client.tickets.change_status(ticket_id=first, new_status="in_progress", fencing_token=lease.fencing_token)
    updated = client.tickets.update(
        ticket_id=first, updates=TicketUpdates(tags_add=["dates"], estimate_minutes=30, assigned_agent_id=None)
    )
    resolved = client.tickets.resolve(ticket_id=first, resolution_comment="Any input is safe now.")

    assert set(updated.fields_updated) == {"assigned_agent_id", "estimate_minutes", "tags"}
    detail = client.tickets.get(ticket_id=first)
    assert resolved.unblocked_tickets == [client.tickets.get(ticket_id=then).ticket["ticket_id"]]
    assert (detail.ticket["status"], detail.ticket["tags"]) == ("done", ["parser", "dates"])
    assert detail.comments[0]["comment_text"] == "Starting with the parser."
    assert client.tickets.timeline(ticket_id=first, limit=1).total_count > 5
    assert client.tickets.history(ticket_id=first).history[0]["change_type"] == "created"


def test_lists_take_filters_of_every_kind(client: Client) -> None:
    key = new_ticket(client, "Filtered", tags=["a b", "ü&?"], ticket_type="bug", priority="low")
    born = client.tickets.get(ticket_id=key).ticket["created_at"]

    page = client.tickets.list(
        status=["backlog", "todo"],
        tags=["a b", "ü&?"],
        ticket_type=["bug"],
        is_blocked=False,
        created_after=born,  # type: ignore[arg-type]  # text is read too
        fields=["key", "tags"],
    )

    assert page.tickets == [{"key": key, "tags": ["a b", "ü&?"]}]
    assert (page.total_count, page.has_more) == (1, False)


def test_many_tickets_are_made_at_once_all_or_none(client: Client) -> None:
    batch = [
        BatchTicket(title="Schema", description=TEXT),
        BatchTicket(title="Endpoint", description=TEXT, blocked_by_ticket_ids=["#0"]),
    ]
    before = client.tickets.list().total_count

    tried = client.tickets.create_many(tickets=batch, dry_run=True)
    made = client.tickets.create_many(tickets=batch)

    assert tried.dry_run
    assert client.tickets.list().total_count == before + 2
    assert client.tickets.get(ticket_id=made.tickets[1].key).ticket["blocked_by_ticket_ids"] == [
        made.tickets[0].ticket_id
    ]


def test_tasks_members_and_tokens_are_there_too(shop: Place, client: Client) -> None:
    key = new_ticket(client, "With a task")
    task = client.tasks.create(description="Do it.", ticket_id=key, phase_id="1")
    done = client.tasks.update_status(task_id=task.task_id, status="done", summary="Done.")
    with Client(shop.base_url, shop.operator) as operator:
        operator.agents.create(new_agent_id="agent-9", workflow_id=WORKFLOW)
        token = operator.agents.issue_token(for_agent_id="agent-9", label="ci").token
        with Client(shop.base_url, token) as ninth:
            me = ninth.me()
        assert me.token_id is not None
        operator.agents.revoke_token(token_id=me.token_id)

    assert done.ticket_resolved == client.tickets.get(ticket_id=key).ticket["ticket_id"]
    assert me.agent.memberships == {WORKFLOW: "member"}
    with Client(shop.base_url, token) as ninth, pytest.raises(errors.Unauthenticated):
        ninth.me()


def test_an_agent_finds_what_concerns_it_and_what_surrounds_a_ticket(shop: Place, client: Client) -> None:
    key = new_ticket(client, "For another")
    with Client(shop.base_url, shop.agent("agent-3")) as third:
        client.tickets.comment(ticket_id=key, comment_text="@agent-3 please look.")
        inbox = third.inbox.get()
        third.inbox.acknowledge(cursor=inbox.next_cursor)
        emptied = third.inbox.get()
        context = third.tickets.context(ticket_id=key)
        prompt = third.tickets.agent_prompt(ticket_id=key)
        insights = third.workflows.insights(workflow_id=WORKFLOW, kind=["unassigned", "stuck"])

    assert [(item["kind"], item["key"]) for item in inbox.items] == [("mention", key)]
    assert emptied.items == []
    assert (context.key, context.description) == (key, TEXT)
    assert key in prompt.prompt
    assert insights.workflow_id == WORKFLOW


def test_a_gateway_names_the_agent_it_acts_for(shop: Place) -> None:
    shop.agent("agent-2")
    with Client(shop.base_url, shop.agent("gate", "--gateway"), agent_id="agent-2") as gateway:
        me = gateway.me()

    assert (me.agent.agent_id, me.via_agent_id) == ("agent-2", "gate")


def test_refusals_are_exceptions_with_the_contracts_fields(client: Client) -> None:
    blocker = new_ticket(client, "Comes first")
    blocked = new_ticket(client, "Comes second", blocked_by_ticket_ids=[blocker])

    with pytest.raises(errors.Conflict) as conflict:
        client.tickets.assign(ticket_id=blocker, assigned_agent_id="agent-1", expected_version=99)
    assert (conflict.value.code, conflict.value.current_version, conflict.value.retryable) == ("conflict", 1, True)
    with pytest.raises(errors.Blocked) as stuck:
        client.tickets.change_status(ticket_id=blocked, new_status="review")
    assert stuck.value.blocking_ticket_ids == [client.tickets.get(ticket_id=blocker).ticket["ticket_id"]]
    assert stuck.value.top_level["blocked"] is True
    with pytest.raises(errors.Invalid) as unknown:
        client.tickets.change_status(ticket_id=blocker, new_status="nowhere")
    assert "in_progress" in (unknown.value.allowed or [])
    with pytest.raises(errors.NotFound):
        client.tickets.get(ticket_id="SHOP-99999")
    with pytest.raises(errors.Forbidden):
        client.workflows.create(name="Mine")


def test_what_is_wrong_in_itself_is_refused_before_it_is_sent() -> None:
    with Client("http://127.0.0.1:1", retry_seconds=0) as nowhere:
        with pytest.raises(errors.Invalid) as unknown:
            nowhere.tickets.create(titel="x", description=TEXT)  # type: ignore[call-arg]
        assert (unknown.value.field, "'title'" in unknown.value.message) == ("titel", True)
        with pytest.raises(errors.Invalid, match="priority must be one of"):
            nowhere.tickets.create(title="abc", description=TEXT, priority="urgent")
        with pytest.raises(errors.Invalid, match="workflow_id is required"):
            nowhere.boards.get()
        with pytest.raises(errors.Unreachable, match="Is the server running"):
            nowhere.me()


def test_an_address_or_a_token_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, shop: Place) -> None:
    with pytest.raises(errors.Invalid, match="HEPHAESTUS_URL"):
        Client()
    with pytest.raises(errors.Invalid, match="base_url"):
        Client("127.0.0.1:8000")
    with pytest.raises(errors.Invalid) as spoilt:
        Client(shop.base_url, "hpt_secret\n")
    assert "secret" not in str(spoilt.value)
    monkeypatch.setenv("HEPHAESTUS_URL", f"{shop.base_url}/")
    monkeypatch.setenv("HEPHAESTUS_TOKEN", shop.token)
    with Client() as client:
        assert client.me().agent.agent_id == "agent-1"
        assert shop.token not in repr(client.connection)


def test_ids_cannot_leave_their_place_in_the_address(client: Client) -> None:
    for hostile in ("../workflows", "a/b", "x?y=1", "%2e%2e", "#1", "\u2603" * 10):
        with pytest.raises((errors.NotFound, errors.Invalid)):
            client.tickets.get(ticket_id=hostile)


def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_made_twice(shop: Place) -> None:
    before = {row["key"] for row in _all(shop)}
    with closing(BadLine(shop.base_url, ["swallow", "swallow"])) as line, Client(line.base_url, shop.token) as client:
        key = new_ticket(client, "Its answer is lost twice")

    assert line.faults_left == 0
    assert {row["key"] for row in _all(shop)} - before == {key}


def test_busy_servers_and_proxies_are_asked_again(shop: Place) -> None:
    refusals: list[str | bytes] = [
        http_answer("503 Service Unavailable", BUSY, "Retry-After: 0"),
        http_answer("502 Bad Gateway", b"<html>"),
        http_answer("429 Too Many Requests", b""),
    ]
    with closing(BadLine(shop.base_url, refusals)) as line, Client(line.base_url, shop.token) as client:
        assert client.me().agent.agent_id == "agent-1"
    with (
        closing(BadLine(shop.base_url, [http_answer("503 Service Unavailable", BUSY)])) as line,
        Client(line.base_url, shop.token, retry_seconds=0) as client,
        pytest.raises(errors.Busy),
    ):
        client.me()


def test_a_caller_over_its_rate_waits_as_long_as_it_is_told(tmp_path: Path) -> None:
    with place(tmp_path, {"HEPHAESTUS_RATE_LIMIT": "5"}) as strict:
        with Client(strict.base_url, strict.token, retry_seconds=0) as impatient, pytest.raises(errors.RateLimited):
            _ask_often(impatient)
        with Client(strict.base_url, strict.token) as patient:
            made = [new_ticket(patient, f"Number {number}") for number in range(12)]
            assert patient.tickets.list().total_count == len(set(made)) == 12


def test_nothing_is_lost_or_doubled_when_the_server_is_killed(tmp_path: Path) -> None:
    with place(tmp_path) as shop, Client(shop.base_url, shop.token, retry_seconds=120) as client:
        enough = threading.Event()
        made: list[str] = []

        def write(worker: int) -> None:
            for number in range(20):
                made.append(new_ticket(client, f"Ticket {worker}-{number}"))
                if len(made) >= 25:
                    enough.set()

        writers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
        for writer in writers:
            writer.start()
        assert enough.wait(60)
        shop.kill()
        shop.restart()
        for writer in writers:
            writer.join(120)

        rows = _all(shop)
        assert sorted(row["key"] for row in rows) == sorted(made)
        assert len({row["title"] for row in rows}) == len(rows) == 80


async def test_the_async_client_does_the_same(shop: Place) -> None:
    async with AsyncClient(shop.base_url, shop.token) as client:
        made = await asyncio.gather(
            *(client.tickets.create(title=f"Async {number}", description=TEXT, tags=["async"]) for number in range(10))
        )
        page = await client.tickets.list(tags=["async"])
        exported = await client.tickets.export(tags=["async"], format="csv")
        with pytest.raises(errors.NotFound) as absent:
            await client.tickets.claim(ticket_id="SHOP-99999")

    assert {ticket.key for ticket in made} == {row["key"] for row in page.tickets}
    assert len(exported.splitlines()) == 11
    assert absent.value.field == "ticket_id"


async def test_the_async_client_repeats_what_was_lost(shop: Place) -> None:
    before = {row["key"] for row in _all(shop)}
    with closing(BadLine(shop.base_url, ["swallow", http_answer("503 Service Unavailable", BUSY)])) as line:
        async with AsyncClient(line.base_url, shop.token) as client:
            made = await client.tickets.create(title="Lost and found", description=TEXT)
        async with AsyncClient("http://127.0.0.1:1", retry_seconds=0) as nowhere:
            with pytest.raises(errors.Unreachable):
                await nowhere.me()

    assert line.faults_left == 0
    assert {row["key"] for row in _all(shop)} - before == {made.key}


def test_the_sdk_works_where_there_is_no_django(shop: Place) -> None:
    script = f"""{NO_DJANGO}
from hephaestus_site.sdk import Client
with Client({shop.base_url!r}, {shop.token!r}) as client, client.events({WORKFLOW!r}) as events:
    key = client.tickets.create(title="From afar", description={TEXT!r}).key
    print(next(events).type, client.tickets.get(ticket_id=key).ticket["title"])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "ticket_created From afar\n"), done.stderr


def _ask_often(client: Client) -> None:
    for _ in range(100):
        client.me()


def _all(shop: Place) -> list[dict[str, Any]]:
    """Every ticket of the workflow, through the operator's own client."""
    with Client(shop.base_url, shop.operator) as operator:
        exported: dict[str, Any] = json.loads(operator.tickets.export(workflow_id=WORKFLOW))
    tickets: list[dict[str, Any]] = exported["tickets"]
    return tickets
