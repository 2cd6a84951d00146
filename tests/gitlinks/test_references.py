"""Which tickets a commit message means."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitlinks.references import find_references, hint

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

PREFIXES = frozenset({"BB", "TKT"})
ID = "ticket-0f8fad5b-d9cb-469f-a165-70867728950e"


def named(message: str, numbers: str | None = "BB") -> list[str]:
    return [reference.name for reference in find_references(message, prefixes=PREFIXES, numbers=numbers)]


def closed(message: str) -> list[str]:
    references = find_references(message, prefixes=PREFIXES, numbers="BB")
    return [reference.name for reference in references if reference.closes]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Fix the login, BB-12", ["BB-12"]),
        ("bb-12: fix the login", ["BB-12"]),
        ("[TKT-3] (BB-4), BB-5; see #TKT-6.", ["TKT-3", "BB-4", "BB-5", "TKT-6"]),
        ("BB-1 and BB-2 and bb-1 again", ["BB-1", "BB-2"]),
        ("Merge branch 'feature/BB-7-dark-mode'", ["BB-7"]),
        ("TICKET-12 TKT:13 TICKET:14 ticket15", ["BB-12", "BB-13", "BB-14", "BB-15"]),
        ("Add caching (#12)", ["BB-12"]),
        ("see #1, #2", ["BB-1", "BB-2"]),
        (f"About {ID.upper()}", [ID]),
        (f"About #{ID} and TKT-{ID.removeprefix('ticket-')}", [ID]),
        ("First line\n\nRefs: BB-9\n", ["BB-9"]),
        ("修正BB-12、BB-13", ["BB-12", "BB-13"]),
    ],
)
def test_these_are_references(message: str, expected: list[str]) -> None:
    assert named(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "UTF-8 and ISO-8601",
        "ABB-12 xBB-12 _BB-1",
        "BB-12x BB-1_2 BB-0 BB-012 BB-",
        "BB-1.5 is a version",
        "other/repository#12",
        "&#12; is a form feed",
        "Merge pull request #12 from ada/branch",
        "a color: #12ab34",
        "ticket-0f8fad5b is half an id",
        "",
    ],
)
def test_these_are_none(message: str) -> None:
    assert named(message) == []


def test_bare_numbers_count_only_where_they_can_mean_one_workflow() -> None:
    assert named("#12, TICKET-12, TKT:12 and BB-3", numbers=None) == ["BB-3"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        *((f"{word} BB-1", ["BB-1"]) for word in ("fix", "Fixes", "FIXED", "close", "closes", "Closed", "resolve")),
        *((f"{word} BB-1", ["BB-1"]) for word in ("resolves", "Resolved", "fix:", "closes: ", "fixes issue")),
        ("Fixes BB-1, BB-2 and #3", ["BB-1", "BB-2", "BB-3"]),
        ("Closes #1; see BB-2", ["BB-1"]),
        ("See BB-1, fixes BB-2", ["BB-2"]),
        ("BB-1: start. Fixes BB-1", ["BB-1"]),
        (f"resolves {ID}", [ID]),
        ("Refs BB-1", []),
        ("prefixes BB-1, hotfix BB-2, a fix for BB-3", []),
        ("does not fix BB-1, doesn't fix BB-2", []),
        ("Fixes BB-1\n\nBB-2 is next", ["BB-1"]),
        ('Revert "Fixes BB-1"', []),
        ("fixing BB-1", []),
    ],
)
def test_closing_words_close_what_follows_them(message: str, expected: list[str]) -> None:
    assert closed(message) == expected


numbers_ = st.integers(1, 9_999_999_999)
between = st.sampled_from([" ", ", ", "\n", "; ", " and ", " (", ") ", " \u2013 ", ": ", "'"])
forms = st.one_of(
    st.tuples(st.sampled_from(["BB-{}", "bb-{}", "Bb-{}", "#BB-{}"]), numbers_).map(
        lambda form: (form[0].format(form[1]), f"BB-{form[1]}")
    ),
    st.tuples(st.sampled_from(["TICKET-{}", "ticket:{}", "TKT:{}", "#{}"]), numbers_).map(
        lambda form: (form[0].format(form[1]), f"BB-{form[1]}")
    ),
    st.uuids(version=4).map(lambda id_: (f"TICKET-{str(id_).upper()}", f"ticket-{id_}")),
)


@given(st.lists(st.tuples(forms, between), max_size=8), st.sampled_from(["", "Add x ", "Fixes ", "ü "]))
def test_every_form_is_found_wherever_it_stands(parts: list[tuple[tuple[str, str], str]], start: str) -> None:
    message = start + "".join(text + gap for (text, _), gap in parts)
    expected = list(dict.fromkeys(name for (_, name), _ in parts))
    assert named(message) == expected
    assert not expected or hint(PREFIXES, numbers=True).search(message.encode())


@given(st.text())
def test_any_text_can_be_looked_through(message: str) -> None:
    references = find_references(message, prefixes=PREFIXES, numbers="BB")
    assert len({reference.name for reference in references}) == len(references)
    for reference in references:
        assert (reference.key is None) != (reference.ticket_id is None)
    if references:
        assert hint(PREFIXES, numbers=True).search(message.encode("utf-8", "replace"))


@given(st.text(alphabet="BTKb-:#1209 fixes,\n.TICEaf", max_size=80))
def test_what_looks_like_references_names_only_known_prefixes(message: str) -> None:
    for reference in find_references(message, prefixes=PREFIXES, numbers=None):
        if reference.key is not None:
            prefix, _, number = reference.key.partition("-")
            assert prefix in PREFIXES
            assert number == str(int(number))
        else:
            uuid.UUID((reference.ticket_id or "").removeprefix("ticket-"))


def test_a_message_made_to_be_slow_is_not() -> None:
    # Quadratic behaviour would take hours here, and the test's time limit would end it.
    assert named("fixes " * 200_000 + "BB-1" + "-" * 200_000) == ["BB-1"]
    assert named("#" * 1_000_000) == []
    assert named("fixes BB-1 " * 50_000) == ["BB-1"]
