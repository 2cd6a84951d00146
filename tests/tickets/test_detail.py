"""One ticket in full, and its parts page by page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from gitlinks.models import TicketCommit
from tests.factories import AgentWithToken, ApiClient, api_client, make_agent, make_ticket, make_workflow
from tickets.models import StatusPeriod, Task, Ticket, TicketComment, TicketHistory, Workflow
from tickets.schemas.comments import AddComment, DeleteComment, EditComment, ReactToComment
from tickets.schemas.details import CommentPage, GetTicket, RelatedPage, TicketFullDetail, TicketState, TimelinePage
from tickets.schemas.tickets import ChangeTicketStatus, ClaimTicket, ResolveTicket
from tickets.selectors import detail
from tickets.services.claims import ticket_claim
from tickets.services.comments import comment_add, comment_delete, comment_edit, comment_react
from tickets.services.status import ticket_change_status, ticket_resolve

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("alpha")


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="ada")


@pytest.fixture
def api(agent: AgentWithToken) -> ApiClient:
    return api_client(agent)


def read(api: ApiClient, reference: str, part: str = "") -> Any:
    answer = api.get(f"/api/tickets/{reference}{part}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def comment(agent: AgentWithToken, ticket: Ticket, text: str, **fields: Any) -> str:
    request = AddComment(ticket_id=ticket.id, comment_text=text, **fields)
    return comment_add(actor=agent.actor, request=request).comment_id


def link(ticket: Ticket, agent: AgentWithToken, sha: str) -> None:
    """A commit link as its owner stores it, with the history row that tells of it."""
    now = timezone.now()
    TicketCommit.objects.create(
        id=f"tc-{ticket.number}-{sha}", ticket=ticket, agent_id=agent.id, commit_sha=sha,
        commit_message="Fix it", commit_timestamp=now,
        author_name="Ada", files_changed=1, insertions=2, deletions=3, files_list=["a.py"],
    )  # fmt: skip
    TicketHistory.objects.create(
        ticket=ticket, workflow_id=ticket.workflow_id, agent_id=agent.id, change_type="commit_linked", new_value=sha
    )
    Ticket.objects.filter(pk=ticket.pk).update(commit_count=ticket.commit_count + 1)


def test_answers_flat_and_nested(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, description="y" * 900, tags=["api"], story_points=3, estimate_minutes=120)
    answer = api.get(f"/api/tickets/{ticket.id}")
    body = answer.json()
    assert answer["ETag"] == '"1"'
    assert body["ticket"]["id"] == body["ticket"]["ticket_id"] == body["ticket_id"] == ticket.id
    for name in TicketState.__annotations__:
        assert body[name] == body["ticket"][name]
    assert (body["key"], body["version"], body["story_points"]) == ("TKT-1", 1, 3)
    assert body["description"] == "y" * 900
    assert (body["estimate_minutes"], body["spent_minutes"], body["remaining_minutes"]) == (120, 0, 120)
    assert body["contributors"] == ["ada"]
    assert [entry["change_type"] for entry in body["history"]] == ["created"]
    assert body["comments"] == body["commits"] == body["truncated"] == []
    TicketFullDetail.model_validate(body)


@pytest.mark.parametrize("form", ["id", "key", "lower key", "prefix", "bare prefix", "without /api"])
def test_is_found_by_id_key_and_prefix(api: ApiClient, agent: AgentWithToken, form: str) -> None:
    ticket = make_ticket(agent)
    reference = {
        "id": ticket.id,
        "key": ticket.key,
        "lower key": ticket.key.lower(),
        "prefix": ticket.id[:17],
        "bare prefix": ticket.id.removeprefix("ticket-")[:10],
        "without /api": ticket.key,
    }[form]
    path = f"/tickets/{reference}" if form == "without /api" else f"/api/tickets/{reference}"
    assert api.get(path).json()["ticket_id"] == ticket.id


def test_a_prefix_of_several_lists_them(api: ApiClient, agent: AgentWithToken) -> None:
    for number in range(2):
        Ticket.objects.create(
            id=f"ticket-00000000-0000-4000-8000-00000000000{number}", number=50 + number, workflow_id="alpha",
            key=f"TKT-{50 + number}", created_by_agent_id="ada", title="Twin", description="One of two twins.",
            ticket_type="bug", priority="low", priority_rank=3, status="todo", rank=f"a{number}",
        )  # fmt: skip
    answer = api.get("/api/tickets/ticket-00000000")
    assert answer.status_code == 400
    assert {row["key"] for row in answer.json()["error"]["candidates"]} == {"TKT-50", "TKT-51"}


@pytest.mark.parametrize("part", ["", "/comments", "/history", "/timeline", "/commits", "/related"])
def test_strangers_see_nothing(workflow: Workflow, agent: AgentWithToken, part: str) -> None:
    ticket = make_ticket(agent)
    stranger = api_client(make_agent(make_workflow("beta")))
    answer = stranger.get(f"/api/tickets/{ticket.id}{part}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert api_client().get(f"/api/tickets/{ticket.id}{part}").status_code == 401


def test_comments_with_replies_reactions_edits_and_tombstones(
    api: ApiClient, agent: AgentWithToken, workflow: Workflow
) -> None:
    ticket, other = make_ticket(agent), make_agent(workflow, agent_id="bob")
    first = comment(agent, ticket, "Ask @bob about it", attachments=["logs/trace.txt"])
    reply = comment(other, ticket, "It is fixed", parent_comment_id=first)
    gone = comment(agent, ticket, "a secret to be taken back")
    comment_edit(actor=other.actor, request=EditComment(comment_id=reply, comment_text="It is not fixed"))
    comment_delete(actor=agent.actor, request=DeleteComment(comment_id=gone))
    comment_react(actor=other.actor, request=ReactToComment(comment_id=first, emoji="👍"))
    body = read(api, ticket.key)
    assert [c["comment_id"] for c in body["comments"]] == [first, reply, gone]
    one, two, three = body["comments"]
    assert (one["mentions"], one["attachments"], one["reactions"]) == (["bob"], ["logs/trace.txt"], {"👍": ["bob"]})
    assert (two["parent_comment_id"], two["is_edited"], two["comment_text"]) == (first, True, "It is not fixed")
    assert (three["is_deleted"], three["comment_text"]) == (True, "")
    assert "secret" not in api.get(f"/api/tickets/{ticket.key}").content.decode()
    assert body["contributors"] == ["ada", "bob"]
    assert read(api, ticket.key, "/comments")["comments"] == body["comments"]


def test_what_a_ticket_is_tied_to(api: ApiClient, agent: AgentWithToken, workflow: Workflow) -> None:
    parent, blocker, friend = make_ticket(agent), make_ticket(agent), make_ticket(agent)
    Task.objects.create(id="task-1", workflow=workflow, created_by_agent_id="ada", description="Do it")
    ticket = make_ticket(
        agent, parent_ticket_id=parent.key, blocked_by_ticket_ids=[blocker.key], related_ticket_ids=[friend.key],
        related_task_ids=["task-1", "task-unknown"],
    )  # fmt: skip
    Task.objects.create(id="task-2", workflow=workflow, created_by_agent_id="ada", description="Test", ticket=ticket)
    elsewhere = make_workflow("beta")
    Task.objects.create(id="task-unknown", workflow=elsewhere, created_by_agent_id="system", description="Secret")
    child = make_ticket(agent, parent_ticket_id=ticket.key)
    waiting = make_ticket(agent, blocked_by_ticket_ids=[ticket.key])
    body = read(api, ticket.key)
    assert body["parent_ticket"]["ticket_id"] == parent.id
    assert [row["ticket_id"] for row in body["sub_tickets"]] == [child.id]
    assert [row["key"] for row in body["related_tickets"]] == [friend.key]
    assert (body["blocked_by_ticket_ids"], body["blocks_ticket_ids"]) == ([blocker.id], [waiting.id])
    assert (body["blocked_by"][0]["key"], body["blocks"][0]["key"]) == (blocker.key, waiting.key)
    assert (body["is_blocked"], body["related_task_ids"]) == (True, ["task-1", "task-unknown"])
    tasks = {task["task_id"]: task["description"] for task in body["related_tasks"]}
    assert tasks == {"task-1": "Do it", "task-2": "Test", "task-unknown": None}
    TicketFullDetail.model_validate(body)

    related = read(api, ticket.key, "/related")
    ties = [
        ("parent", parent),
        ("blocked_by", blocker),
        ("blocks", waiting),
        ("sub_ticket", child),
        ("related", friend),
    ]
    assert [(row["relation"], row["key"]) for row in related["related"]] == [(name, t.key) for name, t in ties]
    assert (related["total_count"], related["has_more"], len(related["tasks"])) == (5, False, 3)
    page = read(api, ticket.key, "/related?limit=2&offset=2")
    assert ([row["relation"] for row in page["related"]], page["has_more"]) == (["blocks", "sub_ticket"], True)
    RelatedPage.model_validate(related)


def test_time_in_columns(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, initial_status="todo", estimate_minutes=60)
    now = timezone.now()
    StatusPeriod.objects.all().delete()
    stays = [("todo", "queue", 300, 200), ("in_progress", "active", 200, 170), ("todo", "queue", 170, 100),
             ("review", "active", 100, 90), ("in_progress", "active", 90, None)]  # fmt: skip
    for status, category, start, end in stays:
        left = now - timedelta(minutes=end) if end is not None else None
        StatusPeriod.objects.create(
            ticket=ticket, status=status, category=category, entered_at=now - timedelta(minutes=start), left_at=left
        )
    body = read(api, ticket.key)
    assert (body["spent_minutes"], body["remaining_minutes"]) == (30 + 10 + 90, 0)
    times = {row["status"]: (row["seconds"] // 60, row["is_current"]) for row in body["time_in_status"]}
    assert times == {"todo": (170, False), "in_progress": (120, True), "review": (10, False)}
    assert [row["status"] for row in body["time_in_status"]] == ["todo", "in_progress", "review"]


def test_lease_and_resolution(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    ticket_claim(actor=agent.actor, request=ClaimTicket(ticket_id=ticket.id))
    body = read(api, ticket.key)
    assert (body["lease_agent_id"], body["lease_is_live"], body["assigned_agent_id"]) == ("ada", True, "ada")
    Ticket.objects.filter(pk=ticket.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert read(api, ticket.key)["lease_is_live"] is False
    ticket_resolve(actor=agent.actor, request=ResolveTicket(ticket_id=ticket.id, resolution_comment="All is done now."))
    body = read(api, ticket.key)
    assert (body["is_resolved"], body["status"], body["lease_agent_id"]) == (True, "done", None)
    assert body["completed_at"] is not None


def test_the_newest_thousand_are_kept(api: ApiClient, agent: AgentWithToken, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = make_ticket(agent)
    ids = [comment(agent, ticket, f"Comment {number}") for number in range(7)]
    for number in range(7):
        link(Ticket.objects.get(pk=ticket.pk), agent, f"{number:040d}")
    monkeypatch.setattr(detail, "MAX_ENTRIES", 5)
    body = read(api, ticket.key)
    assert body["truncated"] == ["comments", "history", "commits"]
    assert [c["comment_id"] for c in body["comments"]] == ids[2:]
    assert [c["commit_sha"] for c in body["commits"]] == [f"{number:040d}" for number in range(2, 7)]
    history = list(TicketHistory.objects.filter(ticket=ticket).order_by("id").values_list("id", flat=True))
    assert [h["history_id"] for h in body["history"]] == history[-5:]


@pytest.mark.parametrize("part", ["comments", "history", "timeline", "commits"])
def test_parts_page_through_all_in_both_directions(api: ApiClient, agent: AgentWithToken, part: str) -> None:
    ticket = make_ticket(agent)
    for number in range(5):
        comment(agent, ticket, f"Comment {number}")
        link(Ticket.objects.get(pk=ticket.pk), agent, f"{number:040d}")
    whole = read(api, ticket.key, f"/{part}")
    total = {"comments": 5, "history": 11, "timeline": 11, "commits": 5}[part]
    assert (whole["total_count"], whole["has_more"], len(whole[part])) == (total, False, total)
    paged: list[Any] = []
    while True:
        page = read(api, ticket.key, f"/{part}?limit=2&offset={len(paged)}")
        paged += page[part]
        if not page["has_more"]:
            break
    assert paged == whole[part]
    assert read(api, ticket.key, f"/{part}?sort_order=desc")[part] == whole[part][::-1]
    assert api.get(f"/api/tickets/{ticket.key}/{part}?limit=201").status_code == 400
    assert api.get(f"/api/tickets/{ticket.key}/{part}?page=2").json()["error"]["field"] == "page"


def test_the_timeline_has_everything_in_its_place(api: ApiClient, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    said = comment(agent, ticket, "Looking at it")
    request = ChangeTicketStatus(ticket_id=ticket.id, new_status="todo", comment="Ready to be started")
    ticket_change_status(actor=agent.actor, request=request)
    link(Ticket.objects.get(pk=ticket.pk), agent, "a" * 40)
    body = read(api, ticket.key, "/timeline")
    assert [entry["type"] for entry in body["timeline"]] == ["change", "comment", "change", "comment", "commit"]
    assert body["timeline"][1]["comment"]["comment_id"] == said
    assert body["timeline"][2]["change"]["new_value"] == "todo"
    assert body["timeline"][4]["commit"]["commit_sha"] == "a" * 40
    TimelinePage.model_validate(body)


def test_a_fixed_number_of_queries(
    agent: AgentWithToken, workflow: Workflow, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    bare = make_ticket(agent)
    with django_assert_num_queries(8):
        detail.ticket_get(actor=agent.actor, request=GetTicket(ticket_id=bare.id))
    for count in (2, 6):
        ticket = make_ticket(
            agent,
            parent_ticket_id=bare.id,
            blocked_by_ticket_ids=[make_ticket(agent, blocked_by_ticket_ids=[bare.id]).id for _ in range(count)],
            related_task_ids=[f"task-{number}" for number in range(count)],
        )
        for _ in range(count):
            make_ticket(agent, parent_ticket_id=ticket.id, blocked_by_ticket_ids=[bare.id])
            comment(agent, ticket, "Something")
        link(ticket, agent, "b" * 40)
        with django_assert_num_queries(13):
            detail.ticket_get(actor=agent.actor, request=GetTicket(ticket_id=ticket.id))


def test_pages_cost_a_fixed_number_of_queries(
    agent: AgentWithToken, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    from tickets.schemas.details import ListComments, ListHistory, ListTimeline
    from tickets.selectors.timeline import comment_list, history_list, timeline

    ticket = make_ticket(agent)
    for _ in range(2):
        for _ in range(3):
            comment(agent, ticket, "Something")
        with django_assert_num_queries(4):
            page = comment_list(actor=agent.actor, request=ListComments(ticket_id=ticket.id))
        CommentPage.model_validate(page.model_dump())
        with django_assert_num_queries(3):
            history_list(actor=agent.actor, request=ListHistory(ticket_id=ticket.id))
        with django_assert_num_queries(5):
            timeline(actor=agent.actor, request=ListTimeline(ticket_id=ticket.id))
    assert TicketComment.objects.count() == 6
