"""Who is signed in: sessions and users, read by compiled queries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> Any:
    return get_user_model().objects.create_superuser("mia", password="a long enough one")


@pytest.fixture
def browser(user: Any) -> Client:
    client = Client()
    assert client.login(username="mia", password="a long enough one")
    assert client.get("/profile").status_code == 200
    return client


def test_a_session_ends_when_its_time_is_over(browser: Client) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert browser.get("/profile").url.startswith("/login")  # type: ignore[attr-defined]


def test_a_session_that_is_gone_signs_nobody_in_and_is_replaced_at_the_next_login(browser: Client) -> None:
    key = browser.session.session_key
    Session.objects.all().delete()
    assert browser.get("/profile").url.startswith("/login")  # type: ignore[attr-defined]
    assert browser.login(username="mia", password="a long enough one")
    assert browser.session.session_key != key


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "another"}])
def test_a_session_ends_with_its_user_or_the_password(browser: Client, user: Any, change: dict[str, Any]) -> None:
    get_user_model().objects.filter(pk=user.pk).update(**change)
    assert browser.get("/profile").url.startswith("/login")  # type: ignore[attr-defined]


def test_what_a_request_sees_of_its_user_is_as_the_database_has_it(browser: Client, user: Any) -> None:
    get_user_model().objects.filter(pk=user.pk).update(first_name="Mia", last_name="Ek")
    assert "Mia Ek" in browser.get("/profile").content.decode()
