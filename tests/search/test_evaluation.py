"""Measuring search: the metrics, reading and making sets, and the set of paraphrases itself."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from search.evaluation import EvaluationSet, Query, SetError, identifiers_of, load_set, scores, titles_of

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

PARAPHRASES = Path(__file__).parent / "data" / "paraphrases.jsonl"
# Snowball's list of English stop words, as PostgreSQL has it; single letters aside.
SNOWBALL = """
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it
its itself they them their theirs themselves what which who whom this that these those am is are was were be been
being have has had having do does did doing a an the and but if or because as until while of at by for with about
against between into through during before after above below to from up down in out on off over under again further
then once here there when where why how all any both each few more most other some such no nor not only own same so
than too very can will just don should now cannot could would
"""
STOP_WORDS = frozenset(SNOWBALL.split())
DOCUMENT = {"type": "document", "id": "a", "title": "Title", "text": "Some text."}
QUERY = {"type": "query", "query": "what", "relevant": ["a"]}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def lines(*records: Any) -> Path:
        path = tmp_path / "set.jsonl"
        path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in records))
        return path

    return lines


def test_metrics_of_a_ranking_that_was_worked_out_by_hand() -> None:
    found = scores([["x", "a", "y", "b"]], [{"a", "b", "c"}])
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert found.ndcg == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)
    assert found.recall == pytest.approx(2 / 3)
    assert found.mrr == pytest.approx(1 / 2)


def test_metrics_are_means_over_queries() -> None:
    found = scores([["a"], ["x"], []], [{"a"}, {"a"}, {"b"}])
    assert (found.ndcg, found.recall, found.mrr) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_only_the_first_ten_places_count_and_a_repetition_gains_nothing() -> None:
    others = [f"x{number}" for number in range(9)]
    assert scores([[*others, "a"]], [{"a"}]).mrr == pytest.approx(1 / 10)
    assert scores([[*others, "y", "a"]], [{"a"}]).recall == 0
    assert scores([["a", "a", "b"]], [{"a", "b"}]).ndcg == pytest.approx(1)
    many = [f"r{number}" for number in range(20)]
    found = scores([many], [set(many)])
    assert (found.ndcg, found.recall) == pytest.approx((1, 0.5))


def test_rankings_and_relevant_sets_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="shorter"):
        scores([["a"], ["b"]], [{"a"}])


def test_a_set_is_read_in_any_order_with_or_without_types(write: Write) -> None:
    found = load_set(write(QUERY, "", {"id": 7, "text": "No title"}, DOCUMENT, {"query": "so", "relevant": [7, "a"]}))
    assert [(one.id, one.title, one.text) for one in found.documents] == [
        ("7", "", "No title"),
        ("a", "Title", "Some text."),
    ]
    assert found.queries == [Query("what", frozenset({"a"})), Query("so", frozenset({"7", "a"}))]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([DOCUMENT, '{"type": "query", '], "set.jsonl, line 2: this is not JSON"),
        ([DOCUMENT, "[1]"], "line 2: this is not a JSON object"),
        ([{**DOCUMENT, "type": "doc"}], "line 1: type: must be document or query, not 'doc'"),
        ([{"type": "document", "id": "a"}], "line 1: text: Field required"),
        ([{**DOCUMENT, "title": ["a"]}], "line 1: title: Input should be a valid string"),
        ([{**DOCUMENT, "id": " "}], "line 1: id: String should have at least 1 character"),
        ([DOCUMENT, "", DOCUMENT], "line 3: id: 'a' is already a document's"),
        ([DOCUMENT, {**QUERY, "query": ""}], "line 2: query: String should have at least 1 character"),
        ([DOCUMENT, {**QUERY, "relevant": "a"}], "line 2: relevant: Input should be a valid list"),
        ([DOCUMENT, {**QUERY, "relevant": [None]}], "line 2: relevant.0: Input should be a valid string"),
        ([DOCUMENT, {**QUERY, "relevant": []}], "line 2: relevant: name at least one document"),
        ([DOCUMENT, {**QUERY, "relevant": ["a", "b"]}], "line 2: relevant: no document has the id 'b'"),
        ([DOCUMENT], "holds 1 documents and 0 queries"),
        ([], "holds 0 documents and 0 queries"),
    ],
)
def test_what_is_wrong_with_a_set_is_said_with_line_and_field(write: Write, lines: list[Any], message: str) -> None:
    with pytest.raises(SetError, match=re.escape(message)):
        load_set(write(*lines))


def test_bytes_that_are_no_text_are_said_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(json.dumps(DOCUMENT).encode() + b'\n{"query": "\xff"}\n')
    with pytest.raises(SetError, match="line 2"):
        load_set(path)


def test_titles_ask_for_bodies_and_equal_titles_for_each_of_theirs(write: Write) -> None:
    found = titles_of(
        write(
            {"id": "1", "title": "Crash", "body": "It ends.", "label": "bug"},
            {"id": "2", "title": "Crash", "body": "It ends, too."},
            {"id": "3", "title": "Empty", "body": None},
        )
    )
    assert [(one.id, one.title, one.text) for one in found.documents] == [
        ("1", "", "It ends."),
        ("2", "", "It ends, too."),
    ]
    assert found.queries == [Query("Crash", frozenset({"1", "2"}))]


def test_issues_are_checked_as_sets_are(write: Write) -> None:
    with pytest.raises(SetError, match="line 1: body: Field required"):
        titles_of(write({"id": "1", "title": "Crash"}))
    with pytest.raises(SetError, match="line 2: id: '1' is already an issue's"):
        identifiers_of(write(*[{"id": "1", "title": "Crash", "body": "read_chunk"}] * 2))


def test_identifiers_ask_for_the_one_body_that_mentions_them(write: Write) -> None:
    bodies = {
        "1": "Both call load_config, and then parse_header() fails; see http://host/read_body/x and a@foo.example.",
        "2": "Both call Load_Config, then std::vector::at throws. Not parse_headers.",
        "3": "Only words, e.g. sentences, 12.5 and my_wonderful_identifier_that_is_far_too_long_for_it.",
        "4": "open_f and xopen_file.py, in commit deadbeef-0123-cafe.",
    }
    found = identifiers_of(write(*({"id": one, "title": "T", "body": body} for one, body in bodies.items())))
    assert len(found.documents) == 4
    # load_config is in two, parse_header is part of a word of another; open_f is part of a word only beside itself.
    assert found.queries == [
        Query("std::vector::at", frozenset({"2"})),
        Query("open_f", frozenset({"4"})),
    ]


def test_the_paraphrases_are_as_many_as_they_should_be() -> None:
    found = paraphrases()
    sought = {one for query in found.queries for one in query.relevant}
    assert len(found.queries) >= 120
    assert len(sought) >= 120
    assert len(found.documents) - len(sought) >= 80
    assert len({query.text for query in found.queries}) == len(found.queries)
    assert all(3 <= len(query.text.split()) <= 12 for query in found.queries)


def test_no_paraphrase_shares_a_content_word_with_its_ticket() -> None:
    found = paraphrases()
    texts = {one.id: f"{one.title} {one.text}" for one in found.documents}
    shared = {
        query.text: words
        for query in found.queries
        for one in query.relevant
        if (words := stems(query.text) & stems(texts[one]))
    }
    assert shared == {}


def test_the_stemmer_sees_words_behind_their_forms() -> None:
    assert stems("The crashes were caught") == stems("crashing, caught (again)") == {"crash", "caught"}


@cache
def paraphrases() -> EvaluationSet:
    return load_set(PARAPHRASES)


@cache
def stems(text: str) -> frozenset[str]:
    """The content words of a text as SQLite's Porter stemmer has them, without accents."""
    words = [word for word in re.findall(r"[^\W_]+", text.lower()) if word not in STOP_WORDS and len(word) > 1]
    with sqlite3.connect(":memory:") as database:
        database.execute(
            "CREATE VIRTUAL TABLE texts USING fts5(words, tokenize='porter unicode61 remove_diacritics 2')"
        )
        database.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(texts, row)")
        database.execute("INSERT INTO texts VALUES (?)", (" ".join(words),))
        found = frozenset(term for (term,) in database.execute("SELECT term FROM terms"))
    database.close()
    return found
