"""The pages as the server renders them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.boards.pages import HOSTILE, browser_of, html
from tests.factories import AgentWithToken, make_agent, make_person, make_ticket, make_workflow
from tickets.models import Ticket, Workflow
from tickets.schemas.comments import AddComment
from tickets.schemas.tickets import BlockTicket, ChangeTicketStatus, ClaimTicket, ResolveTicket, UpdateTicket
from tickets.services.blocking import ticket_block
from tickets.services.claims import ticket_claim
from tickets.services.comments import comment_add
from tickets.services.status import ticket_change_status, ticket_resolve
from tickets.services.tickets import ticket_update

pytestmark = pytest.mark.django_db


def card(page: str, ticket: Ticket) -> str:
    found = re.search(rf'<li class="card[^>]*data-ticket-id="{ticket.id}".*?\n</li>', page, re.DOTALL)
    assert found, f"{ticket.key} is not on the page"
    return found[0]


def column(page: str, column_id: str) -> str:
    found = re.search(rf'<section[^>]*data-column="{column_id}".*?</section>', page, re.DOTALL)
    assert found, f"no column {column_id}"
    return found[0]


# ── who may see what ──


def test_the_root_leads_to_the_board(client: Client) -> None:
    assert client.get("/").headers["Location"] == "/tickets"


@pytest.mark.parametrize("address", ["/tickets?workflow=anvil", "/tickets/ANV-1", "/connect"])
def test_who_is_not_signed_in_signs_in_and_comes_back(client: Client, address: str) -> None:
    response = client.get(address, headers={"Accept": "text/html"})
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login?next=/")

    make_person(username="dana")
    response = client.post(response.headers["Location"], {"username": "dana", "password": "secret"})
    assert response.headers["Location"] == address


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_signing_in_leads_to_no_other_site(client: Client, target: str) -> None:
    make_person(username="dana")
    response = client.post("/login", {"username": "dana", "password": "secret", "next": target})
    assert response.headers["Location"] == "/tickets"
    response = client.post("/theme", {"theme": "dark", "next": target})
    assert response.headers["Location"] == "/tickets"


def test_a_wrong_password_is_said_once(client: Client) -> None:
    make_person(username="dana")
    response = client.post("/login", {"username": "dana", "password": "wrong"})
    assert response.content.decode().count("do not match") == 1
    assert "_auth_user_id" not in client.session


def test_signing_out_takes_a_post(browser: Client) -> None:
    assert browser.get("/logout").status_code == 405
    assert browser.post("/logout").headers["Location"] == "/login"
    assert browser.get("/tickets").status_code == 302


def test_a_workflow_of_others_does_not_exist(browser: Client) -> None:
    other = make_workflow("secret-plans", name="Secret plans")
    ticket = make_ticket(make_agent(other), title="Nobody may know")
    for address in ("/tickets?workflow=secret-plans", f"/tickets/{ticket.key}", f"/tickets/{ticket.id}"):
        page = html(browser, address, 404)
        assert "Nothing here" in page
        assert "Nobody may know" not in page
    assert "Secret plans" not in html(browser, "/tickets")
    for part in (f"cards?workflow=secret-plans&ids={ticket.id}", "column?workflow=secret-plans&column=backlog"):
        response = browser.get(f"/tickets/{part}")
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "not_found"
    assert browser.get(f"/tickets/cards?workflow=anvil&ids={ticket.id}").json()["cards"] == []


def test_a_script_without_a_session_is_told_so(client: Client) -> None:
    response = client.get("/tickets/cards?workflow=anvil")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "unauthenticated"


def test_json_is_still_served_at_the_same_address(agent: AgentWithToken, client: Client) -> None:
    ticket = make_ticket(agent)
    headers = {"Authorization": f"Bearer {agent.token}"}
    assert client.get(f"/tickets/{ticket.key}", headers=headers).json()["ticket"]["key"] == ticket.key
    assert client.get("/tickets", headers=headers).json()["tickets"][0]["key"] == ticket.key


# ── the board ──


def test_columns_in_their_order_with_true_counts(agent: AgentWithToken, browser: Client) -> None:
    tickets = [make_ticket(agent, initial_status=status) for status in ("backlog", "backlog", "review")]
    page = html(browser, "/tickets?workflow=anvil")
    ids = re.findall(r'data-column="(\w+)" data-total="(\d+)"', page)
    assert ids == [("backlog", "2"), ("todo", "0"), ("in_progress", "0"), ("review", "1"), ("done", "0")]
    assert card(column(page, "review"), tickets[2])
    assert f'data-seq="{Workflow.objects.get(pk="anvil").event_seq}"' in page
    assert f'data-version="{tickets[0].version}"' in card(page, tickets[0])
    assert "3 tickets · 3 open" in page


def test_a_full_column_says_so_in_words() -> None:
    board = {
        "columns": [
            {"id": "todo", "name": "To do"},
            {"id": "doing", "name": "Doing", "wip_limit": 1},
            {"id": "done", "name": "Done"},
        ],
        "ticket_types": ["task"],
    }
    workflow = make_workflow("small", board=board)
    agent = make_agent(workflow)
    client = browser_of(make_person(workflow))
    make_ticket(agent, initial_status="doing")
    assert "over" not in column(html(client, "/tickets"), "doing")
    make_ticket(agent, initial_status="doing")
    doing = column(html(client, "/tickets"), "doing")
    assert "1 over limit" in doing
    assert "over the WIP limit" in doing
    assert "#i-warn" in doing


def test_what_a_card_says(workflow: Workflow, agent: AgentWithToken, browser: Client) -> None:
    blocker = make_ticket(agent, title="First things first", priority="critical")
    ticket = make_ticket(
        agent,
        title="Then the rest",
        ticket_type="bug",
        priority="high",
        assigned_agent_id="impl-1",
        tags=["web", "live"],
    )
    comment_add(actor=agent.actor, request=AddComment(ticket_id=ticket.id, comment_text="Looked into it already."))
    page = html(browser, "/tickets")
    shown = card(page, ticket)
    for part in (
        "Bug</span>",
        ticket.key,
        "Then the rest",
        "High",
        "impl-1",
        "web</li>",
        "live</li>",
        "1<span",
        "comment",
    ):
        assert part in shown
    assert "avatar-human" not in shown
    assert "No owner" in card(page, blocker)

    ticket_claim(actor=agent.actor, request=ClaimTicket(ticket_id=ticket.id))
    assert "agent-working" in card(html(browser, "/tickets"), ticket)

    ticket_block(actor=agent.actor, request=BlockTicket(ticket_id=ticket.id, blocked_by_ticket_ids=[blocker.id]))
    page = html(browser, "/tickets")
    shown = card(page, ticket)
    assert "is-blocked" in shown
    assert f'Blocked by <a href="/tickets/{blocker.key}">' in shown
    assert "agent-waiting" in shown

    ticket_resolve(actor=agent.actor, request=ResolveTicket(ticket_id=blocker.id, resolution_comment="All done here."))
    page = html(browser, "/tickets")
    assert "Resolved" in card(column(page, "done"), blocker)
    assert "is-blocked" not in card(page, ticket)


def test_people_are_round(workflow: Workflow, browser: Client) -> None:
    person = make_person(workflow, username="dana", first_name="Dana", last_name="Okafor")
    ticket = make_ticket(make_agent(workflow), assigned_agent_id=person.agent.id)
    shown = card(html(browser, "/tickets"), ticket)
    assert "avatar-human" in shown
    assert ">DO</span>" in shown


def test_a_type_with_an_emoji_has_a_name_for_ears() -> None:
    board = {
        "columns": [{"id": "todo", "name": "To do"}, {"id": "done", "name": "Done"}],
        "ticket_types": [{"id": "security", "name": "Security", "icon": "🛡️"}],
    }
    workflow = make_workflow("shield", board=board)
    ticket = make_ticket(make_agent(workflow), ticket_type="security")
    shown = card(html(browser_of(make_person(workflow)), "/tickets"), ticket)
    assert '<span class="type-emoji" role="img" aria-label="Security">🛡️</span>' in shown


def test_forty_cards_and_a_link_to_the_next(agent: AgentWithToken, browser: Client) -> None:
    tickets = [make_ticket(agent) for _ in range(45)]
    backlog = column(html(browser, "/tickets?workflow=anvil"), "backlog")
    assert backlog.count('<li class="card') == 40
    assert "40</span> of <span data-of>45" in backlog
    link = re.search(r'href="([^"]+)" data-more', backlog)
    assert link

    rest = column(html(browser, link[1].replace("&amp;", "&")), "backlog")
    assert re.findall(r'<span class="key">([^<]+)', rest) == [ticket.key for ticket in tickets[40:]]
    assert "Back to the top" in rest

    cursor = re.search(r'data-next="([^"]+)"', backlog)
    assert cursor
    answer = browser.get("/tickets/column", {"workflow": "anvil", "column": "backlog", "after": cursor[1]}).json()
    assert answer["html"].count('<li class="card') == 5
    assert answer["next"] is None
    assert html(browser, "/tickets?workflow=anvil&column=backlog&after=nonsense", 400)


def test_final_columns_show_the_latest_first(agent: AgentWithToken, browser: Client) -> None:
    tickets = [make_ticket(agent) for _ in range(3)]
    for ticket in tickets:
        ticket_resolve(
            actor=agent.actor, request=ResolveTicket(ticket_id=ticket.id, resolution_comment="Done with it.")
        )
    done = column(html(browser, "/tickets"), "done")
    assert re.findall(r'<span class="key">([^<]+)', done) == [ticket.key for ticket in reversed(tickets)]


def test_the_picker_lists_what_one_may_see_and_remembers_the_last() -> None:
    first, second = make_workflow("aaa", name="First yard"), make_workflow("bbb", name="Second yard")
    client = browser_of(make_person(first, second))
    page = html(client, "/tickets?workflow=bbb")
    assert 'href="/tickets?workflow=aaa"' in page
    assert '<h1 class="vh">Second yard, board</h1>' in page
    assert "Second yard, board" in html(client, "/tickets")


def test_first_run_tells_how_to_begin() -> None:
    page = html(browser_of(make_person(superuser=True)), "/tickets")
    assert "Nothing on the anvil yet" in page
    assert "manage.py create_workflow" in page
    assert "manage.py create_agent" in page
    member = make_person()
    page = html(browser_of(member), "/tickets")
    assert "You are a member of no workflow" in page
    assert member.agent.id in page


def test_an_empty_board_shows_its_columns_and_the_way_on(browser: Client) -> None:
    page = html(browser, "/tickets?workflow=anvil")
    assert page.count('class="col-empty"') == 5
    assert "/connect?workflow=anvil" in page
    assert "create_agent impl-1 --workflow anvil" in html(browser, "/connect?workflow=anvil")


def test_the_theme_is_in_the_first_byte(browser: Client) -> None:
    assert "data-theme" not in html(browser, "/tickets").partition("<head>")[0]
    assert browser.post("/theme", {"theme": "dark", "next": "/tickets"}).headers["Location"] == "/tickets"
    assert '<html lang="en" data-theme="dark">' in html(browser, "/tickets")
    browser.post("/theme", {"theme": "system"})
    assert "data-theme" not in html(browser, "/tickets").partition("<head>")[0]


# ── cost ──


def test_queries_do_not_grow_with_tickets(
    workflow: Workflow, agent: AgentWithToken, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser_of(make_person(workflow))
    blocker = make_ticket(agent)
    for _ in range(3):
        make_ticket(agent, blocked_by_ticket_ids=[blocker.id], assigned_agent_id="impl-1")
    html(client, "/tickets?workflow=anvil")
    # Session, user, agent, workflows to pick, this one, leases; a page of each of five columns; members, views.
    # Counts come with the workflow; cards are kept for as long as they say the same.
    with django_assert_num_queries(13):
        html(client, "/tickets?workflow=anvil")
    for _ in range(50):
        make_ticket(agent, blocked_by_ticket_ids=[blocker.id], assigned_agent_id="impl-1")
    # The new cards with their blockers.
    with django_assert_num_queries(15):
        html(client, "/tickets?workflow=anvil")
    with django_assert_num_queries(13):
        html(client, "/tickets?workflow=anvil")
    ids = ",".join(Ticket.objects.values_list("id", flat=True)[:50])
    # Session, user, agent, workflow; leases, heat, cards, blockers.
    with django_assert_num_queries(8):
        assert len(client.get(f"/tickets/cards?workflow=anvil&since=0&ids={ids}").json()["cards"]) == 50


def test_a_card_is_rendered_anew_when_what_it_shows_changes(agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent, assigned_agent_id="impl-1")
    assert "impl-1" in card(html(browser, "/tickets"), ticket)
    ticket.assigned_agent.name = "Renamed"  # type: ignore[union-attr]
    ticket.assigned_agent.save()  # type: ignore[union-attr]
    assert "Renamed" in card(html(browser, "/tickets"), ticket)
    ticket_update(
        actor=agent.actor,
        request=UpdateTicket.model_validate({"ticket_id": ticket.id, "updates": {"title": "Another title"}}),
    )
    assert "Another title" in card(html(browser, "/tickets"), ticket)


# ── what changed ──


def test_changed_cards_say_who_did_what(workflow: Workflow, agent: AgentWithToken, browser: Client) -> None:
    ticket, quiet = make_ticket(agent), make_ticket(agent)
    since = Workflow.objects.get(pk="anvil").event_seq
    ticket_change_status(
        actor=agent.actor,
        request=ChangeTicketStatus(ticket_id=ticket.id, new_status="review", comment="Ready to be looked at."),
    )
    answer = browser.get(f"/tickets/cards?workflow=anvil&since={since}&ids={ticket.id},{quiet.id},nothing").json()
    moved, still = answer["cards"]
    assert moved["column"] == "review"
    assert "is-warm" in moved["html"]
    assert '<b dir="auto">impl-1</b> moved it to <bdi>Review</bdi>' in moved["html"]
    assert "is-warm" not in still["html"]
    assert {head["id"]: head["total"] for head in answer["columns"]}["review"] == 1
    assert "2 tickets" in answer["summary"]


# ── a ticket ──


def test_a_ticket_is_a_page(
    agent: AgentWithToken, browser: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    blocker = make_ticket(agent, title="The blocker")
    ticket = make_ticket(
        agent, title="The ticket", description="Some **bold** words\n\n- one\n- two", blocked_by_ticket_ids=[blocker.id]
    )
    comment_add(actor=agent.actor, request=AddComment(ticket_id=ticket.id, comment_text="With `code` in it, for sure."))
    ticket_update(
        actor=agent.actor, request=UpdateTicket.model_validate({"ticket_id": ticket.id, "updates": {"priority": "low"}})
    )
    page = html(browser, f"/tickets/{ticket.key.lower()}")
    for part in (
        f'data-ticket-id="{ticket.id}"', "<strong>bold</strong>", "<code>code</code>", "created the ticket",
        "changed the priority", "The blocker", "Blocked by",
    ):  # fmt: skip
        assert part in page
    assert html(browser, f"/tickets/{ticket.id[7:20]}").count("The ticket") > 0
    assert html(browser, "/tickets/not-a-ticket", 404)
    with django_assert_num_queries(21):
        html(browser, f"/tickets/{ticket.key}")


# ── hostile text ──


def test_hostile_text_is_text_everywhere() -> None:
    board = {
        "columns": [{"id": "todo", "name": HOSTILE}, {"id": "done", "name": "Done"}],
        "ticket_types": [{"id": "odd", "name": HOSTILE, "icon": "<b>"}],
    }
    workflow = make_workflow("hostile", name=HOSTILE, board=board)
    agent = make_agent(workflow)
    agent_row = agent.actor.agent_id
    from tickets.models import Agent

    Agent.objects.filter(pk=agent_row).update(name=HOSTILE)
    person = make_person(workflow, first_name=HOSTILE[:100])
    client = browser_of(person)
    since = Workflow.objects.get(pk="hostile").event_seq
    ticket = make_ticket(
        agent, title=HOSTILE, description=f"{HOSTILE}\n\n[x](javascript:alert(1)) ![x](https://evil.example/p.png)\n\n{HOSTILE}",
        tags=[HOSTILE[:50]], assigned_agent_id=agent.id, is_blocked=True, blocked_reason=HOSTILE,
    )  # fmt: skip
    comment_add(
        actor=agent.actor, request=AddComment(ticket_id=ticket.id, comment_text=HOSTILE, attachments=["a/<b>.txt"])
    )
    pages = [
        html(client, "/tickets"),
        html(client, "/connect"),
        html(client, f"/tickets/{ticket.key}"),
        *(card["html"] for card in client.get(f"/tickets/cards?since={since}&ids={ticket.id}").json()["cards"]),
        client.get("/tickets/column?column=todo").json()["html"],
    ]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "onerror=alert(1)&gt;" in page
        assert 'href="javascript:' not in page
        assert " style=" not in page


def test_pages_forbid_what_they_do_not_use(browser: Client) -> None:
    policy = browser.get("/tickets").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert "no-cache" in browser.get("/tickets").headers["Cache-Control"]


# ── agents at work ──


def test_a_card_tells_who_is_at_work_and_how_to_free_it_of_a_lost_agent(
    workflow: Workflow, agent: AgentWithToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = make_ticket(agent, title="Left lying")
    ticket_claim(actor=agent.actor, request=ClaimTicket(ticket_id=ticket.id, lease_seconds=600))
    start = timezone.now()
    member, maintainer = (browser_of(make_person(workflow, role=role)) for role in ("member", "maintainer"))
    shown = card(html(member, "/tickets"), ticket)
    assert "agent-working" in shown
    assert re.search(r"<time datetime=\"[^\"]+\" data-age>\ds</time>", shown)
    assert "data-release" not in shown

    monkeypatch.setattr(timezone, "now", lambda: start + timedelta(minutes=14))
    page = html(maintainer, "/tickets")
    shown = card(page, ticket)
    assert "agent-stale" in shown
    assert re.search(r"No heartbeat for <time [^>]+>1[34]m</time>\. <button type=\"button\" data-release>Rel", shown)
    # The card is the same for all; the board says whether the person may.
    assert "data-maintains" in page
    assert "data-maintains" not in html(member, "/tickets")
    answer = maintainer.get("/tickets/cards", {"workflow": "anvil", "ids": ticket.id}).json()
    assert "No heartbeat" in answer["cards"][0]["html"]
    assert "agent-stale" in answer["fleet"]

    monkeypatch.setattr(timezone, "now", lambda: start + timedelta(days=2))
    shown = card(html(maintainer, "/tickets"), ticket)
    assert "agent-offline" in shown
    assert "data-release" not in shown
