"""The first run and how to connect an agent: what each person is told, and may do."""

from __future__ import annotations

import html as markup
import json
import re
import shlex
import tomllib
from typing import Any

import pytest
from django.test import Client

from boards.examples import EXAMPLES
from boards.web.account.connect import CLIENTS
from tests.factories import ApiClient, api_client, make_agent, make_person, make_workflow
from tickets.models import Workflow

pytestmark = pytest.mark.django_db

HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture
def anvil() -> Workflow:
    return make_workflow("anvil", name="Anvil", key_prefix="ANV")


def signed_in(person: Any) -> ApiClient:
    client = ApiClient()
    client.force_login(person)
    return client


def html(client: Client, address: str = "/connect", status: int = 200) -> str:
    response = client.get(address, headers={"Accept": "text/html"})
    assert response.status_code == status, response.content.decode()
    return response.content.decode()


def snippet(page: str, name: str) -> str:
    """The text that the copy button copies."""
    found = re.search(rf'<code id="c-{name}">(.*?)</code>', page, re.DOTALL)
    assert found, f"no snippet {name}"
    return markup.unescape(re.sub(r"<[^>]*>", "", found[1]))


# ── without a workflow ──


def test_an_administrator_creates_the_first_workflow_in_the_page() -> None:
    client = signed_in(make_person(superuser=True))
    for page in (html(client, "/tickets"), html(client)):
        assert "Nothing on the anvil yet" in page
        assert "data-workflow-form" in page
        assert "data-first-run" in page
    boards = json.loads(
        html(client).partition('<script id="example-boards" type="application/json">')[2].partition("<")[0]
    )
    assert list(boards) == [example.id for example in EXAMPLES]
    for number, board in enumerate(boards.values()):
        answer = client.write("/api/workflows", {"name": f"Yard {number}", "board": {**board, "name": "Yard"}})
        assert answer.status_code == 200, answer.content
        assert f"“<bdi>Yard {number}</bdi>” exists" in html(
            client, f"/connect?workflow={answer.json()['workflow']['workflow_id']}"
        )


def test_faults_of_ids_and_prefixes_are_in_words(anvil: Workflow) -> None:
    client = signed_in(make_person(superuser=True))
    wrong = {"name": "Yard", "key_prefix": "x-1"}
    fault = client.write("/api/workflows", wrong).json()["error"]
    assert fault["field"] == "key_prefix"
    assert fault["message"] == "key_prefix must be a capital, then 1 to 9 capitals or digits, such as SHOP."
    taken = client.write("/api/workflows", {"name": "Yard", "key_prefix": "ANV"}).json()["error"]
    assert (taken["code"], taken["field"]) == ("conflict", "key_prefix")
    agent = {"new_agent_id": "two words", "workflow_id": "anvil"}
    assert "letters, digits or . _ : -" in client.write("/api/agents", agent).json()["error"]["message"]


def test_a_member_of_nothing_waits() -> None:
    make_workflow("secret", name="Secret plans")
    person = make_person()
    page = html(signed_in(person))
    assert "No board is yours yet" in page
    assert person.agent.id in page
    assert "data-workflow-form" not in page
    assert "Secret plans" not in page


def test_another_workflow_is_for_those_who_may_create_one(anvil: Workflow) -> None:
    page = html(signed_in(make_person(superuser=True)), "/connect?new")
    assert "Another workflow" in page
    assert "data-first-run" not in page, "it must not be left for a board that is there"
    maintainer = signed_in(make_person(anvil, role="maintainer"))
    assert "Connect an agent" in html(maintainer, "/connect?new")
    assert "/connect?new" not in html(maintainer)
    assert maintainer.write("/api/workflows", {"name": "Mine"}).status_code == 403


# ── connecting ──


def test_maintainers_issue_tokens_and_others_are_told_who_does(anvil: Workflow) -> None:
    maintainer = make_person(anvil, role="maintainer", first_name="Mara", last_name="Lind")
    page = html(signed_in(maintainer))
    assert "data-agent-form" in page
    for role in ("member", "viewer"):
        page = html(signed_in(make_person(anvil, role=role)))
        assert "data-agent-form" not in page
        assert '<b dir="auto">Mara Lind</b>' in page
        assert 'href="/profile"' in page


def test_what_the_page_calls_makes_an_agent_that_works(anvil: Workflow) -> None:
    client = signed_in(make_person(anvil, role="maintainer"))
    made = client.write("/api/agents", {"new_agent_id": "impl-1", "workflow_id": "anvil"})
    assert made.status_code == 200
    again = client.write("/api/agents", {"new_agent_id": "impl-1", "workflow_id": "anvil"})
    assert again.json()["error"]["code"] == "conflict"
    token = client.write("/api/agents/impl-1/tokens", {"label": "Connected in the page"}).json()["token"]
    page = html(client)
    assert token not in page
    assert "not heard of yet" in page
    agent = api_client(token)
    body = json.loads(re.search(r"-d '(.*)'", snippet(page, "curl"), re.DOTALL)[1])  # type: ignore[index]
    assert agent.write("/api/tickets/create", body).json()["key"] == "ANV-1"
    assert "connected <time" in html(client)
    assert 'value="impl-2"' in html(client), "the next free id"


def test_only_agents_of_the_workflow_are_listed(anvil: Workflow) -> None:
    make_agent(anvil, agent_id="worker-here")
    make_agent(make_workflow(), agent_id="worker-there")
    page = html(signed_in(make_person(anvil, username="dana")))
    assert 'data-agent="worker-here"' in page
    assert "worker-there" not in page
    assert 'data-agent="human-dana"' not in page


def test_snippets_hold_the_real_address_and_can_be_read(anvil: Workflow) -> None:
    client = signed_in(make_person(anvil, role="maintainer"))
    page = client.get("/connect", headers={"Accept": "text/html", "Host": "localhost"}).content.decode()
    for known in CLIENTS:
        text = snippet(page, known.id)
        assert "http://localhost" in text
        assert "TOKEN" in text
    words = shlex.split(snippet(page, "claude").replace("\\\n", ""))
    assert words[:6] == ["claude", "mcp", "add", "--transport", "http", "hephaestus"]
    assert words[6:] == ["http://localhost/mcp", "--header", "Authorization: Bearer TOKEN"]
    server = {"type": "http", "url": "http://localhost/mcp", "headers": {"Authorization": "Bearer TOKEN"}}
    assert json.loads(snippet(page, "cursor")) == {"mcpServers": {"hephaestus": server}}
    assert json.loads(snippet(page, "vscode")) == {"servers": {"hephaestus": server}}
    gemini = json.loads(snippet(page, "gemini"))["mcpServers"]["hephaestus"]
    assert gemini == {"httpUrl": "http://localhost/mcp", "headers": {"Authorization": "Bearer TOKEN"}}
    stdio = json.loads(snippet(page, "stdio"))["mcpServers"]["hephaestus"]
    assert stdio["args"][1:] == ["mcp_bridge", "--url", "http://localhost/mcp"]
    codex = tomllib.loads(snippet(page, "codex"))["mcp_servers"]["hephaestus"]
    assert codex == {"url": "http://localhost/mcp", "bearer_token_env_var": "HEPHAESTUS_TOKEN"}
    compile(snippet(page, "python"), "snippet", "exec")


def test_hostile_names_are_text() -> None:
    flow = make_workflow("x", name=HOSTILE)
    agent = make_agent(flow)
    api_client(make_agent(flow, role="maintainer")).send("PATCH", f"/api/agents/{agent.id}", {"name": HOSTILE})
    page = html(signed_in(make_person(flow, role="maintainer", first_name=HOSTILE)))
    assert "<script>alert(1)" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 3
