"""The board under a finger, and for people whom movement disturbs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.board_page import card, column, expect_stored, placed, wait_until_live
from tests.browser.conftest import Agent, OpenPage

pytestmark = pytest.mark.browser

TABLET = {"viewport": {"width": 820, "height": 1100}, "has_touch": True, "is_mobile": True}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_on_a_phone_the_menu_moves_a_card_to_a_column_out_of_sight(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Moved by taps", initial_status="backlog")
    page = wait_until_live(open_page("/tickets?workflow=forge", **PHONE))
    card(page, ticket).locator(".card-menu").tap()
    page.get_by_role("menuitem", name=re.compile("Move to")).tap()
    page.get_by_role("menuitem", name=re.compile("Review")).tap()
    expect_stored(page, agent, ticket, status="review")
    page.locator('[data-tab="review"]').tap()
    expect(placed(page, "review", ticket)).to_be_in_viewport()


def test_a_finger_that_rests_on_a_card_carries_it(open_page: OpenPage, agent: Agent) -> None:
    ticket = agent.create("Carried by a finger", initial_status="todo")
    page = wait_until_live(open_page("/tickets?workflow=forge", **TABLET))
    start, end = card(page, ticket).bounding_box(), column(page, "in_progress").bounding_box()
    assert start
    assert end
    x, y = start["x"] + start["width"] / 2, start["y"] + 14
    across, down = end["x"] + end["width"] / 2 - x, end["y"] + 120 - y
    finger = page.context.new_cdp_session(page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    page.wait_for_timeout(450)  # as long as tells a carry from a swipe
    for step in range(1, 16):
        point = {"x": x + across * step / 15, "y": y + down * step / 15}
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        page.wait_for_timeout(20)
    expect(page.locator("body > .is-lifted")).to_be_visible()
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect_stored(page, agent, ticket, status="in_progress")
    expect(placed(page, "in_progress", ticket)).to_be_visible()


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_for_those_whom_it_disturbs(open_page: OpenPage, agent: Agent, motion: Any) -> None:
    ticket = agent.create("Moves without a movement", initial_status="todo")
    page = wait_until_live(open_page("/tickets?workflow=forge", reduced_motion=motion))
    page.evaluate("""() => {
        window.ran = [];
        for (const kind of ["animationstart", "transitionrun"]) addEventListener(kind, event => {
            const all = event.target.getAnimations({ subtree: true });
            if (!all.some(one => one.effect.getComputedTiming().duration > 10)) return;
            window.ran.push(`${kind} ${event.target.className}`);
        }, true);
    }""")
    agent.move(ticket, "review")
    expect(placed(page, "review", ticket)).to_be_visible()
    placed(page, "review", ticket).locator(".card-title a").click()
    expect(page.locator("dialog.sheet[open] .composer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog.sheet[open]")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.locator("dialog.palette[open]")).to_be_visible()
    page.wait_for_timeout(300)
    ran = page.evaluate("window.ran")
    assert (ran == []) == (motion == "reduce"), ran
