"""A site on which every text that anybody can write attacks the pages, or is as long or as foreign as it may be."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.browser.board_page import Operator
from tests.browser.conftest import PASSWORD, Agent, Site
from tests.gitlinks.repositories import Scratch
from tests.server import installation

# Each breaks out of another place: text, an attribute, a script block, a template, Markdown.
IMAGE = "<img src=x onerror=window.__pwned=1>"
VECTOR = '"><svg onload=window.__pwned=2>'
SCRIPT = "</script><script>window.__pwned=3</script>"
TEMPLATE = "{{7*7}}${7*7}{% now 'Y' %}"
LINKS = (
    "[link](javascript:window.__pwned=4) <javascript:window.__pwned=5> [a]: data:text/html,<script>alert(6)</script>"
)
ALL = f"{IMAGE}{VECTOR}{SCRIPT}' onfocus='window.__pwned=7' {TEMPLATE} {LINKS}"
LONG = "W" * 500
RTL = "مرحبا بالعالم 🔥 \u202eعكس\u202c שלום עולם 👩‍🚒 " + "ك" * 200


class World(Site):
    """``tickets``: by what they are for. ``sha``: a commit with hostile names, texts and a hostile message."""

    tickets: dict[str, dict[str, Any]]
    sha: str


@contextmanager
def hostile_world(folder: Path) -> Iterator[World]:
    """The site, not yet served: ``fill`` needs its server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    code = Scratch(folder / "code")
    code.write("plain.py", "a = 1\n")
    code.commit("Begin")
    # A slash would end the file's name.
    code.write(f"{IMAGE}{VECTOR}.py", f"text = '{ALL}'\n")
    code.write("long/" + "n" * 240, LONG + "\n")
    code.write("عنوان.txt", RTL + "\n")
    sha = code.commit(f"message {IMAGE}{VECTOR}\n\nbody {ALL}\n{LONG}")
    board = folder / "board.json"
    board.write_text(json.dumps(_board()))
    with installation(folder / "data", env={"HEPHAESTUS_REPOSITORY_ROOT": str(folder)}) as installed:
        installed.manage(
            "create_workflow", "evil", "--name", f"workflow {IMAGE}{VECTOR}", "--key-prefix", "EVL",
            "--board", str(board), "--repository", str(code.folder),
        )  # fmt: skip
        made = installed.manage("create_agent", "impl-1", "--name", f"agent {IMAGE}{VECTOR}", "--workflow", "evil")
        installed.manage(
            "createsuperuser", "--noinput", "--username=dana", "--email=dana@example.org",
            env={"DJANGO_SUPERUSER_PASSWORD": PASSWORD},
        )  # fmt: skip
        token = made.strip().splitlines()[-1]
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http:
            world = World(installed, port, Agent(http))
            world.sha = sha
            yield world


def _board(**settings: Any) -> dict[str, Any]:
    columns = [
        {"id": "open", "name": f"column {IMAGE}", "category": "queue"},
        {"id": "doing", "name": RTL[:60], "wip_limit": 1},
        {"id": "check", "name": LONG[:100]},
        {"id": "done", "name": f"final {VECTOR}", "category": "final"},
    ]
    types = [
        {"id": "task", "name": f"type {IMAGE}{VECTOR}", "icon": "<b>x</b>"},
        {"id": "bug", "name": RTL[:60], "icon": "🔥"},
        {"id": "feature", "name": LONG[:100]},
    ]
    return {"columns": columns, "ticket_types": types, "settings": {"ticket_human_review": False, **settings}}


def fill(world: World) -> None:
    """Everything that people and agents write, through REST. The server runs."""
    agent, operator = world.agent, Operator(world)
    main = agent.create(
        f"title {ALL}"[:500], description=f"description {ALL}", tags=[f"tag {IMAGE}"[:50], "🔥مرحبا", LONG[:50]],
        assigned_agent_id="impl-1", priority="critical",
    )  # fmt: skip
    long = agent.create(LONG, description=LONG * 4, ticket_type="feature", initial_status="check")
    foreign = agent.create(RTL, description=RTL * 4, ticket_type="bug", initial_status="doing")
    crowd = agent.create(f"crowd {IMAGE}", description="Over the limit of its column.", initial_status="doing")
    waits = agent.create(
        f"waits {ALL}"[:500], blocked_by_ticket_ids=[main["ticket_id"]], parent_ticket_id=long["ticket_id"],
        related_ticket_ids=[foreign["ticket_id"], main["ticket_id"]],
    )  # fmt: skip
    blocked = agent.create(f"blocked {VECTOR}", is_blocked=True, blocked_reason=f"reason {ALL}"[:1000])
    done = agent.create(f"done {IMAGE}", initial_status="doing")
    agent.post("comment", ticket_id=main["ticket_id"], comment_text=f"comment {ALL}", attachments=[f"notes/{IMAGE}"])
    agent.post("comment", ticket_id=main["ticket_id"], comment_text=f"@dana {LONG}")
    agent.post("comment", ticket_id=main["ticket_id"], comment_text=RTL)
    agent.post("link-commit", ticket_id=main["ticket_id"], commit_sha=world.sha)
    agent.post("claim", ticket_id=main["ticket_id"], lease_seconds=3600)
    agent.post("update", ticket_id=long["ticket_id"], updates={"description": f"changed {ALL}"}, update_comment=ALL)
    agent.post("resolve", ticket_id=done["ticket_id"], resolution_comment=f"resolution {ALL}")
    name = {"name": f"person {IMAGE}{VECTOR}"}
    assert operator.http.patch("/api/agents/human-dana", json=name).status_code == 200
    for kind, query in (("board", "type=bug"), ("search", "q=title")):
        saved = {"name": f"view {IMAGE}", "query": query, "kind": kind, "is_shared": True}
        answer = operator.http.post("/api/workflows/evil/views", json=saved)
        assert answer.status_code == 200, answer.text
    operator.workflow("gate", _board(ticket_human_review=True), name=f"gate {IMAGE}{VECTOR}")
    asked = agent.create(f"approve {ALL}"[:500], description=f"please {ALL}", workflow_id="gate")
    agent.create(LONG, description=RTL, workflow_id="gate")
    world.tickets = {
        "main": main, "long": long, "foreign": foreign, "crowd": crowd, "waits": waits, "blocked": blocked,
        "done": done, "asked": asked,
    }  # fmt: skip
