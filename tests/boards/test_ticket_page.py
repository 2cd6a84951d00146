"""A ticket's page and the parts that its script asks for, as the server renders them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from boards.web import markdown
from gitlinks.models import TicketCommit
from tests.boards.pages import HOSTILE, browser_of, html
from tests.factories import AgentWithToken, make_agent, make_person, make_ticket, make_workflow
from tickets.models import Agent, Ticket, TicketHistory, Workflow
from tickets.schemas.comments import AddComment, DeleteComment
from tickets.schemas.tickets import AssignTicket, UpdateTicket
from tickets.services.assignment import ticket_assign
from tickets.services.comments import comment_add, comment_delete
from tickets.services.tickets import ticket_update

pytestmark = pytest.mark.django_db

COLUMNS = [{"id": "todo", "name": "To do"}, {"id": "done", "name": "Done", "category": "final"}]
CONTROLS = ("data-edit=", "data-composer", 'data-act="resolve"', 'data-act="reply"', 'data-act="claim"')


def comment(agent: AgentWithToken, ticket: Ticket, text: str, **fields: Any) -> str:
    return comment_add(
        actor=agent.actor, request=AddComment(ticket_id=ticket.id, comment_text=text, **fields)
    ).comment_id


def update(agent: AgentWithToken, ticket: Ticket, **updates: Any) -> None:
    ticket_update(actor=agent.actor, request=UpdateTicket.model_validate({"ticket_id": ticket.id, "updates": updates}))


def entries(page: str) -> list[str]:
    return re.findall(r'data-entry="([^"]+)"', page)


# ── who may see and do what ──


def test_a_member_finds_controls_and_a_viewer_none(workflow: Workflow, agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent, title="Look, do not touch")
    comment(agent, ticket, "A comment to reply to.")
    viewer = browser_of(make_person(workflow, role="viewer"))
    for address in (f"/tickets/{ticket.key}", f"/tickets/{ticket.key}/sheet"):
        shown, read = html(browser, address), html(viewer, address)
        for control in CONTROLS:
            assert control in shown, control
            assert control not in read, control
        assert "You may read this ticket, not change it." in read
        assert 'data-field="priority"' in read


def test_only_maintainers_are_offered_a_decision_and_the_leases_of_others(workflow: Workflow) -> None:
    reviewed = make_workflow(
        "reviewed", board={"columns": COLUMNS, "ticket_types": ["task"], "settings": {"ticket_human_review": True}}
    )
    ticket = make_ticket(make_agent(reviewed))
    member, maintainer = (browser_of(make_person(reviewed, role=role)) for role in ("member", "maintainer"))
    assert 'data-act="approve"' not in html(member, f"/tickets/{ticket.key}")
    assert 'data-act="approve"' in html(maintainer, f"/tickets/{ticket.key}")


def test_a_ticket_of_others_is_not_there(browser: Client, agent: AgentWithToken) -> None:
    other = make_agent(make_workflow("secret-plans"))
    ticket = make_ticket(other, title="Nobody may know")
    update(other, ticket, description="Nobody may know this either.")
    change = TicketHistory.objects.get(ticket=ticket, field_name="description").pk
    for part in ("", "/sheet", "/activity", "/alike", f"/changes/{change}"):
        assert "Nobody may know" not in html(browser, f"/tickets/{ticket.key}{part}", 404)
    assert browser.get("/tickets/names?workflow=secret-plans&q=nobody").status_code == 404
    assert browser.get("/tickets/names", {"workflow": "anvil", "q": "nul \x00"}).status_code == 400
    body = json.dumps({"text": "x", "workflow": "secret-plans"})
    assert browser.post("/tickets/preview", body, content_type="application/json").status_code == 404
    # A change of another ticket is not this one's.
    assert "no such change" in html(browser, f"/tickets/{make_ticket(agent).key}/changes/{change}", 404)


def test_parts_tell_who_is_not_signed_in(client: Client, agent: AgentWithToken) -> None:
    key = make_ticket(agent).key
    for part in (f"{key}/sheet", f"{key}/activity", f"{key}/alike", "names?workflow=anvil"):
        response = client.get(f"/tickets/{part}")
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "unauthenticated"
    assert client.post("/tickets/preview", "{}", content_type="application/json").status_code == 401


# ── the timeline ──


def test_pages_of_the_timeline_hold_everything_once(agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent)
    for number in range(55):
        comment(agent, ticket, f"Number {number}.")
        update(agent, ticket, story_points=number)
    address = f"/tickets/{ticket.key}/activity"
    found: list[str] = []
    page = html(browser, address)
    while True:
        found = [*entries(page), *found]
        cursor = re.search(r'data-older="([^"]+)"', page)
        if cursor is None:
            break
        page = html(browser, f"{address}?before={cursor[1].replace('+', '%2B')}")
    assert len(found) == len(set(found)) == 111
    assert found == entries(html(browser, f"/tickets/{ticket.key}?activity=all"))
    assert len(entries(html(browser, f"{address}?show=comments"))) == 40
    assert not re.findall('class="comment"', html(browser, f"{address}?show=history"))


def test_an_old_comment_with_a_new_reply_is_shown(agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent)
    first = comment(agent, ticket, "The oldest of all.")
    for number in range(45):
        comment(agent, ticket, f"Number {number}.")
    assert "The oldest of all." not in html(browser, f"/tickets/{ticket.key}")
    reply = comment(agent, ticket, "Still true.", parent_comment_id=first)
    comment(agent, ticket, "So it is.", parent_comment_id=reply)
    page = html(browser, f"/tickets/{ticket.key}")
    assert (
        page.index("The oldest of all.") < page.index("Still true.") < page.index("So it is.") < page.index("Number 9.")
    )
    assert page.count("Still true.") == 1


def test_a_deleted_comment_leaves_a_line_and_keeps_its_replies(agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent)
    first = comment(agent, ticket, "I was wrong about it.")
    comment(agent, ticket, "No, you were right.", parent_comment_id=first)
    comment_delete(actor=agent.actor, request=DeleteComment(comment_id=first))
    page = html(browser, f"/tickets/{ticket.key}")
    assert "I was wrong" not in page
    assert "This comment was deleted." in page
    assert "No, you were right." in page


def test_a_changed_text_can_be_compared(agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent, description="One line of text.\nAnother <b>line</b>.")
    update(agent, ticket, description="One line of text.\nA better <b>line</b>.")
    change = re.search(r'data-change="(\d+)"', html(browser, f"/tickets/{ticket.key}"))
    assert change
    shown = html(browser, f"/tickets/{ticket.key}/changes/{change[1]}")
    assert re.search("<del.*Another &lt;b&gt;line", shown)
    assert re.search("<ins.*A better &lt;b&gt;line", shown)
    assert html(browser, f"/tickets/{ticket.key}/changes/999999", 404)


def test_history_names_tickets_by_their_keys_and_values_as_the_ticket_shows_them(
    workflow: Workflow, agent: AgentWithToken, browser: Client
) -> None:
    other, ticket = make_ticket(agent), make_ticket(agent)
    builder = make_agent(workflow)
    Agent.objects.filter(pk=builder.id).update(name="The builder")
    update(agent, ticket, parent_ticket_id=other.id, blocked_by_add=[other.id], related_ticket_ids=[other.id])
    update(agent, ticket, blocked_by_remove=[other.id], estimate_minutes=90, ticket_type="bug", title="x" * 300)
    ticket_assign(actor=agent.actor, request=AssignTicket(ticket_id=ticket.id, assigned_agent_id=builder.id))
    page = html(browser, f"/tickets/{ticket.key}")
    timeline = " ".join(re.sub(r"<[^>]+>", " ", page.partition("data-timeline>")[2].partition("</ol>")[0]).split())
    for said in (
        f"made it part of {other.key}", f"made it wait for {other.key}", f"related it to {other.key}",
        f"freed it from {other.key}", "changed the estimate to 1h 30m", "changed the type from Task to Bug",
        "assigned it to The builder",
    ):  # fmt: skip
        assert said in timeline, said
    assert other.id not in timeline
    # A title that is cut in the line can be read whole.
    change = re.search(r'data-change="(\d+)"', page)
    assert change
    assert "x" * 300 in html(browser, f"/tickets/{ticket.key}/changes/{change[1]}")


def test_a_commit_says_how_much_it_changed_and_when(agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent)
    TicketCommit.objects.create(
        id="c1", ticket=ticket, agent_id=agent.id, commit_sha="ab" * 20, commit_message="Quench it\n\nAt last.",
        commit_timestamp=timezone.now() - timedelta(hours=3), files_changed=1200, insertions=4000, deletions=1,
    )  # fmt: skip
    Ticket.objects.filter(pk=ticket.pk).update(commit_count=1)
    row = re.search(r'class="commit-ref".*?</a>', html(browser, f"/tickets/{ticket.key}"))
    assert row
    said = " ".join(re.sub(r"<[^>]+>", " ", row[0].partition(">")[2]).split())
    assert said == "abababa Quench it 1,200 files +4,000 \N{MINUS SIGN}1 3h ago"


@pytest.mark.parametrize(
    "cursor", ["x", "1", "1~", "1~yesterday~c", "1~2026-01-01~c", "-1~2026-01-01T00:00:00Z~c", "~~"]
)
def test_a_cursor_that_cannot_be_read_is_refused(agent: AgentWithToken, browser: Client, cursor: str) -> None:
    response = browser.get(f"/tickets/{make_ticket(agent).key}/activity", {"before": cursor})
    assert response.status_code == 400
    assert response.json()["error"]["field"] == "before"


def test_queries_do_not_grow_with_what_happened(
    agent: AgentWithToken, browser: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    ticket = make_ticket(agent, related_ticket_ids=[make_ticket(agent).id])
    for number in range(60):
        first = comment(agent, ticket, f"Number {number}.")
        comment(agent, ticket, "A reply.", parent_comment_id=first)
        update(agent, ticket, story_points=number)
        make_ticket(agent, parent_ticket_id=ticket.id, blocked_by_ticket_ids=[ticket.id])
    with django_assert_max_num_queries(20):
        html(browser, f"/tickets/{ticket.key}/sheet")


# ── names that complete, and the preview ──


def test_names_complete_by_title_key_and_number(workflow: Workflow, agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent, title="Temper the blade")
    make_ticket(make_agent(make_workflow("elsewhere")), title="Temper another blade")

    def found(**query: str) -> list[str]:
        rows = browser.get("/tickets/names", {"workflow": "anvil", **query}).json()["found"]
        return [row["id"] for row in rows]

    for words in ("temper THE", ticket.key.lower(), str(ticket.number)):
        assert found(q=words) == [ticket.key]
    assert found(q="%") == []
    assert found(kind="agents", q="impl") == ["impl-1"]
    assert found(kind="agents", q="nobody at all") == []


def test_the_preview_is_what_will_be_shown(agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent)
    text = f"**Bold** @impl-1, see #{ticket.key} {HOSTILE}"
    answer = browser.post("/tickets/preview", {"text": text, "workflow": "anvil"}, content_type="application/json")
    shown = answer.content.decode()
    assert shown == markdown.render(text, {"impl-1"}, ticket.key.rpartition("-")[0])
    assert "<strong>Bold</strong>" in shown
    assert f'href="/tickets/{ticket.key}"' in shown
    assert "<script" not in shown


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[]", 400),
        ("[" * 100_000, 400),
        ('{"text": 1, "workflow": "anvil"}', 400),
        ('{"text": "x"}', 400),
        ('{"text": "\\ud800", "workflow": "anvil"}', 400),
        ('{"text": "x", "workflow": "\\u0000"}', 400),
    ],
)
def test_a_preview_that_cannot_be_read_is_refused(browser: Client, body: str, status: int) -> None:
    assert browser.post("/tickets/preview", body, content_type="application/json").status_code == status


def test_a_preview_takes_a_token_against_forgery(workflow: Workflow) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_person(workflow))
    body = {"text": "x", "workflow": "anvil"}
    assert client.post("/tickets/preview", body, content_type="application/json").status_code == 403


# ── text ──


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ask @impl-1.", '<b class="mention">@impl-1</b>.'),
        ("see #anv-12!", '<a class="mention" href="/tickets/ANV-12" rel="nofollow noopener noreferrer">#anv-12</a>!'),
        ("`@impl-1` and `#ANV-1`", "<code>@impl-1</code> and <code>#ANV-1</code>"),
        ("[#ANV-1](https://example.org)", ">#ANV-1</a>"),
    ],
)
def test_mentions_are_marked(text: str, shown: str) -> None:
    assert shown in markdown.render(text, {"impl-1"}, "ANV")


@pytest.mark.parametrize("text", ["@nobody", "mail@impl-1", "#XYZ-1", "a#ANV-1", "@impl-10"])
def test_what_mentions_nothing_is_left_alone(text: str) -> None:
    assert markdown.render(text, {"impl-1"}, "ANV") == f'<p dir="auto">{text}</p>\n'


def test_code_is_coloured_and_stays_text() -> None:
    shown = markdown.render(
        "```html\n<script>alert(1)</script>\n```\n\n```nonsense\n<b>\n```\n\n<span class='x'>y</span>"
    )
    assert '<span class="nt">script</span>' in shown
    assert "<script" not in shown
    assert "<code>&lt;b&gt;" in shown
    assert "class='x'" not in shown.replace("&lt;span class='x'&gt;", "")


def test_hostile_text_is_text_in_every_part(workflow: Workflow) -> None:
    hostile = make_workflow("hostile", name=HOSTILE)
    agent = make_agent(hostile)
    from tickets.models import Agent

    Agent.objects.filter(pk=agent.id).update(name=HOSTILE)
    parent = make_ticket(agent, title=HOSTILE)
    ticket = make_ticket(
        agent, title=HOSTILE, description=HOSTILE * 2, tags=[HOSTILE[:50]], parent_ticket_id=parent.id,
        related_ticket_ids=[parent.id], related_task_ids=[HOSTILE[:60]], blocked_by_ticket_ids=[parent.id],
        is_blocked=True, blocked_reason=HOSTILE, assigned_agent_id=agent.id,
    )  # fmt: skip
    first = comment(agent, ticket, HOSTILE, attachments=["a/<b>.txt", "https://example.org/\"onclick='x'"])
    comment(agent, ticket, HOSTILE, parent_comment_id=first)
    update(agent, ticket, description=f"Another {HOSTILE}")
    change = TicketHistory.objects.get(ticket=ticket, field_name="description").pk
    client = browser_of(make_person(hostile, first_name=HOSTILE[:100]))
    for part in ("", "/sheet", "/activity", f"/changes/{change}"):
        page = html(client, f"/tickets/{ticket.key}{part}")
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "onerror=alert(1)&gt;" in page
        assert " style=" not in page
        assert not re.search(r"<[^>]* onclick=", page)


def test_right_to_left_emoji_and_long_titles_are_kept(agent: AgentWithToken, browser: Client) -> None:
    for title in ("دعم الكتابة من اليمين إلى اليسار", "🔥🔨 forged 👩🏽‍🔧", "W" * 500):
        page = html(browser, f"/tickets/{make_ticket(agent, title=title).key}")
        assert f'id="t-title" dir="auto">{title}</h1>' in page
