"""What the server says of itself: alive, ready, its schema, its pages for browsers."""

from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.factories import api_client, make_agent, make_ticket, make_workflow
from tickets.api import service
from tickets.api.negotiation import page_or_api


def test_alive_without_a_database(client: Client) -> None:
    assert client.get("/livez").json() == {"success": True}


@pytest.mark.django_db
def test_ready_with_database_and_migrations(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]) == (200, {"database": "ok", "migrations": "ok"})
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: [object()])
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["migrations"]) == (503, "1 not applied")


def test_not_ready_without_a_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_: object) -> None:
        raise OperationalError("no route to secret-host")

    monkeypatch.setattr(service, "MigrationExecutor", unreachable)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["success"]) == (503, False)
    assert b"secret-host" not in answer.content


@pytest.mark.django_db
def test_the_empty_answer_takes_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = api_client(make_agent(make_workflow()))
    with django_assert_num_queries(1):
        assert client.get("/api/ping").json() == {"success": True}


def test_the_schema_is_valid_and_says_everything() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file="/dev/null")


def test_the_schema_is_served(client: Client) -> None:
    schema = client.get("/api/schema/").json()
    assert schema["openapi"].startswith("3.1")
    assert all(path.startswith("/api/") for path in schema["paths"])
    create = schema["paths"]["/api/tickets/create"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/CreateTicket"
    }
    assert {"200", "400", "401", "403", "404", "409", "413", "429", "503"} <= create["responses"].keys()
    assert {"token": []} in create["security"]
    patch = schema["components"]["schemas"]["EditCommentBody"]
    assert "comment_id" not in patch["properties"]
    assert b"openapi:" in client.get("/api/schema/?format=yaml").content
    assert client.get("/api/schema/?format=pdf").status_code == 400
    assert client.get("/api/schema/?fromat=json").json()["error"]["field"] == "fromat"


def test_every_operation_is_documented(client: Client) -> None:
    for path, methods in client.get("/api/schema/").json()["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["responses"]["200"]["content"], (method, path)
            assert operation["responses"]["401"], (method, path)


def assert_local(html: str) -> None:
    """Everything that the page loads is a file of this server."""
    found = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assets = [address for address in found if address.startswith("/static/")]
    assert assets
    for address in assets:
        assert finders.find(address.removeprefix("/static/").partition("?")[0]), address
    loaded = re.findall(r'<(?:script|img)[^>]+src="([^"]+)"', html) + re.findall(r'<link[^>]+href="([^"]+)"', html)
    assert all(address.startswith("/") and not address.startswith("//") for address in loaded), loaded


def test_docs_load_nothing_from_elsewhere(client: Client) -> None:
    answer = client.get("/api/docs/")
    assert answer.status_code == 200
    html = answer.content.decode()
    assert_local(html)
    assert not re.search(r"<script(?![^>]*src=)[^>]*>\s*\S", html)
    policy = answer["Content-Security-Policy"]
    assert "script-src" not in policy
    assert "'unsafe-inline'" in policy
    script = client.get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert b"/api/schema/" in script.content


@pytest.mark.django_db
def test_a_browser_gets_the_browsable_api() -> None:
    agent = make_agent(make_workflow("alpha"), role="maintainer")
    make_ticket(agent, title="<script>alert(1)</script>")
    client = api_client(agent, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    for address in ("/api/workflows/alpha", "/api/workflows/alpha/events", "/api/me", "/api/agents"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/html")
        assert "'unsafe-inline'" in answer["Content-Security-Policy"]
        assert "script-src" not in answer["Content-Security-Policy"]
        assert b"<script>alert" not in answer.content
        assert_local(answer.content.decode())
    missing = client.get("/api/workflows/beta")
    assert (missing.status_code, b"not_found" in missing.content) == (404, True)
    form = client.get("/api/tickets/create")
    assert form.status_code == 405
    assert Client().get("/api/me", headers={"Accept": "text/html"}).status_code == 401
    for page in ("/livez", "/api/ping"):
        assert "'unsafe-inline'" not in client.get(page)["Content-Security-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("address", ["/api/tickets", "/api/tickets?nonsense=1", "/api/tickets/comment", "/api/me"])
def test_a_browser_that_is_refused_gets_a_page(method: str, address: str) -> None:
    agent = make_agent(make_workflow("alpha"))
    html = {"Accept": "text/html"}
    for client in (
        Client(headers=html),
        Client(headers={**html, "Authorization": "Bearer nobodys"}),
        api_client(agent, headers={**html, "X-Agent-ID": "another"}),
        api_client(agent, headers={**html, "X-Agent-ID": "\xff"}),
        api_client(agent, headers=html),
    ):
        answer = client.generic(method, address)
        assert answer.status_code < 500
        assert answer["Content-Type"].startswith("text/html")
    assert Client(headers=html).get("/api/tickets").status_code == 401


def test_one_address_with_two_faces(rf: object) -> None:
    from django.http import HttpRequest, HttpResponse
    from django.test import RequestFactory

    def page(_: HttpRequest) -> HttpResponse:
        return HttpResponse("page")

    def api(_: HttpRequest) -> HttpResponse:
        return HttpResponse("api")

    choose = page_or_api(page, api)
    assert isinstance(rf, RequestFactory)
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    for accept, expected in (
        (browser, b"page"),
        ("text/html;q=0.5, application/json", b"api"),
        ("application/json", b"api"),
        ("*/*", b"api"),
        ("", b"api"),
    ):
        answer = choose(rf.get("/tickets", HTTP_ACCEPT=accept))
        assert isinstance(answer, HttpResponse)
        assert (answer.content, answer["Vary"]) == (expected, "Accept")
    posted = choose(rf.post("/tickets", HTTP_ACCEPT=browser))
    assert isinstance(posted, HttpResponse)
    assert posted.content == b"api"
