"""The statistics page, its files and the operation behind them, as a person and an agent ask for them."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from boards.metrics import answer
from boards.web.steering.statistics import CHARTS
from search.models import DuplicateOutcome, DuplicateWarning, SearchClick, SearchRecord
from tests.answers import ok, refused
from tests.factories import AgentWithToken, api_client, make_agent, make_person, make_ticket, make_workflow
from tickets.access import actor_for_user
from tickets.models import Workflow
from tickets.operations import TICKET_BLOCK, TICKET_RESOLVE, execute
from tickets.selectors.counts import UntilNextEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("forge", name="Forge")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="ada")


@pytest.fixture
def person(workflow: Workflow, client: Client) -> Client:
    client.force_login(make_person(workflow, username="dana"))
    return client


def metrics(agent: AgentWithToken, **query: Any) -> Any:
    return ok(api_client(agent).get("/api/workflows/forge/metrics", query))


def rows(body: Any, figure: str) -> Any:
    [found] = [one["rows"] for one in body["figures"] if one["id"] == figure]
    return found


def measure(body: Any, name: str) -> Any:
    """Value and basis of a success metric."""
    [found] = [(row[2], row[4]) for row in rows(body, "success") if row[1] == name]
    return found


def test_the_page_holds_the_answer_of_the_operation(person: Client, agent: AgentWithToken) -> None:
    make_ticket(agent, story_points=3)
    page = person.get("/statistics?workflow=forge")
    assert page.status_code == 200
    text = page.content.decode()
    found = re.search(r'<script type="application/json" data-metrics[^>]*>(.*?)</script>', text)
    assert found
    shown, asked = json.loads(found[1]), metrics(agent)
    assert shown["figures"] == asked["figures"]
    assert {figure["id"] for figure in asked["figures"]} == {chart.id for chart in CHARTS}
    for chart in CHARTS:
        assert f'data-figure="{chart.id}"' in text
    assert 'aria-current="true">30 days' in text
    assert re.search(r"as of <time [^>]*>\d+s</time> ago", text)
    assert "style=" not in text.split("<main")[1]


def test_filters_stand_in_the_address(person: Client, agent: AgentWithToken) -> None:
    make_ticket(agent, ticket_type="bug", assigned_agent_id="ada")
    make_ticket(agent, ticket_type="task")
    text = person.get("/statistics?workflow=forge&days=7&agent=ada&type=bug").content.decode()
    assert 'data-query="days=7&amp;assigned_agent_id=ada&amp;ticket_type=bug"' in text
    # Each choice keeps the others, and all of them go with a download.
    assert "/statistics?workflow=forge&amp;days=90&amp;agent=ada&amp;type=bug" in text
    assert "/statistics/velocity.csv?workflow=forge&amp;days=7&amp;agent=ada&amp;type=bug" in text
    assert metrics(agent, assigned_agent_id="ada")["headline"]["open"] == 1
    assert metrics(agent, assigned_agent_id="none")["headline"]["open"] == 1
    assert metrics(agent, ticket_type="spike")["headline"]["open"] == 0
    day = timezone.now().date()
    body = metrics(
        agent, first_day=(day - timedelta(days=9)).isoformat(), last_day=(day + timedelta(days=5)).isoformat()
    )
    assert (body["last_day"], len(rows(body, "burndown"))) == (day.isoformat(), 10)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"days": "0"}, "days"),
        ({"days": "1e9"}, "days"),
        ({"days": "9" * 400}, "days"),
        ({"first_day": "yesterday"}, "first_day"),
        ({"first_day": "9999-12-31"}, "first_day"),
        ({"first_day": "2020-01-01"}, "first_day"),
        ({"last_day": "2020-13-01"}, "last_day"),
        ({"last_day": "0001-01-01"}, "last_day"),
        ({"ticket_type": "saga"}, "ticket_type"),
        ({"ticket_type": "bug\x00"}, "ticket_type"),
        ({"assigned_agent_id": "nobody-knows"}, "assigned_agent_id"),
        ({"assigned_agent_id": "a" * 101}, "assigned_agent_id"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_asked_is_said(person: Client, agent: AgentWithToken, query: dict[str, str], field: str) -> None:
    make_ticket(agent)
    answer = api_client(agent).get("/api/workflows/forge/metrics", query)
    error = refused(answer, 400, "invalid", field)
    assert error["message"]
    names = {"first_day": "from", "last_day": "to", "ticket_type": "type", "assigned_agent_id": "agent"}
    address = {names.get(name, name): value for name, value in query.items()}
    # What the page's address does not know, it does not read.
    assert person.get("/statistics", {"workflow": "forge", **address}).status_code == (
        200 if field == "colour" else 400
    )


def test_far_days_are_days_too(agent: AgentWithToken) -> None:
    make_ticket(agent)
    body = metrics(agent, last_day="0001-01-02", days=2)
    assert body["first_day"] == "0001-01-01"
    assert body["headline"]["open"] == 0


def test_only_members_see_figures(person: Client, workflow: Workflow) -> None:
    make_workflow("secret")
    stranger = make_agent(make_workflow("other"))
    refused(api_client(stranger).get("/api/workflows/forge/metrics"), 404, "not_found", "workflow_id")
    assert person.get("/statistics?workflow=secret").status_code == 404
    assert person.get("/statistics/velocity.csv?workflow=secret").status_code == 404
    assert "/login" in Client().get("/statistics?workflow=forge")["Location"]


def test_every_figure_is_a_file(person: Client, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title='=HYPERLINK("https://evil.example")', assigned_agent_id="ada")
    execute(TICKET_BLOCK, agent.actor, {"ticket_id": ticket.id, "reason": "Rain"})
    body = metrics(agent, days=7)
    for figure in body["figures"]:
        response = person.get(f"/statistics/{figure['id']}.csv?workflow=forge&days=7")
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert re.search(r'attachment; filename="\S+\.csv"', response["Content-Disposition"])
        head, *lines = csv.reader(io.StringIO(response.content.decode()))
        assert len(head) == len(figure["columns"])
        assert [len(line) for line in lines] == [len(head)] * len(figure["rows"])
        if figure["id"] not in ("blocked", "waiting"):
            assert lines == [["" if cell is None else str(cell) for cell in row] for row in figure["rows"]]
    [line] = csv.reader(
        io.StringIO(person.get("/statistics/blocked.csv?workflow=forge").content.decode().split("\n", 1)[1])
    )
    assert line[1].startswith("'=HYPERLINK")
    missing = person.get("/statistics/moods.csv?workflow=forge")
    assert "velocity" in refused(missing, 404, "not_found", "figure_id")["message"]


def test_hostile_text_stays_text(person: Client, agent: AgentWithToken) -> None:
    title = "</script><script>alert(1)</script><!-- \u2028 &lt;"
    ticket = make_ticket(agent, title=title)
    execute(TICKET_BLOCK, agent.actor, {"ticket_id": ticket.id, "reason": "Rain"})
    text = person.get("/statistics?workflow=forge").content.decode()
    assert "alert(1)</script>" not in text
    data = re.search(r"data-metrics[^>]*>(.*?)</script>", text)
    assert data
    assert json.loads(data[1])["headline"]["longest_blocked"]["title"] == title


def test_an_answer_is_kept_until_something_happens(
    agent: AgentWithToken, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "_kept", UntilNextEvent(answer.MAX_ANSWERS))
    ticket = make_ticket(agent)
    assert metrics(agent)["headline"]["completed"] == 0
    compute = mock.Mock(side_effect=answer._compute)
    monkeypatch.setattr(answer, "_compute", compute)
    api = api_client(agent)
    with django_assert_num_queries(2):  # who asks, and the workflow
        ok(api.get("/api/workflows/forge/metrics"))
    compute.assert_not_called()
    execute(TICKET_RESOLVE, agent.actor, {"ticket_id": ticket.id, "resolution_comment": "Done as described."})
    assert metrics(agent)["headline"]["completed"] == 1
    compute.assert_called_once()


def test_queries_do_not_grow_with_the_past(
    agent: AgentWithToken, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(12):
        ticket = make_ticket(agent)
        execute(TICKET_BLOCK, agent.actor, {"ticket_id": ticket.id, "reason": "Rain"})
    with django_assert_max_num_queries(10):
        metrics(agent)


def test_usage_and_quality_come_from_searches_and_warnings(workflow: Workflow, agent: AgentWithToken) -> None:
    ticket, other = make_ticket(agent), make_agent(workflow, agent_id="bob")
    now = timezone.now()

    def search(number: int, *, by: str = "ada", hits: int = 1, opened: bool = False, **ago: float) -> None:
        record = SearchRecord.objects.create(
            id=f"search-{number}", workflow=workflow, agent_id=by, query="x", mode="hybrid", milliseconds=10.0 + number,
            hits=hits, searched_at=now - timedelta(**ago),
        )  # fmt: skip
        if opened:
            SearchClick.objects.create(search=record, ticket=ticket)

    for place in range(3):
        search(place, opened=place == 0)
    search(3, hits=0)
    search(4, by="bob", opened=True, days=1)
    search(5, opened=True, days=40)
    outcomes = [("ada", "shown"), ("ada", "created"), ("ada", "refused"), ("bob", "shown"), ("bob", "refused")]
    for by, outcome in outcomes:
        DuplicateWarning.objects.create(
            workflow=workflow, agent_id=by, candidate=ticket, score=0.9, outcome=DuplicateOutcome(outcome)
        )
    everyone = metrics(agent)
    assert measure(everyone, "Searches a day") == (0.17, "5 in 30 days")
    assert measure(everyone, "Searches whose result was opened") == (50.0, "2 of 4")
    assert measure(everyone, "Search latency, mean") == (12.0, "of 5 searches, the longest 14 ms")
    # Ada was shown one and created it all the same.
    assert measure(everyone, "Duplicates prevented") == (75.0, "3 of 4 warnings")
    assert [row[4] for row in rows(everyone, "activity")][-2:] == [1, 4]
    own = metrics(agent, assigned_agent_id=other.id)
    assert measure(own, "Searches whose result was opened") == (100.0, "1 of 1")
    assert measure(own, "Duplicates prevented") == (100.0, "2 of 2 warnings")


def test_commits_linked_to_what_was_completed(agent: AgentWithToken) -> None:
    linked, bare = make_ticket(agent), make_ticket(agent)
    body = {"ticket_id": linked.key, "commit_sha": "a" * 40, "commit_message": "Mend it"}
    ok(api_client(agent).write("/api/tickets/link-commit", body))
    for ticket in (linked, bare):
        execute(TICKET_RESOLVE, agent.actor, {"ticket_id": ticket.id, "resolution_comment": "Done as described."})
    found = metrics(agent)
    assert measure(found, "Completed with a commit") == (50.0, "1 of 2 completed")
    assert rows(found, "activity")[-1][3] == 1


def test_an_empty_workflow_has_figures(person: Client, agent: AgentWithToken) -> None:
    body = metrics(agent)
    assert body["headline"]["open"] == 0
    assert body["bottleneck"] is None
    assert rows(body, "forecast") == []
    assert "Nothing on the anvil yet" in person.get("/statistics?workflow=forge").content.decode()


def test_names_of_people_are_shown_and_ids_downloaded(
    person: Client, workflow: Workflow, agent: AgentWithToken
) -> None:
    dana = actor_for_user(make_person(workflow, username="mia", first_name="Mia", last_name="Ek"))
    make_ticket(agent, assigned_agent_id=dana.agent_id)
    text = person.get("/statistics?workflow=forge").content.decode()
    people = re.search(r"data-people>(.*?)</script>", text)
    assert people
    assert json.loads(people[1])[dana.agent_id][1] == "human"
    assert rows(metrics(agent), "workload")[0][0] == dana.agent_id
