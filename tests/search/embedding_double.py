"""A double of OpenAI's and Voyage's embedding services: a real HTTP server with their requests and answers."""

from __future__ import annotations

import base64
import json
import re
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from search.providers.base import Vectors

KEY = "sk-a-key-that-nobody-may-see-0123456789"
NATIVE = {
    "text-embedding-3-large": 3072,
    "text-embedding-3-small": 1536,
    "text-embedding-ada-002": 1536,
    "voyage-4": 1024,
    "voyage-large-2": 1536,
}


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of, or with, the right answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hang: bool = False
    change: Callable[[dict[str, Any]], object] | None = None


@dataclass(frozen=True)
class Request:
    """What was asked; names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class EmbeddingDouble:
    """Answers at ``url``; ``requests`` are those it had, ``faults`` befall the next ones, ``always`` all others."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: deque[Fault] = deque()
        self.always = Fault()
        self.keys = {KEY}
        self.dimensions = dict(NATIVE)
        self.released = threading.Event()
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.path, headers, json.loads(self.rfile.read(length)))
                double.requests.append(request)
                fault = double.faults.popleft() if double.faults else double.always
                if fault.hang:
                    double.released.wait(60)
                status, answer = double.answer(request)
                if status == 200 and fault.change is not None:
                    fault.change(answer)
                body = json.dumps(answer).encode() if fault.body is None else fault.body
                self.send_response(fault.status if fault.status != 200 else status)
                for name, value in {"content-type": "application/json", **fault.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any, **kwargs: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of clients that went away."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        """What the service answers to a request, refusals of a wrong one included."""
        body = request.body
        voyage = str(body.get("model", "")).startswith("voyage")
        if request.path != "/v1/embeddings":
            return 404, {"error": {"message": f"Invalid URL (POST {request.path})", "type": "invalid_request_error"}}
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in self.keys:
            if voyage:
                return 401, {"detail": "Provided API key is invalid."}
            shown = f"Incorrect API key provided: {key[:8]}*****{key[-4:]}."
            return 401, {"error": {"message": shown, "type": "invalid_request_error", "code": "invalid_api_key"}}
        fault = _voyage_fault(body) if voyage else _openai_fault(body)
        if fault is not None:
            return 400, {"detail": fault} if voyage else {"error": {"message": fault, "type": "invalid_request_error"}}
        asked = body.get("output_dimension" if voyage else "dimensions")
        vectors = make_vectors(body["input"], asked or self.dimensions[body["model"]])
        data = [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, body.get("encoding_format"))}
            for index, vector in enumerate(vectors)
        ]
        usage = {"total_tokens": 7} if voyage else {"prompt_tokens": 7, "total_tokens": 7}
        return 200, {"object": "list", "data": data, "model": body["model"], "usage": usage}

    @contextmanager
    def running(self) -> Iterator[EmbeddingDouble]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def make_vectors(texts: Sequence[str], dimensions: int) -> Vectors:
    """``(n, dimensions)`` of length 1: the nearer, the more words two texts share."""
    vectors = np.zeros((len(texts), dimensions), np.float32)
    for row, text in enumerate(texts):
        for word in ["", *re.findall(r"\w+", text.lower())]:
            vectors[row, zlib.crc32(word.encode()) % dimensions] += 1.0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _encoded(vector: Vectors, encoding: str | None) -> object:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode() if encoding == "base64" else vector.tolist()


def _openai_fault(body: dict[str, Any]) -> str | None:
    texts = body["input"]
    if not texts or len(texts) > 2048 or not all(texts):
        return "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
    # A token is at least a byte: what has this few bytes is taken whatever its tokens are.
    if any(len(text.encode()) > 8192 for text in texts):
        return "This model's maximum context length is 8192 tokens, however you requested more."
    if sum(len(text.encode()) for text in texts) > 300_000:
        return "Requested more tokens than the maximum of 300000 tokens per request."
    if "dimensions" in body and not body["model"].startswith("text-embedding-3"):
        return "This model does not support specifying dimensions."
    return None


def _voyage_fault(body: dict[str, Any]) -> str | None:
    texts = body["input"]
    if unknown := set(body) - {"input", "model", "input_type", "truncation", "output_dimension"}:
        return f"Argument '{unknown.pop()}' is not supported by our API."
    if not 0 < len(texts) <= 1000 or not all(texts):
        return "The input list must hold 1 to 1000 texts, none of them empty."
    if sum(len(text.encode()) for text in texts) > 120_000:
        return "The max allowed tokens per submitted batch is 120000."
    if body["input_type"] not in ("query", "document", None):
        return "Value for 'input_type' must be 'query', 'document' or null."
    if "output_dimension" in body and (
        body["model"] == "voyage-large-2" or body["output_dimension"] not in (256, 512, 1024, 2048)
    ):
        return f"Value for 'output_dimension' is not supported by {body['model']}."
    return None
