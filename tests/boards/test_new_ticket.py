"""The form of a new ticket and the palette, as far as the server serves them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from boards.schemas import SaveView
from boards.services.views import view_save
from boards.web.ticket.templates import OUTLINES
from search.models import DuplicateOutcome, DuplicateWarning
from search.services.records import notes
from tests.boards.pages import browser_of, html
from tests.factories import AgentWithToken, make_agent, make_person, make_ticket, make_workflow
from tickets.access import actor_for_user
from tickets.models import Workflow

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert('x')</script> & \"friends\""
TEXT = "More iron than the store has, and nobody said so."
NEW = 'data-opens="new-ticket"'


@pytest.fixture
def person(workflow: Workflow) -> Any:
    return make_person(workflow)


@pytest.fixture
def browser(person: Any) -> Client:
    return browser_of(person)


def ask(client: Client, body: Any, status: int = 200) -> str:
    text = body if isinstance(body, str) else json.dumps(body)
    answer = client.post("/tickets/new/alike", text, content_type="application/json")
    assert answer.status_code == status, answer.content
    return answer.content.decode()


def choices(client: Client, workflow_id: str = "anvil") -> dict[str, Any]:
    answer = client.get("/tickets/choices", {"workflow": workflow_id})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


# ── the bar of every page ──


def test_every_page_has_the_palette_and_offers_a_ticket_to_who_may_write(
    workflow: Workflow, agent: AgentWithToken, browser: Client
) -> None:
    viewer = browser_of(make_person(workflow, role="viewer"))
    ticket = make_ticket(agent)
    for address in ("/tickets", f"/tickets/{ticket.key}", "/connect"):
        written, read = html(browser, address), html(viewer, address)
        for page in (written, read):
            assert 'href="/search?workflow=anvil" data-opens="palette"' in page, address
        assert NEW in written, address
        assert NEW not in read, address
    Workflow.objects.filter(pk="anvil").update(is_active=False)
    for address in ("/tickets", f"/tickets/{ticket.key}", "/connect"):
        assert NEW not in html(browser, address), address


def test_who_belongs_to_no_workflow_has_the_palette_but_no_ticket_to_write() -> None:
    page = html(browser_of(make_person()), "/connect")
    assert 'data-opens="palette"' in page
    assert NEW not in page


# ── the page ──


def test_the_form_has_an_address_of_its_own(workflow: Workflow, browser: Client) -> None:
    page = html(browser, "/tickets/new?workflow=anvil")
    assert 'data-workflow="anvil"' in page
    assert "js/newticketpage.js" in page
    assert "<noscript>" in page
    assert "POST /api/tickets/create" in page
    html(browser, "/tickets/new?workflow=elsewhere", 404)
    answer = Client().get("/tickets/new?workflow=anvil", headers={"Accept": "text/html"})
    assert answer.status_code == 302
    assert "/login?next=/tickets/new%3Fworkflow%3Danvil" in answer.headers["Location"]


def test_the_page_says_why_nothing_can_be_created(workflow: Workflow, browser: Client) -> None:
    viewer = browser_of(make_person(workflow, role="viewer"))
    page = html(viewer, "/tickets/new?workflow=anvil")
    assert "You may read this workflow, not create tickets in it." in page
    assert "data-loading" not in page
    Workflow.objects.filter(pk="anvil").update(is_active=False)
    page = html(browser, "/tickets/new?workflow=anvil")
    assert "It takes no new tickets." in page
    assert "data-loading" not in page


# ── what there is to choose ──


def test_choices_name_types_columns_people_and_views(workflow: Workflow, person: Any, browser: Client) -> None:
    make_agent(workflow, agent_id="impl-2")
    actor = actor_for_user(person)
    view_save(actor=actor, request=SaveView(workflow_id="anvil", name=HOSTILE, query="priority=high"))
    found = choices(browser)
    assert (found["workflow"], found["me"], found["writes"]) == ("anvil", actor.agent_id, True)
    kinds = {kind["id"]: kind for kind in found["kinds"]}
    assert kinds["bug"]["glyph"] == "type-bug"
    assert kinds["bug"]["emoji"] == ""
    assert found["kind"] in kinds
    assert found["status"] in {column["id"] for column in found["columns"]}
    assert "impl-2" in {member[0] for member in found["members"]}
    assert found["views"] == [{"name": HOSTILE, "address": "/tickets?workflow=anvil&priority=high"}]
    view_save(actor=actor, request=SaveView(workflow_id="anvil", name=HOSTILE, query="q=rust&type=bug", kind="search"))
    assert choices(browser)["searches"] == [{"name": HOSTILE, "address": "/search?workflow=anvil&q=rust&type=bug"}]
    assert choices(browser_of(make_person(workflow, role="viewer")))["writes"] is False


def test_an_administrator_can_be_chosen_without_being_a_member(workflow: Workflow) -> None:
    root = make_person(superuser=True)
    me = actor_for_user(root).agent_id
    found = choices(browser_of(root))
    assert (found["me"], found["writes"]) == (me, True)
    assert [me, root.get_username(), True] in found["members"]


def test_choices_are_kept_from_others(workflow: Workflow) -> None:
    assert browser_of(make_person(make_workflow("own"))).get("/tickets/choices?workflow=anvil").status_code == 404
    answer = Client().get("/tickets/choices?workflow=anvil")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"


def test_templates_are_those_of_the_boards_types_by_its_names() -> None:
    columns = [{"id": "todo", "name": "To do"}, {"id": "done", "name": "Done"}]
    types = [
        {"id": "spike", "name": "Question", "icon": "❓"},
        {"id": "chore", "name": "Chore"},
        {"id": "bug", "name": "Bug"},
    ]
    asked = make_workflow("asked", board={"columns": columns, "ticket_types": types})
    found = choices(browser_of(make_person(asked)), "asked")
    assert [(row["id"], row["name"]) for row in found["outlines"]] == [("spike", "Question"), ("bug", "Bug")]
    assert "## Steps" in found["outlines"][1]["text"]
    assert [kind["emoji"] for kind in found["kinds"]] == ["❓", "", ""]
    plain = make_workflow("plain", board={"columns": columns, "ticket_types": ["chore"]})
    assert [row["id"] for row in choices(browser_of(make_person(plain)), "plain")["outlines"]] == ["task"]


def test_a_template_alone_is_long_enough_to_be_a_description() -> None:
    assert all(len(outline.text.strip()) >= 10 and outline.text.startswith("## ") for outline in OUTLINES)


# ── what may be there already ──


def test_tickets_that_say_the_same_are_shown_escaped_with_their_state(agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent, title=f"Buy iron {HOSTILE}", description=TEXT)
    shown = ask(browser, {"workflow_id": "anvil", "title": f"buy IRON {HOSTILE}", "description": TEXT})
    assert f'data-candidate="{ticket.key}" data-relation="duplicate"' in shown
    assert f'data-instead="{ticket.key}"' in shown
    assert f'href="/tickets/{ticket.key}" target="_blank" rel="noopener"' in shown
    assert "Says the same" in shown
    assert "1.00" in shown
    assert ">Backlog</bdi>" in shown
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    other = ask(browser, {"workflow_id": "anvil", "title": "Entirely other words"})
    assert "data-candidate" not in other
    assert "only tickets of the very same text are found" in other


def test_only_turning_to_the_other_ticket_is_counted(agent: AgentWithToken, browser: Client) -> None:
    ticket = make_ticket(agent, title="Buy iron", description=TEXT)
    body = {"workflow_id": "anvil", "title": "Buy iron", "description": TEXT}
    notes._rows.clear()  # of other tests
    ask(browser, body)
    notes.write()
    assert not DuplicateWarning.objects.exists()
    assert browser.post("/api/tickets/similar", json.dumps(body), content_type="application/json").status_code == 200
    notes.write()
    warning = DuplicateWarning.objects.get()
    assert (warning.candidate_id, warning.outcome) == (ticket.id, DuplicateOutcome.SHOWN)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("no JSON", None),
        ([], None),
        ("[" * 100_000, None),
        ({"workflow_id": "anvil"}, "title"),
        ({"workflow_id": "anvil", "title": ""}, "title"),
        ({"workflow_id": "anvil", "title": "x" * 501}, "title"),
        ({"workflow_id": "anvil", "title": "nul \x00"}, "title"),
        ({"workflow_id": "anvil", "title": ["list"]}, "title"),
        ({"workflow_id": "anvil", "title": "words", "description": 5}, "description"),
        ({"workflow_id": "anvil", "title": "words", "more": 1}, "more"),
    ],
    ids=["text", "list", "deep", "nothing", "empty", "long", "nul", "type", "number", "unknown"],
)
def test_nonsense_is_refused_by_name(browser: Client, workflow: Workflow, body: Any, field: str | None) -> None:
    error = json.loads(ask(browser, body, 400))["error"]
    assert error.get("field") == field


def test_candidates_are_kept_from_others(agent: AgentWithToken) -> None:
    make_ticket(agent, title="Buy iron", description=TEXT)
    body = {"workflow_id": "anvil", "title": "Buy iron", "description": TEXT}
    stranger = browser_of(make_person(make_workflow("own")))
    assert "Buy iron" not in ask(stranger, body, 404)
    assert json.loads(ask(Client(), body, 401))["error"]["code"] == "unauthenticated"
    assert stranger.get("/tickets/new/alike").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_person(make_workflow("other")))
    ask(strict, body, 403)
