"""Nothing that a client sends causes a 500, and refusals have the one form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from tests.answers import ok, refused
from tests.factories import AgentWithToken, ApiClient, api_client, make_agent, make_workflow
from tickets.models import Ticket, Workflow
from tickets.services import tickets as ticket_services

pytestmark = pytest.mark.django_db
NEW = {"title": "Abc", "description": "Long enough to say something."}


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("alpha")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, role="maintainer", agent_id="ada")


@pytest.fixture
def api(agent: AgentWithToken) -> ApiClient:
    return api_client(agent)


def raw(api: ApiClient, body: bytes, content_type: str = "application/json", path: str = "create", **more: Any) -> Any:
    return api.generic("POST", f"/api/tickets/{path}", body, content_type=content_type, **more)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nul",
        b"[]",
        b'"text"',
        b"7",
        b"\xff\xfe",
        b'{"title": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        b'{"title": NaN}',
        b'{"title": Infinity, "x": -Infinity}',
        b'{"story_points": 1e999}',
        b'{"story_points": ' + b"9" * 5000 + b"}",
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"title": "a\nb"}',
        b"\x00",
        b'{"title": "abc"} trailing',
    ],
)
def test_bodies_that_are_no_json_object(api: ApiClient, body: bytes) -> None:
    answer = raw(api, body)
    assert answer.status_code == 400, answer.content
    assert answer.json()["error"]["code"] == "invalid"


@pytest.mark.parametrize(
    "sent",
    [
        {"title": "a\x00bc"},
        {"title": "\ud800abc"},
        {"\ud800": "x"},
        {"\x00": "x"},
        {"title": {"a": 1}},
        {"title": ["a"] * 10},
        {"tags": {"a": 1}},
        {"tags": [None]},
        {"tags": [["a"]]},
        {"story_points": 2**63},
        {"story_points": -(2**63) - 1},
        {"story_points": 10**400},
        {"story_points": 1.5},
        {"story_points": True, "title": False},
        {"workflow_id": "a\x00"},
        {"workflow_id": "x" * 101},
        {"workflow_id": ["alpha"]},
        {"agent_id": ["ada"]},
        {"idempotency_key": "\x00"},
        {"idempotency_key": 7},
        {"initial_status": "\ud800"},
        {"blocked_by_ticket_ids": [{}]},
        {"blocked_by_ticket_ids": ["%", "_", "'; DROP TABLE tickets; --"]},
        {"parent_ticket_id": "0" * 100},
        {"x" * 100_000: 1},
        {"tags": ["\ud83d"]},
    ],
)
def test_values_that_are_none(api: ApiClient, sent: dict[str, Any]) -> None:
    answer = raw(api, json.dumps({**NEW, **sent}).encode())
    assert answer.status_code in (400, 404), answer.content
    assert answer.json()["success"] is False
    assert not Ticket.objects.exists()


def test_nesting_within_a_free_field(api: ApiClient) -> None:
    deep: Any = {}
    for _ in range(500):
        deep = {"a": deep}
    for path, sent in (("board", {"board": deep}), ("board/validate", {"board": {"columns": [deep]}})):
        method = "PUT" if path == "board" else "POST"
        answer = api.send(method, f"/api/workflows/alpha/{path}", sent)
        assert answer.status_code == 400, answer.content


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain", "text/html", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/xml",
        "multipart/form-data; boundary=\x00", "application/json\x00", ";;;", "json", "application/", "/",
    ],
)  # fmt: skip
def test_only_json_is_read(api: ApiClient, content_type: str) -> None:
    refused(raw(api, json.dumps(NEW).encode(), content_type), 415, "invalid", "Content-Type")
    assert not Ticket.objects.exists()


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8", "application/json; charset=hex", "application/json; charset=rot13",
        "application/json; charset=utf-16", "application/json; charset=idna",
        "APPLICATION/JSON", "application/merge-patch+json", "application/json;;;a=b",
    ],
)  # fmt: skip
def test_whatever_the_charset_json_is_utf_8(api: ApiClient, content_type: str) -> None:
    ok(raw(api, json.dumps(NEW).encode(), content_type))
    answer = api.generic("GET", "/api/workflows?limit=1", content_type=content_type, headers={"Accept": "text/html"})
    assert answer.status_code == 200
    ok(api.generic("GET", "/api/workflows?limit=1", content_type=content_type))


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 10 * 1024 * 1024])
def test_bodies_have_a_limit(api: ApiClient, size: int) -> None:
    body = b'{"title": "' + b"x" * (size - 13) + b'"}'
    refused(raw(api, body), 413, "too_large")
    # What is not read has no size: refused before, since nobody is known.
    refused(
        api_client(None).generic("POST", "/api/tickets/create", body, content_type="application/json"),
        401,
        "unauthenticated",
    )


def test_a_body_up_to_the_limit_is_read(api: ApiClient) -> None:
    body = json.dumps(NEW).encode()
    ok(raw(api, body + b" " * (1024 * 1024 - len(body))))


@pytest.mark.parametrize(
    "query",
    [
        "%00=1", "limit=%00", "limit=%ff", "%ff=1", "limit=1&limit=2", "limit=", "limit=x", "limit=0", "limit=201",
        "limit=1.5", "limit=-1", "limit=" + "9" * 5000, "offset=-1", "offset=" + "9" * 30, "limit=%ED%A0%80",
        "limt=1", "limit[]=1", "&".join(f"a{n}=1" for n in range(3000)), "agent_id=%00", "limit=1;offset=2",
        "limit=true", "agent_id=" + "x" * 101,
    ],
)  # fmt: skip
def test_queries_that_are_none(api: ApiClient, query: str) -> None:
    answer = api.generic("GET", "/api/workflows", QUERY_STRING=query)
    assert answer.status_code == 400, answer.content
    assert answer.json()["error"]["code"] == "invalid"


def test_unknown_parameters_are_met_with_the_nearest_name(api: ApiClient) -> None:
    error = refused(api.get("/api/workflows?limt=1"), 400, "invalid", "limt")
    assert "Did you mean 'limit'?" in error["message"]
    refused(api.write("/api/tickets/create?titel=x", NEW), 400, "invalid", "titel")
    refused(api.write("/api/tickets/create?title=Abc", NEW), 400, "invalid", "title")


@pytest.mark.parametrize(
    "part",
    ["%00", "%ff", "%ED%A0%80", "a%00b", "x" * 5000, "%F0%9F%92%A9", "..%2f..%2fetc", "'--", "%2e%2e", "%25", "*", "-"],
)
def test_addresses_that_lead_nowhere(api: ApiClient, part: str) -> None:
    for address in (
        f"/api/workflows/{part}", f"/api/workflows/{part}/events", f"/api/agents/{part}", f"/api/agents/{part}/tokens",
        f"/api/tickets/board-config/{part}", f"/tickets/board-config/{part}", f"/api/{part}",
        f"/api/workflows/{part}/{part}",
    ):  # fmt: skip
        for accept in ("application/json", "text/html"):
            answer = api.get(address, headers={"Accept": accept})
            assert answer.status_code in (400, 404), (address, answer.status_code, answer.content)
    for method, address in (("PATCH", f"/api/tickets/comments/{part}"), ("POST", f"/api/tokens/{part}/revoke")):
        answer = api.send(method, address, {} if method == "POST" else {"comment_text": "Hi"})
        assert answer.status_code in (400, 404), (address, answer.content)


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_X_AGENT_ID": "\x00"},
        {"HTTP_X_AGENT_ID": "\xff\xfe"},
        {"HTTP_X_AGENT_ID": "x" * 10_000},
        {"HTTP_X_AGENT_ID": "a\nb"},
        {"HTTP_IDEMPOTENCY_KEY": "\x00"},
        {"HTTP_IDEMPOTENCY_KEY": "\xff"},
        {"HTTP_IDEMPOTENCY_KEY": "x" * 10_000},
        {"HTTP_AUTHORIZATION": "Bearer \x00"},
        {"HTTP_AUTHORIZATION": "Bearer \xff"},
        {"HTTP_AUTHORIZATION": "Bearer " + "x" * 100_000},
        {"HTTP_AUTHORIZATION": "Bearer"},
        {"HTTP_AUTHORIZATION": "\x00"},
        {"HTTP_AUTHORIZATION": "Digest a=b"},
        {"HTTP_COOKIE": "sessionid=\x00; hephaestus_session_8000=../../etc/passwd", "HTTP_AUTHORIZATION": ""},
    ],
)
def test_headers_that_are_none(api: ApiClient, headers: dict[str, str]) -> None:
    answer = api.write("/api/tickets/create", NEW, **headers)
    assert answer.status_code in (400, 401, 403), answer.content
    assert answer.json()["success"] is False
    assert not Ticket.objects.exists()


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/xml", "text/html;q=x", "a/b;c=d;;;", "\xff", "text/html;q=0"]
)
def test_whatever_is_accepted_the_answer_is_json(api: ApiClient, accept: str) -> None:
    answer = api.get("/api/me", HTTP_ACCEPT=accept)
    assert ok(answer)
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_unknown_addresses_answer_in_the_one_form(api: ApiClient, accept: str) -> None:
    for address in ("/api", "/api/", "/api/nothing", "/api/tickets/create/", "/api/workflows/", "/api/workflows/a/b/c"):
        refused(api.get(address, headers={"Accept": accept}), 404, "not_found")
    assert api.get("/nothing", headers={"Accept": "text/html"})["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "TRACE", "PATCH", "PROPFIND"])
def test_methods_that_are_not_possible(api: ApiClient, method: str) -> None:
    answer = api.generic(method, "/api/tickets/create")
    assert answer.status_code == 405
    assert answer["Allow"] == "POST, OPTIONS"
    assert method == "HEAD" or answer.json()["error"]["code"] == "invalid"
    assert api.generic(method, "/api/tickets/create", headers={"Accept": "text/html"}).status_code == 405


def test_options_say_what_is_possible(client: Client) -> None:
    answer = client.options("/api/workflows/alpha")
    assert (answer.status_code, answer["Allow"]) == (200, "GET, PATCH, OPTIONS")


def test_hosts_that_are_not_ours(api: ApiClient) -> None:
    refused(api.get("/api/docs/", headers={"Host": "evil.example\x00"}), 400, "invalid")


def test_a_body_beside_the_address_must_agree(api: ApiClient) -> None:
    answer = api.send("PATCH", "/api/workflows/alpha", {"workflow_id": "beta", "updates": {"name": "X"}})
    refused(answer, 400, "invalid", "workflow_id")
    ok(api.send("PATCH", "/api/workflows/alpha", {"workflow_id": "alpha", "updates": {"name": "X"}}))


def test_requests_a_second_have_a_limit(api: ApiClient, settings: Any, workflow: Workflow) -> None:
    settings.RATE_LIMIT = 3
    answers = [api.get("/api/ping") for _ in range(12)]
    late = [answer for answer in answers if answer.status_code != 200]
    assert len(late) >= 6
    error = refused(late[-1], 429, "rate_limited")
    assert error["retryable"] is True
    assert int(late[-1]["Retry-After"]) >= 1
    assert api_client(make_agent(workflow)).get("/api/ping").status_code == 200
    settings.RATE_LIMIT = 0
    assert {api.get("/api/ping").status_code for _ in range(20)} == {200}


def test_a_busy_database_is_503(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(ticket_services, "create_in_unit", busy)
    answer = api.write("/api/tickets/create", NEW)
    assert refused(answer, 503, "busy")["retryable"] is True
    assert answer["Retry-After"] == "1"


def test_a_fault_of_ours_tells_nothing(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(ticket_services, "create_in_unit", broken)
    api.raise_request_exception = False
    answer = api.write("/api/tickets/create", NEW)
    assert answer.status_code == 500
    assert answer.json()["success"] is False
    assert b"secret" not in answer.content
