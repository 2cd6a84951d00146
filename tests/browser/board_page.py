"""What tests do with the board page, and boards whose rules refuse."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PASSWORD, Agent, Site

COLUMNS = [
    {"id": "open", "name": "Open", "category": "queue"},
    {"id": "doing", "name": "Doing", "wip_limit": 1},
    {"id": "check", "name": "Check"},
    {"id": "done", "name": "Done", "category": "final"},
]
TYPES = ["task", "bug"]
STRICT = {
    "columns": COLUMNS,
    "ticket_types": TYPES,
    "transitions": {"open": ["doing", "done"], "doing": ["open", "check", "done"], "check": ["doing", "done"]},
    "settings": {"enforce_wip_limits": True, "ticket_human_review": False},
}
TALKATIVE = {"columns": COLUMNS, "ticket_types": TYPES, "settings": {"require_comments_on_status_change": True}}
REVIEWED = {"columns": COLUMNS, "ticket_types": TYPES, "settings": {"ticket_human_review": True}}

HOSTILE = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'>\"'&amp;{{7*7}}"
TITLES = (HOSTILE, "x" * 500, "שלום עולם " * 30, "👩‍👩‍👧‍👦 " * 60, "two\u202ewords")
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Operator:
    """The site's person through REST: makes workflows with rules of their own, with the agent in them."""

    def __init__(self, site: Site) -> None:
        self.http = httpx.Client(base_url=site.url, headers={"Referer": site.url}, timeout=30)
        self.http.get("/login")
        form = {"username": "dana", "password": PASSWORD, "csrfmiddlewaretoken": self._token}
        assert self.http.post("/login", data=form).status_code == 302
        self.http.headers["X-CSRFToken"] = self._token

    @property
    def _token(self) -> str:
        return next(value for name, value in self.http.cookies.items() if "csrf" in name)

    def workflow(self, workflow_id: str, board: dict[str, Any], **fields: Any) -> None:
        body = {"workflow_id": workflow_id, "name": workflow_id.title(), "board": board, **fields}
        answer = self.http.post("/api/workflows", json=body)
        assert answer.status_code == 200, answer.text
        member = {"member_agent_id": "impl-1", "role": "member"}
        answer = self.http.post(f"/api/workflows/{workflow_id}/members", json=member)
        assert answer.status_code == 200, answer.text

    def new_workflow(self, begins: str, board: dict[str, Any], **fields: Any) -> str:
        """A workflow of a test's own, and of each try of it; its id, which ``begins`` so."""
        workflow_id = f"{begins}-{uuid4().hex[:6]}"
        self.workflow(workflow_id, board, **fields)
        return workflow_id


def card(page: Page, ticket: dict[str, Any]) -> Locator:
    return page.locator(f'.board [data-ticket-id="{ticket["ticket_id"]}"]')


def link(page: Page, ticket: dict[str, Any]) -> Locator:
    return card(page, ticket).locator(".card-title a")


def column(page: Page, name: str) -> Locator:
    return page.locator(f'[data-column="{name}"]')


def placed(page: Page, name: str, ticket: dict[str, Any]) -> Locator:
    """The ticket's card, in that column."""
    return column(page, name).locator(f'[data-ticket-id="{ticket["ticket_id"]}"]')


def wait_until_live(page: Page) -> Page:
    expect(page.locator("[data-live-word]")).to_have_text("Live")
    return page


def stored(agent: Agent, ticket: dict[str, Any]) -> dict[str, Any]:
    """The ticket as the server has it."""
    answer: dict[str, Any] = agent.http.get(f"/api/tickets/{ticket['ticket_id']}").json()["ticket"]
    return answer


def expect_stored(page: Page, agent: Agent, ticket: dict[str, Any], **fields: Any) -> None:
    """Wait until the server has these values: the page shows a move before it is made."""
    expect(page.locator(".is-saving")).to_have_count(0)
    now = stored(agent, ticket)
    assert {name: now[name] for name in fields} == fields


def grab(page: Page, ticket: dict[str, Any]) -> None:
    """Press the mouse on a card and begin to carry it."""
    card(page, ticket).evaluate("node => node.scrollIntoView({ block: 'nearest' })")
    box = card(page, ticket).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 14)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 9, box["y"] + 24, steps=3)
    expect(page.locator("body > .is-lifted")).to_be_visible()


def carry(page: Page, target: Locator, *, at: float = 0.5) -> None:
    """Move the mouse over a place of the target: ``at`` of its height."""
    box = target.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * at, steps=12)
    page.mouse.move(box["x"] + box["width"] / 2 + 2, box["y"] + box["height"] * at + 1, steps=2)


def drag(page: Page, ticket: dict[str, Any], target: Locator, *, at: float = 0.5) -> None:
    grab(page, ticket)
    carry(page, target, at=at)
    page.mouse.up()
    expect(page.locator("body > .is-lifted")).to_have_count(0)
