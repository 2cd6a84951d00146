"""When a service that failed is asked again."""

from __future__ import annotations

import pytest

from search.breaker import Breaker
from search.errors import StoreDown

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("store", StoreDown, failures=2, first_pause=2, longest_pause=5, clock=clock)


def opened(breaker: Breaker) -> bool:
    try:
        breaker.admit()
    except StoreDown:
        return True
    return False


def test_all_are_let_through_while_it_works(breaker: Breaker) -> None:
    for _ in range(5):
        breaker.admit()
        breaker.succeeded()
    assert breaker.reason is None


def test_failures_with_a_success_between_them_do_not_open_it(breaker: Breaker) -> None:
    for _ in range(5):
        breaker.failed("It is down.")
        breaker.succeeded()
    assert not opened(breaker)


def test_failures_in_a_row_open_it_and_callers_are_told_why(breaker: Breaker) -> None:
    breaker.failed("It is down.")
    assert not opened(breaker)
    breaker.failed("It is still down.")
    assert breaker.reason == "It is still down."
    with pytest.raises(StoreDown, match=r"It is still down\. It is asked again in 2 s\."):
        breaker.admit()


def test_after_the_pause_one_is_let_through_and_its_success_closes_it(breaker: Breaker, clock: Clock) -> None:
    breaker.failed("It is down.")
    breaker.failed("It is down.")
    clock.now += 2
    assert not opened(breaker)
    assert opened(breaker)
    breaker.succeeded()
    assert breaker.reason is None
    assert not opened(breaker)


def test_pauses_grow_up_to_the_longest_also_where_the_one_never_answers(breaker: Breaker, clock: Clock) -> None:
    breaker.failed("It is down.")
    breaker.failed("It is down.")
    for pause in (2, 4, 5, 5):
        clock.now += pause - 0.5
        assert opened(breaker)
        clock.now += 0.5
        assert not opened(breaker)


def test_the_first_pause_is_short_again_after_a_success(breaker: Breaker, clock: Clock) -> None:
    for _ in range(2):
        breaker.failed("It is down.")
    clock.now += 2
    breaker.admit()
    breaker.failed("It is down.")
    assert opened(breaker)
    breaker.succeeded()
    for _ in range(2):
        breaker.failed("It is down.")
    clock.now += 2
    assert not opened(breaker)
