"""The window on a commit as a part of another page: the same content, and refusals that are answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_person, make_workflow
from tests.gitlinks.repositories import Scratch
from tickets.models import Workflow

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def sha(tmp_path: Path, settings: Any) -> str:
    """The second commit of a repository that the workflow anvil may read."""
    settings.REPOSITORY_ROOT = tmp_path
    code = Scratch(tmp_path / "code")
    make_workflow("anvil", repositories=[str(code.folder)])
    code.write("one.py", "a = 1\n")
    code.commit("First")
    code.write("one.py", "a = 2\n")
    return code.commit(f"Second {HOSTILE}")


def browser_of(*workflows: Any) -> Client:
    client = Client()
    client.force_login(make_person(*workflows))
    return client


def test_it_is_what_the_page_shows_without_a_page(sha: str) -> None:
    browser = browser_of(Workflow.objects.get(pk="anvil"))
    page = browser.get(f"/commits/{sha}?workflow=anvil").content.decode()
    part = browser.get(f"/commits/{sha}/window?workflow=anvil").content.decode()
    assert part.startswith('<div class="diff-page"')
    for text in (f'data-commit="{sha}"', 'data-query="workflow=anvil"', 'id="commit-title"', "one.py", "data-diff-bar"):
        assert text in part
        assert text in page
    assert "<html" not in part
    assert "topbar" not in part
    assert 'id="main"' not in part, "the page under it has one"
    assert HOSTILE not in part
    assert "&lt;script&gt;alert(1)" in part


def test_refusals_are_answers(sha: str) -> None:
    anvil = Workflow.objects.get(pk="anvil")
    browser, stranger = browser_of(anvil), browser_of(make_workflow())
    address = f"/commits/{sha}/window?workflow=anvil"
    for client, asked, status, code in (
        (Client(), address, 401, "unauthenticated"),
        (stranger, address, 404, "not_found"),
        (browser, f"/commits/{'f' * 40}/window?workflow=anvil", 404, "not_found"),
        (browser, "/commits/--help/window?workflow=anvil", 400, "invalid"),
        (browser, f"/commits/{sha}/window?workflow=anvil&parent=x", 400, "invalid"),
        (browser, f"/commits/{sha}/window?workflow=%00", 404, "not_found"),
    ):
        response = client.get(asked)
        assert response.status_code == status, asked
        assert response.json()["error"]["code"] == code
