"""What makes the site installable, and the pages that stand where something went wrong."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, RequestFactory, override_settings

from boards.web import shell
from boards.web.frame import SECTIONS
from tests.factories import make_person, make_workflow
from tickets.api.errors import csrf_failure, handler400, handler403, handler500

HOSTILE = "<script>alert(1)</script>"
PAGE = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}


def static_file(url: str) -> Path:
    assert url.startswith("/static/")
    return Path(settings.BASE_DIR) / "static" / url.removeprefix("/static/")


# ── installable ──


def test_the_manifest_names_icons_that_are_there(client: Client) -> None:
    response = client.get("/manifest.webmanifest")
    assert response.headers["Content-Type"] == "application/manifest+json"
    manifest = json.loads(response.content)
    assert manifest["display"] == "standalone"
    assert manifest["start_url"] == "/tickets"
    assert manifest["scope"] == "/"
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    for icon in manifest["icons"]:
        data = static_file(icon["src"]).read_bytes()
        if icon["type"] == "image/png":
            size = struct.unpack(">II", data[16:24])
            assert icon["sizes"] == f"{size[0]}x{size[1]}"
            assert len(data) < 20_000
        else:
            assert data.startswith(b"<svg")
    assert [shortcut["url"] for shortcut in manifest["shortcuts"]] == [one.address for one in SECTIONS if one.is_main]


def test_the_worker_serves_the_whole_site_and_is_asked_for_anew(client: Client) -> None:
    response = client.get("/sw.js")
    assert response.headers["Content-Type"].startswith("text/javascript")
    assert response.headers["Cache-Control"] == "no-cache"
    kept = json.loads(re.match(r"const SHELL = (\{.*\});", response.content.decode())[1])  # type: ignore[index]
    assert kept["version"] == shell.static_version()
    for url in kept["files"]:
        assert static_file(url).is_file(), url
    again = client.get("/sw.js", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304
    assert client.get("/sw.js", headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.post("/sw.js").status_code == 405


def test_the_offline_page_needs_nothing_that_is_not_kept(client: Client) -> None:
    page = client.get("/offline").content.decode()
    kept = {*re.findall(r'(?:href|src)="/static/([^"#]*)', page)}
    # The icon of the home screen is the system's to fetch.
    assert kept - {"icons/mark-maskable-192.png"} <= set(shell.SHELL)
    assert "data-offline-retry" in page


def test_the_version_follows_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    monkeypatch.setattr(shell, "STATIC", tmp_path / "static")
    for name in ("static/a.css", "templates/base.html", "templates/offline.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one")
    first = shell.static_version()
    assert shell.static_version() == first
    (tmp_path / "static/a.css").write_text("other")
    second = shell.static_version()
    assert second != first
    (tmp_path / "static/a.css").rename(tmp_path / "static/b.css")
    assert shell.static_version() not in (first, second)


@pytest.mark.django_db
def test_every_page_names_manifest_and_colours(client: Client) -> None:
    page = client.get("/login").content.decode()
    assert '<link rel="manifest" href="/manifest.webmanifest">' in page
    assert page.count('name="theme-color"') == 2
    client.cookies["hephaestus_theme"] = "dark"
    assert client.get("/login").content.decode().count('name="theme-color"') == 1


def test_the_policy_lets_worker_and_manifest_come_from_here_alone(client: Client) -> None:
    policy = client.get("/offline").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "worker-src" not in policy
    assert "manifest-src" not in policy


# ── pages where something went wrong ──


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"/tickets/{HOSTILE}", 404),
        (f"/nowhere/{HOSTILE}", 404),
        (f"/tickets?workflow={HOSTILE}", 404),
        (f"/tickets?workflow=anvil&sort={HOSTILE}", 400),
        ("/tickets?workflow=%00", 404),
    ],
)
def test_pages_of_errors_escape_what_was_asked_for(address: str, status: int) -> None:
    client = Client()
    client.force_login(make_person(make_workflow("anvil")))
    response = client.get(address, headers=PAGE)
    assert response.status_code == status
    page = response.content.decode()
    assert HOSTILE not in page
    assert f'<p class="code">{status}</p>' in page
    assert 'href="/tickets"' in page


@pytest.mark.django_db
def test_the_page_of_a_refused_address_says_what_it_takes(client: Client) -> None:
    client.force_login(make_person(make_workflow("anvil")))
    page = client.get("/attention?group=rust", headers=PAGE).content.decode()
    assert '<p class="code">400</p>' in page
    assert "group" in page
    assert "ownerless" in page


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_pages_of_errors_need_no_database_and_keep_the_theme(
    rf: RequestFactory, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("asked the database")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    rf.cookies["hephaestus_theme"] = theme
    request = rf.get("/tickets", headers=PAGE)
    answers = {
        400: handler400(request, ValueError("x")),
        403: handler403(request, PermissionError(HOSTILE)),
        500: handler500(request),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        page = answer.content.decode()
        assert f'data-theme="{theme}"' in page
        assert f'<p class="code">{status}</p>' in page
        assert HOSTILE not in page
    forged = csrf_failure(request, HOSTILE)
    assert forged.status_code == 403
    assert "This form is no longer valid" in forged.content.decode()
    assert f'data-theme="{theme}"' in forged.content.decode()
    assert HOSTILE not in forged.content.decode()


def test_a_form_without_its_token_is_told_so() -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/theme", {"theme": "dark"}, headers=PAGE)
    assert response.status_code == 403
    assert "This form is no longer valid" in response.content.decode()


def test_the_api_answers_json_whatever_happens(rf: RequestFactory) -> None:
    request = rf.get("/api/tickets/get", headers=PAGE)
    for answer in (handler400(request, ValueError()), handler403(request, PermissionError()), handler500(request)):
        assert answer.headers["Content-Type"] == "application/json"
        assert json.loads(answer.content)["success"] is False
    assert json.loads(csrf_failure(request, "x").content)["error"]["code"] == "forbidden"


@pytest.mark.django_db
@override_settings(ALLOWED_HOSTS=["good.example"])
def test_a_foreign_host_gets_the_page_of_a_bad_request(client: Client) -> None:
    response = client.get("/login", headers={**PAGE, "Host": "evil.example"})
    assert response.status_code == 400
    assert "evil.example" not in response.content.decode()
