"""What tests expect of an answer of REST."""

from __future__ import annotations

from typing import Any


def ok(answer: Any) -> Any:
    """The body of an answer that must be a success."""
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert body["success"] is True
    return body


def refused(answer: Any, status: int, code: str, field: str | None = None) -> Any:
    """The ``error`` of an answer that must be this refusal, in the form of contract §5."""
    assert answer.status_code == status, answer.content
    body = answer.json()
    assert body["success"] is False
    assert body["message"] == body["error"]["message"]
    assert isinstance(body["error"]["retryable"], bool)
    assert (body["error"]["code"], body["error"].get("field")) == (code, field)
    return body["error"]
