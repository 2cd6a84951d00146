"""The guardian's page: every finding with its evidence, and calls that do what their buttons say."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from boards.insights.schemas import KINDS
from boards.web.steering.guardian import AUDIENCES, WORDS
from tests.answers import ok
from tests.boards.insights_world import Watched
from tests.boards.pages import HOSTILE, browser_of, html
from tests.boards.test_insights import fill
from tests.factories import api_client, make_person, make_workflow
from tickets.models import Ticket, Workflow
from tickets.operations import TICKET_BLOCK, TICKET_CLAIM

pytestmark = pytest.mark.django_db


def page_of(world: Watched, client: Client | None = None, **query: str) -> str:
    """The page for a maintainer, or for whoever the client is; the fragment must say the same."""
    client = client or browser_of(make_person(world.workflow, role="maintainer"))
    asked = "&".join(f"{name}={value}" for name, value in {"workflow": world.workflow.id, **query}.items())
    page = html(client, f"/guardian?{asked}")
    assert html(client, f"/guardian/findings?{asked}").strip() in page
    return page


def calls(page: str) -> list[Any]:
    """What the buttons send."""
    return [json.loads(unescape(text)) for text in re.findall(r'data-call="([^"]*)"', page)]


def groups(page: str) -> list[str]:
    return re.findall(r'data-group="([^"]*)"', page)


def test_every_kind_has_words_and_one_who_looks_after_it() -> None:
    assert set(WORDS) == set(KINDS)
    assert sorted(kind for kinds in AUDIENCES.values() for kind in kinds) == sorted(KINDS)


def test_every_finding_of_the_insights_is_there_by_kind_and_severity(world: Watched) -> None:
    fill(world)
    answer = world.insights()
    page = page_of(world)
    assert len(re.findall("data-finding=", page)) == len(answer["findings"])
    assert sorted(groups(page)) == sorted(answer["counts"])
    severity = {"high": 0, "medium": 1, "low": 2, "info": 3}
    shown = [re.findall(r'<li class="finding sev-(\w+)"', part) for part in page.split('data-group="')[1:]]
    assert all(part == sorted(part, key=severity.__getitem__) for part in shown)
    first = [severity[part[0]] for part in shown]
    assert first == sorted(first)
    for finding in answer["findings"]:
        plain = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", page)))
        assert finding["message"] in plain
        step = finding["suggestion"]["description"].removesuffix(".") if finding["suggestion"] else None
        assert (step or finding["no_suggestion"]) in plain


def test_each_watcher_has_its_own_and_a_kind_shows_all_of_it(world: Watched) -> None:
    fill(world)
    for _ in range(12):
        world.ticket(priority="critical")
    for audience, kinds in AUDIENCES.items():
        found = groups(page_of(world, None, **{"for": audience}))
        assert found
        assert set(found) <= set(kinds)
    some = page_of(world)
    assert len(re.findall("data-finding=", some.split('data-group="unassigned"')[1].split("</section>")[0])) == 10
    [more] = re.findall(r'href="([^"]*kind=unassigned[^"]*)"', some)
    every = html(browser_of(make_person(world.workflow)), unescape(more))
    assert groups(every) == ["unassigned"]
    assert len(re.findall("data-finding=", every)) == world.insights("unassigned")["counts"]["unassigned"] > 12


def test_evidence_says_since_when_and_names_tickets_as_links(world: Watched) -> None:
    first, second = world.chain("a", "b")
    world.wait(hours=30)
    page = page_of(world, kind="blocked_too_long")
    row = page.split("data-finding=")[1].split("</li>\n")[0]
    assert f'<a href="/tickets/{second.key}">{second.key}</a>' in row
    plain = re.sub(r"<[^>]+>", " ", row)
    assert re.search(r"since\s+1d", plain)
    assert re.search(r"Blocked since\s+1d", plain)
    assert re.search(rf"First in line\s+{first.key}", plain)
    assert "Threshold hours" in plain
    assert f"/graph?workflow={world.workflow.id}&amp;around={second.key}" in row


def test_what_a_button_sends_can_be_carried_out_and_taken_back(world: Watched) -> None:
    lonely = world.ticket(priority="critical")
    quiet = world.ticket(priority="low")
    world.wait(hours=30)
    [assign] = calls(page_of(world, kind="unassigned"))
    assert assign["arguments"]["expected_version"] == lonely.version
    before = snapshot(lonely)
    client = api_client(world.maintainer)
    ok(client.write(f"/api/{assign['path']}", assign["arguments"]))
    assert snapshot(lonely) != before
    ok(client.write(f"/api/{assign['path']}", assign["undo"]))
    assert snapshot(lonely) == before
    [hasten] = [call for call in calls(page_of(world, kind="stuck")) if call["arguments"]["ticket_id"] == quiet.id]
    before = snapshot(quiet)
    ok(client.write(f"/api/{hasten['path']}", hasten["arguments"]))
    assert snapshot(quiet)["priority"] == "medium"
    ok(client.write(f"/api/{hasten['path']}", hasten["undo"]))
    assert snapshot(quiet) == before


@pytest.mark.parametrize(
    ("transitions", "has_undo"),
    [
        (None, True),
        ({"todo": ["doing", "ready"], "doing": ["todo"], "ready": []}, True),
        ({"todo": ["doing"], "doing": ["ready"]}, False),
    ],
)
def test_a_move_back_can_be_taken_back_where_the_board_allows_it(
    monkeypatch: pytest.MonkeyPatch, transitions: dict[str, list[str]] | None, has_undo: bool
) -> None:
    world = Watched(monkeypatch, transitions=transitions)
    ticket = world.ticket()
    world.move(ticket, "doing")
    world.wait(hours=30)
    [call] = [one for one in calls(page_of(world, kind="stuck")) if one["path"] == "tickets/change-status"]
    assert bool(call["undo"]) == has_undo
    client = api_client(world.maintainer)
    ok(client.write(f"/api/{call['path']}", call["arguments"]))
    assert snapshot(ticket)["status"] != "doing"
    if has_undo:
        ok(client.write(f"/api/{call['path']}", call["undo"]))
        assert snapshot(ticket)["status"] == "doing"


def test_what_cannot_be_taken_back_has_no_way_back(world: Watched) -> None:
    ticket = world.ticket()
    world.do(TICKET_CLAIM, ticket, lease_seconds=86_400)
    world.do(TICKET_BLOCK, world.ticket(), reason="A person must look first.")
    world.wait(hours=23.5)
    [release] = calls(page_of(world, kind="silent_agent"))
    assert (release["path"], release["undo"]) == ("tickets/release", None)
    world.wait(hours=1)
    [ask] = calls(page_of(world, kind="blocked_too_long"))
    assert (ask["path"], ask["undo"]) == ("tickets/comment", None)


def test_a_review_about_to_expire_leads_to_the_approvals(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Watched(monkeypatch, ticket_human_review=True, approval_timeout_seconds=7200)
    world.ticket()
    world.wait(minutes=110)
    row = page_of(world, kind="pending_review").split("data-finding=")[1].split("</li>\n")[0]
    assert f'href="/approvals?workflow={world.workflow.id}"' in row


def test_who_may_press_a_button_is_who_may_do_it(world: Watched) -> None:
    world.ticket(priority="critical")
    world.do(TICKET_CLAIM, world.ticket(), lease_seconds=86_400)
    world.wait(hours=20)
    people = {role: browser_of(make_person(world.workflow, role=role)) for role in ("viewer", "member", "maintainer")}
    pages = {role: page_of(world, client) for role, client in people.items()}
    paths = {role: {call["path"] for call in calls(page)} for role, page in pages.items()}
    assert paths["viewer"] == set()
    assert "tickets/assign" in paths["member"]
    assert "tickets/release" not in paths["member"]
    assert paths["maintainer"] == paths["member"] | {"tickets/release"}
    assert "A maintainer may: End the lease" in re.sub(r"\s+", " ", pages["member"])
    assert "Suggested: Assign" in re.sub(r"\s+", " ", pages["viewer"])


def test_where_nothing_may_change_nothing_is_suggested(world: Watched) -> None:
    world.ticket(priority="critical")
    world.wait(hours=30)
    Workflow.objects.filter(pk=world.workflow.pk).update(is_active=False)
    page = page_of(world)
    assert "unassigned" in groups(page)
    assert calls(page) == []


def test_a_finding_keeps_its_name_from_one_look_to_the_next(world: Watched) -> None:
    fill(world)
    person = browser_of(make_person(world.workflow, role="maintainer"))
    first = re.findall(r'data-finding="(\w+)"', page_of(world, person))
    assert len(first) == len(set(first))
    world.wait(minutes=5)
    again = re.findall(r'data-finding="(\w+)"', page_of(world, person))
    assert set(first) & set(again) >= set(first) - {first[-1]}


def test_nothing_to_look_after_is_said(world: Watched) -> None:
    page = page_of(world, None, **{"for": "guardian", "kind": "stuck"})
    assert "Nothing needs attention." in page
    assert groups(page) == []


def test_hostile_text_stays_text(world: Watched) -> None:
    ticket = world.ticket(title=HOSTILE, priority="critical")
    world.do(TICKET_BLOCK, ticket, reason=HOSTILE)
    world.ticket(title="שלום " * 60, priority="critical")
    world.wait(hours=30)
    page = page_of(world)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert HOSTILE in unescape(page)


@pytest.mark.parametrize("query", [{"for": "everyone"}, {"kind": "none-such"}, {"for": "\x00"}, {"kind": "x" * 9000}])
def test_what_cannot_be_asked_is_refused(world: Watched, query: dict[str, str]) -> None:
    client = browser_of(make_person(world.workflow))
    for address in ("/guardian", "/guardian/findings"):
        assert client.get(address, {"workflow": world.workflow.id, **query}).status_code == 400


def test_only_those_who_may_see_the_workflow_see_its_findings(world: Watched) -> None:
    stranger = browser_of(make_person(make_workflow()))
    for address, status in (("/guardian", 302), ("/guardian/findings", 401)):
        assert stranger.get(address, {"workflow": world.workflow.id}).status_code == 404
        assert Client().get(address, {"workflow": world.workflow.id}).status_code == status


def test_the_number_of_queries_does_not_depend_on_how_much_there_is(
    world: Watched, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser_of(make_person(world.workflow))
    # Without duplicates, for which search asks ticket by ticket.
    asked = {"workflow": world.workflow.id, "for": "guardian"}
    for _ in range(3):
        world.chain("a", "b", "c")
        world.ticket(priority="critical")
        client.get("/guardian/findings", asked)
        # Session, user, agent; workflow, once more for the insights; seven facts; titles, names; may write.
        with django_assert_num_queries(15):
            client.get("/guardian/findings", asked)


def snapshot(ticket: Ticket) -> dict[str, Any]:
    """What the suggestions change."""
    fields = ("assigned_agent_id", "priority", "status", "related_ticket_ids")
    return dict(Ticket.objects.values(*fields).get(pk=ticket.pk))
