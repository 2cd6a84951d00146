"""``HephaestusSDK``: the design's snippet, its methods, a server of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from hephaestus_site.sdk import (
    BatchTicket,
    Client,
    ColumnConfig,
    HephaestusSDK,
    TicketBoardConfig,
    TicketTypeConfig,
    errors,
)
from tests.hephaestus_site.sdk_servers import TEXT, Place, place
from tests.server import installation

pytestmark = [pytest.mark.xdist_group("sdk"), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
DESIGN = ROOT.parent / "shared" / "design" / "ticket-tracking-system.md"
ENOUGH = 60.0  # seconds; what is waited for comes in a fraction of it

# As it stands in the design, but for the package's name.
SNIPPET = """
from hephaestus_site.sdk import HephaestusSDK, TicketBoardConfig, ColumnConfig, TicketTypeConfig

# Define board configuration (fully customizable)
board_config = TicketBoardConfig(
    name="Development Board",
    columns=[
        ColumnConfig(id="backlog", name="Backlog", order=0, color="#9ca3af"),
        ColumnConfig(id="todo", name="To Do", order=1, color="#6b7280"),
        ColumnConfig(id="in_progress", name="In Progress", order=2, color="#3b82f6"),
        ColumnConfig(id="review", name="Code Review", order=3, color="#f59e0b"),
        ColumnConfig(id="testing", name="Testing", order=4, color="#8b5cf6"),
        ColumnConfig(id="done", name="Done", order=5, color="#10b981")
    ],
    initial_status="backlog",  # Default status for new tickets

    ticket_types=[
        TicketTypeConfig(id="bug", name="Bug", icon="🐛", color="#ef4444"),
        TicketTypeConfig(id="feature", name="Feature", icon="✨", color="#3b82f6"),
        TicketTypeConfig(id="improvement", name="Improvement", icon="📈", color="#10b981"),
        TicketTypeConfig(id="task", name="Task", icon="📋", color="#6b7280"),
        TicketTypeConfig(id="spike", name="Spike", icon="🔬", color="#8b5cf6"),
    ],
    default_ticket_type="task",
    settings={
        "auto_assign": False,
        "require_comments_on_status_change": True,
        "allow_reopen": True,
        "track_time": True
    }
)

# Initialize SDK with ticket tracking enabled
sdk = HephaestusSDK(
    workflow_name="My Workflow",
    phases_folder="./phases",
    ticket_tracking_enabled=True,          # Enable the feature
    ticket_board_config=board_config       # Provide board configuration
)

# Run workflow
sdk.run()
"""
BOARD = TicketBoardConfig(
    name="Small",
    columns=[ColumnConfig(id=name, name=name.title()) for name in ("todo", "doing", "done")],
    ticket_types=[TicketTypeConfig(id="task", name="Task")],
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("sdk-workflow")) as shop:
        yield shop


@pytest.fixture
def phases(tmp_path: Path) -> Path:
    folder = tmp_path / "phases"
    folder.mkdir()
    (folder / "01_plan.yaml").write_text("name: Plan\ndescription: Think.\ndone_definitions: [A plan stands]\n")
    (folder / "02_build.yaml").write_text("name: Build\ndescription: Write it.\nworking_directory: src\n")
    return folder


def sdk_at(shop: Place, name: str, **options: object) -> HephaestusSDK:
    return HephaestusSDK(name, base_url=shop.base_url, token=shop.operator, **options)  # type: ignore[arg-type]


def until(condition: Callable[[], object]) -> None:
    """Wait for what will be true soon."""
    deadline = time.monotonic() + ENOUGH
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_up(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/livez", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_the_designs_snippet_runs_as_it_stands(shop: Place, phases: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HEPHAESTUS_URL": shop.base_url, "HEPHAESTUS_TOKEN": shop.operator}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", SNIPPET], cwd=phases.parent, env=env, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    with Client(shop.base_url, shop.operator) as client:
        workflow = client.workflows.get(workflow_id="my-workflow").workflow
        board = client.boards.get(workflow_id="my-workflow").board_config
        events = client.workflows.events(workflow_id="my-workflow").events
    assert (workflow.name, workflow.ticket_tracking_enabled) == ("My Workflow", True)
    assert [(phase["number"], phase["name"]) for phase in workflow.phases] == [(1, "Plan"), (2, "Build")]
    assert workflow.phases[1]["working_directory"] == "src"
    assert [column.id for column in board.columns] == ["backlog", "todo", "in_progress", "review", "testing", "done"]
    assert (board.name, board.default_ticket_type, board.initial_status) == ("Development Board", "task", "backlog")
    assert board.ticket_types[0].icon == "🐛"
    assert board.settings.require_comments_on_status_change
    assert events == []


@pytest.mark.skipif(not DESIGN.exists(), reason="the design lies beside a development checkout alone")
def test_the_snippet_is_the_designs() -> None:
    text = DESIGN.read_text(encoding="utf-8").replace("from hephaestus import", "from hephaestus_site.sdk import")

    assert SNIPPET.strip() in text


def test_run_again_brings_the_workflow_up_to_date(shop: Place, phases: Path) -> None:
    with sdk_at(shop, "Grows", workflow_id="grows", phases_folder=phases) as sdk:
        first = sdk.run()
        (phases / "03_ship.yaml").write_text("description: Ship it.\n")
        sdk.ticket_board_config = BOARD
        second = sdk.run()
    with sdk_at(shop, "Grew", workflow_id="grows") as renamed:
        third = renamed.run()

    assert [phase["name"] for phase in second.phases] == ["Plan", "Build", "ship"]
    assert first.board_revision != second.board_revision == third.board_revision
    assert (third.name, third.phases) == ("Grew", second.phases)


def test_two_names_of_one_id_are_not_mixed_up(shop: Place) -> None:
    sdk_at(shop, "C++").run()

    with pytest.raises(errors.Conflict, match=r"is called 'C\+\+'"):
        sdk_at(shop, "C#").run()
    assert sdk_at(shop, "Werkstück").workflow_id != sdk_at(shop, "Werkstäck").workflow_id


def test_a_refusal_says_what_is_needed(shop: Place, phases: Path) -> None:
    agent = HephaestusSDK("New", base_url=shop.base_url, token=shop.token)
    with pytest.raises(errors.Forbidden, match="--operator"):
        agent.run()
    (phases / "03_bad.yaml").write_text("name: x\n")
    with pytest.raises(errors.PhaseError, match=r"03_bad.yaml: description"):
        sdk_at(shop, "New", phases_folder=phases).run()
    with Client(shop.base_url, shop.operator) as client, pytest.raises(errors.NotFound):
        client.workflows.get(workflow_id="new")


def test_tracking_is_switched_on_and_off(shop: Place) -> None:
    sdk = sdk_at(shop, "Switched", ticket_tracking_enabled=False)
    sdk.run()
    with pytest.raises(errors.Forbidden):
        sdk.client.tickets.create(workflow_id="switched", title="Too soon", description=TEXT)

    sdk.enable_ticket_tracking(BOARD)
    made = sdk.client.tickets.create(workflow_id="switched", title="Now", description=TEXT)
    assert made.status == "todo"
    sdk.disable_ticket_tracking()

    with pytest.raises(errors.Forbidden):
        sdk.client.tickets.create(workflow_id="switched", title="Too late", description=TEXT)
    assert [ticket.key for ticket in sdk.get_tickets()] == [made.key]
    sdk.close()


def test_what_is_set_before_run_is_what_run_does(shop: Place) -> None:
    with sdk_at(shop, "Set before") as sdk:
        sdk.enable_ticket_tracking(BOARD)
        workflow = sdk.run()
        board = sdk.client.boards.get(workflow_id=sdk.workflow_id).board_config

    assert workflow.ticket_tracking_enabled
    assert board.name == "Small"


def test_all_tickets_are_read_whatever_their_number(shop: Place) -> None:
    with sdk_at(shop, "Many", ticket_tracking_enabled=True) as sdk:
        sdk.run()
        long = "x" * 1000
        for start in range(0, 450, 50):
            batch = [
                BatchTicket(
                    title=f"Ticket {n}", description=long, priority="high" if n % 3 == 0 else "low", tags=["many"]
                )
                for n in range(start, start + 50)
            ]
            sdk.client.tickets.create_many(workflow_id="many", tickets=batch)

        tickets = sdk.get_tickets()
        high = sdk.get_tickets({"priority": "high", "tags": ["many"]})
        sorted_down = sdk.get_tickets({"sort_by": "created_at", "sort_order": "desc"})
        some = sdk.get_tickets({"sort_by": "priority", "limit": 301, "offset": 10})

        assert [ticket.title for ticket in tickets] == [f"Ticket {n}" for n in range(450)]
        assert {ticket.description for ticket in tickets} == {long}
        assert tickets[0].created_at.utcoffset() is not None
        assert tickets[0].id == tickets[0].ticket_id
        assert len(high) == 150
        assert {ticket.priority for ticket in high} == {"high"}
        assert {ticket.id for ticket in sorted_down} == {ticket.id for ticket in tickets}
        assert len({ticket.id for ticket in some}) == len(some) == 301
        with pytest.raises(errors.Invalid, match="Did you mean 'priority'"):
            sdk.get_tickets({"prioritty": "high"})
        with pytest.raises(errors.Invalid, match="limit"):
            sdk.get_tickets({"limit": 0})


def test_statistics_and_exports(shop: Place) -> None:
    with sdk_at(shop, "Counted", ticket_board_config=BOARD, ticket_tracking_enabled=True) as sdk:
        sdk.run()
        key = sdk.client.tickets.create(workflow_id="counted", title="Größe, *bold*", description=TEXT).key
        sdk.client.tickets.create(workflow_id="counted", title="Other", description=TEXT, priority="low")
        sdk.client.tickets.resolve(ticket_id=key, resolution_comment="Any size fits now.")

        stats = sdk.get_ticket_stats()
        as_json = json.loads(sdk.export_tickets())
        as_csv = list(csv.DictReader(io.StringIO(sdk.export_tickets("csv"))))
        as_markdown = sdk.export_tickets("Markdown")

        assert (stats.total_tickets, stats.resolved_count) == (2, 1)
        assert stats.by_status == {"todo": 1, "doing": 0, "done": 1}
        assert [ticket["title"] for ticket in as_json["tickets"]] == ["Größe, *bold*", "Other"]
        assert [row["title"] for row in as_csv] == ["Größe, *bold*", "Other"]
        assert f"## {key}" in as_markdown
        with pytest.raises(errors.Invalid, match="json, csv, markdown"):
            sdk.export_tickets("xml")


def test_without_a_server_nothing_can_be_read() -> None:
    with pytest.raises(errors.Unreachable, match=r"run\(\) starts one"):
        HephaestusSDK("Nowhere").get_tickets()


@pytest.mark.sqlite_only
def test_without_an_address_a_server_is_started_and_stopped_again(tmp_path: Path, phases: Path) -> None:
    data_dir = tmp_path / "data"
    with HephaestusSDK("Mine", phases, True, BOARD, data_dir=data_dir) as sdk:
        sdk.run()
        base_url = sdk.base_url or ""
        sdk.client.tickets.create(title="Here", description=TEXT)
        token_id = sdk.client.me().token_id
        assert [workflow.workflow_id for workflow in sdk.client.workflows.list().workflows] == ["mine"]
        assert is_up(base_url)
    assert not is_up(base_url)

    # Again on the same data, which has stayed; the credential was for that one session.
    sdk.run()
    try:
        tokens = {token.token_id: token for token in sdk.client.agents.tokens(for_agent_id="sdk").tokens}
        assert tokens[token_id or ""].revoked_at is not None
        assert [ticket.title for ticket in sdk.get_tickets()] == ["Here"]
    finally:
        sdk.close()
        sdk.close()


@pytest.mark.sqlite_only
@pytest.mark.parametrize("end", ["exit", "SIGKILL"])
def test_the_local_server_ends_with_its_program_however_that_ends(tmp_path: Path, end: str) -> None:
    wait = "" if end == "exit" else "import time; time.sleep(600)"
    script = f"""
from hephaestus_site.sdk import HephaestusSDK
sdk = HephaestusSDK("Mine", data_dir={str(tmp_path / "data")!r})
sdk.run()
print(sdk.base_url, flush=True)
{wait}
"""
    with installation(tmp_path / "data"):
        program = subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert program.stdout
        with program.stdout:
            base_url = program.stdout.readline().strip()
            if end != "exit":
                assert is_up(base_url)
                program.send_signal(signal.SIGKILL)
            program.wait(ENOUGH)
        assert base_url.startswith("http://127.0.0.1:")
        until(lambda: not is_up(base_url))


@pytest.mark.sqlite_only
def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPHAESTUS_AGENT_AUTH", "nobody")
    with installation(tmp_path / "data") as site:
        sdk = HephaestusSDK("Mine", data_dir=site.data_dir)

        with pytest.raises(errors.LocalServerError, match="HEPHAESTUS_AGENT_AUTH is 'nobody'"):
            sdk.run()
        assert sdk.base_url is None
