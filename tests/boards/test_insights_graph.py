"""Chains, what a resolve frees, and moves of work, held against the slow way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.insights.graph import chains, dependants_of, freed_by, head_of
from boards.insights.load import Crew, handovers, levelling, overloaded

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

Waits = dict[str, list[str]]
NAMES = [f"n{number}" for number in range(8)]


@st.composite
def graphs(draw: st.DrawFn) -> Waits:
    """Each node may wait for those before it in a hidden order, so that there is no cycle; keys come in any order."""
    order = draw(st.permutations(NAMES[: draw(st.integers(0, len(NAMES)))]))
    waits = {
        node: draw(st.lists(st.sampled_from(order[:place]), unique=True)) if place else []
        for place, node in enumerate(order)
    }
    return {node: waits[node] for node in sorted(waits)}


def all_chains(waits: Waits) -> Iterator[list[str]]:
    """Every chain there is: each node waits for the one before it."""
    stack = [[node] for node in waits]
    while stack:
        chain = stack.pop()
        yield chain
        stack += [[*chain, node] for node, blockers in waits.items() if chain[-1] in blockers]


@given(graphs(), st.lists(st.integers(1, 9), min_size=len(NAMES), max_size=len(NAMES)))
def test_the_heaviest_chain_is_the_heaviest_of_all(waits: Waits, weights: list[int]) -> None:
    weight = dict(zip(NAMES, weights, strict=True))
    found = chains(waits, weight.__getitem__)
    every = list(all_chains(waits))

    def total(chain: list[str]) -> int:
        return sum(weight[node] for node in chain)

    for head in waits:
        chain = found.from_(head)
        assert chain[0] == head
        assert found.from_(head, 2) == chain[:2]
        assert all(before in waits[after] for before, after in pairwise(chain))
        assert total(chain) == found.weight[head] == max(total(one) for one in every if one[0] == head)
    assert total(found.heaviest()) == max(map(total, every), default=0)


@given(graphs(), st.data())
def test_what_goes_free_is_what_resolving_one_by_one_frees(waits: Waits, data: st.DataObject) -> None:
    if not waits:
        return
    head = data.draw(st.sampled_from(sorted(waits)))
    held = data.draw(st.sets(st.sampled_from(sorted(waits))))
    # The slow way: look at all of them again and again until nothing more goes free.
    done, free = {head}, set()
    while True:
        more = {n for n in waits if waits[n] and set(waits[n]) <= done and n not in held | done}
        if not more:
            break
        free |= more
        done |= more
    found = freed_by(head, waits, dependants_of(waits), held)
    assert set(found) == free - {head}
    assert len(found) == len(set(found))
    for place, node in enumerate(found):
        assert set(waits[node]) <= {head, *found[:place]}


@given(graphs())
def test_dependants_are_the_graph_the_other_way_round(waits: Waits) -> None:
    found = dependants_of(waits)
    assert {(node, other) for node, others in found.items() for other in others} == {
        (blocker, node) for node, blockers in waits.items() for blocker in blockers
    }
    for node in waits:
        head = head_of(node, waits)
        assert waits[head] == []
        assert any(chain[0] == head and chain[-1] == node for chain in all_chains(waits))


def test_no_tickets_have_no_chain() -> None:
    assert chains({}, lambda _: 1).heaviest() == []
    assert head_of("alone", {}) == "alone"


def test_of_equal_chains_the_first_one_counts() -> None:
    found = chains({"a": [], "b": [], "c": ["a"], "d": ["a"], "e": ["b"]}, lambda _: 1)
    assert found.heaviest() == ["a", "c"]


LOADS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 12))


@given(LOADS, st.data())
def test_each_move_makes_two_loads_more_even(load: dict[str, int], data: st.DataObject) -> None:
    movable = {agent: [f"{agent}{n}" for n in range(data.draw(st.integers(0, count)))] for agent, count in load.items()}
    sources = overloaded(load)
    moves = levelling(load, movable, sources)
    now = dict(load)
    for move in moves:
        assert move.source in sources
        assert now[move.source] - now[move.target] >= 2
        assert now[move.target] == min(now.values())
        now[move.source] -= 1
        now[move.target] += 1
    moved = [move.ticket_id for move in moves]
    assert len(set(moved)) == len(moved)
    for agent in sources:
        given_away = [ticket for ticket in moved if ticket in movable[agent]]
        assert given_away == movable[agent][: len(given_away)]
        # Nothing that could still be evened out is left.
        assert len(given_away) == len(movable[agent]) or now[agent] - min(now.values()) < 2


@given(LOADS)
def test_overloaded_is_who_has_much_more_than_the_average(load: dict[str, int]) -> None:
    for agent in overloaded(load):
        assert load[agent] >= 3
        assert load[agent] * len(load) > 1.5 * sum(load.values())


@pytest.mark.parametrize(
    ("load", "expected"),
    [({"a": 9}, []), ({"a": 2, "b": 0}, []), ({"a": 3, "b": 0}, ["a"]), ({"a": 3, "b": 2}, []), ({}, [])],
)
def test_who_is_overloaded(load: dict[str, int], expected: list[str]) -> None:
    assert overloaded(load) == expected


@given(LOADS, st.lists(st.sampled_from("xy"), max_size=20))
def test_orphans_go_to_whoever_has_the_least(load: dict[str, int], owners: list[str]) -> None:
    orphans = [(f"t{place}", owner) for place, owner in enumerate(owners)]
    moves = handovers(load, orphans)
    assert [(move.ticket_id, move.source) for move in moves] == (orphans if load else [])
    now = dict(load)
    for move in moves:
        assert now[move.target] == min(now.values())
        now[move.target] += 1


def test_work_is_shared_out_and_one_ticket_has_one_taker() -> None:
    crew = Crew({"a": 1, "b": 0})
    assert [crew.taker(ticket) for ticket in ("t1", "t2", "t3", "t1")] == ["b", "a", "b", "b"]
    assert crew.taker("t1", avoid=["b"]) == "a"
    assert crew.taker("t4", avoid=["a", "b"]) is None
    assert (crew.given_to("b"), crew.given("t4")) == ("t3", None)
