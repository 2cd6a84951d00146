"""Requests that come twice (Idempotency-Key) and changes of what has changed since (If-Match)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.answers import ok, refused
from tests.factories import AgentWithToken, ApiClient, api_client, make_agent, make_ticket, make_workflow
from tickets.models import Event, IdempotencyRecord, Ticket, TicketComment, TicketHistory, Workflow

pytestmark = pytest.mark.django_db
NEW = {"title": "Abc", "description": "Long enough to say something."}
KEY = {"Idempotency-Key": "once"}


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("alpha")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="ada")


@pytest.fixture
def api(agent: AgentWithToken) -> ApiClient:
    return api_client(agent)


def test_the_same_key_and_body_give_the_first_answer(api: ApiClient) -> None:
    first = api.write("/api/tickets/create", NEW, headers=KEY)
    for again in (
        api.write("/api/tickets/create", NEW, headers=KEY),
        api.write("/api/tickets/create", {**NEW, "idempotency_key": "once"}),
        api.write("/tickets/create", {**NEW, "idempotency_key": "once"}, headers=KEY),
    ):
        assert again.content == first.content
        assert again["ETag"] == first["ETag"]
    assert (Ticket.objects.count(), Event.objects.count(), TicketHistory.objects.count()) == (1, 1, 1)


def test_another_body_or_operation_is_refused(api: ApiClient) -> None:
    ticket = ok(api.write("/api/tickets/create", NEW, headers=KEY))["ticket_id"]
    answer = api.write("/api/tickets/create", {**NEW, "title": "Other"}, headers=KEY)
    refused(answer, 409, "idempotency_mismatch", "idempotency_key")
    answer = api.write("/api/tickets/comment", {"ticket_id": ticket, "comment_text": "Hi"}, headers=KEY)
    refused(answer, 409, "idempotency_mismatch", "idempotency_key")
    assert Ticket.objects.count() == 1


def test_another_agent_has_keys_of_its_own(api: ApiClient, workflow: Workflow) -> None:
    ok(api.write("/api/tickets/create", NEW, headers=KEY))
    ok(api_client(make_agent(workflow)).write("/api/tickets/create", {**NEW, "title": "Other"}, headers=KEY))
    assert Ticket.objects.count() == 2


def test_what_failed_is_not_kept(api: ApiClient) -> None:
    refused(
        api.write("/api/tickets/create", {**NEW, "ticket_type": "epic"}, headers=KEY), 400, "invalid", "ticket_type"
    )
    assert not IdempotencyRecord.objects.exists()
    ok(api.write("/api/tickets/create", NEW, headers=KEY))


def test_header_and_body_must_name_the_same_key(api: ApiClient) -> None:
    answer = api.write("/api/tickets/create", {**NEW, "idempotency_key": "other"}, headers=KEY)
    refused(answer, 400, "invalid", "Idempotency-Key")
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("key", ["x" * 201, ""])
def test_keys_have_a_length(api: ApiClient, key: str) -> None:
    answer = api.write("/api/tickets/create", NEW, headers={"Idempotency-Key": key})
    refused(answer, 400, "invalid", "idempotency_key")


def test_every_write_takes_a_key(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    said = ok(api.write("/api/tickets/comment", {"ticket_id": ticket.id, "comment_text": "Hi"}, headers=KEY))
    ok(api.write("/api/tickets/comment", {"ticket_id": ticket.id, "comment_text": "Hi"}, headers=KEY))
    assert TicketComment.objects.count() == 1
    address = f"/api/tickets/comments/{said['comment_id']}"
    for number, method, body in ((1, "PATCH", {"comment_text": "Ho"}), (2, "DELETE", None)):
        headers = {"Idempotency-Key": f"key-{number}"}
        first = api.send(method, address, body, headers=headers)
        assert api.send(method, address, body, headers=headers).content == first.content
    lease = ok(api.write("/api/tickets/next", headers={"Idempotency-Key": "lease"}))
    assert ok(api.write("/api/tickets/next", headers={"Idempotency-Key": "lease"})) == lease


@pytest.mark.parametrize("tag", ["1", '"1"', 'W/"1"', " 1 ", "*"])
def test_if_match_takes_a_version(api: ApiClient, agent: AgentWithToken, tag: str) -> None:
    ticket = make_ticket(agent)
    sent = {"ticket_id": ticket.id, "updates": {"priority": "high"}}
    answer = api.write("/api/tickets/update", sent, headers={"If-Match": tag})
    assert ok(answer)["version"] == 2
    assert answer["ETag"] == '"2"'


def test_an_old_version_is_a_conflict(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    sent = {"ticket_id": ticket.id, "updates": {"priority": "high"}}
    for answer in (
        api.write("/api/tickets/update", sent, headers={"If-Match": '"7"'}),
        api.write("/api/tickets/update", {**sent, "expected_version": 7}),
    ):
        error = refused(answer, 409, "conflict", "expected_version")
        assert (error["current_version"], error["retryable"]) == (1, True)
    ticket.refresh_from_db()
    assert (ticket.priority, ticket.version) == ("medium", 1)


def test_header_and_body_must_name_the_same_version(api: ApiClient, agent: AgentWithToken) -> None:
    sent = {"ticket_id": make_ticket(agent).id, "expected_version": 2}
    refused(api.write("/api/tickets/assign", sent, headers={"If-Match": "1"}), 400, "invalid", "If-Match")


@pytest.mark.parametrize(
    "tag",
    ["", "x", "-1", "1.5", '"', '"1', "W/1/", '"1", "2"', "9" * 4000, "²", "\uff11", "\xff", "1\x00", 'W/"abc"', "0x1"],
)
def test_whatever_if_match_says_it_breaks_nothing(api: ApiClient, agent: AgentWithToken, tag: str) -> None:
    ticket = make_ticket(agent)
    sent = {"ticket_id": ticket.id, "updates": {"priority": "high"}}
    answer = api.write("/api/tickets/update", sent, HTTP_IF_MATCH=tag)
    refused(answer, 400, "invalid", "If-Match")


def test_a_version_beyond_all_is_refused(api: ApiClient, agent: AgentWithToken) -> None:
    sent = {"ticket_id": make_ticket(agent).id}
    answer = api.write("/api/tickets/assign", sent, headers={"If-Match": "9999999999"})
    refused(answer, 400, "invalid", "expected_version")


def test_if_match_where_there_is_no_version_is_refused(api: ApiClient) -> None:
    refused(api.write("/api/tickets/create", NEW, headers={"If-Match": '"1"'}), 400, "invalid", "If-Match")


def test_a_board_has_a_version(workflow: Workflow) -> None:
    api = api_client(make_agent(workflow, role="maintainer"))
    board: Any = api.get("/api/workflows/alpha/board/export").json()
    tag = api.get("/api/workflows/alpha/board")["ETag"]
    board["name"] = "Renamed"
    answer = api.send("PUT", "/api/workflows/alpha/board", {"board": board}, headers={"If-Match": tag})
    assert ok(answer)["board_config"]["version"] == 2
    assert answer["ETag"] == '"2"'
    board["name"] = "Again"
    stale = api.send("PUT", "/api/workflows/alpha/board", {"board": board}, headers={"If-Match": tag})
    assert refused(stale, 409, "conflict", "expected_version")["current_version"] == 2


def test_a_repeated_token_is_not_shown_again(api: ApiClient) -> None:
    first = ok(api.write("/api/agents/ada/tokens", {}, headers=KEY))
    again = ok(api.write("/api/agents/ada/tokens", {}, headers=KEY))
    assert first["token"].startswith("hpt_")
    assert (again["token"], again["detail"]) == ("", first["detail"])
    assert first["token"] not in str(IdempotencyRecord.objects.values_list("answer", flat=True)[0])
