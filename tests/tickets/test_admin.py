"""The admin: every page opens, nothing is written around the services, lists stay fast."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from boards.models import SavedView
from gitlinks.models import CommitScan, Worktree
from gitlinks.repository import Commit
from gitlinks.services import commit_link
from tests.factories import AgentWithToken, make_agent, make_person, make_ticket, make_workflow
from tickets.access import authenticate_token, system_actor
from tickets.errors import Unauthenticated
from tickets.models import (
    Agent,
    AgentToken,
    Event,
    IdempotencyRecord,
    InboxEntry,
    InboxPosition,
    Membership,
    Task,
    Ticket,
    Workflow,
)
from tickets.schemas.comments import AddComment
from tickets.schemas.tickets import ClaimTicket, TicketUpdates, UpdateTicket
from tickets.services.claims import ticket_claim
from tickets.services.comments import comment_add
from tickets.services.tickets import ticket_update
from tickets.unit import open_ticket

pytestmark = pytest.mark.django_db

OUR_APPS = {"tickets", "boards", "gitlinks"}
MODELS = [model for model in admin.site._registry if model._meta.app_label in OUR_APPS]


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("admin-flow")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="worker:1.a")


@pytest.fixture
def superuser() -> Any:
    # Without a password, since hashing one takes longer than most of these tests.
    return User.objects.create(username="root", is_superuser=True, is_staff=True)


@pytest.fixture
def browser(client: Client, superuser: Any) -> Client:
    client.force_login(superuser)
    return client


def fill(agent: AgentWithToken, count: int = 1) -> None:
    """At least ``count`` rows in every table that has an admin page."""
    for number in range(count):
        blocker = make_ticket(agent, priority="high", tags=["x"])
        ticket = make_ticket(agent, blocked_by_ticket_ids=[blocker.key], parent_ticket_id=blocker.key)
        comment_add(actor=agent.actor, request=AddComment(ticket_id=ticket.key, comment_text="Looks right to me."))
        ticket_claim(actor=agent.actor, request=ClaimTicket(ticket_id=blocker.key))
        commit = Commit(f"{number:040x}", "A", "a@example.org", timezone.now(), "Add x", 1, 0, ("x",))
        with open_ticket(system_actor(), ticket.id) as (unit, row):
            commit_link(unit, row, commit)
        Task.objects.create(id=f"task-{ticket.id}", workflow_id=ticket.workflow_id, ticket=ticket,
                            created_by_agent_id=agent.id, description="d")  # fmt: skip
        where = {"workflow_id": ticket.workflow_id, "repository": f"/repositories/x/{ticket.id}"}
        CommitScan.objects.create(**where)
        Worktree.objects.create(
            **where, id=f"worktree-{ticket.id}"[:60], task_id=f"task-{ticket.id}", agent_id=agent.id
        )
        IdempotencyRecord.objects.create(agent_id=agent.id, key=ticket.id, operation="x", request_hash="x", answer={})
        InboxEntry.objects.create(recipient=agent.id, workflow_id=ticket.workflow_id, seq=ticket.number)
        InboxPosition.objects.get_or_create(agent_id=agent.id, workflow_id=ticket.workflow_id)
        SavedView.objects.create(
            id=f"view-{ticket.id}", workflow_id=ticket.workflow_id, owner_agent_id=agent.id, name=ticket.key
        )
        other = make_workflow(board={**BOARD, "settings": {"ticket_human_review": True}})
        make_ticket(make_agent(other), other)


BOARD = {
    "columns": [{"id": "open", "name": "Open"}, {"id": "done", "name": "Done"}],
    "ticket_types": [{"id": "task", "name": "Task"}],
}


def page(model: type[Model], kind: str, *arguments: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=arguments)


def test_every_model_of_an_operators_interest_has_a_page() -> None:
    # Shown as part of their ticket, their comment or their agent.
    inside = {"TicketTag", "CommentReaction"}
    expected = {model.__name__ for label in OUR_APPS for model in apps.get_app_config(label).get_models()} - inside
    assert {model.__name__ for model in MODELS} == expected


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_list_and_row_open_and_offer_no_writing(model: type[Model], browser: Client, agent: AgentWithToken) -> None:
    fill(agent)
    row = model._default_manager.first()
    assert row is not None

    listed = browser.get(page(model, "changelist"), {"q": "x"})
    assert listed.status_code == 200
    assert browser.get(page(model, "changelist")).context["cl"].result_count > 0
    shown = browser.get(page(model, "change", quote(row.pk)))
    assert shown.status_code == 200
    assert 'name="_save"' not in shown.content.decode()

    assert browser.get(page(model, "add")).status_code == 403
    assert browser.post(page(model, "delete", quote(row.pk)), {"post": "yes"}).status_code == 403
    assert browser.post(page(model, "change", quote(row.pk)), {}).status_code == 403
    assert "delete_selected" not in listed.content.decode()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_lists_queries_do_not_grow_with_its_rows(model: type[Model], browser: Client, agent: AgentWithToken) -> None:
    fill(agent)
    few = queries(browser, page(model, "changelist"))
    fill(agent, 4)
    assert queries(browser, page(model, "changelist")) <= few


def test_a_tickets_page_has_a_fixed_number_of_queries_and_shows_what_hangs_on_it(
    browser: Client, agent: AgentWithToken
) -> None:
    blocker = make_ticket(agent, title="The blocker")
    ticket = make_ticket(agent, blocked_by_ticket_ids=[blocker.key])
    comment_add(actor=agent.actor, request=AddComment(ticket_id=ticket.key, comment_text="First words"))
    few = queries(browser, page(Ticket, "change", ticket.pk))
    for number in range(60):
        comment_add(actor=agent.actor, request=AddComment(ticket_id=ticket.key, comment_text=f"Word {number}"))
    make_ticket(agent, blocked_by_ticket_ids=[ticket.key])
    updates = TicketUpdates(blocked_by_add=[make_ticket(agent).key])
    ticket_update(actor=agent.actor, request=UpdateTicket(ticket_id=ticket.key, updates=updates))

    assert queries(browser, page(Ticket, "change", ticket.pk)) == few
    shown = browser.get(page(Ticket, "change", ticket.pk)).content.decode()
    assert "The blocker" in shown
    assert "Word 59" in shown
    assert "First words" not in shown  # the newest 50 alone


def queries(browser: Client, url: str) -> int:
    browser.get(url)  # the first request of a session reads more
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(url).status_code == 200
    return len(captured)


def test_a_token_is_issued_shown_once_and_works(browser: Client, agent: AgentWithToken) -> None:
    url = reverse("admin:tickets_agent_issue_token", args=[quote(agent.id)])
    assert url in browser.get(page(Agent, "change", quote(agent.id))).content.decode()
    assert browser.get(url).status_code == 200

    answer = browser.post(url, {"label": "from the admin", "expires_at_0": "2099-01-01", "expires_at_1": "12:00"})
    token = answer.context["token"]
    assert token in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert authenticate_token(token).agent_id == agent.id
    row = AgentToken.objects.get(label="from the admin")
    assert row.expires_at is not None
    assert row.expires_at.isoformat() == "2099-01-01T12:00:00+00:00"
    shown = browser.get(page(AgentToken, "change", row.pk)).content.decode()
    assert token not in shown
    assert row.token_hash not in shown


def test_an_expiry_in_the_past_is_refused_at_its_field(browser: Client, agent: AgentWithToken) -> None:
    url = reverse("admin:tickets_agent_issue_token", args=[quote(agent.id)])
    before = AgentToken.objects.count()
    answer = browser.post(url, {"expires_at_0": "2001-01-01", "expires_at_1": "12:00"})
    assert "expires_at" in answer.context["form"].errors
    assert AgentToken.objects.count() == before


def test_tokens_are_revoked_by_action_and_by_button(browser: Client, workflow: Workflow) -> None:
    first, second = make_agent(workflow), make_agent(workflow)
    row = AgentToken.objects.get(agent_id=first.id)
    browser.post(page(AgentToken, "changelist"), {"action": "revoke", "_selected_action": [row.pk]})
    other = AgentToken.objects.get(agent_id=second.id)
    button = reverse("admin:tickets_agenttoken_revoke", args=[other.pk])
    assert button in browser.get(page(AgentToken, "change", other.pk)).content.decode()
    browser.get(button)
    assert authenticate_token(second.token).agent_id == second.id
    browser.post(button)
    for revoked in (first, second):
        with pytest.raises(Unauthenticated):
            authenticate_token(revoked.token)
    assert button not in browser.get(page(AgentToken, "change", other.pk)).content.decode()


def test_a_membership_is_set_and_ended(browser: Client, agent: AgentWithToken, workflow: Workflow) -> None:
    other = make_workflow("other-flow")
    url = reverse("admin:tickets_agent_membership", args=[quote(agent.id)])
    assert browser.get(url).status_code == 200
    browser.post(url, {"workflow": other.id, "role": "viewer"})
    membership = Membership.objects.get(agent_id=agent.id, workflow=other)
    assert membership.role == "viewer"
    change = {"action": "make_maintainer", "_selected_action": [membership.pk]}
    browser.post(page(Membership, "changelist"), change)
    membership.refresh_from_db()
    assert membership.role == "maintainer"
    browser.post(page(Membership, "changelist"), {**change, "action": "end_membership"})
    assert not Membership.objects.filter(pk=membership.pk).exists()


def test_the_last_maintainer_stays_and_the_page_says_why(browser: Client, workflow: Workflow) -> None:
    membership = Membership.objects.get(workflow=workflow, agent_id="system")
    answer = browser.post(
        page(Membership, "changelist"), {"action": "make_viewer", "_selected_action": [membership.pk]}, follow=True
    )
    assert "would have no maintainer" in answer.content.decode()
    membership.refresh_from_db()
    assert membership.role == "maintainer"


def test_actions_on_tickets_write_history_as_the_person(browser: Client, agent: AgentWithToken, superuser: Any) -> None:
    ticket = make_ticket(agent)
    ticket_claim(actor=agent.actor, request=ClaimTicket(ticket_id=ticket.key))

    act(browser, "release_lease", ticket)
    ticket.refresh_from_db()
    assert ticket.lease_agent_id is None
    act(browser, "resolve", ticket)
    ticket.refresh_from_db()
    assert ticket.is_resolved
    row = ticket.history.get(change_type="resolved")
    assert row.agent_id == superuser.agent.id
    assert Event.objects.filter(ticket=ticket, type="ticket_resolved").exists()
    assert "does not wait for review" in act(browser, "approve", ticket)


def test_a_pending_ticket_is_approved_or_rejected(browser: Client) -> None:
    reviewed = make_workflow(board={**BOARD, "settings": {"ticket_human_review": True}})
    agent = make_agent(reviewed)
    good, bad = make_ticket(agent), make_ticket(agent)
    act(browser, "approve", good)
    act(browser, "reject", bad)
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.approval_status, bad.approval_status) == ("approved", "rejected")


def act(browser: Client, action: str, ticket: Ticket) -> str:
    given = {"action": action, "_selected_action": [ticket.pk]}
    return browser.post(page(Ticket, "changelist"), given, follow=True).content.decode()


def test_a_workflow_is_deactivated_and_its_boards_are_told(browser: Client, workflow: Workflow) -> None:
    given = {"action": "deactivate", "_selected_action": [workflow.pk]}
    browser.post(page(Workflow, "changelist"), given)
    workflow.refresh_from_db()
    assert not workflow.is_active
    assert Event.objects.filter(workflow=workflow, type="board_updated").exists()


def test_staff_without_the_right_can_neither_look_nor_issue(client: Client, agent: AgentWithToken) -> None:
    person = make_person(username="staff")
    person.is_staff = True
    person.save()
    client.force_login(person)
    assert client.get(page(Ticket, "changelist")).status_code == 403
    url = reverse("admin:tickets_agent_issue_token", args=[quote(agent.id)])
    before = AgentToken.objects.count()
    assert client.post(url, {"label": "x"}).status_code == 403
    row = AgentToken.objects.get(agent_id=agent.id)
    client.post(reverse("admin:tickets_agenttoken_revoke", args=[row.pk]))
    assert authenticate_token(agent.token).agent_id == agent.id
    assert AgentToken.objects.count() == before


def test_people_are_added_and_never_deleted(browser: Client, superuser: Any, rf: RequestFactory) -> None:
    assert browser.get(page(User, "add")).status_code == 200
    assert browser.post(page(User, "delete", superuser.pk), {"post": "yes"}).status_code == 403
    request = rf.get("/")
    request.user = superuser
    for model in (User, Group):
        assert not admin.site._registry[model].has_delete_permission(request)
