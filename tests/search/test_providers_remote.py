"""OpenAI and Voyage: what they are asked, what they may answer, and what of it nobody may see."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured

from search.errors import ProviderDown, ProviderRefused
from search.providers import openai, voyage
from search.providers.base import fingerprint
from search.providers.openai import OpenAIProvider
from search.providers.remote import REQUEST_TEXTS, asked_pause
from search.providers.voyage import VoyageProvider
from tests.search.embedding_double import KEY, EmbeddingDouble, Fault, make_vectors

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

Provider = OpenAIProvider | VoyageProvider
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingDouble]:
    with EmbeddingDouble().running() as double:
        yield double


@pytest.fixture(params=[OpenAIProvider, VoyageProvider], ids=["openai", "voyage"])
def provider(request: pytest.FixtureRequest, double: EmbeddingDouble) -> Provider:
    made: Provider = request.param(api_key=KEY, base_url=double.url)
    return made


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One attempt, so that no test waits for a second one."""
    monkeypatch.setattr(openai, "ATTEMPTS", 1)
    monkeypatch.setattr(voyage, "ATTEMPTS", 1)


def test_documents_become_unit_rows_in_order(provider: Provider, double: EmbeddingDouble) -> None:
    texts = [f"text number {number}" for number in range(REQUEST_TEXTS + 3)]
    double.always = Fault(change=lambda answer: answer["data"].reverse())

    vectors = provider.embed_documents(texts)

    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, make_vectors(texts, provider.dimensions), atol=1e-6)
    assert [len(request.body["input"]) for request in double.requests] == [REQUEST_TEXTS, 3]


def test_vectors_of_another_length_are_made_unit_rows(provider: Provider, double: EmbeddingDouble) -> None:
    def stretch(answer: dict[str, Any]) -> None:
        answer["data"][0]["embedding"] = [3.0] + [0.0] * (provider.dimensions - 2) + [4.0]

    double.always = Fault(change=stretch)

    vector = provider.embed_query("a text")[0]

    assert (vector[0], vector[-1]) == (pytest.approx(0.6), pytest.approx(0.8))


def test_no_texts_ask_nobody(provider: Provider, double: EmbeddingDouble) -> None:
    assert provider.embed_documents([]).shape == (0, provider.dimensions)
    assert double.requests == []


def test_openai_is_asked_as_it_documents(double: EmbeddingDouble) -> None:
    OpenAIProvider(api_key=KEY, base_url=double.url).embed_query("a text")

    (request,) = double.requests
    assert request.path == "/v1/embeddings"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {"input": ["a text"], "model": "text-embedding-3-large", "encoding_format": "base64"}


@pytest.mark.parametrize(
    ("model", "dimensions", "asked"),
    [
        ("text-embedding-3-large", 256, 256),
        ("text-embedding-3-large", 3072, None),
        ("text-embedding-3-small", None, None),
        ("text-embedding-ada-002", 1536, None),
        ("of-another-maker", 768, None),
    ],
)
def test_openai_is_asked_for_dimensions_where_the_model_takes_them(
    double: EmbeddingDouble, model: str, dimensions: int | None, asked: int | None
) -> None:
    double.dimensions["of-another-maker"] = 768
    provider = OpenAIProvider(model, dimensions, api_key=KEY, base_url=double.url)

    assert provider.embed_query("a text").shape == (1, provider.dimensions)
    assert double.requests[0].body.get("dimensions") == asked


def test_a_compatible_server_is_sent_no_key_where_there_is_none(double: EmbeddingDouble) -> None:
    double.keys = {""}
    double.dimensions["nomic-embed-text"] = 768
    # Answers as most of them do, without base64.
    double.always = Fault(change=lambda answer: answer["data"][0].update(embedding=[1.0] * 768))
    provider = OpenAIProvider("nomic-embed-text", 768, base_url=double.url + "/")

    assert provider.embed_query("a text").shape == (1, 768)
    assert "authorization" not in double.requests[0].headers
    assert fingerprint(provider) == "openai:nomic-embed-text:768"


def test_voyage_is_asked_as_it_documents(double: EmbeddingDouble) -> None:
    provider = VoyageProvider(dimensions=512, api_key=KEY, base_url=double.url)

    provider.embed_query("a question")
    provider.embed_documents(["a ticket"])

    question, ticket = double.requests
    assert question.path == "/v1/embeddings"
    assert question.headers["authorization"] == f"Bearer {KEY}"
    assert question.body == {
        "input": ["a question"],
        "model": "voyage-4",
        "input_type": "query",
        "truncation": True,
        "output_dimension": 512,
    }
    assert ticket.body["input_type"] == "document"


def test_the_designs_voyage_model_is_not_asked_for_dimensions(double: EmbeddingDouble) -> None:
    provider = VoyageProvider("voyage-large-2", 1536, api_key=KEY, base_url=double.url)

    assert provider.embed_query("a text").shape == (1, 1536)


@pytest.mark.parametrize(
    "text",
    ["", " \n", "\ud800", "🎉" * 60_000, "数据库" * 80_000, "word " * 50_000, "\x00"],
    ids=["empty", "blank", "surrogate", "emoji", "chinese", "words", "nul"],
)
def test_any_text_is_sent_as_the_services_take_it(provider: Provider, text: str) -> None:
    vectors = provider.embed_documents([text] * 40)

    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), np.ones(40), atol=1e-5)


@pytest.mark.parametrize(
    "fault",
    [Fault(500), Fault(503, body=b"<html>try later</html>"), Fault(429, {"retry-after": "0.01"}), Fault(408)],
    ids=["500", "503", "429", "408"],
)
def test_what_fails_once_is_asked_again(provider: Provider, double: EmbeddingDouble, fault: Fault) -> None:
    double.faults.append(fault)

    assert provider.embed_query("a text").shape == (1, provider.dimensions)
    assert len(double.requests) == 2


def test_a_service_that_goes_on_failing_is_asked_three_times(provider: Provider, double: EmbeddingDouble) -> None:
    double.always = Fault(500, {"retry-after": "0.01"})

    with pytest.raises(ProviderDown, match=r"failed \(500\)"):
        provider.embed_query("a text")
    assert len(double.requests) == 3


@pytest.mark.parametrize("pause", ["60", "Wed, 21 Oct 2037 07:28:00 GMT", "inf", "nan", "soon"])
def test_a_service_that_asks_for_a_long_pause_is_down(provider: Provider, double: EmbeddingDouble, pause: str) -> None:
    double.always = Fault(429, {"retry-after": pause})

    with pytest.raises(ProviderDown, match="takes no more for now"):
        provider.embed_query("a text")
    assert len(double.requests) == 1


def test_a_pause_that_is_no_number_of_seconds_is_a_long_one() -> None:
    assert [asked_pause(text) for text in (None, "0", "1.5")] == [0, 0, 1.5]
    assert {asked_pause(text) for text in ("", "-1", "nan", "soon", "Wed, 21 Oct 2037 07:28:00 GMT")} == {np.inf}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda answer: answer.clear(), "not what an embedding service answers"),
        (lambda answer: answer.update(data=None), "not what an embedding service answers"),
        (lambda answer: answer.update(data=["vector"]), "not what an embedding service answers"),
        (lambda answer: answer["data"][0].pop("index"), "not what an embedding service answers"),
        (lambda answer: answer["data"].pop(), "1 vectors for 2 texts"),
        (lambda answer: answer["data"].append(answer["data"][0]), "3 vectors for 2 texts"),
        (lambda answer: answer["data"][0].update(index=1), "2 vectors for 2 texts"),
        (lambda answer: answer["data"][0].update(embedding="not base64!"), "not what an embedding service answers"),
        (lambda answer: answer["data"][0].update(embedding=["one"]), "no vectors of one length"),
        (lambda answer: answer["data"][0].update(embedding=None), "no vectors of one length"),
        (lambda answer: answer["data"][0].update(embedding=[0.5]), "no vectors of one length"),
        (lambda answer: [item.update(embedding=[0.5]) for item in answer["data"]], "EMBEDDING_DIMENSIONS"),
        (lambda answer: spoil(answer, float("nan")), "not finite"),
        (lambda answer: spoil(answer, float("inf")), "not finite"),
        (lambda answer: spoil(answer, 1e300), "not finite"),
        (lambda answer: answer["data"][0].update(embedding=[0.0] * length(answer)), "no direction"),
    ],
)
def test_an_answer_that_is_not_unit_rows_for_the_texts_is_no_answer(
    provider: Provider, double: EmbeddingDouble, change: Change, reason: str
) -> None:
    double.always = Fault(change=change)

    with pytest.raises(ProviderDown, match=reason):
        provider.embed_documents(["one", "two"])


def length(answer: dict[str, Any]) -> int:
    return {"voyage-4": 1024}.get(answer["model"], 3072)


def spoil(answer: dict[str, Any], value: float) -> None:
    answer["data"][0]["embedding"] = [value] + [0.1] * (length(answer) - 1)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"null", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
def test_an_answer_that_is_no_json_object_is_no_answer(
    provider: Provider, double: EmbeddingDouble, body: bytes, content_type: str
) -> None:
    double.always = Fault(body=body, headers={"content-type": content_type})

    with pytest.raises(ProviderDown, match="not what an embedding service answers"):
        provider.embed_query("a text")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "refused the request"),
        (401, "refused the key"),
        (403, "refused the key"),
        (404, "check EMBEDDING_MODEL"),
        (422, "refused the request"),
    ],
)
@pytest.mark.parametrize("body", [b"{}", b"not json", b'["list"]', b'{"error": "no"}', b'{"detail": ["no"]}'])
def test_a_refusal_is_not_asked_again(
    provider: Provider, double: EmbeddingDouble, status: int, reason: str, body: bytes
) -> None:
    double.always = Fault(status, body=body)

    with pytest.raises(ProviderRefused, match=reason):
        provider.embed_query("a text")
    assert len(double.requests) == 1


def test_a_refusal_says_what_the_service_says(double: EmbeddingDouble) -> None:
    double.always = Fault(400, body=b'{"error": {"message": "This model does not\\n support that."}}')
    with pytest.raises(ProviderRefused, match=r"OpenAI at 127.0.0.1 .*: This model does not support that\."):
        OpenAIProvider(api_key=KEY, base_url=double.url).embed_query("a text")

    double.always = Fault(400, body=b'{"detail": "Model voyage-9 is not supported."}')
    with pytest.raises(ProviderRefused, match=r"Voyage at 127.0.0.1 .*: Model voyage-9 is not supported\."):
        VoyageProvider(api_key=KEY, base_url=double.url).embed_query("a text")


@pytest.mark.usefixtures("once")
def test_a_service_that_does_not_answer_in_time_is_down(
    provider: Provider, double: EmbeddingDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(voyage, "ANSWER_SECONDS", 0.05)
    double.always = Fault(hang=True)

    with pytest.raises(ProviderDown, match="did not answer within"):
        provider.embed_query("a text")


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize("made", [OpenAIProvider, VoyageProvider])
def test_a_service_that_nobody_runs_is_down(made: type[Provider]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        provider = made(api_key=KEY, base_url=f"http://127.0.0.1:{unused.getsockname()[1]}/v1")

        with pytest.raises(ProviderDown, match=r"127\.0\.0\.1 cannot be reached: .*refused"):
            provider.embed_query("a text")


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    "fault",
    [
        Fault(),
        Fault(500, body=KEY.encode()),
        Fault(400, body=b'{"error": {"message": "Not with Bearer %s"}}' % KEY.encode()),
        Fault(400, body=b'{"detail": "Not with Bearer %s"}' % KEY.encode()),
        Fault(401, body=b'{"error": {"message": "Incorrect API key provided: %s"}}' % KEY.encode()),
        Fault(200, body=KEY.encode()),
    ],
)
def test_no_error_and_no_log_holds_the_key(
    provider: Provider, double: EmbeddingDouble, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    double.keys = set()
    double.always = fault

    with pytest.raises(ProviderDown) as caught:
        provider.embed_query("a text")
    logging.getLogger("test").error("embedding failed", exc_info=caught.value)

    assert "embedding failed" in caplog.text
    for text in (str(caught.value), repr(caught.value), caplog.text):
        assert KEY not in text
        assert KEY[:8] not in text


def test_a_forked_process_opens_a_connection_of_its_own(provider: Provider, double: EmbeddingDouble) -> None:
    made = f"{type(provider).__name__}(api_key={KEY!r}, base_url={double.url!r})"
    code = (
        "import os\n"
        f"from {type(provider).__module__} import {type(provider).__name__}\n"
        f"provider = {made}\n"
        "provider.embed_query('parent')\n"
        "client, child = provider._client, os.fork()\n"
        "if not child:\n"
        "    provider.embed_query('child')\n"
        "    os._exit(provider._client is client)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), provider._client is client)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == "0 True\n", done.stderr
    assert [request.body["input"] for request in double.requests] == [["parent"], ["child"]]


@pytest.mark.parametrize(
    ("made", "model", "dimensions", "reason"),
    [
        (OpenAIProvider, "text-embedding-3-large", 4096, "3072, or fewer"),
        (OpenAIProvider, "text-embedding-ada-002", 512, "has 1536"),
        (OpenAIProvider, "of-another-maker", None, "needs EMBEDDING_DIMENSIONS"),
        (VoyageProvider, "voyage-4", 1000, "one of 256, 512, 2048"),
        (VoyageProvider, "voyage-large-2", 1024, "has 1536"),
    ],
)
def test_dimensions_that_the_model_cannot_have_are_refused_at_once(
    made: type[Provider], model: str, dimensions: int | None, reason: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=reason):
        made(model, dimensions, api_key=KEY)


@pytest.mark.parametrize("made", [OpenAIProvider, VoyageProvider])
@pytest.mark.parametrize(
    ("key", "url", "reason"),
    [
        ("two\nlines", None, "_API_KEY holds a character"),
        ("schlüssel", None, "_API_KEY holds a character"),
        (KEY, "localhost:8080", "_BASE_URL must begin"),
        (KEY, "http://", "_BASE_URL must begin"),
    ],
)
def test_a_key_or_address_that_cannot_be_is_refused_without_being_shown(
    made: type[Provider], key: str, url: str | None, reason: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=reason) as caught:
        made(api_key=key, base_url=url)

    assert key not in str(caught.value)
