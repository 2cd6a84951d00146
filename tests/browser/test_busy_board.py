"""5,000 events a minute, for twenty seconds: the board shows all of them, and answers keys meanwhile.

How long its tasks take is measured by ``python -m tests.bench.board``; here it is what the page does that counts.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from tests.browser.board_page import link, wait_until_live
from tests.browser.busy_agents import keep_busy
from tests.browser.conftest import OpenPage, Site
from tests.browser.test_writers import SHOWN

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PER_SECOND = 5000 / 60
SECONDS = 20
# The heads of the columns are drawn with each answer, so a node of a card that nothing happened to stays.
MARK = "id => { document.querySelector(`[data-ticket-id='${id}']`).marked = true }"
MARKED = "id => document.querySelector(`[data-ticket-id='${id}']`).marked === true"


def test_five_thousand_events_a_minute(open_page: OpenPage, site: Site) -> None:
    agent = site.agent
    still = [agent.create(f"Untouched {number}", initial_status="backlog", priority="critical") for number in range(3)]
    tickets = []
    for _ in range(3):
        rows = [
            {"title": f"Busy {row}", "description": "Moves all the time.", "initial_status": "todo"}
            for row in range(42)
        ]
        tickets += [row["ticket_id"] for row in agent.post("bulk-create", tickets=rows)["tickets"]]
    page = wait_until_live(open_page("/tickets?workflow=forge"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/tickets/cards" in request.url else None)
    for ticket in still:
        page.evaluate(MARK, ticket["ticket_id"])
    link(page, still[0]).focus()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(keep_busy, agent.http, tickets, per_second=PER_SECOND, seconds=SECONDS)
        steps = 0
        while not working.done():
            for key, ticket in (("ArrowDown", still[1]), ("ArrowDown", still[2]), ("Home", still[0])):
                page.keyboard.press(key)
                expect(link(page, ticket)).to_be_focused()
                steps += 1
        events = working.result()
    newest = agent.http.get("/api/workflows/forge/events?since=0&limit=1").json()["seq"]
    expect(page.locator(".board")).to_have_attribute("data-seq", str(newest))
    assert steps > SECONDS, "keys were answered all the time"
    # Thirty cards a request at the most, and never a request for one card alone of a burst.
    assert len(asked) <= events / 10, (len(asked), events)
    assert all(page.evaluate(MARKED, ticket["ticket_id"]) for ticket in still), "what nobody changed was not touched"
    shown = page.evaluate(SHOWN)
    page.reload()
    fresh = page.evaluate(SHOWN)
    # More may be loaded than a fresh page shows, never less and never in another order.
    for column, cards in fresh.items():
        assert shown[column][: len(cards)] == cards, column
