"""How the server reads a request, whatever its headers say."""

from __future__ import annotations

import io
from typing import Any

import pytest

from hephaestus_site.handler import RequestHandler


def scope(method: str, content_type: str, query: bytes = b"") -> dict[str, Any]:
    headers = [(b"host", b"localhost"), (b"content-type", content_type.encode())]
    return {"type": "http", "method": method, "path": "/login", "query_string": query, "headers": headers}


@pytest.mark.parametrize("charset", ["hex", "rot13", "idna", "utf-16", "utf-7", "unicode_escape", "nothing", "a\x00b"])
def test_addresses_and_forms_are_utf_8(charset: str) -> None:
    handler = RequestHandler(1)
    asked, _ = handler.create_request(scope("GET", f"text/plain; charset={charset}", b"q=%C3%A9\\u0041"), io.BytesIO())
    assert asked is not None
    assert asked.GET["q"] == "é\\u0041"
    form = f"application/x-www-form-urlencoded; charset={charset}"
    sent, _ = handler.create_request(scope("POST", form), io.BytesIO(b"username=%C3%A9"))
    assert sent is not None
    assert sent.POST["username"] == "é"
