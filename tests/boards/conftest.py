"""The workflow that most pages are tested with, an agent of it, a person's browser, and a world whose clock moves."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.boards.insights_world import Watched
from tests.boards.pages import browser_of
from tests.factories import AgentWithToken, make_agent, make_person, make_workflow
from tickets.models import Workflow


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("anvil", name="Anvil")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="impl-1")


@pytest.fixture
def browser(workflow: Workflow) -> Client:
    return browser_of(make_person(workflow))


@pytest.fixture
def world(db: None, monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)
