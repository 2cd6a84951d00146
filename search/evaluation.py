"""Measures rankings against what is known to be relevant, and reads or makes the sets to measure with.

A set is JSONL: documents ``{"type": "document", "id": …, "title"?: …, "text": …}`` and queries
``{"type": "query", "query": …, "relevant": [id, …]}`` in any order; ``type`` may be left out.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic_core import from_json

CUT = 10

# What names something in code: words joined as code joins them, not part of a longer path, address or hash.
_IDENTIFIER = re.compile(r"(?<![\w./:@#%-])[A-Za-z_]\w*(?:(?:\.|::|-)\w*[^\W_]\w*)*(?![\w/:@#%-]|\.\w)")
_LENGTHS = range(6, 41)  # characters
# foo_bar, fooBar, foo.bar, foo::bar, utf8
_CODE_LIKE = re.compile(r"[^\W_]_[^\W_]|[a-z][A-Z]|\w\.\w|::|[A-Za-z]\d")
# Names of websites and files abound in prose, and random letters name nothing.
_NO_IDENTIFIER = re.compile(r"(?:www\..*|.*\.(?:com|org|net|io|dev))|[0-9a-f-]+", re.IGNORECASE)

RecordT = TypeVar("RecordT", bound="_Record")
_Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class SetError(Exception):
    """A set cannot be used; the message names the file, the line and the field."""


@dataclass(frozen=True, slots=True)
class Document:
    """What can be found. Without a title, ``title`` is empty."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for, and the ids of the documents that answer it, at least one."""

    text: str
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """At least one document and one query; what is relevant is among the documents."""

    documents: list[Document]
    queries: list[Query]


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over queries, 0 to 1, of the first ten places."""

    ndcg: float
    recall: float
    mrr: float


def scores(rankings: Sequence[Sequence[str]], relevant: Sequence[AbstractSet[str]]) -> Scores:
    """nDCG@10, recall@10 and MRR@10 of rankings (best first), each against its set of relevant ids.

    There is at least one ranking, and each set holds at least one id. Relevance is binary, so a relevant id at
    place i gains 1 / log2(i + 1), and the ideal ranking has all relevant ids first (Järvelin, Kekäläinen:
    Cumulated gain-based evaluation of IR techniques. ACM TOIS 20(4), 2002). Recall is of all relevant ids,
    also where they are more than ten.
    """
    gains, found, firsts = [], [], []
    for ranking, wanted in zip(rankings, relevant, strict=True):
        best = itertools.islice(dict.fromkeys(ranking), CUT)
        places = [place for place, one in enumerate(best, start=1) if one in wanted]
        gains.append(_gain(places) / _gain(range(1, min(len(wanted), CUT) + 1)))
        found.append(len(places) / len(wanted))
        firsts.append(1 / places[0] if places else 0.0)
    return Scores(fmean(gains), fmean(found), fmean(firsts))


def load_set(path: Path) -> EvaluationSet:
    """Read a set. Raises SetError for a line that is not understood, OSError where there is no file."""
    documents: dict[str, Document] = {}
    asked: list[tuple[int, Query]] = []
    for number, record in _lines(path):
        kind = record.get("type", "query" if "query" in record else "document")
        if kind == "document":
            document = _parsed(_DocumentRecord, record, path, number)
            if document.id in documents:
                raise SetError(f"{path.name}, line {number}: id: {document.id!r} is already a document's.")
            documents[document.id] = Document(document.id, document.title, document.text)
        elif kind == "query":
            query = _parsed(_QueryRecord, record, path, number)
            if not query.relevant:
                raise SetError(f"{path.name}, line {number}: relevant: name at least one document.")
            asked.append((number, Query(query.query, frozenset(query.relevant))))
        else:
            raise SetError(f"{path.name}, line {number}: type: must be document or query, not {kind!r}.")
    for number, one in asked:
        if unknown := sorted(one.relevant - documents.keys()):
            raise SetError(f"{path.name}, line {number}: relevant: no document has the id {unknown[0]!r}.")
    return _complete(path, list(documents.values()), [one for _, one in asked])


def titles_of(issues_path: Path) -> EvaluationSet:
    """Issues by their titles: each body is a document without a title, each title a query for its own issues.

    The file is JSONL with ``id``, ``title`` and ``body``. Raises SetError and OSError as ``load_set``.
    """
    issues = _issues(issues_path)
    titles: dict[str, set[str]] = {}
    for issue in issues:
        titles.setdefault(issue.title, set()).add(issue.id)
    queries = [Query(title, frozenset(ids)) for title, ids in titles.items()]
    return _complete(issues_path, _bodies(issues), queries)


def identifiers_of(issues_path: Path) -> EvaluationSet:
    """Issues by what only they mention: the documents of ``titles_of``, and from each the first code-like token
    of 6 to 40 characters that occurs in no other, whatever its case, not even as part of a word.

    Raises SetError and OSError as ``load_set``.
    """
    documents = _bodies(_issues(issues_path))
    texts = [document.text.casefold() for document in documents]
    mentioned = [_identifiers(document.text) for document in documents]
    mentions = Counter(token.casefold() for tokens in mentioned for token in tokens)
    queries = []
    for document, tokens in zip(documents, mentioned, strict=True):
        for token in tokens:
            folded = token.casefold()
            if mentions[folded] == 1 and sum(folded in text for text in texts) == 1:
                queries.append(Query(token, frozenset({document.id})))
                break
    return _complete(issues_path, documents, queries)


class _Record(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)


class _DocumentRecord(_Record):
    id: _Filled
    title: str = ""
    text: str


class _QueryRecord(_Record):
    query: _Filled
    relevant: list[str]


class _Issue(_Record):
    id: _Filled
    title: _Filled
    body: str | None


def _gain(places: Sequence[int]) -> float:
    return sum(1 / math.log2(place + 1) for place in places)


def _issues(path: Path) -> list[_Issue]:
    """Those that have a body."""
    issues: dict[str, _Issue] = {}
    for number, record in _lines(path):
        issue = _parsed(_Issue, record, path, number)
        if issue.id in issues:
            raise SetError(f"{path.name}, line {number}: id: {issue.id!r} is already an issue's.")
        issues[issue.id] = issue
    return [issue for issue in issues.values() if issue.body and issue.body.strip()]


def _bodies(issues: Sequence[_Issue]) -> list[Document]:
    return [Document(issue.id, "", issue.body or "") for issue in issues]


def _identifiers(text: str) -> list[str]:
    """Code-like tokens, each spelling once, in order."""
    tokens: dict[str, str] = {}
    for token in _IDENTIFIER.findall(text):
        if len(token) in _LENGTHS and _CODE_LIKE.search(token) and not _NO_IDENTIFIER.fullmatch(token):
            tokens.setdefault(token.casefold(), token)
    return list(tokens.values())


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file with the numbers of their lines."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = from_json(line)
            except ValueError as error:
                raise SetError(f"{path.name}, line {number}: this is not JSON: {error}.") from error
            if not isinstance(record, dict):
                raise SetError(f"{path.name}, line {number}: this is not a JSON object.")
            yield number, record


def _parsed(model: type[RecordT], record: dict[str, Any], path: Path, number: int) -> RecordT:
    try:
        return model.model_validate(record)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise SetError(f"{path.name}, line {number}: {field}: {first['msg']}.") from error


def _complete(path: Path, documents: list[Document], queries: list[Query]) -> EvaluationSet:
    if not documents or not queries:
        raise SetError(f"{path.name} holds {len(documents)} documents and {len(queries)} queries; both are needed.")
    return EvaluationSet(documents, queries)
