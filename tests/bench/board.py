"""What a person notices of the board: ``python -m tests.bench.board``, in Chromium against the real server.

Prints the longest task while 5,000 events a minute come in, the delay of a moved card in another browser, the time
from a click on a card to its ticket, and that from following a link to the dependency graph until its 500 tickets
are painted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import httpx
from playwright.sync_api import Page, sync_playwright

from tests.bench.fixture import Fixture
from tests.bench.measure import percentile
from tests.bench.server import ROOT, data_folder, serve
from tests.browser.busy_agents import keep_busy
from tests.browser.conftest import CHROMIUM, FLAGS

# Tasks of 50 ms and more, as the browser itself reports them.
LONG_TASKS = """() => {
    window.tasks = [];
    new PerformanceObserver(list => window.tasks.push(...list.getEntries().map(task => task.duration)))
        .observe({ type: "longtask" });
}"""
# When a card stands in its new column: milliseconds of the same clock as the writer's.
ARRIVAL = """([id, column]) => new Promise(resolve => {
    const there = () => document.querySelector(`[data-column="${column}"] [data-ticket-id="${id}"]`);
    const look = () => there() && (observer.disconnect(), resolve(performance.timeOrigin + performance.now()));
    const observer = new MutationObserver(look);
    observer.observe(document.querySelector(".board"), { childList: true, subtree: true });
    window.armed = true;
})"""
# From the click to the frame that shows the ticket.
OPENING = """() => { window.opening = new Promise(resolve => {
    let start = 0;
    addEventListener("click", () => { start = performance.now(); }, { capture: true, once: true });
    const observer = new MutationObserver(() => {
        if (!document.querySelector("dialog.sheet[open] .panel-main")) return;
        observer.disconnect();
        requestAnimationFrame(() => resolve(performance.now() - start));
    });
    observer.observe(document.body, { childList: true, subtree: true, attributes: true });
}); }"""


NODES = 500  # as many as the graph ever shows
# When the frame after the last change of the drawing was painted: milliseconds since the navigation began.
PAINTING = """(() => {
    const painted = () => requestAnimationFrame(() => setTimeout(() => { window.painted = performance.now(); }));
    new MutationObserver(changes => changes.some(({ target }) => target.closest?.(".graph-body")) && painted())
        .observe(document, { childList: true, subtree: true, attributes: true });
})()"""
ALL_DRAWN = f"() => document.querySelectorAll('.node').length === {NODES} && performance.now() - window.painted > 1000"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.board", description=__doc__)
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--repeats", type=int, default=40)
    arguments = parser.parse_args()
    with data_folder("sqlite") as environment:
        command = [sys.executable, "-m", "tests.bench.load", str(arguments.tickets)]
        loaded = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        fixture = Fixture.from_json(loaded.stdout.splitlines()[-1])
        with serve(environment) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            base = f"http://127.0.0.1:{server.port}"
            context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=base)
            name, _, value = fixture.cookie.partition("=")
            context.add_cookies([{"name": name, "value": value, "url": base}])
            page = context.new_page()
            page.goto(f"/tickets?workflow={fixture.workflow_id}")
            page.get_by_text("Live", exact=True).wait_for()
            headers = {"Authorization": f"Bearer {fixture.tokens[0]}"}
            with httpx.Client(base_url=base, headers=headers, timeout=30) as http:
                measured = {
                    "opening a ticket, ms": openings(page, arguments.repeats),
                    "a moved card in another browser, ms": moves(page, http, arguments.repeats),
                }
                graph = context.new_page()
                graph.add_init_script(PAINTING)
                measured[f"drawing {NODES} tickets, ms"] = drawings(graph, fixture.workflow_id, arguments.repeats)
                graph.close()
                page.bring_to_front()
                page.evaluate(LONG_TASKS)
                tickets = [ticket for column in ("todo", "in_progress", "review") for ticket in cards_of(page, column)]
                events = keep_busy(http, tickets, per_second=5000 / 60, seconds=arguments.seconds)
                page.wait_for_timeout(1000)
                measured["tasks over 50 ms"] = page.evaluate("window.tasks")
            browser.close()
    print(f"{arguments.tickets:,} tickets; {events:,} events in {arguments.seconds:.0f} s")
    for what, samples in measured.items():
        print(f"{what:38} {spread(samples)}")
    return 0


def moves(page: Page, http: httpx.Client, repeats: int) -> list[float]:
    """Milliseconds from before the request that moves a ticket until its card stands in the other column."""
    delays = []
    rest = {"new_status": "review", "comment": "Moved to be seen elsewhere."}
    for ticket in cards_of(page, "todo")[:repeats]:
        top = cards_of(page, "review")[0]
        page.evaluate(f"window.arrival = ({ARRIVAL})({json.dumps([ticket, 'review'])}); null")
        start = time.time() * 1000
        body = {"ticket_id": ticket, "before_ticket_id": top, **rest}
        if http.post("/api/tickets/change-status", json=body).status_code == 200:  # else it is blocked
            delays.append(page.evaluate("window.arrival") - start)
    return delays


def cards_of(page: Page, column: str) -> list[str]:
    ids: list[str] = page.locator(f'[data-column="{column}"] .card').evaluate_all(
        "cards => cards.map(card => card.dataset.ticketId)"
    )
    return ids


def openings(page: Page, repeats: int) -> list[float]:
    """Milliseconds from a click on a card, which the pointer has just come to, until its ticket is shown."""
    found = []
    cards = page.locator('[data-column="backlog"] .card')
    for number in range(repeats):
        page.evaluate(OPENING)
        card = cards.nth(number % 8)
        card.hover(position={"x": 150, "y": 8})
        card.click(position={"x": 150, "y": 8})
        found.append(page.evaluate("window.opening"))
        page.keyboard.press("Escape")
        page.locator("dialog.sheet[open]").wait_for(state="detached")
    return found


def drawings(page: Page, workflow_id: str, repeats: int) -> list[float]:
    """Milliseconds from the navigation to the dependency graph until as much as is ever drawn is painted."""
    found = []
    for _ in range(repeats):
        page.goto(f"/graph?workflow={workflow_id}")
        page.wait_for_function(ALL_DRAWN)
        found.append(page.evaluate("window.painted"))
    return found


def spread(samples: list[float]) -> str:
    if not samples:
        return "none"
    ordered = sorted(samples)
    middle, high = percentile(ordered, 0.5), percentile(ordered, 0.95)
    return f"p50 {middle:.0f}  p95 {high:.0f}  longest {ordered[-1]:.0f}  ({len(ordered)})"


if __name__ == "__main__":
    sys.exit(main())
