"""A Qdrant server for tests: the real REST shapes over the client's own in-memory engine.

No Qdrant server can be installed where the tests run. Requests are parsed by the models of the client's
published schema, answers have the real server's form and status codes. The engine is neither fast nor safe
for threads, so requests take turns. Indexes of payloads are noted and otherwise ignored.
"""

from __future__ import annotations

import json
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, TypeAdapter, ValidationError
from qdrant_client import QdrantClient, models

Trouble = Literal["slow", "error", "garbage"]
_INDEX_TYPES: TypeAdapter[Any] = TypeAdapter(models.PayloadSchemaParams)


class Refused(Exception):
    """An answer that is an error, with the real server's status and text."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class QdrantDouble:
    """The test's end of it.

    ``trouble`` is what goes wrong with every request from now on: ``slow`` answers only after the test has let
    go (``release``), ``error`` with 500, ``garbage`` with 200 and ``garbage`` as the body. ``stop`` makes it
    refuse connections until ``start``, at the same address and with its data. ``requests`` lists what arrived.
    """

    def __init__(self, api_key: str = "") -> None:
        self.api_key = api_key
        self.trouble: Trouble | None = None
        self.garbage = b"<html>It works!</html>"
        self.requests: list[str] = []
        self.release = threading.Event()
        self._turn = threading.Lock()
        self._engine = QdrantClient(":memory:")
        self._indexes: dict[str, dict[str, Any]] = {}
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        double = self

        class Handler(_Handler):
            def answer(self, body: bytes) -> tuple[HTTPStatus, bytes]:
                return double.answer(self.command, self.path, self.headers.get("api-key", ""), body)

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self.release.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def drop(self, collection: str = "ticket_embeddings") -> None:
        """Lose a collection, as after an accident on the server."""
        with self._turn:
            self._drop(collection)

    def held(self, collection: str = "ticket_embeddings") -> list[models.Record]:
        """All points of a collection, with payload and vector."""
        with self._turn:
            return self._engine.scroll(collection, limit=10_000, with_payload=True, with_vectors=True)[0]

    def indexes(self, collection: str = "ticket_embeddings") -> dict[str, Any]:
        """Field → schema of its index, as it was asked for."""
        return dict(self._indexes[collection])

    def answer(self, method: str, target: str, api_key: str, body: bytes) -> tuple[HTTPStatus, bytes]:
        path = urlsplit(target).path
        self.requests.append(f"{method} {path}")
        if self.trouble == "slow":
            self.release.wait(60)
        if self.trouble == "error":
            return HTTPStatus.INTERNAL_SERVER_ERROR, _error("Service internal error: out of luck")
        if self.trouble == "garbage":
            return HTTPStatus.OK, self.garbage
        try:
            if api_key != self.api_key:
                raise Refused(HTTPStatus.UNAUTHORIZED, "Must provide an API key or an Authorization bearer token")
            with self._turn:
                result = self._do(method, path, json.loads(body) if body else {})
        except Refused as refused:
            return refused.status, _error(str(refused))
        except (ValidationError, ValueError) as error:
            return HTTPStatus.BAD_REQUEST, _error(f"Wrong input: {error}")
        return HTTPStatus.OK, _success(result)

    def _do(self, method: str, path: str, body: Any) -> Any:
        found = re.fullmatch(r"/collections/([^/]+)(/.+)?", path)
        routes: dict[str, Callable[[str, Any], Any]] = {
            "PUT": self._create,
            "GET": self._info,
            "DELETE": self._delete_collection,
            "GET /exists": self._exists,
            "PUT /index": self._create_index,
            "PUT /points": self._upsert,
            "POST /points/delete": self._delete,
            "POST /points/query": self._query,
            "POST /points/count": self._count,
            "POST /points/scroll": self._scroll,
        }
        route = routes.get(f"{method} {found[2] or ''}".strip()) if found else None
        if found is None or route is None:
            raise Refused(HTTPStatus.NOT_FOUND, "")
        if route not in (self._create, self._exists) and not self._engine.collection_exists(found[1]):
            raise Refused(HTTPStatus.NOT_FOUND, f"Not found: Collection `{found[1]}` doesn't exist!")
        return route(found[1], body)

    def _create(self, name: str, body: Any) -> bool:
        request = models.CreateCollection.model_validate(body)
        if self._engine.collection_exists(name):
            raise Refused(HTTPStatus.CONFLICT, f"Wrong input: Collection `{name}` already exists!")
        assert request.vectors is not None
        self._indexes[name] = {}
        return self._engine.create_collection(name, vectors_config=request.vectors)

    def _exists(self, name: str, _body: Any) -> dict[str, bool]:
        return {"exists": self._engine.collection_exists(name)}

    def _info(self, name: str, _body: Any) -> Any:
        info: dict[str, Any] = self._engine.get_collection(name).model_dump(mode="json")
        info["payload_schema"] = {
            field: {"data_type": schema["type"], "params": schema, "points": info["points_count"]}
            for field, schema in self._indexes[name].items()
        }
        return info

    def _delete_collection(self, name: str, _body: Any) -> bool:
        self._drop(name)
        return True

    def _create_index(self, name: str, body: Any) -> Any:
        request = models.CreateFieldIndex.model_validate(body)
        schema = request.field_schema
        as_params = {"type": schema.value} if isinstance(schema, models.PayloadSchemaType) else schema
        params = _INDEX_TYPES.validate_python(as_params)
        self._indexes[name][request.field_name] = params.model_dump(mode="json", exclude_none=True)
        return _updated()

    def _upsert(self, name: str, body: Any) -> Any:
        points = models.PointsList.model_validate(body).points
        size = self._size(name)
        for point in points:
            vector = point.vector
            if not isinstance(vector, list) or len(vector) != size:
                raise Refused(HTTPStatus.BAD_REQUEST, f"Wrong input: Vector dimension error: expected dim: {size}")
        self._engine.upsert(name, points)
        return _updated()

    def _delete(self, name: str, body: Any) -> Any:
        self._engine.delete(name, models.PointIdsList.model_validate(body))
        return _updated()

    def _query(self, name: str, body: Any) -> Any:
        request = models.QueryRequest.model_validate(body)
        query, size = request.query, self._size(name)
        query = query.nearest if isinstance(query, models.NearestQuery) else query
        if not isinstance(query, list) or len(query) != size:
            raise Refused(HTTPStatus.BAD_REQUEST, f"Wrong input: Vector dimension error: expected dim: {size}")
        return self._engine.query_points(
            name,
            query=query,
            query_filter=request.filter,
            search_params=request.params,
            limit=request.limit or 10,
            score_threshold=request.score_threshold,
            with_payload=request.with_payload or False,
        )

    def _count(self, name: str, body: Any) -> Any:
        request = models.CountRequest.model_validate(body)
        return self._engine.count(name, count_filter=request.filter, exact=request.exact is not False)

    def _scroll(self, name: str, body: Any) -> Any:
        request = models.ScrollRequest.model_validate(body)
        points, offset = self._engine.scroll(
            name,
            scroll_filter=request.filter,
            limit=request.limit or 10,
            offset=request.offset,
            with_payload=request.with_payload is not False,
            with_vectors=bool(request.with_vector),
        )
        return {"points": [point.model_dump(mode="json") for point in points], "next_page_offset": offset}

    def _drop(self, name: str) -> None:
        self._engine.delete_collection(name)
        self._indexes.pop(name, None)

    def _size(self, name: str) -> int:
        vectors = self._engine.get_collection(name).config.params.vectors
        assert isinstance(vectors, models.VectorParams)
        return vectors.size


@contextmanager
def qdrant_double(api_key: str = "") -> Iterator[QdrantDouble]:
    """A running double, gone with the block."""
    with warnings.catch_warnings():
        # That keys are safer over TLS, which a loopback address lacks.
        warnings.simplefilter("ignore", UserWarning)
        double = QdrantDouble(api_key)
        try:
            yield double
        finally:
            double.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body: bytes) -> tuple[HTTPStatus, bytes]:
        raise NotImplementedError

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, content = self.answer(body)
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has given up

    do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815  named by the standard library

    def log_message(self, *_args: Any) -> None:
        """Tests print nothing."""


def _updated() -> dict[str, Any]:
    return {"operation_id": 0, "status": "completed"}


def _success(result: Any) -> bytes:
    shown = result.model_dump(mode="json") if isinstance(result, BaseModel) else result
    return json.dumps({"result": shown, "status": "ok", "time": 0.001}).encode()


def _error(message: str) -> bytes:
    return json.dumps({"status": {"error": message}, "time": 0.001}).encode()
