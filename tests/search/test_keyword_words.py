"""What a query asks for, and which queries name something by how it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.keyword.words import MAX_CANDIDATES, MAX_TERMS, Term, is_identifier_like, phrases_of, terms_of

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database


def words(query: str) -> list[str]:
    return [" ".join(term.words) for term in terms_of(query)]


@pytest.mark.parametrize(
    "query",
    [
        "ERR-1042", "0x80070005", "foo_bar.baz()", "getUserName", "tickets/unit.py", "--no-sandbox", "-v", "1.2.3",
        "v2.0", "SIGSEGV", "std::vector", "a->b crashes", "__init__", "/etc/hosts", "UTF-8", "config.yaml missing",
        "close()", "useEffect hook", "CVE-2021-44228", "x86-64", "#include<stdio.h>", "MAX_PATH", "$HOME_DIR",
        "find getUserName quickly",
    ],
)  # fmt: skip
def test_code_is_taken_for_an_identifier(query: str) -> None:
    assert is_identifier_like(query)


@pytest.mark.parametrize(
    "query",
    [
        "log-in", "verify-ticket", "crash on startup", "it's", "foo:bar", "C++", "memory leak", "e.g. this", "and/or",
        "API", "1st", "drag-and-drop", "hello.", "wait... what", "\N{FIRE}", "what?", "a - b", "2021", "500 error",
        "...", "--", "_", "__", "", "where is getUserName called from", "x_" * 200,
    ],
)  # fmt: skip
def test_ordinary_language_is_not(query: str) -> None:
    assert not is_identifier_like(query)


def test_what_is_written_together_is_asked_for_as_a_phrase_and_by_its_words() -> None:
    assert words("Log-in foo_bar.baz()") == ["log in", "log", "in", "foo bar baz", "foo", "bar", "baz"]
    assert phrases_of("Log-in foo_bar.baz()") == [Term(("log", "in")), Term(("foo", "bar", "baz"))]


def test_each_is_asked_for_once() -> None:
    assert words("same SAME same-same") == ["same", "same same"]


@pytest.mark.parametrize("query", ["", "  ", "!?…,", "\N{FIRE}\N{FIRE}", "_", "\ud800"])
def test_what_has_no_letter_or_digit_asks_for_nothing(query: str) -> None:
    assert terms_of(query) == phrases_of(query) == []


def test_an_unfinished_last_word_is_a_prefix() -> None:
    assert terms_of("memory lea", prefix=True)[-1] == Term(("lea",), prefix=True)
    assert terms_of("登", prefix=True) == [Term(("登",), prefix=True)]
    assert terms_of("log-ins", prefix=True)[-1] == Term(("ins",), prefix=True)
    assert not any(
        term.prefix
        for query in ("memory lea ", "memory lea.", "memory le", "log-i", "")
        for term in terms_of(query, prefix=True)
    )
    assert not any(term.prefix for term in terms_of("memory lea"))


@given(st.text(max_size=2000))
def test_any_text_asks_for_a_bounded_number_of_plain_words(query: str) -> None:
    for terms, most in ((terms_of(query, prefix=True), MAX_CANDIDATES), (phrases_of(query), MAX_TERMS)):
        assert len(terms) <= most
        assert len({term.words for term in terms}) == len(terms)
        assert all(term.words and all(word.isalnum() for word in term.words) for term in terms)
    assert is_identifier_like(query) in (True, False)
