"""Who may: roles, strangers, tokens that are no longer good. What is refused reads and writes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from tests.answers import ok, refused
from tests.factories import AgentWithToken, api_client, make_agent, make_person, make_ticket, make_workflow
from tickets.access import actor_for_user
from tickets.api.views import ApiView
from tickets.models import Agent, AgentToken, Event, IdempotencyRecord, Membership, Ticket, TicketComment, TicketHistory
from tickets.schemas.comments import AddComment
from tickets.services.comments import comment_add

pytestmark = pytest.mark.django_db
LONG = "Long enough to say something."
TABLES: tuple[Any, ...] = (
    Ticket,
    TicketComment,
    TicketHistory,
    Event,
    Membership,
    AgentToken,
    Agent,
    IdempotencyRecord,
)


def counts() -> list[int]:
    return [table.objects.count() for table in TABLES]


class Scene:
    """A workflow with an agent of each role, a ticket and a comment, and a stranger with a workflow of their own."""

    def __init__(self) -> None:
        self.workflow = make_workflow("alpha")
        self.viewer = make_agent(self.workflow, role="viewer", agent_id="viewer")
        self.member = make_agent(self.workflow, agent_id="member")
        self.maintainer = make_agent(self.workflow, role="maintainer", agent_id="maintainer")
        self.stranger = make_agent(make_workflow("beta"), role="maintainer", agent_id="stranger")
        self.ticket = make_ticket(self.member, title="A secret title")
        self.other = make_ticket(self.member)
        said = AddComment(ticket_id=self.ticket.id, comment_text="Secretly said.")
        self.comment = comment_add(actor=self.member.actor, request=said).comment_id
        self.token_id = AgentToken.objects.get(agent_id="member").id

    def writes(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Every write of a member: method, address, body."""
        ticket = {"ticket_id": self.ticket.id}
        comment = f"/api/tickets/comments/{self.comment}"
        return [
            ("POST", "/api/tickets/create", {"workflow_id": "alpha", "title": "Abc", "description": LONG}),
            ("POST", "/api/tickets/update", {**ticket, "updates": {"priority": "low"}}),
            ("POST", "/api/tickets/change-status", {**ticket, "new_status": "todo"}),
            ("POST", "/api/tickets/comment", {**ticket, "comment_text": "Hi"}),
            ("POST", "/api/tickets/resolve", {**ticket, "resolution_comment": LONG}),
            ("POST", "/api/tickets/reopen", ticket),
            ("POST", "/api/tickets/move", {**ticket, "before_ticket_id": self.other.id}),
            ("POST", "/api/tickets/assign", {**ticket, "assigned_agent_id": "member"}),
            ("POST", "/api/tickets/block", {**ticket, "reason": "waits"}),
            ("POST", "/api/tickets/unblock", ticket),
            ("POST", "/api/tickets/claim", ticket),
            ("POST", "/api/tickets/heartbeat", {**ticket, "fencing_token": 1}),
            ("POST", "/api/tickets/release", ticket),
            ("POST", "/api/tickets/next", {"workflow_id": "alpha"}),
            (
                "POST",
                "/api/tickets/bulk-create",
                {"workflow_id": "alpha", "tickets": [{"title": "Abc", "description": LONG}]},
            ),
            ("PATCH", comment, {"comment_text": "Changed."}),
            ("DELETE", comment, {}),
            ("POST", f"{comment}/reactions", {"emoji": "👍"}),
            *self.decisions(),
        ]

    def decisions(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What takes a maintainer."""
        ticket = {"ticket_id": self.ticket.id}
        return [
            ("POST", "/api/tickets/approve", ticket),
            ("POST", "/api/tickets/reject", ticket),
            ("PATCH", "/api/workflows/alpha", {"updates": {"name": "Mine"}}),
            ("PUT", "/api/workflows/alpha/board", {"board": {}}),
            ("POST", "/api/workflows/alpha/members", {"member_agent_id": "stranger", "role": "member"}),
            ("POST", "/api/agents", {"new_agent_id": "newcomer", "workflow_id": "alpha"}),
            ("POST", "/api/agents/maintainer/tokens", {}),
        ]

    def reads(self) -> list[str]:
        return [
            "/api/tickets/board-config/alpha",
            "/tickets/board-config/alpha",
            "/api/workflows/alpha",
            "/api/workflows/alpha/board",
            "/api/workflows/alpha/board/export",
            "/api/workflows/alpha/members",
            "/api/workflows/alpha/events",
            "/api/workflows/alpha/approvals",
            "/api/workflows/alpha/claims",
            "/api/agents?workflow_id=alpha",
            "/api/agents/member",
        ]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def no_client(scene: Scene, how: str) -> Client:
    token = AgentToken.objects.filter(agent_id="maintainer")
    if how == "expired":
        token.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "revoked":
        token.update(revoked_at=timezone.now())
    elif how == "missing":
        return api_client(None)
    elif how == "wrong":
        return api_client(scene.maintainer.token + "x")
    elif how == "empty":
        return api_client("")
    elif how == "basic":
        return api_client(None, headers={"Authorization": "Basic bWFpbnRhaW5lcjpzZWNyZXQ="})
    return api_client(scene.maintainer)


@pytest.mark.parametrize("how", ["missing", "expired", "revoked", "wrong", "empty", "basic"])
def test_without_a_good_token_nothing_is_read_or_written(scene: Scene, how: str) -> None:
    client: Any = no_client(scene, how)
    before = counts()
    for address in [*scene.reads(), "/api/ping", "/api/me", "/api/workflows", "/api/agents"]:
        answer = client.get(address)
        refused(answer, 401, "unauthenticated")
        assert answer["WWW-Authenticate"].startswith("Bearer ")
        assert b"ecret" not in answer.content
    for method, address, body in scene.writes():
        refused(client.send(method, address, body), 401, "unauthenticated")
    assert counts() == before


def test_every_address_of_the_api_asks_for_a_credential(client: Client) -> None:
    """Whatever is added later too: addresses are taken from the resolver."""
    open_to_all = {"api/docs/", "api/schema/"}
    asked = 0
    for address, pattern in addresses(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None)
        if view is None or not issubclass(view, ApiView) or address in open_to_all:
            continue
        for method in view.methods:
            answer = getattr(client, method)("/" + address)
            assert answer.status_code == 401, (method, address, answer.content)
            asked += 1
    assert asked > 60


def addresses(patterns: list[Any], prefix: str = "") -> list[tuple[str, URLPattern]]:
    found: list[tuple[str, URLPattern]] = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found += addresses(pattern.url_patterns, prefix + str(pattern.pattern))
        elif "<" in str(pattern.pattern) or "(" not in str(pattern.pattern):
            found.append(((prefix + str(pattern.pattern)).replace("<str:", "x").replace(">", ""), pattern))
    if not found:
        raise ImproperlyConfigured(prefix)
    return found


def test_a_stranger_learns_nothing_and_changes_nothing(scene: Scene) -> None:
    client = api_client(scene.stranger)
    before = counts()
    for address in scene.reads():
        answer = client.get(address)
        refused(answer, 404, "not_found", "agent_id" if address == "/api/agents/member" else "workflow_id")
    for method, address, body in scene.writes():
        answer = client.send(method, address, body)
        if "ppro" in address or "reject" in address:
            # Agents do not decide at all, and hear so before anything is looked up.
            assert answer.status_code == 403
        elif address.endswith("/board"):
            assert answer.status_code in (400, 404)
        else:
            assert answer.status_code == 404, (address, answer.content)
        assert b"ecret" not in answer.content
    refused(client.write(f"/api/tokens/{scene.token_id}/revoke"), 404, "not_found", "token_id")
    refused(client.get("/api/agents/member/tokens"), 404, "not_found", "for_agent_id")
    body = client.write("/api/tickets/bulk-update", {"ticket_ids": [scene.ticket.key], "updates": {"priority": "low"}})
    assert body.json()["results"][0]["error"]["code"] == "not_found"
    assert counts() == before
    assert ok(client.get("/api/workflows"))["total_count"] == 1
    assert {row["agent_id"] for row in ok(client.get("/api/agents"))["agents"]} == {"stranger", "system"}


def test_a_workflow_that_is_not_mine_answers_like_one_that_is_not(scene: Scene) -> None:
    client = api_client(scene.stranger)
    for address in ("/api/workflows/{}", "/api/workflows/{}/events", "/api/tickets/board-config/{}"):
        mine, none = client.get(address.format("alpha")), client.get(address.format("gamma"))
        assert mine.content.replace(b"alpha", b"gamma") == none.content


def test_a_viewer_reads_and_writes_nothing(scene: Scene) -> None:
    client = api_client(scene.viewer)
    before = counts()
    for address in scene.reads():
        ok_or_file = client.get(address)
        assert ok_or_file.status_code == 200, (address, ok_or_file.content)
    for method, address, body in scene.writes():
        answer = client.send(method, address, body)
        assert answer.status_code == 403 or address.endswith("/board"), (address, answer.content)
    assert counts() == before


def test_a_member_does_not_decide(scene: Scene) -> None:
    client = api_client(scene.member)
    before = counts()
    for method, address, body in scene.decisions():
        answer = client.send(method, address, body)
        assert answer.status_code == 403 or address.endswith("/board"), (address, answer.content)
    assert counts() == before
    board = client.get("/api/workflows/alpha/board/export").json()
    refused(client.send("PUT", "/api/workflows/alpha/board", {"board": board}), 403, "forbidden")


def test_identity_comes_from_the_credential(scene: Scene) -> None:
    client = api_client(scene.member)
    sent = {"ticket_id": scene.ticket.id, "comment_text": "Hi"}
    before = counts()
    for answer in (
        client.write("/api/tickets/comment", {**sent, "agent_id": "maintainer"}),
        client.write("/api/tickets/comment?agent_id=maintainer", sent),
        client.write("/api/tickets/comment?agent_id=maintainer", {**sent, "agent_id": "member"}),
        client.get("/api/workflows/alpha?agent_id=maintainer"),
    ):
        refused(answer, 403, "identity_mismatch", "agent_id")
    header = {"X-Agent-ID": "maintainer"}
    for answer in (
        client.write("/api/tickets/comment", sent, headers=header),
        client.get("/api/ping", headers=header),
        client.get("/api/me", headers=header),
    ):
        refused(answer, 403, "identity_mismatch", "X-Agent-ID")
    assert counts() == before
    named = client.write(
        "/api/tickets/comment?agent_id=member", {**sent, "agent_id": "member"}, headers={"X-Agent-ID": "member"}
    )
    ok(named)


def test_a_gateway_acts_for_the_agents_of_its_workflows(scene: Scene) -> None:
    gateway = make_agent(scene.workflow, agent_id="gateway", gateway=True)
    client = api_client(gateway)
    sent = {"ticket_id": scene.ticket.id, "comment_text": "Hi"}
    for answer in (
        client.write("/api/tickets/comment", {**sent, "agent_id": "member"}),
        client.write("/api/tickets/comment", sent, headers={"X-Agent-ID": "member"}),
    ):
        comment = TicketComment.objects.get(pk=ok(answer)["comment_id"])
        assert (comment.agent_id, comment.via_agent_id) == ("member", "gateway")
    row = TicketHistory.objects.filter(change_type="commented").latest("id")
    assert (row.agent_id, row.via_agent_id) == ("member", "gateway")
    me = ok(client.get("/api/me", headers={"X-Agent-ID": "member"}))
    assert (me["agent"]["agent_id"], me["via_agent_id"]) == ("member", "gateway")
    refused(
        client.write("/api/tickets/comment", {**sent, "agent_id": "stranger"}), 403, "identity_mismatch", "agent_id"
    )
    refused(client.write("/api/tickets/comment", {**sent, "agent_id": "system"}), 403, "identity_mismatch", "agent_id")
    both = client.write("/api/tickets/comment", {**sent, "agent_id": "viewer"}, headers={"X-Agent-ID": "member"})
    refused(both, 403, "identity_mismatch", "agent_id")
    as_viewer = client.write("/api/tickets/comment", {**sent, "agent_id": "viewer"})
    refused(as_viewer, 403, "forbidden")


def test_a_person_needs_the_csrf_token(scene: Scene) -> None:
    person = make_person(scene.workflow)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(person)
    sent = {"ticket_id": scene.ticket.id, "comment_text": "Hi"}
    before = counts()
    assert (
        "CSRF"
        in refused(browser.post("/api/tickets/comment", sent, content_type="application/json"), 403, "forbidden")[
            "message"
        ]
    )
    assert counts() == before
    ok(browser.get("/api/me"))
    browser.get("/api/me", headers={"Accept": "text/html"})
    from django.conf import settings

    token = browser.cookies[settings.CSRF_COOKIE_NAME].value
    answer = browser.post("/api/tickets/comment", sent, content_type="application/json", headers={"X-CSRFToken": token})
    assert TicketComment.objects.get(pk=ok(answer)["comment_id"]).agent_id == actor_for_user(person).agent_id
    foreign = browser.post(
        "/api/tickets/comment", sent, content_type="application/json",
        headers={"X-CSRFToken": token, "Origin": "https://evil.example"},
    )  # fmt: skip
    refused(foreign, 403, "forbidden")


def test_a_person_who_was_locked_out_is_out(scene: Scene) -> None:
    person = make_person(scene.workflow)
    browser = Client()
    browser.force_login(person)
    ok(browser.get("/api/me"))
    person.is_active = False
    person.save()
    refused(browser.get("/api/me"), 401, "unauthenticated")


def test_a_superuser_is_maintainer_everywhere(scene: Scene) -> None:
    browser = Client()
    browser.force_login(make_person(superuser=True))
    assert ok(browser.get("/api/workflows"))["total_count"] == 2
    sent = {"updates": {"name": "Renamed"}}
    answer = browser.patch("/api/workflows/alpha", sent, content_type="application/json")
    assert ok(answer)["workflow"]["name"] == "Renamed"


@pytest.mark.parametrize("name", ["token", "access_token", "api_key"])
def test_a_token_in_the_address_is_refused(scene: Scene, name: str) -> None:
    error = refused(api_client(None).get(f"/api/ping?{name}={scene.member.token}"), 401, "unauthenticated")
    assert scene.member.token not in error["message"]
    refused(api_client(scene.member).get(f"/api/me?{name}={scene.member.token}"), 401, "unauthenticated")


def test_a_token_keeps_its_last_use(scene: Scene) -> None:
    AgentToken.objects.update(last_used_at=None)
    ok(api_client(scene.member).get("/api/ping"))
    assert AgentToken.objects.get(agent_id="member").last_used_at is not None
    assert Agent.objects.get(pk="member").last_seen_at is not None


def agents_of(answer: Any) -> list[str]:
    return [row["agent_id"] for row in ok(answer)["agents"]]


def test_agents_with_whom_one_shares_a_workflow_are_known(scene: Scene) -> None:
    assert {"viewer", "member", "maintainer"} <= set(agents_of(api_client(scene.viewer).get("/api/agents")))
    assert "stranger" not in agents_of(api_client(scene.viewer).get("/api/agents"))


def test_a_bearer_scheme_is_read_in_any_case(scene: Scene) -> None:
    agent: AgentWithToken = scene.member
    for header in (f"bearer {agent.token}", f"BEARER  {agent.token} "):
        ok(api_client(None, headers={"Authorization": header}).get("/api/ping"))
