"""The live events through the SDK: prompt, and without loss or doubles whatever happens to the server."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hephaestus_site.sdk import AsyncClient, Client, Event, errors
from tests.hephaestus_site.sdk_servers import TEXT, WORKFLOW, Place, place

pytestmark = [pytest.mark.xdist_group("sdk"), pytest.mark.slow]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("sdk-events")) as shop:
        yield shop


@pytest.fixture
def client(shop: Place) -> Iterator[Client]:
    with Client(shop.base_url, shop.token, retry_seconds=120) as client:
        yield client


def create(client: Client, count: int = 1) -> list[str]:
    return [client.tickets.create(title=f"Ticket {n}", description=TEXT).ticket_id for n in range(count)]


def newest(client: Client) -> int:
    return client.workflows.get(workflow_id=WORKFLOW).workflow.seq


def test_an_open_stream_gives_what_happens_from_then_on(client: Client) -> None:
    create(client)
    with client.events(WORKFLOW) as events:
        ticket_id = create(client)[0]
        client.tickets.comment(ticket_id=ticket_id, comment_text="Seen.")

        made, said = next(events), next(events)

    assert (made.type, made.ticket_id, made.agent_id) == ("ticket_created", ticket_id, "agent-1")
    assert (said.seq, events.seq) == (made.seq + 1, made.seq + 1)
    assert list(events) == []


def test_since_gives_what_was_missed_and_then_the_rest(client: Client) -> None:
    create(client, 3)
    since = newest(client) - 2

    with client.events(WORKFLOW, since=since) as events:
        missed = list(itertools.islice(events, 2))
        create(client)
        live = next(events)

    assert [event.seq for event in [*missed, live]] == [since + 1, since + 2, since + 3]
    with client.events(WORKFLOW, since=0) as events:
        assert [event.seq for event in itertools.islice(events, since)] == list(range(1, since + 1))


def test_a_stream_outlives_the_server_without_loss_and_without_doubles(tmp_path: Path) -> None:
    with place(tmp_path) as shop, Client(shop.base_url, shop.token, retry_seconds=120) as client:
        heard: list[Event] = []
        stream = client.events(WORKFLOW, since=0)
        listener = threading.Thread(target=lambda: heard.extend(itertools.islice(stream, 30)))
        listener.start()
        create(client, 10)
        for _ in range(2):
            shop.kill()
            shop.restart()
            create(client, 10)
        listener.join(120)
        stream.close()

        page = client.workflows.events(workflow_id=WORKFLOW, limit=1000)
        assert [event.seq for event in heard] == list(range(1, 31))
        assert heard == page.events[:30]


async def test_the_async_stream_outlives_the_server_too(tmp_path: Path) -> None:
    with place(tmp_path) as shop, Client(shop.base_url, shop.token, retry_seconds=120) as writer:
        async with (
            AsyncClient(shop.base_url, shop.token, retry_seconds=120) as client,
            client.events(WORKFLOW) as events,
        ):
            await asyncio.to_thread(create, writer, 5)
            heard = [(await anext(events)).seq for _ in range(3)]
            await asyncio.to_thread(shop.kill)
            await asyncio.to_thread(shop.restart)
            await asyncio.to_thread(create, writer, 5)
            heard += [(await anext(events)).seq for _ in range(7)]
        assert [event async for event in events] == []

    assert heard == list(range(1, 11))


async def test_a_cancelled_wait_misses_nothing(shop: Place, client: Client) -> None:
    async with AsyncClient(shop.base_url, shop.token) as listener, listener.events(WORKFLOW) as events:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 0.2)
        ticket_id = (await asyncio.to_thread(create, client))[0]
        assert (await anext(events)).ticket_id == ticket_id


def test_closing_from_another_thread_ends_the_iteration(client: Client) -> None:
    create(client)
    stream = client.events(WORKFLOW, since=0)
    next(stream)
    ended = threading.Event()

    def read() -> None:
        for _ in stream:
            pass
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    stream.close()

    assert ended.wait(30)


def test_who_may_not_read_is_told_at_once(shop: Place, client: Client) -> None:
    with Client(shop.base_url, "hpt_nobody") as nobody, pytest.raises(errors.Unauthenticated):
        next(nobody.events(WORKFLOW))
    with pytest.raises(errors.NotFound) as absent:
        next(client.events("elsewhere"))
    assert absent.value.field == "workflow_id"
    with pytest.raises(errors.Invalid, match="since"):
        next(client.events(WORKFLOW, since=-1))
    with Client("http://127.0.0.1:1", "x", retry_seconds=0) as nowhere, pytest.raises(errors.Unreachable):
        next(nowhere.events(WORKFLOW))


async def test_the_async_stream_is_told_the_same(shop: Place) -> None:
    async with AsyncClient(shop.base_url, "hpt_nobody") as nobody:
        with pytest.raises(errors.Unauthenticated):
            await anext(nobody.events(WORKFLOW))
    async with AsyncClient("http://127.0.0.1:1", "x", retry_seconds=0) as nowhere:
        with pytest.raises(errors.Unreachable):
            await anext(nowhere.events(WORKFLOW))


def test_events_that_are_gone_are_an_error_and_no_gap(tmp_path: Path) -> None:
    with place(tmp_path) as shop, Client(shop.base_url, shop.token) as client:
        create(client, 6)
        with pytest.raises(errors.EventsLost, match="restored") as ahead:
            next(client.events(WORKFLOW, since=1000))
        assert ahead.value.newest == 6
        shop.site.manage("prune_events", "--keep", "2")

        with pytest.raises(errors.EventsLost, match="3 to 4 were pruned") as behind:
            next(client.events(WORKFLOW, since=2))
        assert (behind.value.oldest, behind.value.newest) == (5, 6)
        with client.events(WORKFLOW, since=0) as events:
            assert [event.seq for event in itertools.islice(events, 2)] == [5, 6]
