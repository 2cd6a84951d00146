"""The local model: what it finds alike, what it takes, and what it costs the process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from search.errors import ProviderDown
from search.providers import local
from search.providers.base import Vectors, fingerprint
from search.providers.local import LocalProvider

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

LONG = "The nightly build stops with a segmentation fault in the parser. " * 160  # 10,000 characters

provider = LocalProvider()


def cosine(one: str, other: str) -> float:
    return float((provider.embed_query(one) @ provider.embed_query(other).T).item())


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own that has made ``provider``, but not used it."""
    begin = "from search.providers.local import LocalProvider\nprovider = LocalProvider()\n"
    return subprocess.run(
        [sys.executable, "-c", begin + code],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "hephaestus_site.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def assert_unit_rows(vectors: Vectors, count: int) -> None:
    assert vectors.shape == (count, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "paraphrase", "unrelated"),
    [
        ("Users cannot sign in after resetting their password", "Login broken once credentials changed", "Dark theme"),
        ("The application runs out of memory", "RAM usage grows until the process is killed", "Typo in the manual"),
        ("Export the report as a spreadsheet", "Download statistics in Excel format", "Crash when the network drops"),
    ],
)
def test_a_paraphrase_is_nearer_than_something_else(text: str, paraphrase: str, unrelated: str) -> None:
    assert cosine(text, paraphrase) > cosine(text, unrelated)
    assert cosine(text, paraphrase) > provider.thresholds.floor > cosine(text, unrelated)


def test_documents_come_in_order_and_as_if_each_were_alone() -> None:
    texts = ["short", LONG, "a text of middling length about a failing test", "", "short"]

    vectors = provider.embed_documents(texts)

    assert_unit_rows(vectors, 5)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(vector, provider.embed_query(text)[0], atol=1e-5)


def test_no_texts_give_no_vectors() -> None:
    assert provider.embed_documents([]).shape == (0, 384)


@pytest.mark.parametrize(
    "text",
    ["", " \n\t", "🎉🔥👩‍💻", "?!…", "\x00", "\ud800 lone", "数据库连接超时", "x" * 10_000, LONG, "C++ foo:bar it's"],
    ids=["empty", "blank", "emoji", "punctuation", "nul", "surrogate", "chinese", "one word", "long", "code"],
)
def test_any_text_has_a_vector(text: str) -> None:
    assert_unit_rows(provider.embed_query(text), 1)
    assert_unit_rows(provider.embed_documents([text, text]), 2)


def test_what_follows_the_256th_token_does_not_count_and_what_precedes_it_does() -> None:
    many = "word " * 254  # and two that mark the ends

    np.testing.assert_array_equal(provider.embed_query(many), provider.embed_query(many + "entirely other " * 5000))
    assert cosine(many, "entirely other " * 20 + many) < 0.99


def test_spaces_before_a_text_do_not_push_it_out_of_the_window() -> None:
    np.testing.assert_allclose(
        provider.embed_query(" " * 100_000 + "a crash"), provider.embed_query("a crash"), atol=1e-5
    )


def test_eight_threads_get_what_one_would() -> None:
    texts = [f"thread {number} reports a failing build " * (number + 1) for number in range(8)]
    expected = [provider.embed_query(text) for text in texts]
    fresh = LocalProvider()
    found: dict[int, list[Vectors]] = {}

    def embed(number: int) -> None:
        found[number] = [fresh.embed_query(texts[number]) for _ in range(5)]

    threads = [threading.Thread(target=embed, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == list(range(8))
    for number, vectors in found.items():
        for vector in vectors:
            np.testing.assert_allclose(vector, expected[number], atol=1e-5)


def test_nothing_is_loaded_before_the_first_text() -> None:
    done = run(
        "import sys\n"
        "print(provider.dimensions, {'onnxruntime', 'tokenizers', 'openai', 'httpx'} & set(sys.modules))\n"
        "provider.embed_query('now')\n"
        "print('onnxruntime' in sys.modules)\n"
    )

    assert done.stdout.splitlines() == ["384 set()", "True"], done.stderr


def test_a_forked_process_embeds_with_the_parents_model_and_without() -> None:
    done = run(
        "import os\n"
        "for loaded in (False, True):\n"
        "    if loaded: provider.embed_query('parent')\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        os._exit(provider.embed_documents(['one', 'two']).shape != (2, 384))\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )

    assert done.stdout.splitlines() == ["0", "0"], done.stderr


def test_a_process_ends_well_while_a_daemon_thread_embeds() -> None:
    done = run(
        "import threading\n"
        "provider.embed_query('load')\n"
        "begun = threading.Event()\n"
        "def work():\n"
        "    while True:\n"
        "        begun.set()\n"
        "        provider.embed_query('word ' * 256)\n"
        "for _ in range(3): threading.Thread(target=work, daemon=True).start()\n"
        "begun.wait()\n"
    )

    assert done.returncode == 0, done.stderr
    assert "terminate" not in done.stderr


@pytest.mark.slow
def test_eight_threads_of_long_texts_take_no_more_than_400_mb() -> None:
    done = run(
        "import re, threading\n"
        "texts = ['word ' * 300] * 4\n"
        "threads = [threading.Thread(target=provider.embed_documents, args=(texts,)) for _ in range(8)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
    )

    assert int(done.stdout) < 400_000, done.stderr


def test_a_model_that_cannot_be_loaded_is_a_provider_that_is_down_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = LocalProvider()
    with monkeypatch.context() as patch:
        patch.setattr(local, "TOKENIZER", Path("gone.json"))
        with pytest.raises(ProviderDown, match="cannot be loaded"):
            fresh.embed_query("a text")

    assert_unit_rows(fresh.embed_query("a text"), 1)


def test_its_fingerprint_names_model_and_dimensions() -> None:
    assert fingerprint(provider) == "local:all-MiniLM-L6-v2:384"


def test_it_agrees_with_a_mean_over_the_mask_of_a_padded_batch() -> None:
    """The definition (sentence-transformers, Pooling): sum of the tokens' vectors under the mask, of length 1."""
    texts = ["A short one.", "Another text, which is somewhat longer than the first."]

    np.testing.assert_allclose(provider.embed_documents(texts), padded(texts), atol=1e-5)


def padded(texts: Sequence[str]) -> Vectors:
    model = provider._load()
    encoded = [model.tokenizer.encode(text) for text in texts]
    ids = np.zeros((len(texts), max(len(item.ids) for item in encoded)), np.int64)
    mask = np.zeros_like(ids)
    for row, item in enumerate(encoded):
        ids[row, : len(item.ids)], mask[row, : len(item.ids)] = item.ids, 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    hidden = model.session.run(None, inputs)[0]
    means: Vectors = (hidden * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return means
