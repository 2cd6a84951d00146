"""Static files without a server: the finders' order, and files that change under the running server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from django.test import override_settings

from hephaestus_site.static_files import StaticFiles


async def _elsewhere(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"not here"})


async def get(files: StaticFiles, path: str) -> tuple[int, bytes, dict[bytes, bytes]]:
    """Status, body and headers."""
    scope: Any = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await files(scope, cast(Any, None), send)
    return sent[0]["status"], b"".join(part["body"] for part in sent[1:]), dict(sent[0]["headers"])


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with override_settings(STATICFILES_DIRS=[first, second]):
        yield first, second


async def test_the_first_folder_wins_and_the_rest_goes_on(folders: tuple[Path, Path]) -> None:
    first, second = folders
    (first / "a.css").write_text("first")
    (second / "a.css").write_text("second")
    (second / "b.js").write_text("only here")
    files = StaticFiles(_elsewhere)

    status, body, headers = await get(files, "/static/a.css")
    assert (status, body) == (200, b"first")
    assert headers[b"content-type"].startswith(b"text/css")
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert (await get(files, "/static/b.js"))[:2] == (200, b"only here")
    assert (await get(files, "/static/c.js"))[:2] == (404, b"not here")
    assert (await get(files, "/tickets"))[:2] == (404, b"not here")


async def test_a_changed_file_is_sent_as_it_is_now(folders: tuple[Path, Path]) -> None:
    file = folders[0] / "a.css"
    file.write_text("before")
    files = StaticFiles(_elsewhere)
    before = await get(files, "/static/a.css")

    file.write_text("after the update, and longer")
    os.utime(file, ns=(1, 1))
    after = await get(files, "/static/a.css")
    assert after[1] == b"after the update, and longer"
    assert after[2][b"content-length"] == b"28"
    assert after[2][b"etag"] != before[2][b"etag"]

    file.unlink()
    assert (await get(files, "/static/a.css"))[0] == 404
