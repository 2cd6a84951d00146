"""The design's "Multi-Agent Software Development Workflow" over MCP: two agents on stdio bridges, two on /mcp.

Each knows of the others only what the tools tell it: by searching, by its inbox, and by what is free.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.e2e.test_design_workflow import AGENTS, BOARD, IMPLEMENTED, PASSED, WORKFLOW
from tests.mcp_bridge.clients import Place, Transport, call, refused
from tests.server import installation

pytestmark = pytest.mark.slow

PLANNER, DESIGNER, IMPLEMENTER, TESTER = AGENTS
WAYS: dict[str, Transport] = {PLANNER: "stdio", DESIGNER: "http", IMPLEMENTER: "stdio", TESTER: "http"}


@dataclass(frozen=True)
class Team:
    """The four agents' sessions, and the repository that they work in."""

    repository: Path
    planner: Client
    designer: Client
    implementer: Client
    tester: Client


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    board, repository = tmp_path / "board.json", tmp_path / "repository"
    board.write_text(json.dumps(BOARD), encoding="utf-8")
    _git("init", "--quiet", "--initial-branch=main", str(repository))
    environment = {"EMBEDDING_PROVIDER": "local", "HEPHAESTUS_REPOSITORY_ROOT": str(tmp_path)}
    with installation(tmp_path / "data", environment) as site:
        named = ("--name", "Build a REST API", "--board", str(board), "--repository", str(repository))
        site.manage("create_workflow", WORKFLOW, *named)
        tokens = {name: site.manage("create_agent", name, "--workflow", WORKFLOW).split()[-1] for name in AGENTS}
        with site.serve() as server:
            yield Place(site, server, tokens)


@pytest.mark.timeout(600)
async def test_agents_take_tickets_from_planning_to_done(place: Place, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(place.client(way, name)) for name, way in WAYS.items()}
        team = Team(tmp_path / "repository", *(clients[name] for name in AGENTS))
        auth, users = await _planning(team)
        await _design(team, auth)
        await _implementation(team, auth, users)
        await _testing_passes(team, auth, users)
        await _testing_fails_first(team, users)
        await _audit(team, auth)
    assert place.site.manage("check_integrity").strip() == "clean"


async def _planning(team: Team) -> tuple[str, str]:
    board = (await call(team.planner, "get_board"))["board_config"]
    assert [column["id"] for column in board["columns"]] == [column["id"] for column in BOARD["columns"]]
    components = [_component("authentication"), {**_component("users"), "blocked_by_ticket_ids": ["#0"]}]
    tried = await call(team.planner, "create_tickets", tickets=components, dry_run=True)
    assert tried["dry_run"] is True
    made = await call(team.planner, "create_tickets", tickets=components)
    auth, users = (row["ticket_id"] for row in made["tickets"])
    similar = await call(team.planner, "search_tickets", query="authentication endpoint")
    assert similar["results"][0]["ticket_id"] == auth
    return auth, users


async def _design(team: Team, auth: str) -> None:
    found = await call(team.designer, "search_tickets", query="authentication API design", search_type="semantic")
    assert found["results"][0]["ticket_id"] == auth
    taken = await call(team.designer, "next_ticket")
    assert taken["ticket_id"] == auth, "users is blocked"
    nothing = await call(team.designer, "next_ticket")
    assert (nothing["ticket_id"], nothing["reasons"]["blocked"]) == (None, 1)
    comment = (
        f"Created API design specification for @{IMPLEMENTER}. Recommend implementing with shared auth middleware."
    )
    await _move(team.designer, auth, "design", comment)
    await call(team.designer, "update_ticket", ticket_id=auth, updates={"priority": "critical", "story_points": 5})
    await _hand_over(team.designer, auth, taken["fencing_token"])


async def _implementation(team: Team, auth: str, users: str) -> None:
    inbox = await call(team.implementer, "get_inbox")
    assert [item["ticket_id"] for item in inbox["items"]] == [auth]
    await call(team.implementer, "get_inbox", acknowledge=inbox["next_cursor"])
    claimed = await call(team.implementer, "claim_ticket", ticket_id=auth)
    late = await refused(team.tester, "claim_ticket", ticket_id=auth)
    assert (late["code"], late["lease_agent_id"]) == ("conflict", IMPLEMENTER)
    await _move(team.implementer, auth, "in_progress", "Starting implementation of /api/auth endpoint")
    too_early = await refused(
        team.implementer, "change_ticket_status", ticket_id=users, new_status="in_progress", comment="Both at once now"
    )
    assert (too_early["code"], too_early["blocking_ticket_ids"]) == ("blocked", [auth])
    await _commit(team, auth)
    await call(team.implementer, "add_ticket_comment", ticket_id=auth, comment_text=IMPLEMENTED)
    await _move(team.implementer, auth, "review", "Implementation complete, moving to review")
    await _move(team.implementer, auth, "testing", "Review complete, ready to be tested")
    await _hand_over(team.implementer, auth, claimed["fencing_token"])


async def _commit(team: Team, ticket_id: str) -> None:
    key = (await call(team.implementer, "get_ticket", ticket_id=ticket_id))["key"]
    (team.repository / "auth.py").write_text("def token() -> str:\n    return 'jwt'\n", encoding="utf-8")
    here = ("-C", str(team.repository), "-c", "user.name=Agent", "-c", "user.email=agent@example.org")
    _git(*here, "add", "auth.py")
    _git(*here, "commit", "--quiet", "--message", f"Implement auth API endpoint {key}")
    sha = _git(*here, "rev-parse", "HEAD").strip()
    await call(team.implementer, "link_commit", ticket_id=ticket_id, commit_sha=sha)
    diff = await call(team.tester, "get_commit_diff", commit_sha=sha)
    assert "auth.py" in json.dumps(diff)


async def _testing_passes(team: Team, auth: str, users: str) -> None:
    free = await call(team.tester, "get_tickets", status=["testing"], assigned_agent_id="none")
    assert [row["ticket_id"] for row in free["tickets"]] == [auth]
    await call(team.tester, "claim_ticket", ticket_id=auth)
    around = await call(team.tester, "get_ticket", ticket_id=auth, context=True)
    assert around["story_points"] == 5
    moved = await _move(team.tester, auth, "done", PASSED)
    assert moved["unblocked_tickets"] == [users]


async def _testing_fails_first(team: Team, users: str) -> None:
    taken = await call(team.implementer, "next_ticket")
    assert taken["ticket_id"] == users, "it waited for authentication alone"
    for column in ("design", "in_progress", "review", "testing"):
        await _move(team.implementer, users, column, f"The users endpoint goes on to {column}")
    failed = "Tests failed: 2. Reassigning to implementation agent."
    await _move(team.tester, users, "in_progress", failed)
    await _move(team.implementer, users, "testing", "Fixed what the tests had found")
    resolved = await call(team.tester, "resolve_ticket", ticket_id=users, resolution_comment=PASSED)
    assert resolved["unblocked_tickets"] == []
    nothing = await call(team.implementer, "next_ticket")
    assert (nothing["ticket_id"], nothing["reasons"]) == (None, {})


async def _audit(team: Team, auth: str) -> None:
    """What the planner reads afterwards: everything is done, and the way there."""
    detail = await call(team.planner, "get_ticket", ticket_id=auth, detail="full")
    assert (detail["status"], detail["is_resolved"]) == ("done", True)
    done = await call(team.planner, "get_tickets", status=["done"], include_completed=True)
    assert done["total"] == 2
    stats = (await call(team.planner, "get_board"))["stats"]
    assert (stats["total_tickets"], stats["resolved_count"]) == (2, 2)


def _component(name: str) -> dict[str, Any]:
    return {
        "title": f"Build {name} API endpoint",
        "description": (
            f"Implement {name} functionality.\n\n**Requirements:**\n- {name} for every caller\n"
            f"**Acceptance Criteria:** {name} works through the API"
        ),
        "ticket_type": "feature",
        "priority": "high",
        "initial_status": "backlog",
        "tags": ["api", "backend", f"component:{name}"],
    }


async def _move(client: Client, ticket_id: str, new_status: str, comment: str) -> dict[str, Any]:
    answer = await call(client, "change_ticket_status", ticket_id=ticket_id, new_status=new_status, comment=comment)
    assert answer["new_status"] == new_status
    return answer


async def _hand_over(client: Client, ticket_id: str, fencing_token: int) -> None:
    """Leave the ticket to whoever comes next."""
    free: dict[str, Any] = {"updates": {"assigned_agent_id": None}}
    await call(client, "update_ticket", ticket_id=ticket_id, fencing_token=fencing_token, **free)
    released = await call(client, "claim_ticket", ticket_id=ticket_id, action="release", fencing_token=fencing_token)
    assert released["released"] is True


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout
