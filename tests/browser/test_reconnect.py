"""The server goes and comes back under an open board."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.browser.board_page import card, expect_stored, link, placed, wait_until_live
from tests.browser.conftest import OpenPage, Site

pytestmark = pytest.mark.browser


def test_the_board_catches_up_after_a_restart(open_page: OpenPage, stopped_site: Site) -> None:
    agent = stopped_site.agent
    with stopped_site.start() as server:
        ticket = agent.create("Survive the night")
        page = open_page("/tickets?workflow=forge", expect_errors=True)
        word = page.locator("[data-live-word]")
        expect(word).to_have_text("Live")
        page.evaluate("window.same = true")
        server.kill()
        expect(word).to_have_text("Reconnecting")
        expect(page.locator("[data-live]")).to_have_class(re.compile("is-lost"))
        # What was there stays readable, and the page says that it may be behind.
        expect(page.get_by_text("Survive the night")).to_be_visible()
        expect(page.get_by_role("status").get_by_role("button", name="Try now")).to_be_visible()

    with stopped_site.start():
        agent.move(ticket, "review")
        created = agent.create("Born while nobody looked")
        expect(word).to_have_text("Live", timeout=30_000)
        moved = page.locator(f'[data-column="review"] [data-ticket-id="{ticket["ticket_id"]}"]')
        expect(moved).to_be_visible()
        expect(page.locator(f'[data-ticket-id="{created["ticket_id"]}"]')).to_be_visible()
        expect(page.get_by_role("button", name="Try now")).to_have_count(0)
        assert page.evaluate("window.same"), "it recovered without a reload"
        agent.move(created, "in_progress")
        expect(page.locator('[data-column="in_progress"] .card')).to_have_count(1)


def test_a_connection_that_only_looks_open_is_given_up(open_page: OpenPage, stopped_site: Site) -> None:
    agent = stopped_site.agent
    made: list[WebSocketRoute] = []

    def deaf(route: WebSocketRoute) -> None:
        made.append(route)
        server = route.connect_to_server()
        server.on_message(lambda text: None if route in dead else route.send(text))

    dead: list[WebSocketRoute] = []
    with stopped_site.start():
        page = open_page("/tickets?workflow=forge")
        page.route_web_socket(re.compile("/ws/"), deaf)
        page.clock.install()
        page.reload()
        wait_until_live(page)
        dead.append(made[0])
        ticket = agent.create("Told to a dead wire", initial_status="review")
        for _ in range(3):
            page.clock.fast_forward(30_000)
            page.wait_for_timeout(200)
        expect(card(page, ticket)).to_be_visible()
        assert len(made) == 2


def test_a_server_that_hangs_is_not_waited_for_without_end(open_page: OpenPage, stopped_site: Site) -> None:
    agent = stopped_site.agent
    with stopped_site.start():
        ticket = agent.create("Held by a server that hangs", initial_status="todo")
        page = open_page("/tickets?workflow=forge")
        page.clock.install()
        wait_until_live(page)
        moving = re.compile("/api/tickets/(move|change-status)")
        page.route(moving, lambda route: None)
        link(page, ticket).focus()
        with page.expect_request(moving):
            for key in ("Space", "ArrowRight", "Space"):
                page.keyboard.press(key)
        page.clock.fast_forward(59_000)
        refusal = card(page, ticket).get_by_role("alert")
        expect(refusal).to_have_count(0)
        page.clock.fast_forward(2_000)
        expect(refusal).to_contain_text("The server did not answer. Nothing is lost.")
        page.unroute(moving)
        refusal.get_by_role("button", name="Try again").click()
        expect(placed(page, "in_progress", ticket)).to_be_visible()
        expect_stored(page, agent, ticket, status="in_progress")


def test_a_card_in_the_hand_survives_a_restart(open_page: OpenPage, stopped_site: Site) -> None:
    agent = stopped_site.agent
    with stopped_site.start() as server:
        ticket = agent.create("Carried through the night", initial_status="todo")
        page = wait_until_live(open_page("/tickets?workflow=forge", expect_errors=True))
        link(page, ticket).focus()
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
        server.kill()
        expect(page.locator("[data-live-word]")).to_have_text("Reconnecting")
        expect(link(page, ticket)).to_be_focused()
        page.keyboard.press("Space")
        refusal = card(page, ticket).get_by_role("alert")
        expect(refusal).to_contain_text("The server did not answer. Nothing is lost.")
        expect(placed(page, "todo", ticket)).to_be_visible()

    with stopped_site.start():
        wait_until_live(page)
        refusal.get_by_role("button", name="Try again").click()
        expect(placed(page, "in_progress", ticket)).to_be_visible()
        expect(card(page, ticket).get_by_role("alert")).to_have_count(0)
        expect_stored(page, agent, ticket, status="in_progress")
