"""A person's own page, and signing in: what is kept, what is refused, who is locked out."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from boards.web.account import attempts
from tests.factories import ApiClient, api_client, make_agent, make_person, make_ticket, make_workflow
from tickets.access import actor_for_user
from tickets.models import Agent, AgentToken, Workflow

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"
PAGE = {"Accept": "text/html"}


@pytest.fixture(autouse=True)
def _no_attempts() -> None:
    cache.clear()


@pytest.fixture
def anvil() -> Workflow:
    return make_workflow("anvil", name="Anvil", key_prefix="ANV")


@pytest.fixture
def dana(anvil: Workflow) -> Any:
    return make_person(anvil, username="dana", first_name="Dana", last_name="Okafor")


@pytest.fixture
def browser(dana: Any) -> ApiClient:
    client = ApiClient()
    client.force_login(dana)
    return client


def html(client: Client, address: str = "/profile", status: int = 200) -> str:
    response = client.get(address, headers=PAGE)
    assert response.status_code == status, response.content.decode()
    return response.content.decode()


# ── the page ──


def test_it_needs_a_sign_in(client: Client) -> None:
    assert client.get("/profile").headers["Location"] == "/login?next=/profile"
    assert client.post("/profile/password").headers["Location"] == "/login?next=/profile"
    assert client.get("/profile/password").status_code == 405


def test_it_tells_who_one_is_and_where_one_belongs(browser: Client, dana: Any) -> None:
    secret = make_workflow("secret", name="Secret plans")
    make_workflow("other", name=HOSTILE)
    page = html(browser)
    assert 'value="Dana Okafor"' in page
    assert "<b>dana</b>" in page
    assert "Anvil" in page
    assert '<span class="pill">member</span>' in page
    assert secret.name not in page
    assert 'href="/profile"' in html(browser, "/tickets"), "the avatar's menu leads there"


def test_it_works_for_a_member_of_nothing() -> None:
    client = Client()
    person = make_person(username="new")
    client.force_login(person)
    page = html(client)
    assert "You are a member of none" in page
    assert person.agent.id in page


def test_hostile_names_are_text(browser: ApiClient, dana: Any) -> None:
    agent = dana.agent
    path = f"/api/agents/{agent.id}"
    token = browser.write(f"{path}/tokens", {"label": HOSTILE})
    assert token.status_code == 200
    assert browser.send("PATCH", path, {"name": HOSTILE}).status_code == 200
    page = html(browser)
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4


# ── the name ──


def test_a_name_is_changed_everywhere(browser: ApiClient, dana: Any, anvil: Workflow) -> None:
    ticket = make_ticket(actor_for_user(dana), anvil, assigned_agent_id=dana.agent.id)
    answer = browser.send("PATCH", f"/api/agents/{dana.agent.id}", {"name": "  Dana O. "})
    assert answer.json()["agent"]["name"] == "Dana O."
    dana.refresh_from_db()
    assert dana.get_full_name() == "Dana O."
    assert "Dana O." in html(browser, f"/tickets/{ticket.key}")
    assert "Dana O.: profile" in html(browser)


@pytest.mark.parametrize("name", ["", "   ", "x" * 151, "a\x00b"])
def test_what_is_no_name_is_refused(browser: ApiClient, dana: Any, name: str) -> None:
    answer = browser.send("PATCH", f"/api/agents/{dana.agent.id}", {"name": name})
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "name"
    assert Agent.objects.get(pk=dana.agent.id).name == "Dana Okafor"


def test_nobody_names_another(anvil: Workflow, dana: Any) -> None:
    member, stranger = make_agent(anvil), make_agent(make_workflow())
    path = f"/api/agents/{dana.agent.id}"
    assert api_client(member).send("PATCH", path, {"name": "Mallory"}).status_code == 403
    assert api_client(stranger).send("PATCH", path, {"name": "Mallory"}).status_code == 404
    maintainer = make_agent(anvil, role="maintainer")
    assert api_client(maintainer).send("PATCH", path, {"name": "Mallory"}).status_code == 403
    named = api_client(maintainer).send("PATCH", f"/api/agents/{member.id}", {"name": "Worker"})
    assert named.json()["agent"]["name"] == "Worker"
    assert Agent.objects.get(pk=dana.agent.id).name == "Dana Okafor"


# ── the zone ──


def test_times_are_shown_in_the_persons_zone(browser: ApiClient, dana: Any, anvil: Workflow) -> None:
    ticket = make_ticket(actor_for_user(dana), anvil)
    created = f'title="{ticket.created_at:%Y-%m-%d %H:%M} UTC"'
    assert created in html(browser, f"/tickets/{ticket.key}")
    assert browser.post("/timezone", {"zone": "Asia/Tokyo", "next": "/profile"}).headers["Location"] == "/profile"
    there = ticket.created_at + timedelta(hours=9)
    assert f'title="{there:%Y-%m-%d %H:%M} JST"' in html(browser, f"/tickets/{ticket.key}")
    assert f"{there:%H:%M} JST" in html(browser, f"/tickets/{ticket.key}/sheet")
    assert '<option value="Asia/Tokyo" selected>' in html(browser)
    # A zone without letters of its own says how far it is from UTC.
    browser.post("/timezone", {"zone": "America/Sao_Paulo"})
    assert f"{ticket.created_at - timedelta(hours=3):%H:%M} UTC-03" in html(browser, f"/tickets/{ticket.key}")
    # The API goes on in UTC, for the same person.
    detail = browser.get(f"/api/tickets/{ticket.key}", headers={"Accept": "application/json"}).json()
    assert detail["created_at"].endswith("Z")
    browser.post("/timezone", {"zone": "UTC"})
    assert created in html(browser, f"/tickets/{ticket.key}")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", "\x00", "Europe/Berlin\r\nX: y", "x" * 9000])
def test_what_is_no_zone_is_utc(browser: ApiClient, zone: str) -> None:
    response = browser.post("/timezone", {"zone": zone, "next": "https://evil.example/"})
    assert response.headers["Location"] == "/tickets"
    browser.cookies["hephaestus_zone"] = zone.replace("\r\n", "")
    assert '<option value="UTC" selected>' in html(browser)


# ── the password ──


def test_a_password_is_changed_and_the_session_stays(browser: Client, dana: Any) -> None:
    other = Client()
    other.force_login(dana)
    fields = {"old_password": "secret", "new_password1": "anvil-and-tongs-9", "new_password2": "anvil-and-tongs-9"}
    response = browser.post("/profile/password", fields)
    assert response.headers["Location"] == "/profile?changed=password#password"
    assert "Your password is changed" in html(browser, "/profile?changed=password")
    assert other.get("/profile").status_code == 302, "signed out elsewhere"
    dana.refresh_from_db()
    assert dana.check_password("anvil-and-tongs-9")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"old_password": "wrong"}, "That is not your present password."),
        ({"new_password2": "another-one-9"}, "The two new passwords differ."),
        ({"new_password1": "short", "new_password2": "short"}, "too short"),
        ({"new_password1": "password1", "new_password2": "password1"}, "too common"),
        ({"new_password1": "", "new_password2": ""}, "This is needed."),
    ],
)
def test_a_refused_password_says_why(browser: Client, dana: Any, fields: dict[str, str], said: str) -> None:
    given = {"old_password": "secret", "new_password1": "anvil-and-tongs-9", "new_password2": "anvil-and-tongs-9"}
    response = browser.post("/profile/password", {**given, **fields})
    assert response.status_code == 422
    page = response.content.decode()
    assert said in page
    assert 'aria-invalid="true"' in page
    assert "anvil-and-tongs-9" not in page, "no password comes back"
    assert "no-store" in response.headers["Cache-Control"]
    dana.refresh_from_db()
    assert dana.check_password("secret")


def test_a_session_left_open_is_no_way_to_guess_the_password(browser: Client) -> None:
    for _ in range(attempts.LIMIT):
        assert browser.post("/profile/password", {"old_password": "wrong"}).status_code == 422
    response = browser.post("/profile/password", {"old_password": "secret"})
    assert response.status_code == 429
    assert "Too many wrong passwords" in response.content.decode()


# ── tokens ──


def test_tokens_are_listed_with_what_became_of_them(browser: ApiClient, dana: Any) -> None:
    path = f"/api/agents/{dana.agent.id}/tokens"
    issued = browser.write(path, {"label": "Laptop", "expires_at": "2040-01-02T00:00:00Z"}).json()
    page = html(browser)
    assert issued["token"] not in page
    assert f"<code>{issued['token'][:8]}…</code>" in page
    assert "Laptop" in page
    assert "2040-01-02 00:00 UTC" in page
    assert "never used" in page
    api_client(issued["token"]).get("/api/me")
    assert "never used" not in html(browser)
    assert browser.write(f"/api/tokens/{issued['detail']['token_id']}/revoke").status_code == 200
    row = re.search(r'<li class="token-row is-over".*?</li>', html(browser), re.DOTALL)
    assert row
    assert "revoked" in row[0]
    assert "data-revoke" not in row[0]
    assert api_client(issued["token"]).get("/api/me").status_code == 401
    token = browser.write(path, {"label": "Old"}).json()["detail"]["token_id"]
    AgentToken.objects.filter(pk=token).update(expires_at=timezone.now() - timedelta(days=1))
    assert "expired" in html(browser)


def test_tokens_of_others_are_not_listed(browser: Client, anvil: Workflow) -> None:
    token = make_agent(anvil).token
    assert token[:8] not in html(browser)


# ── signing in ──


def sign_in(client: Client, password: str, name: str = "dana", address: str = "10.0.0.1") -> Any:
    return client.post("/login", {"username": name, "password": password}, REMOTE_ADDR=address)


def test_the_form_suits_password_managers(client: Client) -> None:
    page = html(client, "/login")
    assert re.search(r'<input[^>]*name="username"[^>]*autocomplete="username"', page)
    assert re.search(r'<input[^>]*name="password"[^>]*autocomplete="current-password"', page)
    assert "You will go on" not in page
    assert "You will go on where you were" in html(client, "/login?next=/tickets/ANV-1")


def test_too_many_wrong_passwords_are_refused_untried(dana: Any) -> None:
    client = Client()
    for _ in range(attempts.LIMIT):
        response = sign_in(client, "wrong")
        assert response.status_code == 200
        assert "do not match" in response.content.decode()
    response = sign_in(client, "secret")
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= attempts.WINDOW
    assert "Too many wrong passwords. Try again in 15 minutes." in response.content.decode()
    assert sign_in(client, "secret", name=" DANA ").status_code == 429, "the same name in other letters"


def test_nobody_locks_another_out_from_elsewhere(dana: Any) -> None:
    make_person(username="ben")
    mallory = Client()
    for _ in range(attempts.LIMIT + 1):
        sign_in(mallory, "guess", address="10.6.6.6")
    assert sign_in(Client(), "secret").status_code == 302
    assert sign_in(Client(), "secret", name="ben", address="10.6.6.6").status_code == 302


def test_a_browser_that_has_signed_in_is_not_locked_out_by_others_at_its_address(dana: Any) -> None:
    known, mallory = Client(), Client()
    assert sign_in(known, "secret").status_code == 302
    known.post("/logout")
    for _ in range(attempts.LIMIT + 1):
        sign_in(mallory, "guess")
    assert sign_in(mallory, "secret").status_code == 429
    assert sign_in(known, "secret").status_code == 302
    # It has a count of its own, and its proof is for one name only, and cannot be made up.
    known.post("/logout")
    for _ in range(attempts.LIMIT):
        assert sign_in(known, "guess").status_code == 200
    assert sign_in(known, "secret").status_code == 429
    mallory.cookies[attempts.KNOWN] = known.cookies[attempts.KNOWN].value[:-2] + "xx"
    assert sign_in(mallory, "secret").status_code == 429


def test_a_right_password_ends_the_count(dana: Any) -> None:
    for _ in range(3):
        client = Client()
        for _ in range(attempts.LIMIT - 1):
            sign_in(client, "wrong")
        assert sign_in(client, "secret").status_code == 302


def test_the_count_ends_by_itself(dana: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(attempts.LIMIT):
        sign_in(Client(), "wrong")
    assert sign_in(Client(), "secret").status_code == 429
    now = time.time() + attempts.WINDOW + 1
    monkeypatch.setattr(time, "time", lambda: now)
    assert sign_in(Client(), "secret").status_code == 302


def test_the_admins_own_form_has_the_same_limit() -> None:
    make_person(username="root", superuser=True)
    fields = {"username": "root", "next": "/admin/"}
    client = Client()
    for _ in range(attempts.LIMIT):
        client.post("/admin/login/", {**fields, "password": "wrong"})
    response = client.post("/admin/login/", {**fields, "password": "secret"})
    assert "Too many wrong passwords" in response.content.decode()
    assert sign_in(client, "secret", name="root", address="127.0.0.1").status_code == 429


@pytest.mark.parametrize("name", ["", "\x00", "x" * 5000, HOSTILE, "dana\n"])
def test_hostile_names_sign_nobody_in(client: Client, dana: Any, name: str) -> None:
    response = client.post("/login", {"username": name, "password": "x"})
    assert response.status_code == 200
    assert HOSTILE not in response.content.decode()
