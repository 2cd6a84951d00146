"""What tests of pages as the server renders them do with one."""

from __future__ import annotations

from typing import Any

from django.test import Client

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&amp;"


def browser_of(user: Any) -> Client:
    """A browser in which the person is signed in."""
    client = Client(headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    client.force_login(user)
    return client


def html(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.content
    return response.content.decode()
