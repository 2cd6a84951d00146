"""Exports: every ticket once, in each format, a part at a time."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from django.db import connections

from hephaestus_site.handler import RequestHandler
from tests.factories import AgentWithToken, api_client, make_agent, make_ticket, make_workflow
from tickets import exports
from tickets.access import system_actor
from tickets.exports import Export
from tickets.models import Ticket, Workflow
from tickets.schemas.base import parse
from tickets.schemas.lists import ROW_NAMES, ExportFilters, ListTickets
from tickets.schemas.tickets import BlockTicket
from tickets.selectors.tickets import ticket_list
from tickets.services.blocking import ticket_block

pytestmark = pytest.mark.django_db

NASTY = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx", 'a,b;"c"\nd', "<script>*b*</script>", "# no | heading", "ü€"]


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("alpha")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="ada")


@pytest.fixture
def tickets(agent: AgentWithToken) -> list[Ticket]:
    made = [make_ticket(agent, title=f"T {text}", description=f"{text} and ``` more") for text in NASTY]
    Ticket.objects.filter(pk=made[0].pk).update(title=NASTY[0], blocked_reason="")
    ticket_block(actor=agent.actor, request=BlockTicket(ticket_id=made[1].id, blocked_by_ticket_ids=[made[0].id]))
    return list(Ticket.objects.order_by("number"))


def fetch(agent: AgentWithToken, query: str, path: str = "/api/workflows/alpha/export") -> Any:
    return api_client(agent).get(f"{path}?{query}")


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    assert answer.streaming
    return b"".join(answer.streaming_content).decode()


@pytest.mark.parametrize("chunk", [1, 3, 200])
def test_json_holds_what_the_list_shows_with_whole_descriptions(
    agent: AgentWithToken, tickets: list[Ticket], monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(exports, "CHUNK", chunk)
    body = json.loads(text_of(fetch(agent, "")))
    request = parse(ListTickets, {"description": "full", "sort_order": "asc"})
    assert body["tickets"] == ticket_list(actor=agent.actor, request=request).tickets
    assert [row["key"] for row in body["tickets"]] == [ticket.key for ticket in tickets]
    assert body["workflow_id"] == "alpha"


def test_csv_is_read_back_and_no_cell_is_a_formula(agent: AgentWithToken, tickets: list[Ticket]) -> None:
    rows = list(csv.reader(io.StringIO(text_of(fetch(agent, "format=csv")), newline="")))
    assert rows[0] == list(ROW_NAMES)
    assert len(rows) == 1 + len(tickets)
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    by_name = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert by_name[0]["title"] == "'=HYPERLINK(1)"
    assert by_name[5]["description"] == tickets[5].description
    assert by_name[1]["blocked_by_ticket_ids"] == tickets[0].id
    assert (by_name[1]["is_blocked"], by_name[0]["is_blocked"]) == ("true", "false")


def test_markdown_shows_text_as_it_is(agent: AgentWithToken, tickets: list[Ticket]) -> None:
    text = text_of(fetch(agent, "format=markdown"))
    assert text.startswith("# Alpha\n")
    assert "\\<script\\>\\*b\\*\\</script\\>" in text
    assert "T \\# no \\| heading" in text
    # Three backticks in a description cannot end a fence of four.
    assert text.count("\n````markdown\n") == text.count("\n````\n") == len(tickets)
    assert [line for line in text.splitlines() if line.startswith("## TKT-")] != []


@pytest.mark.parametrize("form", ["json", "csv", "markdown"])
def test_nothing_to_export_is_a_valid_file(agent: AgentWithToken, form: str) -> None:
    text = text_of(fetch(agent, f"format={form}"))
    if form == "json":
        assert json.loads(text)["tickets"] == []
    elif form == "csv":
        assert text == ",".join(ROW_NAMES) + "\r\n"
    else:
        assert text == "# Alpha\n"


def test_takes_the_lists_filters(agent: AgentWithToken, tickets: list[Ticket]) -> None:
    body = json.loads(text_of(fetch(agent, "is_blocked=true")))
    assert [row["key"] for row in body["tickets"]] == ["TKT-2"]
    same = json.loads(text_of(fetch(agent, "workflow_id=alpha&is_blocked=true", "/api/tickets/export")))
    assert same["tickets"] == body["tickets"]
    assert json.loads(text_of(fetch(agent, "status=done&status=todo")))["tickets"] == []


@pytest.mark.parametrize(
    ("query", "field"), [("format=xml", "format"), ("status=nowhere", "status"), ("limit=5", "limit"), ("x=1", "x")]
)
def test_refuses_before_the_first_byte(agent: AgentWithToken, query: str, field: str) -> None:
    answer = fetch(agent, query)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


def test_headers_name_the_file(agent: AgentWithToken) -> None:
    answer = fetch(agent, "format=csv")
    assert answer["Content-Disposition"] == 'attachment; filename="tickets-tkt.csv"'
    assert answer["Content-Type"].startswith("text/csv")


def test_strangers_get_nothing(agent: AgentWithToken, tickets: list[Ticket]) -> None:
    stranger = make_agent(make_workflow("beta"))
    assert fetch(stranger, "").status_code == 404
    assert fetch(stranger, "workflow_id=alpha", "/api/tickets/export").status_code == 404
    assert api_client().get("/api/workflows/alpha/export").status_code == 401


def test_memory_does_not_grow_with_the_number_of_tickets(
    agent: AgentWithToken, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of 20 of 400 tickets with 20 kB each: 8 MB in all, 0.4 MB at once."""
    monkeypatch.setattr(exports, "CHUNK", 20)
    first = make_ticket(agent)
    fields = {field.attname: getattr(first, field.attname) for field in Ticket._meta.concrete_fields}
    Ticket.objects.bulk_create(
        Ticket(**{**fields, "id": f"ticket-{n}", "key": f"TKT-{n}", "number": n, "description": "x" * 20_000})
        for n in range(2, 400)
    )
    tracemalloc.start()
    try:
        size = sum(len(part) for part in Export(agent.actor, ExportFilters(format="json")).parts())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 7_500_000
    assert peak < 4_000_000


@pytest.mark.django_db(transaction=True)
async def test_parts_leave_one_by_one_through_the_server() -> None:
    """Under ASGI the client has the beginning before the end is made."""

    def prepare() -> AgentWithToken:
        agent = make_agent(make_workflow("alpha"))
        for _ in range(3):
            make_ticket(agent)
        return agent

    agent = await sync_to_async(prepare)()
    handler = RequestHandler(threads=1)
    sent: list[dict[str, Any]] = []
    made: list[int] = []

    def slow(selection: Any) -> Iterator[list[Any]]:
        for rows in _chunks(selection):
            made.append(len(sent))
            yield rows

    _chunks = exports._chunks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "CHUNK", 1)
        patch.setattr(exports, "_chunks", slow)
        await handler(_scope(agent.token), _Receive(), _sender(sent))
    # The database of the tests goes away, so each thread has to let go of it.
    await handler._in_thread(connections.close_all)
    await sync_to_async(connections.close_all)()
    assert sent[0]["status"] == 200
    bodies = [message["body"] for message in sent if message.get("body")]
    assert len(json.loads(b"".join(bodies))["tickets"]) == 3
    assert made == sorted(made)
    assert made[0] < made[-1], "the first part was sent before the last was made"


def _scope(token: str) -> Any:
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    return {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": "",
        "path": "/api/workflows/alpha/export", "raw_path": b"/api/workflows/alpha/export", "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip


class _Receive:
    def __init__(self) -> None:
        self._sent = False

    async def __call__(self) -> Any:
        import asyncio

        if self._sent:
            await asyncio.sleep(3600)
        self._sent = True
        return {"type": "http.request", "body": b"", "more_body": False}


def _sender(sent: list[dict[str, Any]]) -> Any:
    async def send(message: Any) -> None:
        sent.append(message)

    return send


@pytest.mark.parametrize("form", ["json", "csv", "markdown"])
def test_the_command_writes_the_same_file(
    agent: AgentWithToken, tickets: list[Ticket], tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "utc_text", lambda _: "now")
    target = tmp_path / "tickets.out"
    call_command("export_tickets", "--workflow", "alpha", "--format", form, "--output", str(target))
    expected = b"".join(Export(system_actor(), parse(ExportFilters, {"workflow_id": "alpha", "format": form})).parts())
    assert target.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [target]


def test_the_command_writes_to_standard_output(
    agent: AgentWithToken, tickets: list[Ticket], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    call_command("export_tickets", "--workflow", "alpha", "--status", "backlog")
    assert len(json.loads(capfdbinary.readouterr().out)["tickets"]) == len(tickets)


def test_the_command_ends_quietly_when_its_reader_has_enough(
    tickets: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as raw, io.TextIOWrapper(raw) as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        call_command("export_tickets", "--workflow", "alpha")


@pytest.mark.parametrize(
    "arguments", [["--workflow", "nowhere"], ["--workflow", "alpha", "--output", "/nowhere/at/all.json"]]
)
def test_the_command_says_what_is_wrong(workflow: Workflow, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("export_tickets", *arguments)
