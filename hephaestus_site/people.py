"""Who is signed in: the session and the user, which each request of a person asks for, by compiled queries."""

from __future__ import annotations

import functools
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from tickets.prepared import Mark, RowReading


class SessionStore(DatabaseStore):
    """Sessions in the database, as Django keeps them."""

    def _get_session_from_db(self) -> Session | None:
        found = _sessions().rows(key=self.session_key, now=timezone.now())
        if not found:
            self._session_key = None
            return None
        return found[0]


class Backend(ModelBackend):
    """Users with passwords, as Django knows them."""

    def get_user(self, user_id: Any) -> User | None:
        found = _users().rows(user_id=user_id)
        return found[0] if found and self.user_can_authenticate(found[0]) else None


@functools.cache
def _sessions() -> RowReading[Session]:
    return RowReading(Session.objects.filter(session_key=Mark("key"), expire_date__gt=Mark("now")))


@functools.cache
def _users() -> RowReading[User]:
    return RowReading(get_user_model().objects.filter(pk=Mark("user_id")))
