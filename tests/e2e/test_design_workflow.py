"""The design's "Multi-Agent Software Development Workflow", walked by scripts with agents' tokens over REST.

A browser that nobody touches shows every step as it happens. The implementer's commit is a real one.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, PASSWORD
from tests.gitlinks.repositories import Scratch
from tests.server import installation

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WORKFLOW = "api-development"
AGENTS = ("agent-planning-1", "agent-design-1", "agent-impl-1", "agent-testing-1")

# As the design writes it, the name of a colour with a stray "#" included.
BOARD: dict[str, Any] = {
    "name": "API Development Board",
    "columns": [
        {"id": "backlog", "name": "Backlog", "order": 0, "color": "#gray"},
        {"id": "design", "name": "Design", "order": 1, "color": "#f59e0b"},
        {"id": "in_progress", "name": "In Progress", "order": 2, "wip_limit": 3, "color": "#3b82f6"},
        {"id": "review", "name": "Review", "order": 3, "color": "#8b5cf6"},
        {"id": "testing", "name": "Testing", "order": 4, "color": "#10b981"},
        {"id": "done", "name": "Done", "order": 5, "color": "#6b7280"},
    ],
    "ticket_types": [
        {"id": "feature", "name": "Feature", "icon": "✨", "color": "#3b82f6"},
        {"id": "bug", "name": "Bug", "icon": "🐛", "color": "#dc2626"},
        {"id": "task", "name": "Task", "icon": "📝", "color": "#6b7280"},
        {"id": "improvement", "name": "Improvement", "icon": "⚡", "color": "#f59e0b"},
    ],
}
IMPLEMENTED = """
Implemented authentication endpoint.
Changes made:
- Added /api/auth POST endpoint
- Implemented JWT token generation
- Added input validation
- Updated API docs

Ready for review.
"""
PASSED = """
All tests passed:
- Integration tests: PASS
- Unit tests: PASS
- API validation: PASS

Feature verified and ready for deployment.
"""


class Agent:
    """One of the design's agents: calls the design's endpoints at the design's addresses."""

    def __init__(self, base_url: str, agent_id: str, token: str) -> None:
        self.id = agent_id
        self._http = httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def post(self, path: str, *, status: int = 200, **body: Any) -> dict[str, Any]:
        response = self._http.post(path, json={"agent_id": self.id, **body})
        assert response.status_code == status, response.text
        return response.json()  # type: ignore[no-any-return]

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        response = self._http.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()  # type: ignore[no-any-return]

    def create_ticket(self, component: str) -> str:
        answer = self.post(
            "/tickets/create",
            workflow_id=WORKFLOW,
            title=f"Build {component} API endpoint",
            description=(
                f"Implement {component} functionality.\n\n**Requirements:**\n- {component} for every caller\n"
                f"**Acceptance Criteria:** {component} works through the API"
            ),
            ticket_type="feature",
            priority="high",
            initial_status="backlog",
            tags=["api", "backend", f"component:{component}"],
        )
        assert answer["success"] is True
        assert answer["status"] == "backlog"
        return str(answer["ticket_id"])

    def change_status(self, ticket_id: str, new_status: str, comment: str) -> dict[str, Any]:
        answer = self.post("/tickets/change-status", ticket_id=ticket_id, new_status=new_status, comment=comment)
        assert answer["success"] is True
        assert answer["new_status"] == new_status
        assert answer["blocked"] is False
        return answer

    def update(self, ticket_id: str, **updates: Any) -> None:
        answer = self.post("/tickets/update", ticket_id=ticket_id, updates=updates)
        assert set(answer["fields_updated"]) <= set(updates)

    def close(self) -> None:
        self._http.close()


@dataclass(frozen=True)
class Watched:
    """The board in a browser, loaded once and then left alone."""

    page: Page

    def card(self, ticket_id: str, column: str) -> Locator:
        """The ticket's card, which stands in this column and nowhere else."""
        everywhere = self.page.locator(f'[data-ticket-id="{ticket_id}"]')
        here = self.page.locator(f'[data-column="{column}"] [data-ticket-id="{ticket_id}"]')
        expect(here).to_be_visible()
        expect(everywhere).to_have_count(1)
        return here

    def column(self, column: str) -> Locator:
        return self.page.locator(f'[data-column="{column}"]')


@dataclass(frozen=True)
class Site:
    """A server with the design's workflow, its four agents, and a person who may watch them."""

    base_url: str
    code: Scratch
    planner: Agent
    designer: Agent
    implementer: Agent
    tester: Agent


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    board = tmp_path / "board.json"
    board.write_text(json.dumps(BOARD), encoding="utf-8")
    # The session cookie bears the port's number, so the port is settled before the server starts.
    environment = {"HEPHAESTUS_PORT": str(_free_port()), "EMBEDDING_PROVIDER": "local"}
    code = Scratch(tmp_path / "code")
    environment["HEPHAESTUS_REPOSITORY_ROOT"] = str(tmp_path)
    with installation(tmp_path / "data", environment) as installed:
        installed.manage(
            "create_workflow", WORKFLOW, "--name", "Build a REST API", "--board", str(board),
            "--repository", str(code.folder),
        )  # fmt: skip
        installed.manage(
            "createsuperuser", "--noinput", "--username=dana", "--email=dana@example.org",
            env={"DJANGO_SUPERUSER_PASSWORD": PASSWORD},
        )  # fmt: skip
        tokens = [installed.manage("create_agent", name, "--workflow", WORKFLOW).split()[-1] for name in AGENTS]
        with installed.serve() as server:
            agents = [Agent(server.base_url, name, token) for name, token in zip(AGENTS, tokens, strict=True)]
            yield Site(server.base_url, code, *agents)
            for agent in agents:
                agent.close()


@pytest.fixture
def watched(site: Site) -> Iterator[Watched]:
    """The board, open and live. What happens to it afterwards is not the test's doing."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(base_url=site.base_url, viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(15_000)
        page.goto(f"/tickets?workflow={WORKFLOW}")
        page.get_by_label("Name").fill("dana")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("[data-live-word]")).to_have_text("Live")
        page.evaluate("window.untouched = true")
        yield Watched(page)
        assert page.evaluate("window.untouched") is True, "the page was loaded anew"
        browser.close()


def test_agents_take_tickets_from_planning_to_done_while_a_browser_watches(site: Site, watched: Watched) -> None:
    _board_is_the_designs(site.planner)
    auth, users = _planning(site.planner, watched)
    _design(site.designer, watched, auth)
    _implementation(site.implementer, watched, auth, site.code)
    _testing_passes(site.tester, watched, auth)
    _testing_fails_first(site, watched, users)
    _audit(site.planner, auth)


def _board_is_the_designs(agent: Agent) -> None:
    board = agent.get(f"/tickets/board-config/{WORKFLOW}")["board_config"]
    assert [column["id"] for column in board["columns"]] == [column["id"] for column in BOARD["columns"]]
    assert board["columns"][0]["color"] == "#6b7280", "the design's #gray is the colour gray"
    assert board["columns"][2]["wip_limit"] == 3
    assert [kind["icon"] for kind in board["ticket_types"]] == ["✨", "🐛", "📝", "⚡"]


def _planning(planner: Agent, watched: Watched) -> tuple[str, str]:
    auth, users = planner.create_ticket("authentication"), planner.create_ticket("users")
    card = watched.card(auth, "backlog")
    for text in ("Build authentication API endpoint", "High", "api"):
        expect(card).to_contain_text(text)
    watched.card(users, "backlog")
    expect(watched.column("backlog")).to_have_attribute("data-total", "2")
    return auth, users


def _design(designer: Agent, watched: Watched, ticket_id: str) -> None:
    found = designer.post(
        "/tickets/search", workflow_id=WORKFLOW, query="authentication API design", search_type="semantic"
    )
    assert found["degraded"] is False
    assert found["results"][0]["ticket_id"] == ticket_id
    comment = "Created API design specification. Recommend implementing with shared auth middleware."
    assert designer.change_status(ticket_id, "design", comment)["old_status"] == "backlog"
    card = watched.card(ticket_id, "design")
    expect(card).to_contain_text(re.compile(r"1\s*comment"))
    designer.update(ticket_id, priority="critical", story_points=5)
    expect(card).to_contain_text("Critical")


def _implementation(implementer: Agent, watched: Watched, ticket_id: str, code: Scratch) -> None:
    implementer.update(ticket_id, assigned_agent_id=implementer.id)
    expect(watched.card(ticket_id, "design")).to_contain_text(implementer.id)
    implementer.change_status(ticket_id, "in_progress", "Starting implementation of /api/auth endpoint")
    watched.card(ticket_id, "in_progress")
    code.write("api/auth.py", "def authenticate() -> None: ...\n")
    sha = code.commit("Implement auth API endpoint TKT-1")
    linked = implementer.post("/tickets/link-commit", ticket_id=ticket_id, commit_sha=sha[:7])
    assert (linked["commit_sha"], linked["verified"]) == (sha, True)
    expect(watched.card(ticket_id, "in_progress")).to_contain_text(re.compile(r"1\s*commit"))
    diff = implementer.get(f"/tickets/commit-diff/{sha}")
    assert [(file["path"], file["status"], file["language"]) for file in diff["files"]] == [
        ("api/auth.py", "added", "python")
    ]
    implementer.post("/tickets/comment", ticket_id=ticket_id, comment_text=IMPLEMENTED)
    # The status changes have left a comment each.
    expect(watched.card(ticket_id, "in_progress")).to_contain_text(re.compile(r"3\s*comments"))
    implementer.change_status(ticket_id, "review", "Implementation complete, moving to review")
    watched.card(ticket_id, "review")
    implementer.change_status(ticket_id, "testing", "Review complete, ready to be tested")
    # The design's testing agent looks for tickets that nobody has.
    implementer.update(ticket_id, assigned_agent_id=None)
    expect(watched.card(ticket_id, "testing")).to_contain_text(f"{implementer.id} unassigned it")


def _testing_passes(tester: Agent, watched: Watched, ticket_id: str) -> None:
    found = tester.get("/tickets/get", workflow_id=WORKFLOW, status="testing", assigned_agent_id="none")
    assert [ticket["ticket_id"] for ticket in found["tickets"]] == [ticket_id]
    tester.change_status(ticket_id, "done", PASSED)
    expect(watched.card(ticket_id, "done")).to_contain_text("Resolved")
    expect(watched.column("done")).to_have_attribute("data-total", "1")


def _testing_fails_first(site: Site, watched: Watched, ticket_id: str) -> None:
    for column in ("design", "in_progress", "review", "testing"):
        site.implementer.change_status(ticket_id, column, f"The users endpoint goes on to {column}")
        watched.card(ticket_id, column)
    failed = "Tests failed: 2. Reassigning to implementation agent."
    site.tester.change_status(ticket_id, "in_progress", failed)
    site.tester.update(ticket_id, assigned_agent_id=site.implementer.id)
    expect(watched.card(ticket_id, "in_progress")).to_contain_text(site.implementer.id)
    site.implementer.change_status(ticket_id, "testing", "Fixed what the tests had found")
    watched.card(ticket_id, "testing")
    resolved = site.tester.post("/tickets/resolve", ticket_id=ticket_id, resolution_comment=PASSED)
    assert resolved["unblocked_tickets"] == []
    expect(watched.card(ticket_id, "done")).to_contain_text("Resolved")
    expect(watched.column("done")).to_have_attribute("data-total", "2")
    expect(watched.column("backlog")).to_have_attribute("data-total", "0")


def _audit(agent: Agent, ticket_id: str) -> None:
    """What people read afterwards: the whole way, in order, and who went it."""
    detail = agent.get(f"/tickets/{ticket_id}")
    moves = [row for row in detail["history"] if row["change_type"] == "status_changed"]
    assert [row["new_value"] for row in moves] == ["design", "in_progress", "review", "testing", "done"]
    assert detail["contributors"] == list(AGENTS)
    assert detail["story_points"] == 5
    assert detail["is_resolved"] is True
    stats = agent.get(f"/tickets/stats/{WORKFLOW}")["stats"]
    assert (stats["total_tickets"], stats["resolved_count"]) == (2, 2)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
