"""The dependency graph: held against the slow way, filtered, bounded, and seen only by those who may."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from boards.insights.graph import dependants_of, freed_by, releases
from boards.insights.network import Network, network
from boards.selectors.graph import Dependencies, Part
from boards.web.steering import graph as graph_page
from boards.web.steering.graph_layout import LINE, MAX_PASSING, layout
from tests.boards.insights_world import Watched
from tests.boards.pages import HOSTILE, browser_of, html
from tests.boards.test_insights_graph import NAMES, Waits, all_chains, graphs
from tests.factories import make_person, make_ticket, make_workflow
from tests.tickets.world import World
from tickets.models import Ticket
from tickets.operations import TICKET_BLOCK, TICKET_RESOLVE, TICKET_UNBLOCK, TICKET_UPDATE

ESTIMATES = st.lists(st.one_of(st.none(), st.integers(1, 500)), min_size=len(NAMES), max_size=len(NAMES))


def made(waits: Waits, estimates: list[int | None], held: set[str]) -> Network:
    """The network of a graph of names."""
    parts = {
        name: Part(name, name, number, minutes, name in held, False, False)
        for number, (name, minutes) in enumerate(zip(NAMES, estimates, strict=True))
    }
    live = [(node, blocker) for node, blockers in waits.items() for blocker in blockers]
    tied = {name for edge in live for name in edge}
    known = [minutes for name, minutes in zip(NAMES, estimates, strict=True) if minutes and name in tied]
    return network(Dependencies({name: parts[name] for name in NAMES if name in tied}, live, []), known)


def plain(net: Network) -> Waits:
    return {node: list(blockers) for node, blockers in net.waits.items()}


# ── the slow way ──


@given(graphs(), ESTIMATES)
def test_the_critical_path_is_the_heaviest_of_all_chains(waits: Waits, estimates: list[int | None]) -> None:
    net = made(waits, estimates, set())
    known = sorted(part.estimate for part in net.parts.values() if part.estimate)
    half = len(known) // 2
    median = (known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2) if known else 1

    def total(chain: list[str]) -> float:
        return sum((net.parts[name].estimate or median) if known else 1 for name in chain)

    every = [chain for chain in all_chains(plain(net)) if len(chain) > 1]
    path = net.critical_path
    assert bool(path) == bool(every)
    if path:
        assert path in every
        assert total(path) == max(map(total, every))
        assert net.critical_minutes == (total(path) if known else None)


@given(graphs(), st.sets(st.sampled_from(NAMES)))
def test_what_a_resolve_frees_is_what_following_it_step_by_step_frees(waits: Waits, held: set[str]) -> None:
    net = made(waits, [None] * len(NAMES), held)
    dependants = dependants_of(net.waits)
    above = releases(net.waits, held)
    for node in net.waits:
        slow = freed_by(node, net.waits, dependants, held)
        fast = net.freed_in_turn(node, 100)
        assert sorted(fast) == sorted(slow)
        assert len(slow) == net.freed_count[node]
        assert net.freed_in_turn(node, 2) == fast[:2]
        assert set(net.freed_at_once(node)) == {n for n in dependants[node] if net.waits[n] == [node]} - held
        by = above[node]
        assert by is None or node in net.freed[by]


@given(graphs())
def test_depths_are_the_longest_chains_on_either_side(waits: Waits) -> None:
    net = made(waits, [None] * len(NAMES), set())
    every = list(all_chains(plain(net)))
    for node in net.waits:
        assert net.behind[node] == max(len(chain) for chain in every if chain[0] == node) - 1
        assert net.before[node] == max(len(chain) for chain in every if chain[-1] == node) - 1


@given(graphs(), st.integers(1, 4), st.data())
def test_around_a_ticket_is_what_so_many_steps_reach(waits: Waits, depth: int, data: st.DataObject) -> None:
    net = made(waits, [None] * len(NAMES), set())
    if not net.waits:
        return
    center = data.draw(st.sampled_from(sorted(net.waits)))
    found = {center}
    for _ in range(depth):
        found |= {b for t, b in net.edges if t in found} | {t for t, b in net.edges if b in found}
    assert net.around(center, depth) == found


EDGES = st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)).filter(lambda edge: edge[0] < edge[1]), max_size=60)


def well_drawn(count: int, edges: list[tuple[int, int]]) -> None:
    """What blocks stands left of what waits, long lines pass in each layer between, nothing lies on anything."""
    drawn = layout(count, tuple(sorted(set(edges))))
    places = drawn.places
    for start, end in edges:
        assert places[start][0] < places[end][0]
        bends = drawn.bends.get((start, end), ())
        assert [x for x, _ in bends] == [float(x) for x in range(int(places[start][0]) + 1, int(places[end][0]))]
    layers: dict[float, list[float]] = {}
    for x, y in places:
        layers.setdefault(x, []).append(y)
    for rows in layers.values():
        assert all(below - above > 0.98 for above, below in pairwise(sorted(rows)))  # rows are rounded
    for passing in drawn.bends.values():
        for x, y in passing:
            assert all(abs(row - y) > (1 + LINE) / 2 - 0.02 for row in layers[x])
    assert min(y for some in (places, *drawn.bends.values()) for _, y in some) == min(layers) == 0


@given(EDGES)
def test_a_drawing_leads_to_the_right_and_nothing_lies_on_anything(edges: list[tuple[int, int]]) -> None:
    well_drawn(25, edges)


def test_of_a_thicket_the_longest_lines_are_straight() -> None:
    chance = random.Random(4)
    count = graph_page.MAX_NODES
    edges = tuple(sorted({(chance.randrange(end), end) for end in range(1, count) for _ in range(30)}))
    drawn = layout(count, edges)
    assert all(drawn.places[start][0] < drawn.places[end][0] for start, end in edges)
    assert len(set(drawn.places)) == count
    assert 0 < sum(map(len, drawn.bends.values())) <= MAX_PASSING


def test_as_many_tickets_as_are_ever_shown_are_drawn_as_well() -> None:
    chance = random.Random(8)
    ends = [chance.randrange(1, graph_page.MAX_NODES) for _ in range(900)]
    well_drawn(graph_page.MAX_NODES, [(max(end - chance.randrange(1, 40), 0), end) for end in ends])


def test_the_drawing_of_a_chain_is_a_line_and_of_nothing_is_nothing() -> None:
    assert layout(0, ()).places == ()
    chain = layout(4, ((0, 1), (1, 2), (2, 3)))
    assert chain.places == ((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0))


def test_tickets_that_are_tied_to_nothing_fill_a_block_and_no_line() -> None:
    columns = Counter(x for x, _ in layout(100, ()).places)
    assert 3 <= len(columns) <= 12
    assert max(columns.values()) <= 34


# ── the page ──


@pytest.fixture
def look(world: Watched) -> Callable[..., Any]:
    """What the page's script is given, for a member."""
    client = browser_of(make_person(world.workflow))

    def read(**query: Any) -> Any:
        response = client.get("/graph/data", {"workflow": world.workflow.id, **query})
        assert response.status_code == 200, response.content
        page = html(
            client, response.request["PATH_INFO"].removesuffix("/data") + "?" + response.request["QUERY_STRING"]
        )
        data = json.loads(re.search(r'<script id="graph-data" type="application/json">(.*?)</script>', page)[1])  # type: ignore[index]
        assert data == response.json()
        return data

    return read


def node(data: Any, ticket: Ticket) -> Any:
    [found] = [one for one in data["nodes"] if one["id"] == ticket.id]
    return found


def keys(data: Any) -> set[str]:
    return {one["key"] for one in data["nodes"]}


def lines(data: Any, *, past: bool = False) -> set[tuple[str, str]]:
    """(Blocker, what waits for it)."""
    names = [one["key"] for one in data["nodes"]]
    return {(names[start], names[end]) for start, end, _, is_past in data["edges"] if is_past == past}


def test_open_tickets_with_dependencies_are_shown(world: Watched, look: Callable[..., Any]) -> None:
    first, second, third = world.chain("a", "b", "c")
    alone = world.ticket()
    held = world.ticket(blocked_by_ticket_ids=[first.id])
    world.do(TICKET_BLOCK, held, reason="A person must look first.")
    data = look()
    assert keys(data) == {first.key, second.key, third.key, held.key}
    assert lines(data) == {(first.key, second.key), (second.key, third.key), (first.key, held.key)}
    assert data["path"] == [first.key, second.key, third.key]
    assert data["total"] == 4
    said = node(data, first)
    # What a person holds up does not go free with it.
    assert said["frees"] == [2, 1, [second.key, third.key]]
    assert (said["waits"], said["blocks"]) == ([], [second.key, held.key])
    assert (said["before"], said["behind"], said["blocked"], said["path"]) == (0, 2, False, 0)
    assert node(data, held)["by_hand"] is True
    assert node(data, held)["path"] is None
    assert (node(data, third)["before"], node(data, third)["frees"]) == (2, [0, 0, []])
    assert keys(look(loose="1")) == keys(data) | {alone.key}


def test_what_it_says_goes_free_does_when_it_is_resolved(world: Watched, look: Callable[..., Any]) -> None:
    one, other = world.ticket(), world.ticket()
    both = world.ticket(blocked_by_ticket_ids=[one.id, other.id])
    only = world.ticket(blocked_by_ticket_ids=[one.id])
    after = world.ticket(blocked_by_ticket_ids=[only.id])
    total, at_once, names = node(look(), one)["frees"]
    assert (total, at_once, names) == (2, 1, [only.key, after.key])
    answer = world.do(TICKET_RESOLVE, one, resolution_comment="Done as described.")
    assert answer.unblocked_tickets == [only.id]
    data = look()
    assert keys(data) == {only.key, after.key, other.key, both.key}
    assert node(data, other)["frees"] == [1, 1, [both.key]]


def test_the_critical_path_is_that_of_the_insights(world: Watched, look: Callable[..., Any]) -> None:
    long = world.chain("a", "b", "c", "d")
    heavy = world.chain("e", "f")
    assert look()["path"] == world.finding("critical_path")["keys"] == [t.key for t in long]
    assert look()["minutes"] is None
    for ticket in heavy:
        world.do(TICKET_UPDATE, ticket, updates={"estimate_minutes": 900})
    world.do(TICKET_UPDATE, long[0], updates={"estimate_minutes": 10})
    world.ticket(estimate_minutes=5)
    world.ticket(estimate_minutes=5)
    [by_minutes] = [f for f in world.findings("critical_path") if f["evidence"]["measure"] == "minutes"]
    data = look()
    assert data["path"] == by_minutes["keys"] == [t.key for t in heavy]
    assert data["minutes"] == by_minutes["evidence"]["minutes"] == 1800
    assert [node(data, ticket)["path"] for ticket in (*heavy, *long)] == [0, 1, None, None, None, None]


def test_what_is_done_is_shown_on_demand_and_what_was_taken_away_is_not(
    world: Watched, look: Callable[..., Any]
) -> None:
    done, waiting, never = world.ticket(), world.ticket(), world.ticket()
    world.do(TICKET_BLOCK, waiting, blocked_by_ticket_ids=[done.id, never.id])
    world.do(TICKET_UNBLOCK, waiting, blocked_by_ticket_ids=[never.id])
    world.wait(minutes=1)
    world.resolve(done)
    world.resolve(never)
    assert keys(look()) == set()
    data = look(done="1")
    assert keys(data) == {done.key, waiting.key}
    assert lines(data, past=True) == {(done.key, waiting.key)}
    assert node(data, done)["done"] is True
    assert node(data, waiting)["waits"] == []
    world.do(TICKET_RESOLVE, waiting, resolution_comment="Done as described.")
    assert lines(look(done="1"), past=True) == {(done.key, waiting.key)}


def test_what_ended_both_ways_round_at_one_moment_is_shown_without_those_lines(
    world: Watched, look: Callable[..., Any]
) -> None:
    one, other = world.chain("a", "b")
    world.do(TICKET_UNBLOCK, other, blocked_by_ticket_ids=[one.id])
    world.do(TICKET_BLOCK, one, blocked_by_ticket_ids=[other.id])
    world.resolve(other)
    world.resolve(one)
    # All of it at one time, since the clock stands still: each seems to have waited for the other to the end.
    data = look(done="1")
    assert keys(data) == {one.key, other.key}
    assert data["edges"] == []


def test_what_was_rejected_is_in_no_graph(world: Watched, look: Callable[..., Any]) -> None:
    first, second = world.chain("a", "b")
    Ticket.objects.filter(pk=second.pk).update(approval_status="rejected")
    assert keys(look()) == set()
    assert keys(look(done="1", loose="1")) == {first.key}


def test_filters_narrow_it(world: Watched, look: Callable[..., Any]) -> None:
    first, second = world.chain("a", "b", ticket_type="bug", tags=["web"])
    third = world.ticket(ticket_type="task", blocked_by_ticket_ids=[second.id], assigned_agent_id=world.other.id)
    fourth = world.ticket(ticket_type="task")
    world.move(fourth, "ready")
    world.do(TICKET_BLOCK, fourth, blocked_by_ticket_ids=[third.id])
    assert keys(look(type="bug")) == {first.key, second.key}
    assert keys(look(tag="web")) == {first.key, second.key}
    assert keys(look(agent=world.other.id)) == {third.key}
    assert keys(look(status="ready")) == {fourth.key}
    assert keys(look(blocked="true")) == {second.key, third.key, fourth.key}
    assert keys(look(blocked="true", type="task")) == {third.key, fourth.key}
    assert keys(look(around=first.key, depth="1")) == {first.key, second.key}
    assert keys(look(around=third.key.lower(), depth="1")) == {second.key, third.key, fourth.key}
    assert keys(look(around=first.id)) == {first.key, second.key, third.key}
    # Filters do not change what is true of a ticket: it still waits for what is not shown.
    assert node(look(type="task"), third)["waits"] == [second.key]
    assert look(type="task")["path"] == [t.key for t in (first, second, third, fourth)]
    alone = world.ticket(tags=["alone"])
    assert keys(look(around=alone.key)) == {alone.key}
    assert keys(look(loose="1", tag="alone")) == {alone.key}


def test_the_filters_in_force_are_named_and_each_can_be_removed(world: Watched) -> None:
    first, _ = world.chain("a", "b", ticket_type="bug")
    client = browser_of(make_person(world.workflow))
    page = html(client, f"/graph?workflow={world.workflow.id}&type=bug&around={first.key}&depth=3&done=1")
    chips = dict(re.findall(r'<a class="chip-x" href="([^"]*)" aria-label="Remove the filter (\w+)', page))
    base = f"/graph?workflow={world.workflow.id}"
    assert {word: address.replace("&amp;", "&") for address, word in chips.items()} == {
        "Type": f"{base}&around={first.key}&depth=3&done=1",
        "Around": f"{base}&type=bug&done=1",
        "Also": f"{base}&type=bug&around={first.key}&depth=3",
    }
    for address in chips:
        html(client, address.replace("&amp;", "&"))


def test_where_there_are_too_many_the_critical_path_and_the_longest_chains_are_shown(
    world: Watched, look: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.chain("a", "b")
    long = world.chain("c", "d", "e")
    monkeypatch.setattr(graph_page, "MAX_NODES", 3)
    data = look(loose="1")
    assert keys(data) == {ticket.key for ticket in long}
    assert (data["total"], data["most"]) == (5, 3)
    # What one asks for by name is always there.
    alone = world.ticket()
    assert keys(look(around=alone.key)) == {alone.key}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"depth": "0"}, 400), ({"depth": "9" * 40}, 400), ({"depth": "two"}, 400), ({"depth": "²"}, 400),
        ({"status": "nowhere"}, 400), ({"type": "none-such"}, 400), ({"q": "\x00"}, 400), ({"around": "NO-1"}, 404),
        ({"around": "\x00"}, 400), ({"around": "x" * 200}, 400), ({"state": "asleep"}, 400),
        ({"blocked": "maybe"}, 400),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(world: Watched, query: dict[str, str], status: int) -> None:
    client = browser_of(make_person(world.workflow))
    query = {"workflow": world.workflow.id, **query}
    for address in ("/graph", "/graph/data"):
        assert client.get(address, query).status_code == status, address


def test_only_those_who_may_see_the_workflow_see_its_graph(world: Watched) -> None:
    first, _ = world.chain("a", "b")
    stranger = browser_of(make_person(make_workflow()))
    for address in ("/graph", "/graph/data"):
        assert stranger.get(address, {"workflow": world.workflow.id}).status_code == 404
    own = make_workflow()
    other = browser_of(make_person(own))
    assert other.get("/graph/data", {"workflow": own.id, "around": first.key}).status_code == 404
    assert Client().get("/graph", {"workflow": world.workflow.id}).status_code == 302
    assert Client().get("/graph/data", {"workflow": world.workflow.id}).status_code == 401


def test_a_viewer_gets_nothing_to_change_it_with(world: Watched) -> None:
    world.chain("a", "b")
    address = f"/graph?workflow={world.workflow.id}"
    assert "data-connect" in html(browser_of(make_person(world.workflow)), address)
    page = html(browser_of(make_person(world.workflow, role="viewer")), address)
    assert "data-connect" not in page
    assert '"writes": false' in page


def test_hostile_text_stays_text(world: Watched) -> None:
    first = world.ticket(title=HOSTILE, tags=["<b>"])
    world.ticket(title="שלום " * 60, blocked_by_ticket_ids=[first.id])
    page = html(browser_of(make_person(world.workflow)), f"/graph?workflow={world.workflow.id}")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert node(json.loads(re.search(r'id="graph-data"[^>]*>(.*?)</script>', page)[1]), first)["title"] == HOSTILE  # type: ignore[index]


@pytest.mark.django_db
def test_the_number_of_queries_does_not_depend_on_how_much_there_is(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    world = World()
    client = browser_of(make_person(world.workflow))
    asked = {"workflow": world.workflow.id, "type": "task", "loose": "1", "done": "1"}
    previous = None
    for round_ in range(3):
        for _ in range(4):
            previous = make_ticket(world.agent, blocked_by_ticket_ids=[previous.id] if previous else None)
        world.ticket(title=f"Alone {round_}")
        client.get("/graph/data", asked)
        # Session, user, agent; workflow; leases; dependencies, tied tickets, estimates; filtered, loose; the shown.
        with django_assert_num_queries(12):
            assert len(client.get("/graph/data", asked).json()["nodes"]) == 5 * (round_ + 1)
