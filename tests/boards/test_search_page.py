"""The search page on the server: what it finds and says, its parts, its files, and who may see them."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils.html import escape

from boards.models import SavedView
from search.models import SearchRecord
from search.services.records import notes
from tests.boards.pages import browser_of, html
from tests.factories import AgentWithToken, api_client, make_agent, make_person, make_ticket, make_workflow
from tests.search.conftest import local_embeddings  # noqa: F401 - a fixture
from tickets.models import Agent, Event, Ticket, Workflow
from tickets.schemas.comments import AddComment
from tickets.schemas.tickets import BlockTicket, UpdateTicket
from tickets.services.blocking import ticket_block
from tickets.services.comments import comment_add
from tickets.services.tickets import ticket_update

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
RTL = "عنوان من اليمين 🛠"


@pytest.fixture(autouse=True)
def _no_notes_of_others() -> None:
    notes._rows.clear()


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("anvil", name="Anvil", key_prefix="ANV")


@pytest.fixture
def person(workflow: Workflow) -> Any:
    return make_person(workflow)


@pytest.fixture
def browser(person: Any) -> Client:
    return browser_of(person)


def keys(page: str) -> list[str]:
    return re.findall(r'data-key="([^"]+)"', page)


def results(browser: Client, query: str) -> str:
    return html(browser, f"/search/results?workflow=anvil&{query}")


def test_nothing_asked_says_how_to_ask(browser: Client, agent: AgentWithToken) -> None:
    make_ticket(agent)
    page = html(browser, "/search?workflow=anvil")
    assert "data-start" in page
    assert keys(page) == []
    assert "ANV-12" in page
    assert not SearchRecord.objects.exists()


def test_a_result_says_what_matched_and_where_it_stands(browser: Client, agent: AgentWithToken) -> None:
    ticket = make_ticket(
        agent, title="Bellows leak air", description="The left `bellows` **hiss**.", priority="high", ticket_type="bug",
        assigned_agent_id="impl-1", tags=["air", "leather", "urgent", "left"],
    )  # fmt: skip
    make_ticket(agent, title="Oil the hinges")
    page = html(browser, "/search?workflow=anvil&q=bellows")
    assert keys(page) == [ticket.key]
    assert "<mark>Bellows</mark> leak air" in page
    assert "left <mark>bellows</mark> hiss." in page
    assert "in title, description" in page
    assert 'class="prio prio-high"' in page
    assert "Assigned to " in page
    assert re.search(r"\+1<span class=\"vh\"> more", page)
    assert "1 ticket</b>" in page


def test_who_has_a_ticket_and_is_no_member_is_named(browser: Client, agent: AgentWithToken, workflow: Workflow) -> None:
    ticket = make_ticket(agent, title="Bellows leak air", assigned_agent_id="impl-1")
    make_agent(make_workflow("elsewhere"), agent_id="smith-1")
    Agent.objects.filter(pk="smith-1").update(name="The old smith")
    Ticket.objects.filter(pk=ticket.id).update(assigned_agent_id="smith-1")
    assert ">The old smith</span>" in results(browser, "q=bellows")
    assert ">The old smith</span>" in browser.get(f"/search/preview/{ticket.key}").content.decode()
    rows = browser.get("/search/rows", {"workflow": workflow.id, "ids": ticket.id}).json()["rows"]
    assert ">The old smith</span>" in rows[0]["facts"]


def test_a_match_in_the_title_alone_shows_how_the_ticket_begins(browser: Client, agent: AgentWithToken) -> None:
    make_ticket(agent, title="Quench tank", description="It <b>boils</b> over.")
    page = results(browser, "q=quench")
    assert 'dir="auto">It &lt;b&gt;boils&lt;/b&gt; over.</p>' in page
    other = make_ticket(agent, title="Tongs", description="Long enough ones.")
    comment_add(actor=agent.actor, request=AddComment(ticket_id=other.id, comment_text="Dropped into the slag tub."))
    page = results(browser, "q=slag")
    assert keys(page) == [other.key]
    assert "A comment: " in page
    assert "in comments" in page


def test_a_key_finds_its_ticket_and_says_so(browser: Client, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Something")
    page = results(browser, f"q={ticket.key.lower()}")
    assert keys(page)[0] == ticket.key
    assert "by its key" in page


def test_without_embeddings_the_page_says_that_only_words_were_searched(browser: Client, agent: AgentWithToken) -> None:
    make_ticket(agent, title="Bellows")
    for mode in ("hybrid", "semantic"):
        page = results(browser, f"q=bellows&mode={mode}")
        assert "data-degraded" in page
        assert "Embeddings are switched off" in page
        assert "by meaning" not in page
    assert "data-degraded" not in results(browser, "q=bellows&mode=keyword")


@pytest.mark.usefixtures("local_embeddings")
def test_a_paraphrase_is_found_by_its_meaning(browser: Client, agent: AgentWithToken) -> None:
    login = make_ticket(
        agent,
        title="Users cannot sign in after changing their password",
        description="The session store keeps the old hash, so that new credentials are refused until a restart.",
    )
    make_ticket(agent, title="Burndown chart draws weekends as work days")
    page = html(browser, "/search?workflow=anvil&q=authentication+broken%3A+wrong+login+secret+rejected")
    assert keys(page)[0] == login.key
    assert "by meaning" in page
    assert "relevance" in page
    assert "data-degraded" not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=bug", {"bug"}),
        ("type=bug,task&priority=high&priority=low", {"bug", "task"}),
        ("status=To+Do", {"task"}),
        ("agent=impl-1", {"task"}),
        ("agent=none", {"bug", "stopped"}),
        ("tag=AIR,oil", {"task"}),
        ("blocked=true", {"stopped"}),
        ("blocked=false", {"bug", "task"}),
        ("completed=false", {"bug", "task", "stopped"}),
        ("approval=none", {"bug", "task", "stopped"}),
        ("rejected=true", {"bug", "task", "stopped"}),
        ("created_after=2020-01-01&updated_after=2020-01-01", {"bug", "task", "stopped"}),
        ("created_before=2020-01-01", set()),
        ("q=hinge", {"task"}),
        ("q=hinge&type=bug", set()),
        ("q=hinge&type=bug&type=task&mode=keyword&comments=false", {"task"}),
    ],
)
def test_filters_meet(browser: Client, agent: AgentWithToken, query: str, found: set[str]) -> None:
    made = {
        "bug": make_ticket(agent, title="Bellows", ticket_type="bug", priority="high", tags=["air"]),
        "task": make_ticket(
            agent, title="Oil the hinge", ticket_type="task", priority="low", tags=["Air", "oil"],
            assigned_agent_id="impl-1", initial_status="todo",
        ),
        "stopped": make_ticket(agent, title="Hang the door", ticket_type="feature"),
    }  # fmt: skip
    ticket_block(actor=agent.actor, request=BlockTicket(ticket_id=made["stopped"].id, reason="No door."))
    page = results(browser, query)
    assert set(keys(page)) == {made[name].key for name in found}
    assert ("No ticket" in page) == (not found)


def test_the_form_says_what_the_address_asks(browser: Client, agent: AgentWithToken) -> None:
    make_ticket(agent, title="Bellows")
    page = html(
        browser,
        "/search?workflow=anvil&q=bellows&mode=keyword&type=bug&status=to+do,done&tag=a&tag=b&agent=gone-1&blocked=true"
        "&completed=false&created_after=2025-10-01T12:00:00Z&comments=false",
    )
    for field in (
        'name="q" value="bellows"', 'value="keyword" checked', 'value="bug" checked', 'value="todo" checked',
        'value="done" checked', 'name="tag" value="a, b"', 'value="gone-1" selected', 'value="true" selected',
        'name="created_after" value="2025-10-01"', 'name="comments" value="false" checked',
        '<details class="filters-more" open>',
    ):  # fmt: skip
        assert field in page, field
    assert "data-filter-count>9<" in page.replace(" data-filter-count >", " data-filter-count>")
    assert "/search?workflow=anvil&amp;q=bellows&amp;mode=keyword&amp;comments=false" in page
    assert "Search without the filters" in page


def test_more_than_is_shown_is_said_and_offered(browser: Client, agent: AgentWithToken) -> None:
    for _ in range(23):
        make_ticket(agent, title="Anvil chip")
    page = results(browser, "q=chip")
    assert len(keys(page)) == 20
    assert "The best 20 of 23 tickets" in page
    assert "Show up to 50" in page
    page = results(browser, "q=chip&limit=50")
    assert len(keys(page)) == 23
    assert "Show up to 50" not in page


@pytest.mark.parametrize(
    "query",
    ["type=nothing", "priority=soon", "status=nowhere", "mode=magic", "blocked=perhaps", "completed=maybe", "limit=51",
     "limit=x", "limit=" + "9" * 400, "created_after=yesterday", "created_before=99999-01-01", "updated_after=%00",
     "q=%00", "q=" + "x" * 10_001, "agent=" + "x" * 101, "approval=perhaps", "tag=" + "x" * 101, "comments=some",
     "type=%00", "&".join(["tag=a" + str(n) for n in range(60)])],
)  # fmt: skip
def test_what_makes_no_sense_is_told_so_on_the_page(browser: Client, query: str) -> None:
    page = browser.get(f"/search?workflow=anvil&{query}&type=bug")
    assert page.status_code == 400
    text = page.content.decode()
    assert "Not searched." in text
    assert 'role="search"' in text
    assert browser.get(f"/search/results?workflow=anvil&{query}&type=bug").json()["error"]["message"]
    if not query.startswith("limit="):  # a file has all there is
        assert browser.get(f"/search/export?workflow=anvil&{query}&type=bug").status_code == 400


@pytest.mark.parametrize(
    "text",
    ['"', "'", "AND OR NOT NEAR(", "title:x*", "%", "_", "\\", "(((", "🛠", "\u202e", "x" * 9_000, "-", "^a", "NULL;--"],
)
def test_any_words_can_be_looked_for(browser: Client, agent: AgentWithToken, text: str) -> None:
    make_ticket(agent, title="Bellows")
    page = browser.get("/search", {"workflow": "anvil", "q": text})
    assert page.status_code == 200
    assert f'name="q" value="{escape(text)}"' in page.content.decode()


def test_markup_stays_text_everywhere(browser: Client, agent: AgentWithToken, workflow: Workflow) -> None:
    blocker = make_ticket(agent, title=f"Blocker {SCRIPT}")
    ticket = make_ticket(
        agent, title=f"Zebra {SCRIPT} {RTL}", description=f"A zebra {SCRIPT} </mark>", tags=[SCRIPT, "zebra"],
        blocked_by_ticket_ids=[blocker.id],
    )  # fmt: skip
    comment_add(actor=agent.actor, request=AddComment(ticket_id=ticket.id, comment_text=f"Zebra comment {SCRIPT}"))
    SavedView.objects.create(
        id="view-x", workflow=workflow, owner_agent_id="impl-1", kind="search", name=SCRIPT, is_shared=True
    )
    pages = [
        html(browser, f"/search?workflow=anvil&q=zebra+{quote(SCRIPT)}&tag={quote(SCRIPT)}"),
        html(browser, "/search?workflow=anvil"),
        html(browser, f"/search/preview/{ticket.key}"),
        html(browser, "/search/saved?workflow=anvil"),
        browser.get(f"/search/rows?workflow=anvil&ids={ticket.id}").json()["rows"][0]["facts"],
    ]
    assert keys(pages[0]) == [ticket.key]
    for page in pages:
        assert "alert(1)" in page
        assert SCRIPT not in page
    assert RTL in pages[0]


def test_a_workflow_of_others_does_not_exist(workflow: Workflow, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Secret bellows")
    stranger = browser_of(make_person(make_workflow("other")))
    for path in (
        "/search?workflow=anvil&q=bellows", "/search/results?workflow=anvil&q=bellows", "/search/saved?workflow=anvil",
        f"/search/rows?workflow=anvil&ids={ticket.id}", f"/search/preview/{ticket.key}", f"/search/preview/{ticket.id}",
        "/search/export?workflow=anvil&format=csv&q=bellows",
    ):  # fmt: skip
        answer = stranger.get(path)
        assert answer.status_code == 404, path
        assert "Secret" not in answer.content.decode()
    rows = stranger.get(f"/search/rows?workflow=other&ids={ticket.id}").json()["rows"]
    assert rows == []
    assert keys(html(stranger, "/search?workflow=other&q=bellows")) == []


def test_who_is_not_signed_in_is_sent_to_sign_in(workflow: Workflow) -> None:
    client = Client()
    page = client.get("/search?workflow=anvil&q=a+b")
    assert page.status_code == 302
    assert page.headers["Location"] == "/login?next=/search%3Fworkflow%3Danvil%26q%3Da%2Bb"
    assert client.get("/search/export?workflow=anvil").status_code == 302
    for path in ("/search/results?workflow=anvil", "/search/rows?workflow=anvil", "/search/preview/ANV-1"):
        assert client.get(path).status_code == 401
    assert browser_of(make_person(workflow)).post("/search?workflow=anvil").status_code == 405


def test_rows_say_where_tickets_stand_now_and_who_changed_them(browser: Client, agent: AgentWithToken) -> None:
    ticket, other = make_ticket(agent, title="Bellows"), make_ticket(agent, title="Hinge")
    since = Event.objects.order_by("-seq").values_list("seq", flat=True)[0]
    change = {"title": "Bellows, both", "priority": "critical"}
    request = UpdateTicket.model_validate({"ticket_id": ticket.id, "updates": change})
    ticket_update(actor=agent.actor, request=request)
    rows = browser.get(f"/search/rows?workflow=anvil&ids={other.id},{ticket.id},ticket-none&since={since}").json()
    by_id = {row["id"]: row for row in rows["rows"]}
    assert set(by_id) == {ticket.id, other.id}
    assert by_id[ticket.id]["title"] == "Bellows, both"
    assert "prio-critical" in by_id[ticket.id]["facts"]
    assert "impl-1</b> changed" in by_id[ticket.id]["facts"]
    assert "card-heat" not in by_id[other.id]["facts"]
    assert browser.get("/search/rows?workflow=anvil").json() == {"rows": []}
    for ids in ("%00", ",".join(["x"] * 101)):
        assert browser.get(f"/search/rows?workflow=anvil&ids={ids}").status_code == 400


def test_a_preview_shows_the_beginning_and_what_blocks(browser: Client, agent: AgentWithToken) -> None:
    blocker = make_ticket(agent, title="Fetch leather")
    ticket = make_ticket(
        agent, title="Bellows", description="# Leak\n\n" + "Air goes out.\n" * 200, tags=["air"],
        blocked_by_ticket_ids=[blocker.id],
    )  # fmt: skip
    page = html(browser, f"/search/preview/{ticket.key}")
    assert f"/tickets/{blocker.key}" in page
    assert "Fetch leather" in page
    assert ">Leak</h3>" in page
    assert 0 < page.count("Air goes out.") < 100
    assert "It goes on in the ticket." in page
    for reference in ("ANV-999", "%00", "x" * 101, "ticket-none", "🛠"):
        assert browser.get(f"/search/preview/{reference}").status_code in (400, 404)


def exported(browser: Client, form: str, query: str = "q=bellows") -> Any:
    return browser.get(f"/search/export?workflow=anvil&{query}&format={form}")


def test_what_was_found_can_be_taken_along(browser: Client, agent: AgentWithToken) -> None:
    evil = make_ticket(agent, title='=HYPERLINK("x";"bellows")', description="About the bellows.", tags=["+a", "b"])
    make_ticket(agent, title="Oil the hinges")
    many = [make_ticket(agent, title=f"Bellows {number} `*", description="@SUM(A1) bellows") for number in range(22)]
    answer = exported(browser, "csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="search-anv.csv"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert {row["key"] for row in rows} == {ticket.key for ticket in (evil, *many)}
    cells = [cell for row in rows for cell in row.values()]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert next(row for row in rows if row["key"] == evil.key)["tags"] == "'+a; b"

    data = json.loads(exported(browser, "json").content)
    assert (data["query"], data["search_type"], data["total_found"]) == ("bellows", "keyword", 23)
    assert data["degraded_reason"].startswith("Embeddings are switched off")
    assert [row["key"] for row in data["results"]] == [row["key"] for row in rows]
    assert not any(name.endswith("_html") for name in data["results"][0])

    text = exported(browser, "markdown").content.decode()
    assert text.startswith("# “bellows” in Anvil\n")
    assert text.count("\n## ANV-") == 23
    assert "\\`\\*" in text
    assert exported(browser, "xml").status_code == 400


def test_filters_hold_for_files_too(browser: Client, agent: AgentWithToken) -> None:
    bug = make_ticket(agent, ticket_type="bug")
    make_ticket(agent, ticket_type="task")
    data = json.loads(exported(browser, "json", "type=bug").content)
    assert [row["key"] for row in data["results"]] == [bug.key]
    assert exported(browser, "markdown", "type=bug").content.decode().startswith("# Tickets in Anvil")


def test_searches_are_kept_beside_views_of_the_board(browser: Client, agent: AgentWithToken, person: Any) -> None:
    path = "/api/workflows/anvil/views"
    client = api_client(agent)
    query = "q=leak&mode=semantic&type=bug&created_after=2025-10-01"
    kept = client.write(path, {"name": "Leaks", "kind": "search", "query": query, "is_shared": True}).json()["view"]
    assert (kept["kind"], kept["query"]) == ("search", query)
    board = client.write(path, {"name": "Leaks", "query": "type=bug"}).json()["view"]
    assert board["kind"] == "board"
    assert [view["view_id"] for view in client.get(path).json()["views"]] == [board["view_id"]]
    assert [view["view_id"] for view in client.get(path, {"kind": "search"}).json()["views"]] == [kept["view_id"]]
    assert client.get(path, {"kind": "other"}).status_code == 400
    for body in ({"kind": "search", "query": "lanes=agent"}, {"query": "mode=keyword"}, {"kind": "x"}):
        answer = client.write(path, {"name": "Wrong", **body})
        assert answer.status_code == 400
        assert answer.json()["error"]["field"] in ("query", "kind")

    page = html(browser, "/search?workflow=anvil")
    assert page.count(f"/search?workflow=anvil&amp;{query.replace('&', '&amp;')}") == 2
    assert "Shared by others" in page
    assert "data-forget=" not in page
    assert "Leaks" not in html(browser, "/tickets?workflow=anvil")


def test_the_page_takes_a_fixed_number_of_queries(
    browser: Client, agent: AgentWithToken, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):  # a page is full, and what is beyond is counted
        make_ticket(agent, title=f"Bellows {number}", assigned_agent_id="impl-1")
    html(browser, "/search?workflow=anvil&q=bellows+7")
    with django_assert_max_num_queries(17) as first:  # 16 on SQLite
        html(browser, "/search?workflow=anvil&q=bellows")
    for number in range(20, 28):
        make_ticket(agent, title=f"Bellows {number}")
    with django_assert_max_num_queries(len(first)):
        html(browser, "/search?workflow=anvil&q=bellows")


def test_searches_are_noted_with_what_they_found(browser: Client, agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Bellows")
    search_id = re.search(r'data-search-id="([^"]+)"', results(browser, "q=bellows"))
    assert search_id
    assert browser.get(f"/api/tickets/{ticket.key}?search_id={search_id[1]}").status_code == 200
    notes.write()
    record = SearchRecord.objects.get(pk=search_id[1])
    assert (record.query, record.hits, record.degraded) == ("bellows", 1, True)
    assert [click.ticket_id for click in record.clicks.all()] == [ticket.id]
    assert Ticket.objects.get(pk=ticket.id).version == ticket.version
