"""Views of a board: kept by people and agents, shared with who may read the workflow."""

from __future__ import annotations

from typing import Any

import pytest

from boards.models import SavedView
from tests.factories import AgentWithToken, api_client, make_agent, make_workflow
from tickets.models import Workflow

pytestmark = pytest.mark.django_db
VIEWS = "/api/workflows/anvil/views"


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("anvil")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow)


def names(agent: AgentWithToken) -> list[str]:
    return [view["name"] for view in api_client(agent).get(VIEWS).json()["views"]]


def test_a_view_is_kept_and_replaced_by_its_name(agent: AgentWithToken) -> None:
    client = api_client(agent)
    first = client.write(VIEWS, {"name": "Bugs", "query": "?type=bug&sort=updated&q=a+b"}).json()["view"]
    assert first["query"] == "type=bug&sort=updated&q=a+b"
    again = client.write(VIEWS, {"name": " Bugs ", "query": "", "is_shared": True}).json()["view"]
    assert (again["view_id"], again["query"], again["is_shared"]) == (first["view_id"], "", True)
    assert names(agent) == ["Bugs"]


def test_only_shared_views_are_others_to_see_and_none_theirs_to_forget(
    workflow: Workflow, agent: AgentWithToken
) -> None:
    client, other = api_client(agent), make_agent(workflow)
    mine = client.write(VIEWS, {"name": "Mine"}).json()["view"]
    shared = client.write(VIEWS, {"name": "Ours", "is_shared": True}).json()["view"]
    assert names(other) == ["Ours"]
    assert api_client(other).delete(f"/api/views/{shared['view_id']}").json()["success"]
    assert names(agent) == ["Mine", "Ours"]
    for _ in range(2):
        assert client.delete(f"/api/views/{mine['view_id']}").json()["success"]
    assert names(agent) == ["Ours"]


def test_a_workflow_of_others_does_not_exist(agent: AgentWithToken) -> None:
    stranger = api_client(make_agent(make_workflow()))
    assert stranger.get(VIEWS).status_code == 404
    assert stranger.write(VIEWS, {"name": "Peep"}).status_code == 404
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": "x=1"}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": "x", "query": "colour=red"}, "query"),
        ({"name": "x", "query": "q=" + "ü" * 1990}, "query"),
        ({"name": "x", "query": "&".join(["tag=a"] * 101)}, "query"),
        ({"name": "x", "shared": True}, "shared"),
    ],
)
def test_faults_are_named(agent: AgentWithToken, body: dict[str, Any], field: str) -> None:
    answer = api_client(agent).write(VIEWS, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field


def test_there_is_an_end_to_views(workflow: Workflow, agent: AgentWithToken) -> None:
    SavedView.objects.bulk_create(
        SavedView(id=f"view-{number}", workflow=workflow, owner_agent_id=agent.id, name=f"View {number}")
        for number in range(100)
    )
    assert api_client(agent).write(VIEWS, {"name": "One more"}).status_code == 400
    assert api_client(agent).write(VIEWS, {"name": "View 7", "query": "q=x"}).status_code == 200
