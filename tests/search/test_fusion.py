"""Fusion: properties that hold for any two rankings, and the cases it was made for."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.fusion import Fused, pin, reciprocal_rank_fusion, relative_score_fusion

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

Fusion = Callable[..., list[Fused]]
BOTH = pytest.mark.parametrize("fuse", [reciprocal_rank_fusion, relative_score_fusion])
FLOOR = 0.3
# A machine with other work is not to fail these.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ids = st.text("abcdefgh", min_size=1, max_size=2)
# Few different scores, so that ties are frequent.
cosines = st.integers(-10, 10).map(lambda tenth: tenth / 10)
semantic_halves = st.dictionaries(ids, cosines, max_size=12).map(lambda half: list(half.items()))
keyword_halves = st.dictionaries(ids, st.integers(0, 40).map(float), max_size=12).map(lambda half: list(half.items()))
weights = st.sampled_from([(0.7, 0.3), (0.6, 0.4), (1.0, 0.0), (0.0, 1.0), (7.0, 3.0)])
coverages = st.none() | st.dictionaries(ids, st.floats(0, 1))


def scores(found: list[Fused]) -> dict[str, float]:
    return {one.id: one.score for one in found}


@BOTH
@UNHURRIED
@given(semantic=semantic_halves, keyword=keyword_halves, weights=weights, coverage=coverages)
def test_scores_lie_between_0_and_1_and_fall(
    fuse: Fusion, semantic: Any, keyword: Any, weights: Any, coverage: Any
) -> None:
    found = fuse(semantic, keyword, weights=weights, floor=FLOOR, coverage=coverage)
    values = [one.score for one in found]
    assert values == sorted(values, reverse=True)
    assert all(0 <= value <= 1 for value in values)
    assert len({one.id for one in found}) == len(found)


@BOTH
@UNHURRIED
@given(semantic=semantic_halves, keyword=keyword_halves, coverage=coverages)
def test_what_is_found_by_words_or_reaches_the_floor_enters(
    fuse: Fusion, semantic: Any, keyword: Any, coverage: Any
) -> None:
    found = fuse(semantic, keyword, weights=(0.7, 0.3), floor=FLOOR, coverage=coverage)
    near = {one for one, cosine in semantic if cosine >= FLOOR}
    assert {one.id for one in found} == near | dict(keyword).keys()


@BOTH
@UNHURRIED
@given(semantic=semantic_halves, keyword=keyword_halves, coverage=coverages, seed=st.integers())
def test_the_order_in_which_halves_come_does_not_matter(
    fuse: Fusion, semantic: Any, keyword: Any, coverage: Any, seed: int
) -> None:
    shuffled = random.Random(seed)
    others = [shuffled.sample(half, len(half)) for half in (semantic, keyword)]
    options: dict[str, Any] = {"weights": (0.7, 0.3), "floor": FLOOR, "coverage": coverage}
    assert fuse(*others, **options) == fuse(semantic, keyword, **options)


@BOTH
@UNHURRIED
@given(semantic=semantic_halves, keyword=keyword_halves, coverage=coverages, data=st.data())
def test_a_better_place_in_one_half_never_lowers_a_score(
    fuse: Fusion, semantic: Any, keyword: Any, coverage: Any, data: st.DataObject
) -> None:
    halves = [dict(semantic), dict(keyword)]
    half = data.draw(st.sampled_from([one for one in halves if one] or [{"a": 0.0}]))
    raised = data.draw(st.sampled_from(sorted(half)))
    options: dict[str, Any] = {"weights": (0.7, 0.3), "floor": FLOOR, "coverage": coverage}
    before = scores(fuse(*(list(one.items()) for one in halves), **options))
    half[raised] = min(1.0, half[raised] + 0.3) if half is halves[0] else half[raised] + 7
    after = scores(fuse(*(list(one.items()) for one in halves), **options))
    assert after.get(raised, 0.0) >= before.get(raised, 0.0) - 1e-12


@BOTH
@UNHURRIED
@given(semantic=semantic_halves, keyword=keyword_halves)
def test_more_coverage_never_lowers_a_score(fuse: Fusion, semantic: Any, keyword: Any) -> None:
    before: dict[str, float] = {}
    for covered in (0.0, 0.5, 0.6, 0.9, 1.0):
        coverage = dict.fromkeys(dict(keyword), covered)
        after = scores(fuse(semantic, keyword, weights=(0.7, 0.3), floor=FLOOR, coverage=coverage))
        assert all(after[one] >= score for one, score in before.items())
        before = after


@BOTH
def test_long_halves_that_overlap_in_part_are_ranked_whole(fuse: Fusion) -> None:
    semantic = [(f"t{number:03d}", 0.9 - number / 1000) for number in range(200)]
    keyword = [(f"t{number:03d}", 20 - number / 20) for number in range(100, 300)]
    found = fuse(semantic, keyword, weights=(0.7, 0.3))
    assert len(found) == 300
    assert {one.id for one in found if one.semantic_rank and one.keyword_rank} == {f"t{n}" for n in range(100, 200)}


@BOTH
def test_first_in_both_halves_has_the_full_score(fuse: Fusion) -> None:
    found = fuse([("a", 0.8), ("b", 0.7)], [("a", 9.0), ("c", 1.0)], weights=(0.7, 0.3))
    assert found[0] == Fused("a", 1.0, 1, 1)
    assert [one.id for one in found] == ["a", "b", "c"]
    assert (found[1].semantic_rank, found[1].keyword_rank) == (2, None)


@BOTH
def test_first_in_the_only_half_with_a_weight_has_the_full_score(fuse: Fusion) -> None:
    assert fuse([("a", 0.8)], [("b", 3.0)], weights=(0.0, 0.3)) == [Fused("b", 1.0, None, 1)]
    assert fuse([("a", 0.8)], [("b", 3.0)], weights=(0.7, 0.0)) == [Fused("a", 1.0, 1, None)]


@BOTH
def test_an_empty_half_leaves_the_other_its_order_and_its_share(fuse: Fusion) -> None:
    semantic, keyword = [("a", 0.8), ("b", 0.4)], [("c", 5.0), ("d", 2.0)]
    assert fuse([], [], weights=(0.7, 0.3)) == []
    alone = fuse(semantic, [], weights=(0.7, 0.3))
    assert [one.id for one in alone] == ["a", "b"]
    assert alone[0].score == pytest.approx(0.7)
    alone = fuse([], keyword, weights=(0.7, 0.3))
    assert [one.id for one in alone] == ["c", "d"]
    assert alone[0].score == pytest.approx(0.3)


@BOTH
def test_scores_that_are_alike_share_a_rank_and_follow_their_ids(fuse: Fusion) -> None:
    found = fuse([("b", 0.6), ("a", 0.6), ("c", 0.5)], [], weights=(0.7, 0.3))
    assert [(one.id, one.semantic_rank) for one in found] == [("a", 1), ("b", 1), ("c", 3)]
    assert found[0].score == found[1].score


@BOTH
def test_chance_hits_do_not_displace_what_is_meant(fuse: Fusion) -> None:
    semantic = [("meant", 0.55), ("near", 0.5), ("chance", 0.4)]
    keyword = [("chance", 4.0), ("other", 3.0)]
    options: dict[str, Any] = {"weights": (0.7, 0.3), "floor": FLOOR}
    assert fuse(semantic, keyword, **options)[0].id == "chance"
    found = fuse(semantic, keyword, **options, coverage={"chance": 0.4, "other": 0.3})
    assert [one.id for one in found] == ["meant", "near", "chance", "other"]


@BOTH
def test_a_hit_by_words_is_placed_by_a_similarity_below_the_floor_too(fuse: Fusion) -> None:
    keyword, coverage = [("less", 2.0), ("more", 2.0)], {"less": 0.8, "more": 0.8}
    found = fuse(
        [("more", 0.28), ("less", 0.1), ("none", 0.29)], keyword, weights=(0.7, 0.3), floor=FLOOR, coverage=coverage
    )
    assert [one.id for one in found] == ["more", "less"]
    # What is barely similar has little of the half's weight.
    assert found[0].score > found[1].score + 0.3


@BOTH
@pytest.mark.parametrize("weights", [(0.0, 0.0), (-0.1, 1.0)])
def test_weights_that_say_nothing_are_refused(fuse: Fusion, weights: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="Weights"):
        fuse([("a", 0.5)], [], weights=weights)


def test_rank_fusion_is_that_of_the_paper_where_every_hit_is_certain() -> None:
    found = reciprocal_rank_fusion([("a", 0.9), ("b", 0.8)], [("b", 9.0), ("c", 8.0)], weights=(0.7, 0.3), k=60)
    best = 0.7 / 61 + 0.3 / 61
    assert scores(found) == pytest.approx(
        {"a": 0.7 / 61 / best, "b": (0.7 / 62 + 0.3 / 61) / best, "c": 0.3 / 62 / best}
    )
    sharp = reciprocal_rank_fusion([("a", 0.9), ("b", 0.8)], [], weights=(1, 0), k=1)
    assert [one.score for one in sharp] == pytest.approx([1, 2 / 3])


def test_relative_fusion_weighs_shares_of_the_best_scores() -> None:
    found = relative_score_fusion([("a", 0.8), ("b", 0.4)], [("b", 10.0), ("c", 5.0)], weights=(0.6, 0.4))
    assert scores(found) == pytest.approx({"a": 0.6, "b": 0.6 * 0.5 + 0.4, "c": 0.4 * 0.5})


@UNHURRIED
@given(
    exact=st.lists(ids, max_size=8),
    ranked=st.dictionaries(ids, st.floats(0, 1)).map(lambda half: sorted(half.items(), key=lambda pair: -pair[1])),
)
def test_pinned_come_first_and_nothing_is_lost(exact: list[str], ranked: list[tuple[str, float]]) -> None:
    found = pin(exact, ranked, at_most=5)
    first = list(dict.fromkeys(exact))[:5]
    assert [one for one, _ in found[: len(first)]] == first
    assert found[len(first) :] == [pair for pair in ranked if pair[0] not in first]
    values = [score for _, score in found]
    assert values == sorted(values, reverse=True)
    assert all(0 <= value <= 1 for value in values)
